/* tag_lists.c - files and lists that name tags: --only, --exclude-tags, --thresholds, --rename. */
#include "csv.h"
#include "tag.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SAME_NAME = 64 }; // tags that one Chinese name may stand for

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

/* Adds the tags of a group that are not there yet. The senses of all tags are found at the first one. */
static int add_group(const cli_options *o, const at_model *m, const char *option, const char *name,
                     cli_kin *kin, size_t *ids, size_t *n)
{
    bool *in = calloc(at_model_tags(m) + 1, sizeof *in);
    int code = in ? 0 : 6;
    if (code == 0 && !kin->wordnet) code = cli_kin_open(o, m, NULL, kin);
    if (code == 0) code = cli_kin_group(kin, m, option, name, in);
    for (size_t i = 0; i < *n && code == 0; i++)
        in[ids[i]] = false;
    for (size_t i = 0; i < at_model_tags(m) && code == 0; i++) {
        if (in[i]) ids[(*n)++] = i;
    }
    free(in);
    return code;
}

/* Ids of a comma-separated list or of @FILE with one a line. */
int cli_tag_ids(const cli_options *o, const at_model *m, const char *option, const char *list,
                size_t **ids, size_t *n)
{
    cli_kin kin = {0};
    char *text = NULL;
    FILE *f = list[0] == '@' ? fopen(list + 1, "rb") : NULL;
    if (list[0] == '@' && !f)
        return cli_usage("--%s: %s cannot be read (%s)", option, list + 1, strerror(errno));
    if (f) {
        const size_t cap = 1 << 20;
        text = calloc(1, cap + 1);
        const size_t got = text ? fread(text, 1, cap + 1, f) : 0;
        const bool bad = ferror(f) != 0;
        (void)fclose(f);
        if (bad || got > cap) {
            free(text);
            return cli_usage("--%s: %s %s", option, list + 1,
                             bad ? "cannot be read; is it a file?"
                                 : "is longer than 1 MiB; expected a tag a line");
        }
    } else {
        text = strdup(list);
    }
    *ids = calloc(at_model_tags(m) + 1, sizeof **ids);
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
        if (cli_is_group(name)) {
            code = add_group(o, m, option, name, &kin, *ids, n);
            continue;
        }
        size_t found[SAME_NAME];
        const size_t k = at_model_find_tags(m, name, found, SAME_NAME);
        if (k == 0) code = unknown_tag(m, option, name);
        for (size_t t = 0; t < k && t < SAME_NAME; t++) {
            bool there = false; // named twice is told once
            for (size_t i = 0; i < *n; i++)
                there |= (*ids)[i] == found[t];
            if (!there) (*ids)[(*n)++] = found[t];
        }
    }
    free(text);
    cli_kin_close(&kin);
    return code;
}

/* The tags to compute: --only without --exclude-tags. *ids NULL: all. */
int tag_wanted(const cli_options *o, const at_model *m, size_t **ids, size_t *n)
{
    int code = o->only ? cli_tag_ids(o, m, "only", o->only, ids, n) : 0;
    if (code || !o->exclude_tags) return code;
    size_t *gone = NULL, n_gone = 0;
    code = cli_tag_ids(o, m, "exclude-tags", o->exclude_tags, &gone, &n_gone);
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
    return k ? 0
             : cli_usage("--exclude-tags: it leaves no tag of %s",
                         o->only ? "--only" : "the model");
}

/* A row of a list of numbers to `own`; 0 or an exit code. `got` numbers came before it. */
static int read_number(const char *option, const char *where, const at_model *m, float most,
                       char **cells, size_t n_cells, size_t got, float *own)
{
    const char *number = n_cells == 1 || n_cells == 2 ? cells[n_cells - 1] : "";
    char *end;
    const float v = strtof(number, &end);
    if (end == number || end[strspn(end, " \t\r\n")] || !(v >= 0 && v <= most))
        return cli_usage("--%s: %s is neither a number in 0..%g nor TAG,NUMBER", option, where,
                         (double)most);
    const long id = n_cells == 2 ? at_model_find_tag(m, cells[0]) : (long)got;
    if (id < 0) return unknown_tag(m, option, cells[0]);
    if ((size_t)id < at_model_tags(m)) own[id] = v;
    return 0;
}

/* One number in 0..most a line in tag order, or CSV tag,number for some tags; the others stay. */
static int read_numbers(const char *option, const char *path, const at_model *m, float most,
                        float *own)
{
    char *text = NULL;
    cli_csv t = {0};
    int code = cli_text_read(option, path, &text);
    if (code == 0) code = cli_csv_cut(option, path, text, &t);
    const size_t wide = code == 0 && t.n_rows ? t.rows[1] : 1; // all rows are as the first
    const bool header = wide == 2 && strcmp(t.cells[0], "tag") == 0;
    for (size_t r = header; r < t.n_rows && code == 0; r++) {
        char where[600];
        (void)snprintf(where, sizeof where, "%.500s:%zu", path, t.lines[r]);
        const size_t n = t.rows[r + 1] - t.rows[r]; // of another width: none is right
        code = read_number(option, where, m, most, t.cells + t.rows[r], n == wide ? n : 0, r, own);
    }
    if (code == 0 && wide == 1 && t.n_rows != at_model_tags(m))
        code = cli_usage("--%s: %s has %zu numbers, the model %zu tags", option, path, t.n_rows,
                         at_model_tags(m));
    cli_csv_free(&t);
    free(text);
    return code;
}

int tag_read_thresholds(const cli_options *o, const at_model *m, float **own)
{
    const size_t n = at_model_tags(m);
    if (!(*own = calloc(n, sizeof **own))) return 6;
    for (size_t id = 0; id < n; id++)
        (*own)[id] = at_model_threshold(m, id);
    return read_numbers("thresholds", o->thresholds, m, 1, *own);
}

int tag_read_idf(const cli_options *o, const at_model *m, float **own)
{
    const size_t n = at_model_tags(m);
    if (!(*own = calloc(n, sizeof **own))) return 6;
    for (size_t id = 0; id < n; id++)
        (*own)[id] = 1;
    return read_numbers("idf", o->idf, m, 1000, *own);
}

/* --rename: CSV from,to of English or Chinese names. */
int tag_read_names(tag_setup *t, const cli_options *o, const at_model *m)
{
    if (!o->rename) return 0;
    const size_t n = at_model_tags(m);
    cli_csv csv = {0};
    t->names = calloc(2 * n, sizeof *t->names);
    int code = t->names ? cli_text_read("rename", o->rename, &t->rename_text) : 6;
    if (code == 0) code = cli_csv_cut("rename", o->rename, t->rename_text, &csv);
    for (size_t r = 0; r < csv.n_rows && code == 0; r++) {
        char **cells = csv.cells + csv.rows[r];
        if (csv.rows[r + 1] - csv.rows[r] != 2 || !*cells[0]) {
            code = cli_usage("--rename: %s:%zu is not FROM,TO", o->rename, csv.lines[r]);
            break;
        }
        if (r == 0 && strcmp(cells[0], "from") == 0 && strcmp(cells[1], "to") == 0) continue;
        bool known = false;
        for (size_t id = 0; id < n; id++) {
            for (int lang = 0; lang < 2; lang++) {
                if (strcmp(at_model_tag(m, id, lang ? "zh" : "en"), cells[0]) != 0) continue;
                t->names[(size_t)lang * n + id] = cells[1];
                known = true;
            }
        }
        if (!known) code = unknown_tag(m, "rename", cells[0]);
    }
    cli_csv_free(&csv);
    t->writer.names_en = t->names;
    t->writer.names_zh = t->names ? t->names + n : NULL;
    return code;
}
