/* cmd_calibrate.c - anytag calibrate: which pictures, what they show, their scores; then thresholds, and
 * what those are worth. */
#include "calibrate.h"

#include <stdlib.h>
#include <string.h>

typedef struct target {
    at_calibrate_options options;
    double holdout;
    char text[64];
} target;

/* A decimal number that is the whole text. */
static bool decimal(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && *value == *value;
}

static int read_target(const cli_options *o, target *t)
{
    const char *s = o->target ? o->target : "f1";
    double v = 0;
    *t = (target){
        .options = {.struct_size = sizeof t->options, .min_positives = (int)o->min_positives}};
    if (strcmp(s, "f1") == 0) {
        (void)snprintf(t->text, sizeof t->text, "best F1");
    } else if (strncmp(s, "precision=", 10) == 0 && decimal(s + 10, &v) && v > 0 && v <= 1) {
        t->options.target = AT_CALIBRATE_PRECISION;
        (void)snprintf(t->text, sizeof t->text, "precision %g", v);
    } else if (strncmp(s, "count=", 6) == 0 && decimal(s + 6, &v) && v > 0 && v < 1e6) {
        t->options.target = AT_CALIBRATE_COUNT;
        (void)snprintf(t->text, sizeof t->text, "%g tags a picture", v);
    } else {
        return cli_usage("--target: \"%.40s\" is not f1, precision=P with P in 0..1, or count=N",
                         s);
    }
    t->options.value = v;
    if (o->holdout && !(decimal(o->holdout, &t->holdout) && t->holdout > 0 && t->holdout < 1))
        return cli_usage("--holdout: \"%.40s\" is not between 0 and 1; use 0.2", o->holdout);
    if (!o->annotations && t->options.target != AT_CALIBRATE_COUNT)
        return cli_usage("calibrate needs --annotations FILE, what the pictures show; --target "
                         "count=N does without");
    return 0;
}

static int check_options(const cli_options *o, size_t n)
{
    const char *out = o->output ? o->output : "", *dot = strrchr(out, '.');
    if (o->from && (n || o->files_from))
        return cli_usage("--from: holds the pictures' scores; name no pictures beside it");
    if (o->from && o->own_tags)
        return cli_usage("--from: holds the scores of the model's own tags; name pictures for "
                         "--tags");
    if (o->thresholds && o->own_tags)
        return cli_usage("--thresholds: is of the model's tags; --tags has thresholds of its own");
    if (dot && strcmp(dot, ".gguf") == 0 && !o->own_tags)
        return cli_usage(
            "--output: a .gguf is a set of --tags; the model's thresholds go to a .csv "
            "or .txt");
    return 0;
}

/* --- pictures and what they show ----------------------------------------------------------------------------- */

/* `of` [files]: the annotated picture of each, -1 none. Two files of one are refused: which is it? */
static int match(const cli_annotations *a, const cli_files *files, long *of)
{
    size_t *taken = calloc(a->n_pictures, sizeof *taken), known = 0;
    const char *lost = NULL;
    int code = taken ? 0 : 6;
    for (size_t i = 0; i < files->n && code == 0; i++) {
        of[i] = cli_annotations_find(a, files->paths[i]);
        if (of[i] < 0) {
            if (!lost) lost = files->paths[i];
            continue;
        }
        known++;
        if (taken[of[i]])
            code = cli_usage(
                "--annotations: \"%s\" of %s is both %s and %s; write more of the path",
                a->paths[of[i]], a->file, files->paths[taken[of[i]] - 1], files->paths[i]);
        taken[of[i]] = i + 1;
    }
    free(taken);
    if (code) return code;
    if (!known)
        return cli_error(
            AT_E_NO_INPUT,
            "none of the %zu pictures is annotated: %s speaks of \"%s\", a picture is %s", files->n,
            a->file, a->paths[0], files->paths[0]);
    if (lost)
        cli_warn("%zu of %zu pictures are not annotated and left out, the first: %s",
                 files->n - known, files->n, lost);
    if (known < a->n_pictures)
        cli_warn("%zu of the %zu annotated pictures are not among those named",
                 a->n_pictures - known, a->n_pictures);
    return 0;
}

static void keep_annotated(cli_files *files, long *of)
{
    size_t k = 0;
    for (size_t i = 0; i < files->n; i++) {
        if (of[i] < 0) {
            free(files->paths[i]);
            continue;
        }
        files->paths[k] = files->paths[i];
        files->below[k] = files->below[i];
        of[k++] = of[i];
    }
    files->n = k;
}

/* --- which are left out ------------------------------------------------------------------------------------------ */

/* A picture's place in the lot depends on its name and the seed alone. */
static uint64_t lot(const char *name, long seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)seed * 0x9e3779b97f4a7c15u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u; // splitmix64's end
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

typedef struct drawn {
    uint64_t lot;
    size_t row;
} drawn;

static int by_lot(const void *a, const void *b)
{
    const drawn *x = a, *y = b;
    if (x->lot != y->lot) return x->lot < y->lot ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Puts the rows that are left out last. `a` and `of` may be NULL. */
static int split(const target *t, long seed, const cli_files *files, const cli_annotations *a,
                 const long *of, calibrate_data *d)
{
    const size_t out = (size_t)(t->holdout * (double)d->n + 0.5), labels = d->labels;
    d->n_fit = d->n;
    if (t->holdout == 0) return 0;
    if (out == 0 || out == d->n)
        return cli_usage("--holdout: %g of %zu pictures leaves %s", t->holdout, d->n,
                         out ? "none to choose on" : "none out");
    drawn *order = calloc(d->n, sizeof *order);
    float *scores = calloc(d->n * labels, sizeof *scores);
    size_t *file = calloc(d->n, sizeof *file);
    const bool ok = order && scores && file;
    for (size_t i = 0; ok && i < d->n; i++) {
        const size_t f = d->file[i];
        order[i] = (drawn){lot(a ? a->paths[of[f]] : files->paths[f], seed), i};
    }
    if (ok) qsort(order, d->n, sizeof *order, by_lot);
    for (size_t i = 0; ok && i < d->n; i++) {
        const size_t row = order[d->n - 1 - i].row; // the first of the lot are left out
        memcpy(scores + i * labels, d->scores + row * labels, labels * sizeof *scores);
        file[i] = d->file[row];
    }
    free(order);
    free(ok ? d->scores : scores);
    free(ok ? d->file : file);
    if (!ok) return cli_error(AT_E_OUT_OF_MEMORY, "no memory for a second order of the pictures");
    d->scores = scores;
    d->file = file;
    d->n_fit = d->n - out;
    return 0;
}

static int set_truths(const cli_annotations *a, const long *of, calibrate_data *d)
{
    d->truths = malloc(d->n * d->labels);
    if (!d->truths)
        return cli_error(AT_E_OUT_OF_MEMORY, "no memory for what %zu pictures show", d->n);
    for (size_t i = 0; i < d->n; i++)
        cli_annotations_truths(a, (size_t)of[d->file[i]], d->truths + i * d->labels);
    return 0;
}

/* --- thresholds ------------------------------------------------------------------------------------------------- */

/* Those to begin with; of a tag that is never reported, 1: it never passes. */
static void thresholds_before(const cli_names *names, const at_tag_options *t, float *before)
{
    for (size_t l = 0; l < names->n; l++) {
        const float own = names->set      ? at_labels_threshold(names->set, l)
                          : t->thresholds ? t->thresholds[l]
                                          : at_model_threshold(names->model, l);
        const float v = t->threshold_mode == AT_THRESHOLD_ONE     ? t->threshold
                        : t->threshold_mode == AT_THRESHOLD_SHIFT ? own + t->threshold
                                                                  : own;
        before[l] = v < 0 ? 0 : v > 1 ? 1 : v;
        if (!names->set && at_model_tag_deleted(names->model, l)) before[l] = 1;
    }
}

/* Nothing is known of a tag that is never reported, so that it stays so. */
static void forget_deleted(const cli_names *names, calibrate_data *d)
{
    for (size_t l = 0; l < names->n && !names->set && d->truths; l++) {
        for (size_t i = 0; at_model_tag_deleted(names->model, l) && i < d->n; i++)
            d->truths[i * d->labels + l] = -1;
    }
}

static double said(const calibrate_data *d, size_t first, const float *thresholds)
{
    size_t count = 0;
    for (size_t i = first * d->labels; i < d->n * d->labels; i++)
        count += d->scores[i] > thresholds[i % d->labels];
    return (double)count / (double)(d->n - first);
}

static int choose(const cli_options *o, const target *t, const cli_names *names,
                  const tag_setup *setup, calibrate_data *d)
{
    const size_t n = names->n, first = d->n > d->n_fit ? d->n_fit : 0; // of those measured
    float *thresholds = calloc(2 * n, sizeof *thresholds), *after = thresholds + n;
    uint8_t *how = calloc(n, 1);
    at_label_quality *q = calloc(2 * n, sizeof *q);
    if (!thresholds || !how || !q) {
        free(thresholds);
        free(how);
        free(q);
        return cli_error(AT_E_OUT_OF_MEMORY, "no memory for the thresholds");
    }
    thresholds_before(names, &setup->tags, thresholds);
    forget_deleted(names, d);
    const float *scores = d->scores + first * n;
    const int8_t *truths = d->truths ? d->truths + first * n : NULL;
    at_error err = {0};
    at_status status = at_calibrate(d->scores, d->truths, d->n_fit, n, thresholds, &t->options,
                                    after, how, &err);
    for (size_t l = 0; l < n && names->set && status == AT_OK; l++) {
        if (after[l] <= 0) after[l] = 1e-30f; // a set has no threshold of 0
    }
    for (int k = 0; k < 2 && truths && status == AT_OK; k++)
        status = at_measure(scores, truths, d->n - first, n, thresholds + (size_t)k * n, NULL,
                            q + (size_t)k * n, &err);
    const calibrate_result r = {.o = o,
                                .names = names,
                                .data = d,
                                .target = t->text,
                                .before = thresholds,
                                .after = after,
                                .how = how,
                                .was = truths ? q : NULL,
                                .is = truths ? q + n : NULL,
                                .said_before = said(d, first, thresholds),
                                .said_after = said(d, first, after),
                                .measured = d->n - first,
                                .min_positives = o->min_positives ? o->min_positives : 20};
    int code = status == AT_OK ? calibrate_write(&r) : cli_fail(&err);
    const bool file = o->output && strcmp(o->output, "-") != 0;
    if (code == 0 && cli_wants_json(o))
        code = calibrate_print_json(&r);
    else if (code == 0 && (file || !o->quiet))
        calibrate_print_text(&r, file ? stdout : stderr);
    if (code == 0 && truths && !first)
        cli_warn("these figures are of the pictures that the thresholds were chosen on and flatter "
                 "them; --holdout 0.2 measures on pictures left out");
    free(thresholds);
    free(how);
    free(q);
    return code;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static int calibrate(const cli_options *o, const target *t, at_model *model, cli_files *files,
                     const tag_setup *setup, const cli_names *names)
{
    cli_annotations a = {0};
    calibrate_data d = {.labels = names->n};
    long *of = NULL;
    int code = cli_output_check(o->output), failed = 0;
    if (code == 0 && o->annotations)
        code = cli_annotations_read(&a, o->annotations, names, o->ignore_unknown);
    if (code == 0 && o->from) code = calibrate_read(o, model, files, &d);
    if (code == 0 && o->annotations) {
        of = calloc(files->n, sizeof *of);
        code = of ? match(&a, files, of) : 6;
    }
    if (code == 0 && o->from) {
        size_t k = 0;
        for (size_t i = 0; i < d.n; i++) { // rows of what is not annotated go
            if (of && of[d.file[i]] < 0) continue;
            memmove(d.scores + k * d.labels, d.scores + i * d.labels, d.labels * sizeof(float));
            d.file[k++] = d.file[i];
        }
        d.n = k;
    } else if (code == 0) {
        if (of) keep_annotated(files, of);
        for (size_t i = 0; o->dry_run && i < files->n; i++)
            puts(files->paths[i]);
        if (!o->dry_run) code = calibrate_tag(o, model, files, setup, &d);
        failed = code == 1;
        if (failed) code = d.n ? 0 : 1;
    }
    if (code == 0 && !o->dry_run) code = split(t, o->seed, files, of ? &a : NULL, of, &d);
    if (code == 0 && !o->dry_run && of) code = set_truths(&a, of, &d);
    if (code == 0 && !o->dry_run) code = choose(o, t, names, setup, &d);
    free(of);
    free(d.scores);
    free(d.truths);
    free(d.file);
    cli_annotations_free(&a);
    return code == 0 && failed ? 1 : code;
}

int cmd_calibrate(const cli_options *o, char **inputs, size_t n)
{
    cli_files files = {0};
    at_model *model = NULL;
    tag_setup setup = {0};
    cli_names names = {0};
    target t;
    cli_options mine = *o; // of a set of labels, those alone
    mine.only_custom = o->own_tags != NULL;
    int code = read_target(o, &t);
    if (code == 0) code = check_options(o, n);
    if (code == 0 && !o->from) code = cli_files_find(&files, o, inputs, n);
    if (code == 0) code = cli_open_model(o, &model);
    if (code == 0) code = tag_setup_open(&setup, &mine, model);
    if (code == 0) code = cli_names_open(&names, model, setup.labels);
    if (code == 0) code = calibrate(o, &t, model, &files, &setup, &names);
    cli_names_free(&names);
    tag_setup_free(&setup);
    at_model_close(model);
    cli_files_free(&files);
    return code;
}
