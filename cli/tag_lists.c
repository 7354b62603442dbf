/* tag_lists.c - files and lists that name tags: --only, --exclude-tags, --thresholds, --rename. */
#include "tag.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int unknown_tag(const at_model *m, const char *option, const char *name)
{
    size_t near[3];
    const size_t k = at_model_nearest_tags(m, name, near, 3);
    char hint[256] = "";
    for (size_t i = 0; i < k; i++)
        (void)snprintf(hint + strlen(hint), sizeof hint - strlen(hint), "%s%s",
                       i ? ", " : "; nearest: ", at_model_tag(m, near[i], "en"));
    return cli_error(AT_E_UNKNOWN_TAG, "unknown tag \"%.60s\" in --%s%s", name, option, hint);
}

/* Ids of a comma-separated list or of @FILE with one a line. */
int cli_tag_ids(const at_model *m, const char *option, const char *list, size_t **ids, size_t *n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = list[0] == '@' ? fopen(list + 1, "rb") : NULL;
    if (list[0] == '@' && !f)
        return cli_usage("--%s: %s cannot be read (%s)", option, list + 1, strerror(errno));
    if (f) {
        size_t cap = 1 << 20;
        text = calloc(1, cap + 1);
        size = text ? fread(text, 1, cap, f) : 0;
        (void)fclose(f);
    } else {
        text = strdup(list);
        size = strlen(list);
    }
    *ids = calloc(size / 2 + 2, sizeof **ids);
    *n = 0;
    int code = text && *ids ? 0 : 6;
    char *save = NULL;
    for (char *name = code ? NULL : strtok_r(text, f ? "\r\n" : ",", &save); name && !code;
         name = strtok_r(NULL, f ? "\r\n" : ",", &save)) {
        while (isspace((unsigned char)*name))
            name++;
        for (char *end = name + strlen(name); end > name && isspace((unsigned char)end[-1]);)
            *--end = 0;
        if (!*name) continue;
        const long id = at_model_find_tag(m, name);
        if (id >= 0) {
            bool there = false; // named twice is told once
            for (size_t i = 0; i < *n; i++)
                there |= (*ids)[i] == (size_t)id;
            if (!there) (*ids)[(*n)++] = (size_t)id;
            continue;
        }
        code = unknown_tag(m, option, name);
    }
    free(text);
    return code;
}

/* The tags to compute: --only without --exclude-tags. *ids NULL: all. */
int tag_wanted(const cli_options *o, const at_model *m, size_t **ids, size_t *n)
{
    int code = o->only ? cli_tag_ids(m, "only", o->only, ids, n) : 0;
    if (code || !o->exclude_tags) return code;
    size_t *gone = NULL, n_gone = 0;
    code = cli_tag_ids(m, "exclude-tags", o->exclude_tags, &gone, &n_gone);
    const size_t all = o->only ? *n : at_model_tags(m);
    size_t *left = code ? NULL : calloc(all + 1, sizeof *left);
    if (!code && !left) code = 6;
    size_t k = 0;
    for (size_t i = 0; left && i < all; i++) {
        const size_t id = o->only ? (*ids)[i] : i;
        bool out = false;
        for (size_t j = 0; j < n_gone; j++)
            out |= gone[j] == id;
        if (!out) left[k++] = id;
    }
    free(gone);
    if (!left) return code;
    free(*ids);
    *ids = left;
    *n = k;
    return 0;
}

/* Two cells of a line of CSV, in place; "" in quotes is one quote. */
static bool csv_pair(char *line, char **from, char **to)
{
    char *in = line, *cells[2];
    if (strncmp(in, "\xef\xbb\xbf", 3) == 0) in += 3;
    for (int k = 0; k < 2; k++) {
        char *out = cells[k] = in;
        const bool quoted = *in == '"';
        if (quoted) in++;
        while (*in && (quoted || !strchr(",\r\n", *in))) {
            if (quoted && *in == '"' && *++in != '"') break;
            *out++ = *in++;
        }
        const char end = *in;
        if (*in) in++;
        *out = 0;
        if (k == 0 && end != ',') return false;
        if (k == 1 && end && end != '\r' && end != '\n') return false;
    }
    *from = cells[0];
    *to = cells[1];
    return **from != 0;
}

/* --thresholds: one number a line in tag order, or CSV tag,threshold for some tags. */
int tag_read_thresholds(const cli_options *o, const at_model *m, float **own)
{
    FILE *f = fopen(o->thresholds, "rb");
    if (!f)
        return cli_usage("--thresholds: %s cannot be read (%s)", o->thresholds, strerror(errno));
    const size_t n = at_model_tags(m);
    *own = calloc(n, sizeof **own);
    int code = *own ? 0 : 6;
    for (size_t id = 0; id < n && *own; id++)
        (*own)[id] = at_model_threshold(m, id);
    char *line = NULL, *name, *number, *end;
    size_t cap = 0, got = 0, row = 0;
    bool pairs = false;
    while (code == 0 && getline(&line, &cap, f) > 0) {
        row++;
        if (line[strspn(line, " \t\r\n")] == 0) continue;
        const bool pair = strchr(line, ',') && csv_pair(line, &name, &number);
        if (pair && row == 1 && strcmp(name, "tag") == 0) {
            pairs = true;
            continue;
        }
        if (!pair) number = line;
        const float v = strtof(number, &end);
        const long id = pair ? at_model_find_tag(m, name) : (long)got;
        const bool mixed = (got || pairs) && pair != pairs;
        pairs |= pair;
        if (end == number || end[strspn(end, " \t\r\n")] || !(v >= 0 && v <= 1) || mixed)
            code = cli_usage("--thresholds: %s:%zu is neither a number in 0..1 nor TAG,NUMBER",
                             o->thresholds, row);
        else if (pair && id < 0)
            code = unknown_tag(m, "thresholds", name);
        else if ((size_t)id < n)
            (*own)[id] = v;
        got++;
    }
    free(line);
    (void)fclose(f);
    if (code == 0 && !pairs && got != n)
        return cli_usage("--thresholds: %s has %zu numbers, the model %zu tags", o->thresholds, got,
                         n);
    return code;
}

/* --rename: CSV from,to of English or Chinese names. */
int tag_read_names(tag_setup *t, const cli_options *o, const at_model *m)
{
    if (!o->rename) return 0;
    const size_t n = at_model_tags(m);
    FILE *f = fopen(o->rename, "rb");
    if (!f) return cli_usage("--rename: %s cannot be read (%s)", o->rename, strerror(errno));
    char *line = NULL;
    size_t cap = 0, at = 0, size = 0, number = 0;
    int code = (t->names = calloc(2 * n, sizeof *t->names)) ? 0 : 6;
    FILE *text = open_memstream(&t->rename_text, &size); // "to" names, each with its NUL
    if (!text) code = 6;
    size_t *where = calloc(2 * n, sizeof *where); // 1 + place in the text
    while (code == 0 && where && getline(&line, &cap, f) > 0) {
        char *from, *to;
        number++;
        if (!csv_pair(line, &from, &to)) {
            if (*line == '\r' || *line == '\n') continue;
            code = cli_usage("--rename: %s:%zu is not FROM,TO", o->rename, number);
            break;
        }
        if (number == 1 && strcmp(from, "from") == 0 && strcmp(to, "to") == 0) continue;
        bool known = false;
        for (size_t id = 0; id < n; id++) {
            for (int lang = 0; lang < 2; lang++) {
                if (strcmp(at_model_tag(m, id, lang ? "zh" : "en"), from) != 0) continue;
                where[(size_t)lang * n + id] = at + 1;
                known = true;
            }
        }
        if (!known) code = unknown_tag(m, "rename", from);
        at += strlen(to) + 1;
        (void)fwrite(to, 1, strlen(to) + 1, text);
    }
    if (text) (void)fclose(text);
    for (size_t i = 0; i < 2 * n && where && code == 0; i++)
        t->names[i] = where[i] ? t->rename_text + where[i] - 1 : NULL;
    free(where);
    free(line);
    (void)fclose(f);
    t->writer.names_en = t->names;
    t->writer.names_zh = t->names ? t->names + n : NULL;
    return code;
}
