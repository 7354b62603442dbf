/* options.c - one table: names, where the value goes, which commands know it, the help line. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, FLAG };
#define AT(field) offsetof(cli_options, field)

static const struct option_row {
    const char *name;
    char letter;
    enum kind kind;
    size_t at;
    const char *commands, *argument, *help;
} rows[] = {
    {"model", 'm', TEXT, AT(model), "tag info inspect bench", "FILE",
     "model file (default: $ANYTAG_MODEL, else the model in the box)"},
    {"format", 'f', TEXT, AT(format), "tag inspect info", "F",
     "text, json, jsonl, csv, csv-wide, official, html (default text)"},
    {"lang", 'l', TEXT, AT(lang), "tag", "en|zh|en,zh",
     "language of the names in text (default: the locale's)"},
    {"threshold", 't', TEXT, AT(threshold), "tag", "auto|F|auto+D",
     "auto: each tag's own; 0.7 for all; auto+0.05 shifts (default auto)"},
    {"thresholds", 0, TEXT, AT(thresholds), "tag convert", "FILE",
     "one number a line in tag order"},
    {"top", 'k', NUMBER, AT(top), "tag", "N", "at most N tags a picture (default 0: no limit)"},
    {"only", 0, TEXT, AT(only), "tag bench", "LIST|@FILE", "compute and report these tags alone"},
    {"exclude-tags", 0, TEXT, AT(exclude_tags), "tag", "LIST|@FILE", "never report these tags"},
    {"all-scores", 0, FLAG, AT(all_scores), "tag", NULL, "json: every score, base64 float32"},
    {"scores", 0, FLAG, AT(scores), "tag", NULL, "text: append :0.97 to each tag"},
    {"null", '0', FLAG, AT(null_ends), "tag", NULL, "text: records end with NUL, paths are raw"},
    {"bom", 0, FLAG, AT(bom), "tag", NULL, "csv: begin with a UTF-8 byte order mark"},
    {"excel", 0, FLAG, AT(excel), "tag", NULL, "csv: ' before cells that begin with = + - @"},
    {"official-pixels", 0, FLAG, AT(official_pixels), "tag inspect", NULL,
     "pixels as the official code has them: no EXIF rotation, 16-bit grey clipped"},
    {"no-rotate", 0, FLAG, AT(no_rotate), "tag inspect", NULL, "do not apply the EXIF orientation"},
    {"max-pixels", 0, NUMBER, AT(max_pixels_m), "tag inspect", "M",
     "refuse larger pictures, in millions (default 120)"},
    {"max-bytes", 0, NUMBER, AT(max_bytes_m), "tag inspect", "M",
     "refuse larger files, in MiB (default 512)"},
    {"no-recursive", 0, FLAG, AT(no_recursive), "tag", NULL,
     "do not go into folders below the named ones"},
    {"max-depth", 0, NUMBER, AT(max_depth), "tag", "N", "how deep to go (default 64)"},
    {"hidden", 0, FLAG, AT(hidden), "tag", NULL, "also files and folders whose name begins with ."},
    {"files-from", 0, TEXT, AT(files_from), "tag", "FILE|-", "read paths from a file, one a line"},
    {"threads", 'j', NUMBER, AT(threads), "tag inspect bench", "N",
     "threads (default: the processors this process may use)"},
    {"batch", 'b', NUMBER, AT(batch), "tag bench", "N",
     "pictures in one forward pass (default 1; a small model: each thread tags its own)"},
    {"output", 'o', TEXT, AT(output), "tag", "FILE",
     "write there, whole or not at all (default: stdout)"},
    {"dry-run", 'n', FLAG, AT(dry_run), "tag", NULL, "list the pictures, tag none"},
    {"device", 0, TEXT, AT(device), "tag inspect bench", "auto|cpu", "where to compute"},
    {"precision", 0, TEXT, AT(precision), "tag inspect bench", "auto|f32|f16|bf16",
     "require this precision of the model file"},
    {"official", 0, TEXT, AT(official), "convert", "DIR",
     "checkout of the official repository, for tag lists and thresholds"},
    {"model-config", 0, TEXT, AT(model_config), "convert", "FILE",
     "numbers of another size of the family, official field names"},
    {"tags", 0, TEXT, AT(tags), "convert", "FILE", "English tags, one a line"},
    {"tags-zh", 0, TEXT, AT(tags_zh), "convert", "FILE", "Chinese tags, one a line"},
    {"type", 0, TEXT, AT(type), "convert", "f32|f16|bf16",
     "type of the matrices (default: as stored)"},
    {"arch", 0, TEXT, AT(arch), "convert", "auto|ram|ram_plus",
     "refuse anything else (default auto)"},
    {"name", 0, TEXT, AT(name), "convert", "TEXT", "the model's name (default: the input's)"},
    {"no-sha256", 0, FLAG, AT(no_sha256), "convert", NULL, "do not record the source's SHA-256"},
    {"dump", 0, TEXT, AT(dump), "inspect", "DIR", "write each stage of IMAGE as DIR/<stage>.npy"},
    {"stats", 0, FLAG, AT(stats), "inspect", NULL,
     "minimum, maximum, mean, not-finite of each tensor"},
    {"tag-list", 0, FLAG, AT(tag_list), "info", NULL, "list id, English, Chinese, threshold"},
    {"system", 0, FLAG, AT(system), "info", NULL, "the library, its kernels and codecs"},
    {"repeat", 0, NUMBER, AT(repeat), "bench", "N", "passes over the pictures (default 5)"},
    {"warmup", 0, NUMBER, AT(warmup), "bench", "N", "passes before them (default 1)"},
    {"json", 0, FLAG, AT(json), "bench", NULL, "one JSON object"},
    {"progress", 0, TEXT, AT(progress), "tag convert", "auto|none|plain|json",
     "progress on stderr (default auto: a bar on a terminal)"},
    {"color", 0, TEXT, AT(color), "tag", "auto|always|never", "colour (default auto)"},
    {"quiet", 'q', FLAG, AT(quiet), "tag convert inspect info bench", NULL,
     "no progress, no notes; errors stay"},
    {"verbose", 'v', FLAG, AT(verbose), "tag convert inspect info bench", NULL,
     "say more on stderr"},
    {"help", 'h', FLAG, AT(help), "tag convert inspect info bench", NULL, "this text"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static bool known(const struct option_row *r, const char *command)
{
    const char *at = strstr(r->commands, command);
    const size_t n = strlen(command);
    return at && (at[n] == 0 || at[n] == ' ') && (at == r->commands || at[-1] == ' ');
}

static const struct option_row *find(const char *name, size_t len, char letter, const char *command)
{
    for (size_t i = 0; i < ROWS; i++) {
        const bool same = letter ? rows[i].letter == letter
                                 : strlen(rows[i].name) == len &&
                                       strncmp(rows[i].name, name, len) == 0;
        if (same && known(&rows[i], command)) return &rows[i];
    }
    return NULL;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n > 62) return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t up = row[j], change = diagonal + (*a != b[j - 1]),
                         side = (up < row[j - 1] ? up : row[j - 1]) + 1;
            row[j] = change < side ? change : side;
            diagonal = up;
        }
    }
    return row[n];
}

static int unknown(const char *name, size_t len, const char *command)
{
    char typed[64];
    (void)snprintf(typed, sizeof typed, "%.*s", (int)(len < 60 ? len : 60), name);
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < ROWS; i++) {
        const size_t d = known(&rows[i], command) ? distance(typed, rows[i].name) : 99;
        if (d < least) least = d, best = rows[i].name;
    }
    return cli_usage("--%s: no such option of %s%s%s; see anytag %s --help", typed, command,
                     best ? "; did you mean --" : "", best ? best : "", command);
}

static int set(cli_options *o, const struct option_row *r, const char *value)
{
    char *field = (char *)o + r->at;
    if (r->kind == FLAG)
        *(bool *)field = true;
    else if (r->kind == TEXT)
        *(const char **)(void *)field = value;
    else {
        char *end;
        errno = 0;
        const long v = strtol(value, &end, 10);
        if (end == value || *end || errno || v < 0)
            return cli_usage("--%s: \"%.40s\" is not a whole number from 0 on", r->name, value);
        *(long *)(void *)field = v;
    }
    return 0;
}

int cli_parse(int argc, char **argv, const char *command, cli_options *o, char ***inputs,
              size_t *n_inputs)
{
    bool ended = false;
    size_t n = 0;
    for (int i = 0; i < argc; i++) {
        char *a = argv[i];
        if (ended || a[0] != '-' || a[1] == 0) {
            argv[n++] = a; // inputs are gathered at the front
            continue;
        }
        if (strcmp(a, "--") == 0) {
            ended = true;
            continue;
        }
        const struct option_row *r;
        const char *value = NULL;
        if (a[1] == '-') {
            const size_t len = strcspn(a + 2, "=");
            r = find(a + 2, len, 0, command);
            if (!r) return unknown(a + 2, len, command);
            if (a[2 + len] == '=') value = a + 3 + len;
        } else {
            r = find(NULL, 0, a[1], command);
            if (!r)
                return cli_usage("-%c: no such option of %s; see anytag %s --help", a[1], command,
                                 command);
            if (a[2] && r->kind != FLAG)
                value = a + 2;
            else if (a[2])
                return cli_usage("%s: give short options one by one", a);
        }
        if (r->kind == FLAG && value) return cli_usage("--%s takes no value", r->name);
        if (r->kind != FLAG && !value) {
            if (i + 1 == argc) return cli_usage("--%s needs %s", r->name, r->argument);
            value = argv[++i];
        }
        const int code = set(o, r, value);
        if (code) return code;
    }
    *inputs = argv;
    *n_inputs = n;
    return 0;
}

void cli_print_options(FILE *to, const char *command)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (!known(&rows[i], command)) continue;
        char left[64], letter[8] = "    ";
        if (rows[i].letter) (void)snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, rows[i].name,
                       rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        fprintf(to, "  %-34s %s\n", left, rows[i].help);
    }
}
