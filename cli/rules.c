/* rules.c - patterns as gitignore(5) tells: the last one that matches decides. * and ? stay within a
 * name, ** stands for any number of folders. */
#include "rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part up to the next / in `name`; false: it is too long to match anything. */
static bool part(const char *path, char *name, size_t size, const char **next)
{
    const size_t n = strcspn(path, "/");
    *next = path + n + (path[n] == '/');
    if (n >= size) return false;
    memcpy(name, path, n);
    name[n] = 0;
    return true;
}

/* Part by part; when one does not match, the last ** takes one folder more. */
static bool match_path(const char *pattern, const char *path)
{
    const char *again_pattern = NULL, *again_path = NULL, *next_pattern, *next_path;
    char p[512], s[512];
    while (*path) {
        if (*pattern && part(pattern, p, sizeof p, &next_pattern)) {
            if (strcmp(p, "**") == 0) {
                if (!*next_pattern) return true;
                again_pattern = pattern = next_pattern;
                again_path = path;
                continue;
            }
            if (part(path, s, sizeof s, &next_path) && fnmatch(p, s, 0) == 0) {
                pattern = next_pattern;
                path = next_path;
                continue;
            }
        }
        if (!again_pattern) return false;
        (void)part(again_path, s, sizeof s, &again_path);
        path = again_path;
        pattern = again_pattern;
    }
    return !*pattern;
}

bool cli_rules_add(cli_rules *r, const char *line, bool plain)
{
    size_t n = strcspn(line, "\r\n");
    while (n && line[n - 1] == ' ' && !(n > 1 && line[n - 2] == '\\'))
        n--;
    cli_rule rule = {0};
    if (!plain && n && *line == '#') return true;
    if (!plain && n && *line == '!') rule.negated = true, line++, n--;
    if (n && line[n - 1] == '/') rule.folders = true, n--;
    if (n && *line == '/') rule.by_position = true, line++, n--;
    if (n == 0) return true;
    cli_rule *more = realloc(r->list, (r->n + 1) * sizeof *more);
    if (more) r->list = more;
    rule.pattern = more ? strndup(line, n) : NULL;
    if (!rule.pattern) return false;
    rule.by_position |= strchr(rule.pattern, '/') != NULL;
    r->list[r->n++] = rule;
    return true;
}

bool cli_rules_read(cli_rules *r, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return true;
    char *line = NULL;
    size_t cap = 0;
    bool ok = true;
    while (ok && getline(&line, &cap, f) > 0)
        ok = cli_rules_add(r, line, false);
    free(line);
    (void)fclose(f);
    return ok;
}

int cli_rules_match(const cli_rules *r, const char *path, bool folder)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = r->n; i-- > 0;) {
        const cli_rule *rule = &r->list[i];
        if (rule->folders && !folder) continue;
        if (rule->by_position ? match_path(rule->pattern, path)
                              : fnmatch(rule->pattern, name, 0) == 0)
            return !rule->negated;
    }
    return -1;
}

void cli_rules_free(cli_rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->list[i].pattern);
    free(r->list);
    *r = (cli_rules){0};
}
