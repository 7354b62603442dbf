/* main.c - anytag COMMAND [OPTIONS] [INPUT...] */
#include "cli.h"

#include <signal.h>
#include <string.h>

static const struct command {
    const char *name, *usage, *about, *examples;
    int (*run)(const cli_options *o, char **inputs, size_t n);
} commands[] = {
    {"tag", "tag [OPTIONS] FILE|DIR|GLOB|-...", "tags of pictures",
     "  anytag tag photo.jpg\n  anytag tag -l en,zh -f html -o sheet.html photos/\n  anytag tag -m ram.gguf -t auto+0.05 -f jsonl photos/ > tags.jsonl\n  curl ... | anytag tag -\n",
     cmd_tag},
    {"convert", "convert [OPTIONS] IN OUT",
     "an official checkpoint (.pth), safetensors, or a model, to a model file",
     "  anytag convert ram_swin_large_14m.pth ram.gguf --official recognize-anything --type f16\n",
     cmd_convert},
    {"info", "info [MODEL]", "what a model is",
     "  anytag info\n  anytag info --tag-list ram.gguf\n", cmd_info},
    {"inspect", "inspect FILE | inspect -m MODEL --dump DIR IMAGE",
     "keys and tensors of a file; stages of a forward pass",
     "  anytag inspect ram_swin_large_14m.pth\n  anytag inspect -m ram.gguf --dump stages photo.jpg\n",
     cmd_inspect},
    {"bench", "bench [OPTIONS] FILE...", "how fast, and where the time goes",
     "  anytag bench -m ram.gguf photo.jpg\n", cmd_bench},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char exit_codes[] =
    "Exit codes: 0 all done, 1 some inputs failed, 2 wrong usage, 3 model, 4 nothing to do,\n"
    "5 output could not be written, 6 device or memory, 7 a bug, 130 interrupted, 141 closed pipe.\n";

static void overview(FILE *to)
{
    fputs(
        "anytag tags pictures on your own machine: Recognize Anything (RAM, RAM++) and a small\nmodel in the box, in English and Chinese.\n\n",
        to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  anytag %-8s %s\n", commands[i].name, commands[i].about);
    fputs(
        "\n  anytag tag photo.jpg\n  anytag tag -f html -o sheet.html photos/\n\nanytag COMMAND --help tells more; anytag --version.\n",
        to);
}

static void help(const struct command *c)
{
    printf("Usage: anytag %s\n%s\n\n", c->usage, c->about);
    cli_print_options(stdout, c->name);
    printf("\nExamples:\n%s\n%s", c->examples, exit_codes);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("anytag %s\n", at_version());
        return 0;
    }
    const bool asks = strcmp(argv[1], "help") == 0;
    const char *name = asks ? (argc > 2 ? argv[2] : "") : argv[1];
    if (asks && argc == 2) {
        overview(stdout);
        return 0;
    }
    if (asks && strcmp(name, "exit-codes") == 0) {
        fputs(exit_codes, stdout);
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) != 0) continue;
        cli_options o = {0};
        char **inputs;
        size_t n;
        const int code = asks ? 0 : cli_parse(argc - 2, argv + 2, name, &o, &inputs, &n);
        if (code) return code;
        if (asks || o.help) {
            help(&commands[i]);
            return 0;
        }
        return commands[i].run(&o, inputs, n);
    }
    return cli_usage(
        "\"%.40s\" is no command; there are tag, convert, info, inspect, bench and help", name);
}
