/* cmd_caption.c - anytag caption: the run of anytag tag, with sentences. */
#include "tag.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = 16 };

/* The parts of "a, b" without blanks around them, in `text`, which is cut. */
static int words(const char *option, char *text, const char **list, size_t *n)
{
    char *save = NULL;
    for (char *w = text ? strtok_r(text, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save)) {
        while (*w == ' ')
            w++;
        for (char *end = w + strlen(w); end > w && end[-1] == ' ';)
            *--end = 0;
        if (!*w) continue;
        if (*n == WORDS) return cli_usage("--%s: more than %d words", option, WORDS);
        list[(*n)++] = w;
    }
    return 0;
}

/* A decimal number of an option; NULL is 0, the default. */
static int decimal(const char *option, const char *text, float *value)
{
    char *end = NULL;
    *value = text ? strtof(text, &end) : 0;
    if (!text || (end != text && !*end && *value > 0)) return 0;
    return cli_usage("--%s: \"%.40s\" is not a positive number", option, text);
}

/* 0 stands for "not given" in the library, so a 0 that is given is told here. 0 or an exit code. */
static int numbers(const cli_options *o)
{
    static const char *const names[] = {"num", "beams", "min-length", "max-length", "top-k"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const cli_option *row = cli_find_option("caption", names[i], strlen(names[i]));
        if (cli_given(o, "caption", names[i]) &&
            *(const long *)(const void *)((const char *)o + row->at) == 0)
            return cli_usage("--%s: 0 is not a whole number from 1 on", names[i]);
    }
    return 0;
}

/* "min_length: 9 is ..." of the library becomes "--min-length: 9 is ...", as the option is called here. */
static void as_option(at_error *err)
{
    char name[32], text[sizeof err->text];
    const size_t n = strcspn(err->text, ": ");
    if (n >= sizeof name || err->text[n] != ':') return;
    for (size_t i = 0; i < n; i++)
        name[i] = err->text[i] == '_' ? '-' : err->text[i];
    const cli_option *row = cli_find_option("caption", name, n);
    if (!row || strlen(row->name) != n) return;
    (void)snprintf(text, sizeof text, "--%s%.900s", row->name, err->text + n);
    memcpy(err->text, text, sizeof text);
}

static int from_tags(const cli_options *o, at_model *model, cli_files *files, tag_setup *setup)
{
    setup->writer.from_tags = 1;
    return tag_run_all("caption", "captioned", o, model, files, setup, NULL);
}

static int caption_all(const cli_options *o, at_model *model, cli_files *files, tag_setup *setup)
{
    if (!at_model_captions(model))
        return cli_error(AT_E_MODEL_UNSUPPORTED,
                         "%s writes no captions; name a Tag2Text model with --model, or try "
                         "--from-tags",
                         at_model_name(model));
    const char *require[WORDS], *forbid[WORDS];
    char *require_text = o->require ? strdup(o->require) : NULL,
         *forbid_text = o->forbid ? strdup(o->forbid) : NULL;
    at_caption_options c = {.struct_size = sizeof c,
                            .guide = o->guide,
                            .no_guide = o->guide_from && strcmp(o->guide_from, "none") == 0,
                            .beams = (int)o->beams,
                            .min_length = (int)o->min_length,
                            .max_length = (int)o->max_length,
                            .num = (int)o->num,
                            .require = require,
                            .forbid = forbid,
                            .sample = o->sample,
                            .top_k = (int)o->top_k,
                            .seed = (uint64_t)o->seed,
                            .tags = &setup->tags};
    int code = numbers(o);
    if (code == 0) code = words("require", require_text, require, &c.n_require);
    if (code == 0) code = words("forbid", forbid_text, forbid, &c.n_forbid);
    if (code == 0)
        code = decimal("repetition-penalty", o->repetition_penalty, &c.repetition_penalty);
    if (code == 0) code = decimal("top-p", o->top_p, &c.top_p);
    if (code == 0) code = decimal("temperature", o->temperature, &c.temperature);
    setup->writer.captions = 1;
    setup->writer.guide = o->guide;
    if (code == 0 && at_model_is_builtin(model))
        cli_warn("captions of the model in the box are a demonstration: it was trained on 7,000 "
                 "pictures of people and dogs and sees them everywhere");
    if (code == 0) {
        at_error err = {0};
        if (at_caption_options_check(model, &c, &err) != AT_OK) {
            as_option(&err);
            code = cli_fail(&err);
            code = err.status == AT_E_INVALID_PARAMETER ? 2 : code;
        }
    }
    if (code == 0) code = tag_run_all("caption", "captioned", o, model, files, setup, &c);
    free(require_text);
    free(forbid_text);
    return code;
}

int cmd_caption(const cli_options *o, char **inputs, size_t n)
{
    return o->from_tags ? tag_command(o, inputs, n, "tag", from_tags)
                        : tag_command(o, inputs, n, "caption", caption_all);
}
