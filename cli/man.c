/* man.c - the manual page anytag(1) as roff, from the same tables as --help; CMake installs it. */
#include "cli.h"

#include <ctype.h>
#include <string.h>

/* A text of any kind; a line must not begin with . or ', and - is a hyphen unless escaped. */
static void text(const char *s)
{
    if (*s == '.' || *s == '\'') fputs("\\&", stdout);
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", stdout);
        else if (*s == '-')
            fputs("\\-", stdout);
        else if (*s == '"')
            fputs("\\(dq", stdout);
        else if (*s == '\'')
            fputs("\\(aq", stdout);
        else
            putchar(*s);
    }
}

static void option(const cli_option *r)
{
    fputs(".TP\n.B ", stdout);
    if (r->letter) printf("\\-%c, ", r->letter);
    text("--");
    text(r->name);
    if (r->argument) {
        fputs(" \\fI", stdout);
        text(r->argument);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    text(r->help);
    if (r->kind == CLI_LIST) text("; may be repeated");
    putchar('\n');
}

static bool common(const cli_option *r)
{
    return strcmp(r->commands, "*") == 0;
}

static void command(const cli_command *c)
{
    fputs(".SS anytag ", stdout);
    text(c->name);
    fputs("\n.nf\n.B anytag ", stdout);
    text(c->usage);
    fputs("\n.fi\n.PP\n", stdout);
    text(c->about);
    fputs("\n.PP\n.nf\n", stdout);
    for (const char *e = c->examples; *e; e += strcspn(e, "\n") + 1) {
        char line[256];
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(e, "\n"), e);
        text(line);
        putchar('\n');
    }
    fputs(".fi\n", stdout);
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (cli_knows(c->name, &cli_table[i]) && !common(&cli_table[i])) option(&cli_table[i]);
    }
}

void cli_print_man(void)
{
    printf(".TH ANYTAG 1 \"\" \"anytag %s\" \"User Commands\"\n", at_version());
    fputs(".SH NAME\nanytag \\- tags of pictures, on your own machine\n"
          ".SH SYNOPSIS\n.B anytag\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIINPUT\\fR]...\n"
          ".SH DESCRIPTION\n"
          "The Recognize Anything family (RAM, RAM++) and a small model in the box. Data goes to "
          "standard output, everything that is said to a person to standard error. A picture that "
          "cannot be read is reported and the others are tagged all the same. Options may stand "
          "anywhere; \\-\\- ends them.\n"
          ".SH COMMANDS\n",
          stdout);
    for (const cli_command *c = cli_commands; c->name; c++)
        command(c);
    fputs(".SH OPTIONS OF EVERY COMMAND\n", stdout);
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (common(&cli_table[i])) option(&cli_table[i]);
    }
    fputs(".SH FORMATS\n", stdout);
    for (const char *const *f = at_writer_formats(); *f; f++) {
        fputs(".TP\n.B ", stdout);
        text(*f);
        putchar('\n');
        text(at_writer_about(*f));
        putchar('\n');
    }
    fputs(
        ".SH PROFILE\n"
        "\\fBanytag bench\\fR measures this machine first, on the same threads: multiply\\-adds in "
        "registers, of floats and of bytes, and bytes a second from memory. Each stage of a picture "
        "then has its time, its arithmetic and the bytes it must move, each a second and as a share "
        "of that. Bound by arithmetic or memory: half of the peak or more; with a question mark, the "
        "nearer of two that are far, so that something else is in the way: short calls, waiting "
        "threads, another program. Caches: bytes went by faster than memory gives them. One thread: "
        "of the picture, before the network, where \\fBanytag tag\\fR works on several at a time.\n"
        ".SH EXIT STATUS\n",
        stdout);
    for (const cli_exit_code *e = cli_exit_codes; e->about; e++) {
        printf(".TP\n.B %d\n", e->code);
        text(e->about);
        putchar('\n');
    }
    fputs(
        ".SH ENVIRONMENT\n"
        "Every option is also read from \\fBANYTAG_\\fR\\fIOPTION\\fR, as ANYTAG_MAX_PIXELS; switches "
        "take 1/0, on/off, true/false. \\fBANYTAG_MODELS\\fR names folders of models. NO_COLOR, "
        "FORCE_COLOR, TERM and COLUMNS are obeyed.\n"
        ".SH FILES\n"
        ".TP\n.I /etc/anytag/anytag.conf, $XDG_CONFIG_HOME/anytag/anytag.conf\n"
        "configuration: [command], then option = value; see anytag help config\n"
        ".TP\n.I $XDG_DATA_HOME/anytag/models\n"
        "models found by name; see anytag help models\n"
        ".TP\n.I .anytagignore\n"
        "patterns of what to pass over in a folder, as .gitignore\n",
        stdout);
}
