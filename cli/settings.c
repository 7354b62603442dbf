/* settings.c - what configuration files and the environment say. Weakest first: /etc/anytag/anytag.conf,
 * $XDG_CONFIG_HOME/anytag/anytag.conf, ./.anytag.conf (only with --project-config: a folder of pictures
 * must not change what a program does), ANYTAG_<OPTION>. A file is INI: [section] is a command, a key an
 * option's long name; keys before the first section hold for every command that knows them. It is read
 * here and not by libinih, whose lines end at 200 characters. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *trimmed(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return s;
}

/* Text that lives as long as the options. */
static const char *own(cli_options *o, const char *text)
{
    char **more = realloc(o->owned, (o->n_owned + 1) * sizeof *more);
    if (!more) return NULL;
    o->owned = more;
    return o->owned[o->n_owned++] = strdup(text);
}

static int unknown_key(const char *where, const char *key, const char *section)
{
    const char *best = cli_near_option(section, key);
    return cli_usage("%s: no option \"%.60s\"%s%s%s%s", where, key, *section ? " of " : "", section,
                     best ? "; did you mean " : "", best ? best : "");
}

/* One "key = value" under [section]; "" before the first. */
static int assign(cli_options *o, const char *command, const char *section, const char *place,
                  const char *origin, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals) return cli_usage("%s: \"%.60s\" is not KEY = VALUE", place, line);
    *equals = 0;
    char *key = trimmed(line), *value = trimmed(equals + 1);
    const size_t len = strlen(value);
    if (len > 1 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
        value[len - 1] = 0;
        value++;
    }
    bool known = false;
    for (size_t i = 0; i < cli_table_rows; i++) {
        const cli_option *r = &cli_table[i];
        if (strcmp(r->name, key) != 0 || (*section && !cli_knows(section, r))) continue;
        known = true;
        if (!cli_knows(command, r) || (*section && strcmp(section, command) != 0)) continue;
        char where[512];
        (void)snprintf(where, sizeof where, "%s: %s", place, key);
        const char *kept = own(o, value);
        return kept ? cli_set(o, r, kept, where, origin) : 6;
    }
    return known ? 0 : unknown_key(place, key, section);
}

static int read_file(cli_options *o, const char *command, const char *path, bool must)
{
    FILE *f = fopen(path, "rb");
    if (!f && !must && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return 0;
    if (!f) return cli_usage("%s: the configuration cannot be read (%s)", path, strerror(errno));
    const char *origin = own(o, path);
    char *line = NULL, section[32] = "", place[400];
    size_t cap = 0, number = 0;
    int code = origin ? 0 : 6;
    while (code == 0 && getline(&line, &cap, f) >= 0) {
        (void)snprintf(place, sizeof place, "%s:%zu", path, ++number);
        char *text = trimmed(number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0 ? line + 3
                                                                                  : line);
        if (!*text || *text == '#' || *text == ';') continue;
        if (*text != '[') {
            code = assign(o, command, section, place, origin, text);
            continue;
        }
        char *close = strchr(text, ']');
        if (close) *close = 0;
        if (!close || close[1] || !cli_is_command(trimmed(text + 1)))
            code = cli_usage("%s: \"%.60s\" is no section; sections are commands, as [tag]", place,
                             text);
        else
            (void)snprintf(section, sizeof section, "%s", trimmed(text + 1));
    }
    free(line);
    (void)fclose(f);
    return code;
}

static int environment(cli_options *o, const char *command)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        char name[64];
        cli_variable(&cli_table[i], name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value || !cli_knows(command, &cli_table[i])) continue;
        const char *origin = own(o, name);
        const int code = origin ? cli_set(o, &cli_table[i], value, name, origin) : 6;
        if (code) return code;
    }
    return 0;
}

int cli_settings(const cli_options *given, const char *command, cli_options *o)
{
    cli_options env = {0}; // ANYTAG_CONFIG and its kin say which files are read
    char path[4096];
    const char *home = getenv("HOME"), *base = getenv("XDG_CONFIG_HOME");
    int code = environment(&env, command);
    const char *config = given->config ? given->config : env.config;
    const bool none = given->no_config || (env.no_config && !given->config),
               project = given->project_config || env.project_config;
    if (code == 0 && !none && config) code = read_file(o, command, config, true);
    if (code == 0 && !none && !config) {
        code = read_file(o, command, "/etc/anytag/anytag.conf", false);
        if (base && *base == '/')
            (void)snprintf(path, sizeof path, "%s/anytag/anytag.conf", base);
        else
            (void)snprintf(path, sizeof path, "%s/.config/anytag/anytag.conf", home ? home : "");
        if (code == 0) code = read_file(o, command, path, false);
        if (code == 0 && project) code = read_file(o, command, ".anytag.conf", false);
    }
    cli_options_free(&env);
    return code ? code : environment(o, command);
}
