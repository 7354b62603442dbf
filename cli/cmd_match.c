/* cmd_match.c - anytag match: look at every picture once, then compare it with every text. */
#include "tag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 64 };

/* What is compared. */
typedef struct match {
    const cli_options *o;
    at_model *model;
    const cli_files *files;
    const tag_setup *setup;
    at_session *session;
    cli_list texts;
    char **owned; // of --texts-from
    size_t n_owned;
    const char **names; // of the pictures that could be read, [n]
    at_features **features;
    size_t n;
    float *idf;
} match;

/* --- texts ------------------------------------------------------------------------------------------------ */

static bool add_text(match *t, const char *text)
{
    const char **grown = realloc(t->texts.items, (t->texts.n + 1) * sizeof *grown);
    if (!grown) return false;
    t->texts.items = grown;
    grown[t->texts.n++] = text;
    return true;
}

static bool own_text(match *t, const char *line)
{
    char **grown = realloc(t->owned, (t->n_owned + 1) * sizeof *grown);
    if (!grown) return false;
    t->owned = grown;
    char *copy = grown[t->n_owned] = strdup(line);
    if (!copy) return false;
    t->n_owned++;
    return add_text(t, copy);
}

static int texts_from(match *t, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!f) return cli_usage("--texts-from: %s cannot be read (%s)", path, strerror(errno));
    char *line = NULL;
    size_t cap = 0;
    int code = 0;
    while (code == 0 && getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[strspn(line, " \t")] && !own_text(t, line)) code = 6;
    }
    free(line);
    if (f != stdin) (void)fclose(f);
    return code;
}

static int read_texts(match *t)
{
    const cli_options *o = t->o;
    int code = 0;
    for (size_t i = 0; i < o->texts.n && code == 0; i++)
        code = add_text(t, o->texts.items[i]) ? 0 : 6;
    if (code == 0 && o->texts_from) code = texts_from(t, o->texts_from);
    if (code == 0 && t->texts.n == 0)
        code = cli_usage("no text to compare with; give --text TEXT or --texts-from FILE");
    return code;
}

/* --- pictures --------------------------------------------------------------------------------------------- */

/* The next pictures that can be read, at most `most`; *at moves on. */
static size_t read_batch(match *t, size_t *at, size_t most, cli_progress *progress,
                         at_pixels **pixels, const char **names)
{
    size_t n = 0;
    while (n < most && *at < t->files->n && !cli_stopped()) {
        const char *path = t->files->paths[(*at)++];
        at_image *image = NULL;
        at_error err = {0};
        if (cli_read_image(path, &t->setup->image, &image, &err) == AT_OK &&
            at_pixels_prepare(t->model, image, &pixels[n], &err) == AT_OK)
            names[n++] = path;
        else if (err.status != AT_E_CANCELLED) // stopped while a pipe was read
            cli_progress_failed(progress, path, &err);
        at_image_free(image);
    }
    return n;
}

static int look_at_pictures(match *t, cli_progress *progress)
{
    const size_t most = t->o->batch > BATCH_MAX ? BATCH_MAX : t->o->batch ? (size_t)t->o->batch : 1;
    t->names = calloc(t->files->n, sizeof *t->names);
    t->features = calloc(t->files->n, sizeof *t->features);
    if (!t->names || !t->features) return 6;
    for (size_t at = 0; at < t->files->n && !cli_stopped();) {
        at_pixels *pixels[BATCH_MAX] = {0};
        const char *names[BATCH_MAX];
        at_error errs[BATCH_MAX] = {0};
        at_features *features[BATCH_MAX] = {0};
        const size_t n = read_batch(t, &at, most, progress, pixels, names);
        cli_stop_at_hand(n);
        if (n)
            (void)at_session_features_pixels(t->session, (const at_pixels *const *)pixels, n,
                                             &t->setup->tags, features, errs);
        for (size_t i = 0; i < n; i++) {
            at_pixels_free(pixels[i]);
            if (!features[i]) {
                cli_progress_failed(progress, names[i], &errs[i]);
                continue;
            }
            progress->ok++;
            t->names[t->n] = names[i];
            t->features[t->n++] = features[i];
        }
        cli_progress_show(progress, false);
    }
    return cli_stopped();
}

/* --- both ------------------------------------------------------------------------------------------------- */

static int stop_asked(void *user, size_t done, size_t all)
{
    (void)user;
    (void)done;
    (void)all;
    return cli_stopped();
}

static int match_options(match *t, at_match_options *m)
{
    const cli_options *o = t->o;
    char *end = NULL;
    *m = (at_match_options){.struct_size = sizeof *m,
                            .by = o->by && strcmp(o->by, "image") == 0 ? AT_BY_IMAGE : AT_BY_TEXT,
                            .top_k = (int)o->top_k,
                            .no_itm = o->no_itm,
                            .progress = stop_asked};
    m->lambda = o->lambda ? strtof(o->lambda, &end) : 0;
    if (o->lambda && (end == o->lambda || *end || !(m->lambda >= 0 && m->lambda <= 10)))
        return cli_usage("--lambda: \"%.40s\" is not a number in 0..10", o->lambda);
    m->no_tags = o->lambda && m->lambda == 0;
    const int code = o->idf ? tag_read_idf(o, t->model, &t->idf) : 0;
    m->idf = t->idf;
    return code;
}

static int write_matches(const match *t, const at_matches *m)
{
    const cli_options *o = t->o;
    const at_match_writer_options w = {.struct_size = sizeof w,
                                       .top = o->top_k ? (size_t)o->top_k : 10,
                                       .color = t->setup->writer.color,
                                       .bom = o->bom,
                                       .excel = o->excel};
    cli_output out;
    at_error err = {0};
    int code = cli_output_open(&out, o->output);
    if (code == 0 && at_matches_write(m, o->format ? o->format : "text", t->names, &w,
                                      cli_output_write, &out, &err) != AT_OK)
        code = errno == EPIPE ? 141 : cli_fail(&err);
    const int closed = cli_output_close(&out, code == 0);
    return closed ? closed : code;
}

static int compare(match *t, const at_texts *texts, const at_match_options *options)
{
    at_matches *m = NULL;
    at_error err = {0};
    if (t->n == 0) return 0; // every picture's failure was told
    int code = 0;
    if (at_session_match(t->session, (const at_features *const *)t->features, t->n, texts, options,
                         &m, &err) != AT_OK)
        code = cli_stopped() ? cli_stopped() : cli_fail(&err);
    if (code == 0) code = write_matches(t, m);
    at_matches_free(m);
    return code;
}

/* Texts first: a bad one is told before the first picture is looked at. */
static int run(match *t)
{
    const cli_options *o = t->o;
    const at_session_options so = {
        .struct_size = sizeof so, .threads = (int)o->threads, .max_batch = (int)o->batch};
    at_match_options options;
    at_texts *texts = NULL;
    at_error err = {0};
    cli_progress progress;
    int code = match_options(t, &options);
    if (code) return code;
    if (at_session_open(t->model, &so, &t->session, &err) != AT_OK ||
        at_session_texts(t->session, t->texts.items, t->texts.n, &texts, &err) != AT_OK)
        return cli_fail(&err);
    for (size_t i = 0; i < t->texts.n; i++) {
        if (at_texts_cut(texts, i))
            cli_warn("text %zu is longer than %zu tokens; its last %zu were left out", i + 1,
                     at_model_match_tokens(t->model), at_texts_cut(texts, i));
    }
    cli_stop_begin(o);
    cli_progress_begin(&progress, o, "match", "looked at", t->files->n);
    code = look_at_pictures(t, &progress);
    if (code == 0) code = compare(t, texts, &options);
    if (code == 0 && progress.failed) code = 1;
    cli_progress_end(&progress, code != 141);
    at_texts_free(texts);
    return code;
}

static int match_all(const cli_options *o, at_model *model, cli_files *files, tag_setup *setup)
{
    if (!at_model_match_width(model))
        return cli_error(
            AT_E_MODEL_UNSUPPORTED,
            "%s has no weights to compare pictures with texts; they come from training "
            "a Tag2Text for retrieval (neither the model in the box nor the official "
            "checkpoints have them); name a model that has with --model",
            at_model_name(model));
    match t = {.o = o, .model = model, .files = files, .setup = setup};
    int code = read_texts(&t);
    if (code == 0) code = run(&t);
    for (size_t i = 0; i < t.n; i++)
        at_features_free(t.features[i]);
    at_session_close(t.session);
    for (size_t i = 0; i < t.n_owned; i++)
        free(t.owned[i]);
    free(t.owned);
    free(t.texts.items);
    free(t.names);
    free(t.features);
    free(t.idf);
    return code;
}

int cmd_match(const cli_options *o, char **inputs, size_t n)
{
    if (!o->texts.n && !o->texts_from) // before a model is opened, or told not to be fit for it
        return cli_usage("no text to compare with; give --text TEXT or --texts-from FILE");
    return tag_command(o, inputs, n, "match", match_all);
}
