/* cmd_bench.c - anytag bench: file to tags, how long and where the time goes. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 64, OPS = 16 };

typedef struct timings {
    double *ms; // of each picture, sorted in the end
    size_t n;
    double open_ms, total_ms;
    at_profile_row ops[OPS];
    size_t n_ops;
} timings;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const timings *t, double share)
{
    const size_t i = (size_t)(share * (double)t->n);
    return t->ms[i < t->n ? i : t->n - 1];
}

/* Reads and tags `n` pictures; milliseconds of each, which is the batch's share. */
static int one_batch(const cli_options *o, at_session *s, char *const *paths, size_t n, double *ms)
{
    const at_image_options io = cli_image_options(o);
    at_image *images[BATCH_MAX] = {0};
    at_tags *tags[BATCH_MAX] = {0};
    at_error err = {0}, errors[BATCH_MAX] = {0};
    const double start = cli_seconds();
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++)
        status = at_image_read(paths[i], &io, &images[i], &err);
    if (status == AT_OK)
        status = at_session_tag_batch(s, (const at_image *const *)images, n, NULL, tags, errors);
    *ms = (cli_seconds() - start) * 1e3 / (double)n;
    for (size_t i = 0; i < n; i++) {
        if (status != AT_OK && err.status == AT_OK && errors[i].status != AT_OK) err = errors[i];
        at_tags_free(tags[i]);
        at_image_free(images[i]);
    }
    return status == AT_OK ? 0 : cli_fail(&err);
}

static int measure(const cli_options *o, at_session *s, const cli_files *files, timings *t)
{
    const size_t repeat = o->repeat ? (size_t)o->repeat : 5,
                 warmup = o->warmup ? (size_t)o->warmup : 1,
                 batch = o->batch > BATCH_MAX ? BATCH_MAX
                         : o->batch           ? (size_t)o->batch
                                              : 1;
    t->ms = calloc(repeat * files->n, sizeof *t->ms);
    if (!t->ms) return 6;
    for (size_t r = 0; r < warmup + repeat; r++) {
        if (r == warmup) at_session_profile(s, 1);
        for (size_t i = 0; i < files->n; i += batch) {
            const size_t n = files->n - i < batch ? files->n - i : batch;
            double ms;
            const int code = one_batch(o, s, files->paths + i, n, &ms);
            if (code) return code;
            for (size_t k = 0; k < n && r >= warmup; k++) {
                t->ms[t->n++] = ms;
                t->total_ms += ms;
            }
        }
    }
    t->n_ops = at_session_profile_rows(s, t->ops, OPS);
    if (t->n_ops > OPS) t->n_ops = OPS;
    qsort(t->ms, t->n, sizeof *t->ms, by_value);
    return 0;
}

static json_t *as_json(const at_model *m, const timings *t)
{
    json_t *ops = json_array();
    for (size_t i = 0; i < t->n_ops; i++)
        (void)json_array_append_new(ops, json_pack("{ss sf sf sI}", "op", t->ops[i].op, "ms",
                                                   t->ops[i].seconds * 1e3 / (double)t->n, "gflops",
                                                   t->ops[i].flop / t->ops[i].seconds / 1e9,
                                                   "calls", (json_int_t)(t->ops[i].calls / t->n)));
    return json_pack("{so ss sI sf sf sf sf sf sf so}", "model", cli_json_text(at_model_name(m)),
                     "precision", at_model_precision(m), "images", (json_int_t)t->n, "median_ms",
                     percentile(t, 0.5), "p90_ms", percentile(t, 0.9), "p99_ms",
                     percentile(t, 0.99), "min_ms", t->ms[0], "images_per_s",
                     (double)t->n / t->total_ms * 1e3, "open_ms", t->open_ms, "ops", ops);
}

static void print_text(const at_model *m, const timings *t)
{
    printf(
        "%s %s: open %.0f ms; file to tags median %.2f ms, 90th percentile %.2f ms, 99th %.2f ms, "
        "least %.2f ms, %.1f images/s\n",
        at_model_name(m), at_model_precision(m), t->open_ms, percentile(t, 0.5), percentile(t, 0.9),
        percentile(t, 0.99), t->ms[0], (double)t->n / t->total_ms * 1e3);
    for (size_t i = 0; i < t->n_ops; i++)
        printf("  %-12s %9.2f ms an image  %7.1f GFLOP/s  %llu calls\n", t->ops[i].op,
               t->ops[i].seconds * 1e3 / (double)t->n, t->ops[i].flop / t->ops[i].seconds / 1e9,
               (unsigned long long)(t->ops[i].calls / t->n));
}

/* On stderr, so that --json stays one object. */
static int compare(const char *path, const at_model *m, const timings *t)
{
    json_error_t why;
    json_t *then = json_load_file(path, 0, &why);
    const double median = json_number_value(json_object_get(then, "median_ms"));
    const char *model = json_string_value(json_object_get(then, "model"));
    int code = 0;
    if (!(median > 0))
        code = cli_usage("--compare: %s is no result of anytag bench --json", path);
    else
        fprintf(stderr, "median %.2f ms, then %.2f ms: %.3f times as fast%s\n", percentile(t, 0.5),
                median, median / percentile(t, 0.5),
                model && strcmp(model, at_model_name(m)) != 0 ? " (another model)" : "");
    json_decref(then);
    return code;
}

int cmd_bench(const cli_options *o, char **inputs, size_t n)
{
    cli_files files;
    at_model *m = NULL;
    at_session *s = NULL;
    at_error err = {0};
    timings t = {0};
    size_t *only = NULL, n_only = 0;
    int code = cli_files_find(&files, o, inputs, n);
    const double opening = cli_seconds();
    if (code == 0) code = cli_open_model(o, &m);
    if (code == 0 && o->only) code = cli_tag_ids(m, "only", o->only, &only, &n_only);
    const at_session_options so = {.struct_size = sizeof so,
                                   .threads = (int)o->threads,
                                   .max_batch = (int)(o->batch > BATCH_MAX ? BATCH_MAX : o->batch),
                                   .only = only,
                                   .n_only = n_only};
    if (code == 0 && at_session_open(m, &so, &s, &err) != AT_OK) code = cli_fail(&err);
    t.open_ms = (cli_seconds() - opening) * 1e3;
    if (code == 0) code = measure(o, s, &files, &t);
    if (code == 0 && o->json)
        code = cli_print_json(as_json(m, &t));
    else if (code == 0)
        print_text(m, &t);
    if (code == 0 && o->compare) code = compare(o->compare, m, &t);
    free(t.ms);
    free(only);
    at_session_close(s);
    at_model_close(m);
    cli_files_free(&files);
    return code;
}
