/* tag_options.c - what is asked of anytag tag: thresholds, which part of a picture, how results are written. */
#include "tag.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int threshold_options(const cli_options *o, const at_model *m, at_tag_options *t,
                             float **own)
{
    const char *s = o->threshold ? o->threshold : "auto";
    char *end;
    if (strncmp(s, "auto", 4) == 0) {
        t->threshold = s[4] ? strtof(s + 4, &end) : 0;
        t->threshold_mode = s[4] ? AT_THRESHOLD_SHIFT : AT_THRESHOLD_OWN;
        if (s[4] && (*end || end == s + 4 || !(t->threshold >= -1 && t->threshold <= 1)))
            return cli_usage(
                "--threshold: \"%.40s\" is not auto+D with D in -1..1; use 0.68, auto, or auto+0.05",
                s);
    } else {
        t->threshold = strtof(s, &end);
        t->threshold_mode = AT_THRESHOLD_ONE;
        if (*end || end == s || !(t->threshold >= 0 && t->threshold <= 1))
            return cli_usage("--threshold: \"%.40s\" is outside 0..1; use 0.68, auto, or auto+0.05",
                             s);
    }
    t->top = (int)o->top;
    if (!o->thresholds) return 0;
    t->thresholds = NULL;
    const int code = tag_read_thresholds(o, m, own);
    t->thresholds = *own;
    return code;
}

/* --crop x0,y0,x1,y1, in pixels of the upright picture */
static int crop_option(const cli_options *o, int crop[4])
{
    const char *s = o->crop;
    char *end;
    for (int i = 0; s && i < 4; i++, s = end + 1) {
        const long v = strtol(s, &end, 10);
        if (end == s || v < 0 || v > 1000000 || *end != (i < 3 ? ',' : 0))
            return cli_usage("--crop: \"%.40s\" is not X0,Y0,X1,Y1 in pixels", o->crop);
        crop[i] = (int)v;
    }
    if (o->crop && (crop[0] >= crop[2] || crop[1] >= crop[3]))
        return cli_usage("--crop: \"%.40s\" is empty: X0 < X1 and Y0 < Y1", o->crop);
    return 0;
}

/* What was asked for and the format has no place for, a line each. A setting of a file or of the environment
 * is for many runs, and is not told. */
void tag_tell_idle(const cli_options *o)
{
    static const struct {
        const char *option, *formats;
    } of[] = {{"all-scores", "json, jsonl"},
              {"scores", "text"},
              {"parents", "text, json, jsonl"},
              {"aliases", "json, jsonl"},
              {"boxes-from-heatmap", "json, jsonl"},
              {"null", "text"},
              {"bom", "csv"},
              {"excel", "csv"},
              {"txt-append", "txt, hydrus"},
              {"txt-name", "txt"},
              {"underscore", "txt"},
              {"namespace", "hydrus"}};
    const char *format = o->format ? o->format : "text";
    const size_t n = strcspn(format, "-"); // csv-wide is csv
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        bool has = false;
        for (const char *f = of[i].formats; f; f = strchr(f, ' ') ? strchr(f, ' ') + 1 : NULL)
            has |= strcspn(f, ",") == n && strncmp(f, format, n) == 0;
        if (!has && cli_typed(o, of[i].option))
            cli_warn("--%s does nothing with -f %s; it is for %s", of[i].option, format,
                     of[i].formats);
    }
}

static int writer_options(const cli_options *o, at_writer_options *w)
{
    const char *locale = cli_locale();
    *w = (at_writer_options){.struct_size = sizeof *w,
                             .scores = o->scores,
                             .all_scores = o->all_scores,
                             .null_ends = o->null_ends,
                             .bom = o->bom,
                             .excel = o->excel,
                             .underscore = o->underscore,
                             .tag_namespace = o->tag_namespace};
    w->lang = o->lang ? o->lang : strncmp(locale, "zh", 2) == 0 ? "zh" : "en";
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    if (isatty(STDOUT_FILENO) && (!o->output || strcmp(o->output, "-") == 0)) {
        w->terminal_width = columns && atoi(columns) > 0 ? atoi(columns)
                            : ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
                                ? size.ws_col
                                : 80;
        w->color = cli_color(o, stdout);
        w->unicode = cli_utf8_locale();
    }
    return 0;
}

int tag_setup_open(tag_setup *t, const cli_options *o, const at_model *model)
{
    *t = (tag_setup){.tags = {.struct_size = sizeof t->tags}, .image = cli_image_options(o, model)};
    int code = threshold_options(o, model, &t->tags, &t->thresholds);
    if (code == 0) code = tag_wanted(o, model, &t->only, &t->n_only);
    if (code == 0) code = crop_option(o, t->crop);
    if (code == 0) code = writer_options(o, &t->writer);
    if (code == 0) code = tag_read_names(t, o, model);
    if (code == 0 && o->only_custom && !o->own_tags)
        code = cli_usage("--only-custom: there are no words; name them with --tags");
    if (code == 0 && o->only_custom && o->only)
        code = cli_usage("--only names tags of the model, and --only-custom leaves them all out");
    t->only_custom = o->only_custom;
    if (code == 0 && o->own_tags)
        code = cli_open_labels(o, model, o->own_tags, o->only_custom, &t->labels);
    if (code == 0 && (o->parents || o->aliases)) code = cli_kin_open(o, model, t->labels, &t->kin);
    t->writer.senses = (const at_sense *const *)t->kin.senses;
    t->writer.n_senses = t->kin.n;
    t->writer.parents = o->parents;
    t->writer.aliases = o->aliases;
    return code;
}

void tag_setup_free(tag_setup *t)
{
    free(t->thresholds);
    free(t->only);
    free(t->names);
    free(t->rename_text);
    at_labels_free(t->labels);
    cli_kin_close(&t->kin);
}
