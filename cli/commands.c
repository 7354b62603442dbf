/* commands.c - the table of subcommands; help, manual page and completions read it too. */
#include "cli.h"

#include <string.h>

const cli_command cli_commands[] = {
    {"tag", "tag [OPTIONS] FILE|DIR|GLOB|-...", "tags of pictures",
     "  anytag tag photo.jpg\n"
     "  anytag tag -l en,zh -f html -o sheet.html photos/\n"
     "  anytag tag -m ram.gguf -t auto+0.05 -f jsonl photos/ > tags.jsonl\n"
     "  curl ... | anytag tag -\n",
     cmd_tag},
    {"caption", "caption [OPTIONS] FILE|DIR|GLOB|-...", "sentences about pictures, guided by tags",
     "  anytag caption photo.jpg\n"
     "  anytag caption -m tag2text.gguf --guide \"cloud,sky\" photo.jpg\n"
     "  anytag caption -m tag2text.gguf --require dog --forbid cat -f json photos/\n"
     "  anytag caption -m tag2text.gguf --sample --num 3 --seed 7 photo.jpg\n",
     cmd_caption},
    {"convert", "convert [OPTIONS] IN OUT",
     "an official checkpoint (.pth), safetensors, or a model, to a model file",
     "  anytag convert ram_swin_large_14m.pth ram.gguf --official recognize-anything --type f16\n",
     cmd_convert},
    {"info", "info [OPTIONS] [MODEL]", "what a model is",
     "  anytag info\n  anytag info --tags ram.gguf\n", cmd_info},
    {"inspect", "inspect [OPTIONS] FILE | inspect -m MODEL --dump DIR IMAGE",
     "keys and tensors of a file; stages of a forward pass",
     "  anytag inspect ram_swin_large_14m.pth\n"
     "  anytag inspect -m ram.gguf --dump stages photo.jpg\n",
     cmd_inspect},
    {"bench", "bench [OPTIONS] FILE...", "how fast, and where the time goes",
     "  anytag bench -m ram.gguf photo.jpg\n", cmd_bench},
    {"completions", "completions bash|zsh|fish", "a completion script for a shell",
     "  anytag completions bash > ~/.local/share/bash-completion/completions/anytag\n"
     "  anytag completions fish > ~/.config/fish/completions/anytag.fish\n",
     cmd_completions},
    {"help", "help [COMMAND|TOPIC]", "how to use a command; topics: formats, models, config, ...",
     "  anytag help tag\n  anytag help config\n", cmd_help},
    {0},
};

const cli_command *cli_find_command(const char *name)
{
    for (const cli_command *c = cli_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

bool cli_is_command(const char *name)
{
    return cli_find_command(name) != NULL;
}

const char *cli_near_command(const char *name)
{
    const char *best = NULL;
    size_t least = 3;
    for (const cli_command *c = cli_commands; c->name; c++) {
        const size_t d = cli_distance(name, c->name);
        if (d < least) least = d, best = c->name;
    }
    return best;
}
