/* parse.c - words of the command line to values, by the table of options.c. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char command_line[] = "command line";
enum { THREADS_MOST = 512 }; // of a session: the library makes no more

static bool word_of(const char *list, char between, const char *word, size_t len)
{
    for (const char *at = list; *at;) {
        const size_t n = strcspn(at, (char[]){between, 0});
        if (n == len && strncmp(at, word, len) == 0) return true;
        at += n + (at[n] != 0);
    }
    return false;
}

bool cli_knows(const char *command, const cli_option *row)
{
    return row->commands[0] == '*' || word_of(row->commands, ' ', command, strlen(command));
}

const cli_option *cli_find_option(const char *command, const char *name, size_t len)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        const cli_option *r = &cli_table[i];
        if (strlen(r->name) == len && strncmp(r->name, name, len) == 0 && cli_knows(command, r))
            return r;
    }
    return NULL;
}

bool cli_given(const cli_options *o, const char *command, const char *name)
{
    const cli_option *row = cli_find_option(command, name, strlen(name));
    return row && o->origin[row - cli_table];
}

const cli_option *cli_find_letter(const char *command, char letter)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (cli_table[i].letter == letter && cli_knows(command, &cli_table[i]))
            return &cli_table[i];
    }
    return NULL;
}

size_t cli_distance(const char *a, const char *b)
{
    size_t row[256];
    const size_t n = strlen(b);
    if (n > 254) return 999;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const bool same = tolower((unsigned char)*a) == tolower((unsigned char)b[j - 1]);
            const size_t up = row[j], change = diagonal + !same,
                         side = (up < row[j - 1] ? up : row[j - 1]) + 1;
            row[j] = change < side ? change : side;
            diagonal = up;
        }
    }
    return row[n];
}

const char *cli_near_option(const char *command, const char *name)
{
    const char *best = NULL;
    size_t least = 4; // three slips at most
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (*command && !cli_knows(command, &cli_table[i])) continue;
        const size_t d = cli_distance(name, cli_table[i].name);
        if (d < least) least = d, best = cli_table[i].name;
    }
    return best;
}

bool cli_typed(const cli_options *o, const char *name)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (o->origin[i] == command_line && strcmp(cli_table[i].name, name) == 0) return true;
    }
    return false;
}

void cli_variable(const cli_option *row, char *out, size_t size)
{
    (void)snprintf(out, size, "ANYTAG_%s", row->name);
    for (char *c = out; *c; c++)
        *c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
}

static int truth(const char *value) // 1, 0, or -1: neither
{
    static const char *const words[][4] = {{"0", "off", "false", "no"}, {"1", "on", "true", "yes"}};
    for (int t = 0; t < 2; t++) {
        for (int k = 0; k < 4; k++) {
            if (strcasecmp(value, words[t][k]) == 0) return t;
        }
    }
    return -1;
}

static bool size_of(const char *value, long k, long *out)
{
    static const char letters_of[] = "KMG";
    char *end;
    errno = 0;
    long v = strtol(value, &end, 10);
    if (end == value || errno || v < 0) return false;
    const char *at = *end ? strchr(letters_of, toupper((unsigned char)*end)) : NULL;
    if (*end && (!at || end[1])) return false;
    for (const char *c = letters_of; at && c <= at; c++) {
        if (v > LONG_MAX / k) return false;
        v *= k;
    }
    *out = v;
    return true;
}

int cli_set(cli_options *o, const cli_option *row, const char *value, const char *where,
            const char *origin)
{
    void *field = (char *)o + row->at;
    const char **known = &o->origin[row - cli_table];
    const int yes = value ? truth(value) : 1;
    char *end;
    switch (row->kind) {
    case CLI_FLAG:
    case CLI_UNFLAG:
        if (yes < 0) return cli_usage("%s: \"%.40s\" is neither on nor off", where, value);
        *(bool *)field = row->kind == CLI_FLAG ? yes : !yes;
        break;
    case CLI_COUNT:
        if (!value) {
            *(long *)field = *known == origin ? *(long *)field + 1 : 1;
            break;
        }
        if (yes >= 0 && !isdigit((unsigned char)*value)) {
            *(long *)field = yes;
            break;
        }
        __attribute__((fallthrough)); // a number
    case CLI_NUMBER:
        if (row->argument && strstr(row->argument, "auto") && strcmp(value, "auto") == 0) {
            *(long *)field = 0;
            break;
        }
        errno = 0;
        const long v = strtol(value, &end, 10);
        if (end == value || *end || errno || v < 0)
            return cli_usage("%s: \"%.40s\" is not a whole number from 0 on", where, value);
        if (field == &o->threads && (v < 1 || v > THREADS_MOST))
            return cli_usage("%s: %ld is not in 1..%d; leave it out for one a processor", where, v,
                             THREADS_MOST);
        *(long *)field = v;
        break;
    case CLI_SIZE:
        if (!size_of(value, strcmp(row->argument, "BYTES") == 0 ? 1024 : 1000, field))
            return cli_usage("%s: \"%.40s\" is no size; a number, or as 500K, 120M, 2G", where,
                             value);
        break;
    case CLI_CHOICE:
        if (!word_of(row->argument, '|', value, strlen(value)))
            return cli_usage("%s: \"%.40s\" is none of %s", where, value, row->argument);
        *(const char **)field = value;
        break;
    case CLI_TEXT: *(const char **)field = value; break;
    case CLI_LIST: {
        cli_list *list = field;
        if (*known != origin) list->n = 0; // a stronger source replaces what a weaker one listed
        const char **more = realloc(list->items, (list->n + 1) * sizeof *more);
        if (!more) return 6;
        list->items = more;
        more[list->n++] = value;
        break;
    }
    }
    *known = origin;
    return 0;
}

void cli_value(const cli_options *o, const cli_option *row, char *out, size_t size)
{
    const void *field = (const char *)o + row->at;
    const char *text;
    out[0] = 0;
    switch (row->kind) {
    case CLI_FLAG:
    case CLI_UNFLAG:
        (void)snprintf(out, size, "%s",
                       *(const bool *)field == (row->kind == CLI_FLAG) ? "on" : "off");
        break;
    case CLI_COUNT:
    case CLI_SIZE:
    case CLI_NUMBER: (void)snprintf(out, size, "%ld", *(const long *)field); break;
    case CLI_TEXT:
    case CLI_CHOICE:
        text = *(const char *const *)field;
        (void)snprintf(out, size, "%s", text ? text : "");
        break;
    case CLI_LIST: {
        const cli_list *list = field;
        size_t used = 0;
        for (size_t i = 0; i < list->n && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", list->items[i]);
    }
    }
}

static int unknown(const char *name, size_t len, const char *command)
{
    char typed[64];
    (void)snprintf(typed, sizeof typed, "%.*s", (int)(len < 60 ? len : 60), name);
    const char *best = cli_near_option(command, typed);
    return cli_usage("--%s: no such option of %s%s%s; see anytag %s --help", typed, command,
                     best ? "; did you mean --" : "", best ? best : "", command);
}

bool cli_takes_value(const cli_option *row)
{
    return row->argument != NULL;
}

/* -v, -vv, -qv, -k5, -k 5; *i moves on when the value is the next word. */
static int letters(int argc, char **argv, int *i, const char *command, cli_options *o)
{
    for (const char *c = argv[*i] + 1; *c; c++) {
        const cli_option *r = cli_find_letter(command, *c);
        if (!r)
            return cli_usage("-%c: no such option of %s; see anytag %s --help", *c, command,
                             command);
        const bool plain = !cli_takes_value(r);
        const char *value = plain ? NULL : c[1] ? c + 1 : *i + 1 < argc ? argv[++*i] : NULL;
        char where[64];
        (void)snprintf(where, sizeof where, "--%s", r->name);
        if (!plain && !value) return cli_usage("--%s needs %s", r->name, r->argument);
        const int code = cli_set(o, r, value, where, command_line);
        if (code || !plain) return code;
    }
    return 0;
}

static int long_option(int argc, char **argv, int *i, const char *command, cli_options *o)
{
    const char *name = argv[*i] + 2;
    const size_t len = strcspn(name, "=");
    const cli_option *r = cli_find_option(command, name, len);
    if (!r) return unknown(name, len, command);
    const char *value = name[len] ? name + len + 1 : NULL;
    if (!value && cli_takes_value(r)) {
        if (*i + 1 == argc) return cli_usage("--%s needs %s", r->name, r->argument);
        value = argv[++*i];
    }
    char where[64];
    (void)snprintf(where, sizeof where, "--%s", r->name);
    return cli_set(o, r, value, where, command_line);
}

static int words(int argc, char **argv, const char *command, cli_options *o, char **inputs,
                 size_t *n)
{
    bool ended = false;
    int code = 0;
    *n = 0;
    for (int i = 0; i < argc && code == 0; i++) {
        if (ended || argv[i][0] != '-' || argv[i][1] == 0)
            inputs[(*n)++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            ended = true;
        else if (argv[i][1] == '-')
            code = long_option(argc, argv, &i, command, o);
        else
            code = letters(argc, argv, &i, command, o);
    }
    return code;
}

int cli_parse(int argc, char **argv, const char *command, cli_options *o, char ***inputs,
              size_t *n_inputs)
{
    *inputs = calloc((size_t)argc + 1, sizeof **inputs);
    if (!*inputs) return 6;
    o->words = argv;
    o->n_words = argc;
    cli_options given = {0}; // the command line alone says which configuration is read
    int code = words(argc, argv, command, &given, *inputs, n_inputs);
    if (code == 0 && !given.help) code = cli_settings(&given, command, o);
    if (code == 0) code = words(argc, argv, command, o, *inputs, n_inputs);
    cli_options_free(&given);
    return code;
}

void cli_options_free(cli_options *o)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (cli_table[i].kind != CLI_LIST) continue;
        cli_list *list = (void *)((char *)o + cli_table[i].at);
        free(list->items);
        *list = (cli_list){0};
    }
    for (size_t i = 0; i < o->n_owned; i++)
        free(o->owned[i]);
    free(o->owned);
}
