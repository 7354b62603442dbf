/* cmd_completions.c - completion scripts for bash, zsh and fish, from the tables of commands and options. */
#include "cli.h"

#include <ctype.h>
#include <string.h>

/* The words an option takes, divided by blanks; "" where it takes something else. */
static void words_of(const cli_option *r, const char *command, char *out, size_t size)
{
    out[0] = 0;
    if (r->kind == CLI_CHOICE) {
        (void)snprintf(out, size, "%s", r->argument);
        for (char *c = out; *c; c++) {
            if (*c == '|') *c = ' ';
        }
    } else if (strcmp(r->name, "format") == 0 && strcmp(command, "tag") == 0) {
        size_t n = 0;
        for (const char *const *f = at_writer_formats(); *f && n < size; f++)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", *f);
    }
}

static bool takes_path(const cli_option *r)
{
    return r->argument && (strstr(r->argument, "FILE") || strstr(r->argument, "DIR"));
}

/* The words that may stand behind a command; "": files. */
static const char *operands(const cli_command *c)
{
    static char words[512]; // of the last call
    words[0] = 0;
    if (c->run == cmd_help) cli_help_words(words, sizeof words);
    const char *usage = strchr(c->usage, ' '); // "completions bash|zsh|fish" lists them
    if (usage && strchr(usage, '|') &&
        usage[1 + strspn(usage + 1, "abcdefghijklmnopqrstuvwxyz|")] == 0)
        (void)snprintf(words, sizeof words, "%s", usage + 1);
    for (char *w = words; *w; w++) {
        if (*w == '|') *w = ' ';
    }
    return words;
}

static void commands_line(const char *between)
{
    for (const cli_command *c = cli_commands; c->name; c++)
        printf("%s%s", c == cli_commands ? "" : between, c->name);
}

static void bash(void)
{
    fputs(
        "# bash completion of anytag; made by: anytag completions bash\n"
        "_anytag() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options= values= operands=\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
        "        COMPREPLY=($(compgen -W '",
        stdout);
    commands_line(" ");
    fputs(" --help --version' -- \"$cur\"))\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]}:$prev in\n",
          stdout);
    for (const cli_command *c = cli_commands; c->name; c++) {
        for (size_t i = 0; i < cli_table_rows; i++) {
            const cli_option *r = &cli_table[i];
            if (!cli_knows(c->name, r) || !cli_takes_value(r)) continue;
            char words[256];
            words_of(r, c->name, words, sizeof words);
            printf("    %s:--%s", c->name, r->name);
            if (r->letter) printf("|%s:-%c", c->name, r->letter);
            if (words[0])
                printf(") values='%s' ;;\n", words);
            else
                printf(") %s; return ;;\n",
                       takes_path(r) ? "COMPREPLY=($(compgen -f -- \"$cur\"))" : ":");
        }
    }
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (const cli_command *c = cli_commands; c->name; c++) {
        printf("    %s) options='", c->name);
        for (size_t i = 0; i < cli_table_rows; i++) {
            if (cli_knows(c->name, &cli_table[i])) printf(" --%s", cli_table[i].name);
        }
        printf("' operands='%s' ;;\n", operands(c));
    }
    fputs("    esac\n"
          "    if [ -n \"$values\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
          "    elif [ \"${cur#-}\" != \"$cur\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
          "    elif [ -n \"$operands\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$operands\" -- \"$cur\"))\n"
          "    else\n"
          "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
          "    fi\n"
          "}\n"
          "complete -o filenames -F _anytag anytag\n",
          stdout);
}

/* Text inside '...' where [ ] and : mean something to _arguments. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_option(const cli_option *r, const char *command)
{
    char words[256];
    words_of(r, command, words, sizeof words);
    const char *repeat = r->kind == CLI_LIST || r->kind == CLI_COUNT ? "*" : "";
    const char *equals = cli_takes_value(r) ? "=" : "";
    if (r->letter)
        printf("        '%s(-%c --%s)'{-%c,--%s%s}'[", repeat, r->letter, r->name, r->letter,
               r->name, equals);
    else
        printf("        '%s--%s%s[", repeat, r->name, equals);
    zsh_text(r->help);
    putchar(']');
    if (cli_takes_value(r)) {
        putchar(':');
        zsh_text(r->argument);
        putchar(':');
        if (words[0])
            printf("(%s)", words);
        else if (takes_path(r))
            fputs("_files", stdout);
    }
    fputs("' \\\n", stdout);
}

static void zsh(void)
{
    fputs("#compdef anytag\n# zsh completion of anytag; made by: anytag completions zsh\n"
          "local -a commands\ncommands=(\n",
          stdout);
    for (const cli_command *c = cli_commands; c->name; c++) {
        printf("    '%s:", c->name);
        zsh_text(c->about);
        fputs("'\n", stdout);
    }
    fputs(")\nif (( CURRENT == 2 )); then\n    _describe command commands\n    return\nfi\n"
          "local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n",
          stdout);
    for (const cli_command *c = cli_commands; c->name; c++) {
        printf("    %s)\n    _arguments -s \\\n", c->name);
        for (size_t i = 0; i < cli_table_rows; i++) {
            if (cli_knows(c->name, &cli_table[i])) zsh_option(&cli_table[i], c->name);
        }
        if (operands(c)[0])
            printf("        '*:word:(%s)' ;;\n", operands(c));
        else
            fputs("        '*:file:_files' ;;\n", stdout);
    }
    fputs("esac\n", stdout);
}

static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    putchar('\'');
}

static void fish(void)
{
    fputs("# fish completion of anytag; made by: anytag completions fish\n", stdout);
    for (const cli_command *c = cli_commands; c->name; c++) {
        printf("complete -c anytag -f -n __fish_use_subcommand -a %s -d ", c->name);
        fish_text(c->about);
        putchar('\n');
        if (operands(c)[0])
            printf("complete -c anytag -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", c->name,
                   operands(c));
        for (size_t i = 0; i < cli_table_rows; i++) {
            const cli_option *r = &cli_table[i];
            if (!cli_knows(c->name, r)) continue;
            char words[256];
            words_of(r, c->name, words, sizeof words);
            printf("complete -c anytag -n '__fish_seen_subcommand_from %s'", c->name);
            if (r->letter) printf(" -s %c", r->letter);
            printf(" -l %s", r->name);
            if (words[0])
                printf(" -x -a '%s'", words);
            else if (cli_takes_value(r))
                fputs(takes_path(r) ? " -r -F" : " -x", stdout);
            fputs(" -d ", stdout);
            fish_text(r->help);
            putchar('\n');
        }
    }
}

int cmd_completions(const cli_options *o, char **inputs, size_t n)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    (void)o;
    for (size_t i = 0; n == 1 && i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].name, inputs[0]) != 0) continue;
        shells[i].print();
        return 0;
    }
    return cli_usage("completions needs one of bash, zsh, fish");
}
