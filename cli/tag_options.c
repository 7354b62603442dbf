/* tag_options.c - what is asked of anytag tag: thresholds, which tags, their names, how they are written. */
#include "tag.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int threshold_options(const cli_options *o, const at_model *m, at_tag_options *t,
                             float **own)
{
    const char *s = o->threshold ? o->threshold : "auto";
    char *end;
    if (strncmp(s, "auto", 4) == 0) {
        t->threshold = s[4] ? strtof(s + 4, &end) : 0;
        t->threshold_mode = s[4] ? AT_THRESHOLD_SHIFT : AT_THRESHOLD_OWN;
        if (s[4] && (*end || end == s + 4 || !(t->threshold >= -1 && t->threshold <= 1)))
            return cli_usage(
                "--threshold: \"%.40s\" is not auto+D with D in -1..1; use 0.68, auto, or auto+0.05",
                s);
    } else {
        t->threshold = strtof(s, &end);
        t->threshold_mode = AT_THRESHOLD_ONE;
        if (*end || end == s || !(t->threshold >= 0 && t->threshold <= 1))
            return cli_usage("--threshold: \"%.40s\" is outside 0..1; use 0.68, auto, or auto+0.05",
                             s);
    }
    t->top = (int)o->top;
    if (!o->thresholds) return 0;
    FILE *f = fopen(o->thresholds, "rb");
    if (!f)
        return cli_usage("--thresholds: %s cannot be read (%s)", o->thresholds, strerror(errno));
    const size_t n = at_model_tags(m);
    *own = calloc(n, sizeof **own);
    size_t got = 0;
    for (float v; *own && fscanf(f, "%f", &v) == 1; got++) {
        if (got < n) (*own)[got] = v;
    }
    (void)fclose(f);
    if (got != n)
        return cli_usage("--thresholds: %s has %zu numbers, the model %zu tags", o->thresholds, got,
                         n);
    t->thresholds = *own;
    return 0;
}

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
static int tag_ids(const at_model *m, const char *option, const char *list, size_t **ids, size_t *n)
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
            (*ids)[(*n)++] = (size_t)id;
            continue;
        }
        code = unknown_tag(m, option, name);
    }
    free(text);
    return code;
}

/* The tags to compute: --only without --exclude-tags. *ids NULL: all. */
static int wanted_tags(const cli_options *o, const at_model *m, size_t **ids, size_t *n)
{
    int code = o->only ? tag_ids(m, "only", o->only, ids, n) : 0;
    if (code || !o->exclude_tags) return code;
    size_t *gone = NULL, n_gone = 0;
    code = tag_ids(m, "exclude-tags", o->exclude_tags, &gone, &n_gone);
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

/* --rename: CSV from,to of English or Chinese names. */
static int read_names(tag_setup *t, const cli_options *o, const at_model *m)
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

static int writer_options(const cli_options *o, at_writer_options *w)
{
    const char *locale = cli_locale();
    *w = (at_writer_options){.struct_size = sizeof *w,
                             .scores = o->scores,
                             .all_scores = o->all_scores,
                             .null_ends = o->null_ends,
                             .bom = o->bom,
                             .excel = o->excel,
                             .underscore = o->underscore,
                             .tag_namespace = o->tag_namespace};
    w->lang = o->lang ? o->lang : strncmp(locale, "zh", 2) == 0 ? "zh" : "en";
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    if (isatty(STDOUT_FILENO) && (!o->output || strcmp(o->output, "-") == 0)) {
        w->terminal_width = columns && atoi(columns) > 0 ? atoi(columns)
                            : ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
                                ? size.ws_col
                                : 80;
        w->color = cli_color(o, stdout);
        w->unicode = cli_utf8_locale();
    }
    return 0;
}

int tag_setup_open(tag_setup *t, const cli_options *o, const at_model *model)
{
    *t = (tag_setup){.tags = {.struct_size = sizeof t->tags},
                     .image = {.struct_size = sizeof t->image,
                               .max_pixels = (uint64_t)o->max_pixels_m * 1000000,
                               .max_bytes = (uint64_t)o->max_bytes_m << 20,
                               .keep_rotated = o->no_rotate,
                               .official_pixels = o->official_pixels}};
    int code = threshold_options(o, model, &t->tags, &t->thresholds);
    if (code == 0) code = wanted_tags(o, model, &t->only, &t->n_only);
    if (code == 0) code = writer_options(o, &t->writer);
    if (code == 0) code = read_names(t, o, model);
    return code;
}

void tag_setup_free(tag_setup *t)
{
    free(t->thresholds);
    free(t->only);
    free(t->names);
    free(t->rename_text);
}
