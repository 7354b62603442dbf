/* rules.h - patterns of paths with the meaning of .gitignore. */
#ifndef ANYTAG_CLI_RULES_H
#define ANYTAG_CLI_RULES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_rule {
    char *pattern;
    bool negated;     // "!pattern"
    bool folders;     // "pattern/": folders alone
    bool by_position; // a / inside or in front: matched on the whole path, else on the last name
} cli_rule;

typedef struct cli_rules {
    cli_rule *list;
    size_t n;
} cli_rules;

/* Adds one line; blank lines and # comments add nothing. `plain`: ! and # mean themselves. */
bool cli_rules_add(cli_rules *r, const char *line, bool plain);
/* Every line of a file; a file that is not there adds nothing. */
bool cli_rules_read(cli_rules *r, const char *path);
/* What the last matching rule says of a path below the folder of the rules: 1 yes, 0 no (negated), -1
 * none matches. */
int cli_rules_match(const cli_rules *r, const char *path, bool folder);
void cli_rules_free(cli_rules *r);

#endif
