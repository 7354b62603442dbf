/* help.c - the overview, a command's page from the tables, and topics. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

const cli_exit_code cli_exit_codes[] = {
    {0, "all done"},
    {1, "finished, some inputs failed"},
    {2, "wrong usage: option, value, configuration"},
    {3, "model: not found, damaged, of the wrong kind"},
    {4, "nothing to do: no input matched"},
    {5, "output could not be written; nothing half-written remains"},
    {6, "device absent, or out of memory"},
    {7, "a bug"},
    {130, "interrupted (SIGINT)"},
    {141, "closed pipe (SIGPIPE)"},
    {143, "terminated (SIGTERM)"},
    {0, NULL},
};

void cli_overview(FILE *to)
{
    fputs("anytag tags and captions pictures on your own machine: Recognize Anything (RAM, RAM++,\n"
          "Tag2Text) and a small model in the box, tags in English and Chinese.\n\n"
          "  anytag tag photo.jpg\n"
          "  anytag tag -f html -o sheet.html photos/\n"
          "  anytag tag -f jsonl photos/ > tags.jsonl\n\n",
          to);
    for (const cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "  %-11s %s\n", c->name, c->about);
    fputs("\nanytag COMMAND --help tells more; anytag --version.\n", to);
}

static void option_lines(FILE *to, const char *command)
{
    for (size_t i = 0; i < cli_table_rows; i++) {
        const cli_option *r = &cli_table[i];
        if (!cli_knows(command, r)) continue;
        char left[64], letter[8] = "    ";
        if (r->letter) (void)snprintf(letter, sizeof letter, "-%c, ", r->letter);
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, r->name, r->argument ? " " : "",
                       r->argument ? r->argument : "");
        fprintf(to, "  %-34s %s%s\n", left, r->help,
                r->kind == CLI_LIST ? "; may be repeated" : "");
    }
}

void cli_command_help(FILE *to, const cli_command *c)
{
    fprintf(to, "anytag %s: %s\n\n%s\nUsage: anytag %s\n\n", c->name, c->about, c->examples,
            c->usage);
    option_lines(to, c->name);
    fprintf(to, "\nEvery option is also a key of the configuration and a variable ANYTAG_<OPTION>: "
                "anytag help config.\nExit codes: anytag help exit-codes.\n");
}

/* --- topics ---------------------------------------------------------------------------------------------- */

static int topic_exit_codes(const cli_options *o)
{
    (void)o;
    for (const cli_exit_code *e = cli_exit_codes; e->about; e++)
        printf("  %-4d %s\n", e->code, e->about);
    return 0;
}

static int topic_models(const cli_options *o)
{
    fputs(
        "Which model is used, the first that applies:\n"
        "  1. --model FILE (a file, or a path with a /); box is the model in the box\n"
        "  2. --model NAME: NAME, NAME.gguf or NAME-*.gguf in the folders below\n"
        "  3. $ANYTAG_MODEL, then model= of the configuration, each a FILE or a NAME\n"
        "  4. the best model for the task in those folders (ram_plus before ram before ram_lite,\n"
        "     then the larger file)\n"
        "  5. the model in the box\n"
        "Folders: --models-dir, $ANYTAG_MODELS, $XDG_DATA_HOME/anytag/models, each of\n"
        "$XDG_DATA_DIRS + /anytag/models. A SHA256SUMS there is checked. -v tells which model won.\n"
        "\n"
        "Words of your own (--tags) need the text encoder that made the model's labels, in the same\n"
        "folders or named by --text-encoder. That of the model in the box: make words, in the source\n"
        "tree, fetches it. That of RAM and RAM++: convert OpenAI's ViT-B-16.pt (CLIP).\n"
        "\nThe folders here:\n",
        stdout);
    cli_print_model_dirs(o, stdout);
    return 0;
}

static int topic_config(const cli_options *o)
{
    fputs(
        "# Strongest first: command line; ANYTAG_<OPTION> (--max-pixels is ANYTAG_MAX_PIXELS);\n"
        "# ./.anytag.conf with --project-config; $XDG_CONFIG_HOME/anytag/anytag.conf;\n"
        "# /etc/anytag/anytag.conf. --config FILE is read in place of the files, --no-config reads\n"
        "# none. INI: [command], then long option name = value; keys before the first section hold\n"
        "# for every command that knows them. What holds now:\n",
        stdout);
    bool set = false;
    for (const cli_command *c = cli_commands; c->name; c++) {
        cli_options now = {0};
        int code = cli_settings(o, c->name, &now);
        if (code) {
            cli_options_free(&now);
            return code;
        }
        bool any = false;
        for (size_t i = 0; i < cli_table_rows; i++) {
            if (!now.origin[i]) continue;
            char value[1024];
            cli_value(&now, &cli_table[i], value, sizeof value);
            printf("%s%s%s%s = %s\t# %s\n", any ? "" : "\n[", any ? "" : c->name, any ? "" : "]\n",
                   cli_table[i].name, value, now.origin[i]);
            any = set = true;
        }
        cli_options_free(&now);
    }
    if (!set) puts("# the defaults alone; anytag COMMAND --help tells them");
    return 0;
}

static int topic_formats(const cli_options *o)
{
    (void)o;
    for (const char *const *f = at_writer_formats(); *f; f++)
        printf("  %-9s %s\n", *f, at_writer_about(*f));
    fputs(
        "txt and hydrus write a file for each picture: x.txt beside x.jpg (hydrus: x.jpg.txt), or below\n"
        "-o DIR. A file that anytag did not write, or that changed since, is left alone unless\n"
        "--txt-append or --force say otherwise. jsonl with -o FILE goes on with --resume.\n",
        stdout);
    return 0;
}

static int topic_man(const cli_options *o)
{
    (void)o;
    cli_print_man();
    return 0;
}

static const struct topic {
    const char *name, *about;
    int (*print)(const cli_options *o);
} topics[] = {
    {"formats", "what -f knows", topic_formats},
    {"models", "which model is used", topic_models},
    {"config", "configuration and environment, and what holds now", topic_config},
    {"exit-codes", "what the exit code says", topic_exit_codes},
    {"man", "the manual page, as roff", topic_man},
};

void cli_help_words(char *out, size_t size)
{
    size_t n = 0;
    for (const cli_command *c = cli_commands; c->name && n < size; c++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", c->name);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, " %s", topics[i].name);
}

int cmd_help(const cli_options *o, char **inputs, size_t n)
{
    if (n == 0) {
        cli_overview(stdout);
        printf("\nanytag help TOPIC:\n");
        for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
            printf("  %-10s %s\n", topics[i].name, topics[i].about);
        return 0;
    }
    const cli_command *c = cli_find_command(inputs[0]);
    if (c) {
        cli_command_help(stdout, c);
        return 0;
    }
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (strcmp(topics[i].name, inputs[0]) == 0) return topics[i].print(o);
    }
    return cli_usage("help: \"%.40s\" is no command and no topic; see anytag help", inputs[0]);
}
