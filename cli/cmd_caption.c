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

static int from_tags(const cli_options *o, const at_model *model, const cli_files *files,
                     const tag_setup *setup)
{
    const at_session_options so = {.struct_size = sizeof so, .threads = (int)o->threads};
    at_session *s = NULL;
    at_error err = {0};
    if (at_session_open((at_model *)(size_t)model, &so, &s, &err) != AT_OK) return cli_fail(&err);
    int code = 0;
    for (size_t i = 0; i < files->n; i++) {
        at_image *image = NULL;
        at_tags *tags = NULL;
        char text[2048];
        if (at_image_read(files->paths[i], &setup->image, &image, &err) == AT_OK &&
            at_session_tag(s, image, &setup->tags, &tags, &err) == AT_OK) {
            (void)at_caption_from_tags(tags, text, sizeof text);
            printf("%s\t%s\n", files->paths[i], text);
        } else {
            (void)cli_fail(&err);
            code = 1;
        }
        at_tags_free(tags);
        at_image_free(image);
    }
    at_session_close(s);
    return code;
}

static int caption_all(const cli_options *o, at_model *model, const cli_files *files,
                       tag_setup *setup)
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
    int code = words("require", require_text, require, &c.n_require);
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
    cli_files files;
    at_model *model = NULL;
    tag_setup setup = {0};
    int code = cli_files_find(&files, o, inputs, n);
    if (code == 0) code = cli_open_model_for(o, o->from_tags ? "tag" : "caption", &model);
    if (code == 0) code = tag_setup_open(&setup, o, model);
    if (code == 0)
        code = (o->from_tags ? from_tags(o, model, &files, &setup)
                             : caption_all(o, model, &files, &setup));
    tag_setup_free(&setup);
    at_model_close(model);
    cli_files_free(&files);
    return code;
}
