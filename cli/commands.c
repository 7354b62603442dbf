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
    {"match", "match [OPTIONS] --text TEXT... FILE|DIR|GLOB|-...",
     "which picture a text describes, which text a picture",
     "  anytag match -m retrieval.gguf --text \"a dog on the beach\" photos/\n"
     "  anytag match -m retrieval.gguf --by image --texts-from captions.txt photo.jpg\n"
     "  anytag match -m retrieval.gguf --text \"red car\" --lambda 0.3 -f jsonl photos/\n"
     "A model needs weights for it, which come from training: neither the one in the box nor an\n"
     "official Tag2Text file has them.\n",
     cmd_match},
    {"labels",
     "labels build WORD,...|FILE -o SET.gguf | labels list SET.gguf | labels describe WORD,...|FILE",
     "words of your own as tags: sets of labels",
     "  anytag labels build \"red bicycle,birthday party\" -o mine.gguf\n"
     "  anytag labels build words.txt -m ram.gguf --text-encoder clip.gguf -o mine.gguf\n"
     "  anytag tag --tags mine.gguf photos/\n"
     "  anytag labels describe \"crane (bird),crane#4\" -o descriptions.json\n",
     cmd_labels},
    {"calibrate", "calibrate [OPTIONS] --annotations FILE FILE|DIR|GLOB...",
     "thresholds of the tags, chosen on pictures whose tags are known",
     "  anytag calibrate --annotations known.csv --holdout 0.2 -o mine.csv photos/\n"
     "  anytag tag --thresholds mine.csv photos/\n"
     "  anytag calibrate --annotations known.csv --target precision=0.9 -o sure.csv photos/\n"
     "  anytag calibrate --target count=8 -o eight.csv photos/\n"
     "  anytag calibrate --annotations known.csv --tags set.gguf -o better.gguf photos/\n",
     cmd_calibrate},
    {"convert", "convert [OPTIONS] IN OUT",
     "an official checkpoint (.pth), safetensors, or a model, to a model file",
     "  anytag convert ram_swin_large_14m.pth ram.gguf --official recognize-anything --type f16\n"
     "  anytag convert ram.gguf ram-here.gguf --packed\n",
     cmd_convert},
    {"quantize", "quantize [OPTIONS] IN OUT", "a model file in fewer bytes, and what that costs",
     "  anytag quantize ram.gguf ram-int8.gguf\n"
     "  anytag quantize ram.gguf ram-int8.gguf --calib photos/ --report\n"
     "  anytag quantize tag2text.gguf small.gguf --keep 'v.*'\n",
     cmd_quantize},
    {"info", "info [OPTIONS] [MODEL]", "what a model is",
     "  anytag info\n  anytag info --tags ram.gguf\n", cmd_info},
    {"inspect", "inspect [OPTIONS] FILE | inspect -m MODEL --dump DIR IMAGE",
     "keys and tensors of a file; stages of a forward pass",
     "  anytag inspect ram_swin_large_14m.pth\n"
     "  anytag inspect -m ram.gguf --dump stages photo.jpg\n",
     cmd_inspect},
    {"serve", "serve [OPTIONS]", "an HTTP server: tags and sentences for other programs",
     "  anytag serve\n"
     "  curl -F image=@photo.jpg http://127.0.0.1:8080/v1/tag\n"
     "  anytag serve --host 0.0.0.0 --api-key-file keys.txt\n"
     "  anytag serve --host /run/anytag.sock -m ram.gguf\n",
     cmd_serve},
    {"bench", "bench [OPTIONS] [FILE...]", "how fast, where the time goes, and what bounds it",
     "  anytag bench -m ram.gguf\n  anytag bench -m ram.gguf -j 1 -f json photos/\n", cmd_bench},
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
