/* cmd_bench.c - anytag bench: file to tags, how long, where the time goes, and what the machine could do. */
#include "bench.h"
#include "progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_MAX = 64, OPS = 16, SESSIONS_MAX = 64, MADE = 8, MADE_W = 640, MADE_H = 480 };
enum { REPEAT = 5, WARM_S = 5, MEASURE_S = 20 }; // without --repeat, --warmup: passes, or seconds

typedef struct pictures {
    cli_files files;  // or, when none are named,
    void *made[MADE]; // JPEGs of our own in memory
    size_t sizes[MADE];
    size_t n;
} pictures;

typedef struct line { // a session's work
    const cli_options *o;
    const at_model *model;
    at_session *session;
    const pictures *p;
    size_t first, step, batch, rounds; // batches first, first + step, ...
    bool keep;                         // times count
    double until;                      // no batch but the first begins later; 0: all are done
    atomic_size_t *done;               // pictures of all lines
    cli_progress *progress;            // of the first line; NULL: another tells it
    double *ms;                        // room for all of it
    size_t n, seen;                    // pictures that were measured; those before, too
    double decode_s, prepare_s, tag_s;
    int code;
} line;

/* Smooth noise, so that a decoder has some work: blocks of colour with a gradient, always the same. */
static int make(pictures *p)
{
    uint8_t *rgb = malloc((size_t)MADE_W * MADE_H * 3);
    at_error err = {0};
    at_status status = rgb ? AT_OK : AT_E_OUT_OF_MEMORY;
    uint32_t state = 1;
    for (; status == AT_OK && p->n < MADE; p->n++) {
        for (size_t i = 0; i < (size_t)MADE_W * MADE_H * 3; i++) {
            const size_t x = i / 3 % MADE_W, y = i / 3 / MADE_W;
            state = state * 1664525u + 1013904223u;
            const size_t block = (x / 40 * 7 + y / 40 * 13 + p->n * 29 + i % 3 * 71) * 37 % 200;
            rgb[i] = (uint8_t)(block + (x + y) % 40 + (state >> 28));
        }
        at_image *image = NULL;
        status = at_image_from_rgb(rgb, MADE_W, MADE_H, (size_t)MADE_W * 3, NULL, &image, &err);
        if (status == AT_OK)
            status = at_image_thumbnail(image, MADE_W, 90, &p->made[p->n], &p->sizes[p->n], &err);
        at_image_free(image);
        if (status != AT_OK) break;
    }
    free(rgb);
    return status == AT_OK ? 0 : rgb ? cli_fail(&err) : 6;
}

static at_status read_one(const line *l, size_t i, at_image **image, at_error *err)
{
    const at_image_options io = cli_image_options(l->o, l->model);
    if (l->p->files.n) return at_image_read(l->p->files.paths[i], &io, image, err);
    return at_image_decode(l->p->made[i], l->p->sizes[i], "made", &io, image, err);
}

/* Reads, prepares and tags the n pictures from `at` on. */
static int one_batch(line *l, size_t at, size_t n)
{
    at_pixels *pixels[BATCH_MAX] = {0};
    at_tags *tags[BATCH_MAX] = {0};
    at_error err = {0}, errors[BATCH_MAX] = {0};
    at_status status = AT_OK;
    double decode_s = 0, prepare_s = 0;
    const double start = cli_seconds();
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        at_image *image = NULL;
        const double begin = cli_seconds();
        status = read_one(l, at + i, &image, &err);
        const double decoded = cli_seconds();
        if (status == AT_OK) status = at_pixels_prepare(l->model, image, &pixels[i], &err);
        decode_s += decoded - begin;
        prepare_s += cli_seconds() - decoded;
        at_image_free(image);
    }
    const double ready = cli_seconds();
    if (status == AT_OK)
        status = at_session_tag_pixels(l->session, (const at_pixels *const *)pixels, n, NULL, tags,
                                       errors);
    const double end = cli_seconds();
    for (size_t i = 0; i < n; i++) {
        if (status != AT_OK && err.status == AT_OK && errors[i].status != AT_OK) err = errors[i];
        at_tags_free(tags[i]);
        at_pixels_free(pixels[i]);
        if (l->keep) l->ms[l->n++] = (end - start) * 1e3 / (double)n;
    }
    if (l->keep) {
        l->decode_s += decode_s;
        l->prepare_s += prepare_s;
        l->tag_s += end - ready;
    }
    return status == AT_OK ? 0 : cli_fail(&err);
}

static void *run_line(void *user)
{
    line *l = user;
    const size_t batches = (l->p->n + l->batch - 1) / l->batch;
    for (size_t i = l->first; i < l->rounds * batches && l->code == 0; i += l->step) {
        if (l->until > 0 && i != l->first && cli_seconds() > l->until) break;
        const size_t at = i % batches * l->batch, left = l->p->n - at;
        const size_t n = left < l->batch ? left : l->batch;
        l->code = one_batch(l, at, n);
        l->seen += n;
        *l->done += n;
        if (!l->progress) continue;
        l->progress->ok = *l->done;
        cli_progress_show(l->progress, false);
    }
    return NULL;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* All lines at once, at most `most_s` seconds (0: to the end). Adds to *wall_s; 0 or an exit code. */
static int run_lines(line *lines, int n, size_t rounds, bool keep, double most_s, double *wall_s)
{
    pthread_t threads[SESSIONS_MAX];
    atomic_size_t done = 0;
    cli_progress progress;
    cli_progress_begin(&progress, lines[0].o, keep ? "measure" : "warm up", "",
                       rounds * lines[0].p->n);
    const double start = cli_seconds();
    int started = 0, code = 0;
    lines[0].progress = progress.bar ? &progress : NULL; // on a terminal alone
    for (int i = 0; i < n; i++) {
        lines[i].until = most_s > 0 ? start + most_s : 0;
        lines[i].done = &done;
        lines[i].rounds = rounds;
        lines[i].keep = keep;
        if (i && pthread_create(&threads[started], NULL, run_line, &lines[i]) != 0) break;
        started += i > 0;
    }
    (void)run_line(&lines[0]);
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < n && code == 0; i++)
        code = lines[i].code;
    *wall_s += cli_seconds() - start;
    cli_progress_clear(&progress);
    return code == 0 && started + 1 < n ? cli_error(AT_E_OUT_OF_MEMORY, "no thread could be made")
                                        : code;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_stage(bench *b, const char *name, double seconds, bool image)
{
    if (b->n_stages < BENCH_STAGES && seconds > 0)
        b->stages[b->n_stages++] = (bench_stage){
            .name = name, .seconds = seconds, .calls = (double)b->n, .image = image};
}

/* The lines' times into the bench: stages of the picture, ops of the network, what is left of a pass. */
static void gather(bench *b, const line *lines)
{
    double decode_s = 0, prepare_s = 0, rest_s = 0;
    for (int i = 0; i < b->parallel; i++) {
        memmove(b->ms + b->n, lines[i].ms, lines[i].n * sizeof *b->ms);
        b->n += lines[i].n;
        decode_s += lines[i].decode_s;
        prepare_s += lines[i].prepare_s;
        rest_s += lines[i].tag_s;
    }
    qsort(b->ms, b->n, sizeof *b->ms, by_value);
    add_stage(b, "decode", decode_s, true);
    add_stage(b, "resize", prepare_s, true);
    const size_t ops = b->n_stages;
    for (int i = 0; i < b->parallel; i++) {
        at_profile_row rows[OPS];
        size_t n = at_session_profile_rows(lines[i].session, rows, OPS);
        for (size_t k = 0; k < n && k < OPS; k++) {
            size_t at = ops;
            while (at < b->n_stages && strcmp(b->stages[at].name, rows[k].op) != 0)
                at++;
            if (at == BENCH_STAGES) continue;
            b->n_stages += at == b->n_stages;
            bench_stage *s = &b->stages[at];
            s->name = rows[k].op;
            s->peak = rows[k].peak;
            s->seconds += rows[k].seconds;
            s->flop += rows[k].flop;
            s->bytes += rows[k].bytes;
            s->calls += (double)rows[k].calls;
            rest_s -= rows[k].seconds;
        }
    }
    add_stage(b, "other", rest_s, false); // tables, thresholds, names, and what is between ops
}

/* Whole passes, so that each picture counts as often: as many as the warm-up says there is time for. */
static size_t passes_in(const line *lines, int n, double warm_s)
{
    size_t seen = 0;
    for (int i = 0; i < n; i++)
        seen += lines[i].seen;
    const double pass_s = seen ? warm_s / (double)seen * (double)lines[0].p->n : 0;
    if (pass_s * REPEAT <= MEASURE_S) return REPEAT;
    return pass_s < MEASURE_S ? (size_t)(MEASURE_S / pass_s) : 1;
}

static int measure(const cli_options *o, bench *b, line *lines)
{
    const bool warm_given = cli_given(o, "bench", "warmup");
    const size_t warmup = warm_given ? (size_t)o->warmup : 1, n = lines[0].p->n;
    size_t repeat = o->repeat ? (size_t)o->repeat : REPEAT;
    const size_t all = repeat * n;
    double warm_s = 0;
    b->ms = calloc(all, sizeof *b->ms);
    if (!b->ms) return 6;
    for (int i = 0; i < b->parallel; i++) {
        lines[i].ms = calloc(all, sizeof *lines[i].ms);
        if (!lines[i].ms) return 6;
    }
    int code = run_lines(lines, b->parallel, warmup, false, warm_given ? 0 : WARM_S, &warm_s);
    if (!o->repeat) repeat = passes_in(lines, b->parallel, warm_s);
    for (int i = 0; i < b->parallel; i++)
        at_session_profile(lines[i].session, 1);
    const double before = cpu_seconds();
    if (code == 0) code = run_lines(lines, b->parallel, repeat, true, 0, &b->wall_s);
    b->cpu_s = cpu_seconds() - before;
    if (code == 0) gather(b, lines);
    return code;
}

static int open_lines(const cli_options *o, at_model *m, const pictures *p, bench *b, line *lines)
{
    size_t *only = NULL, n_only = 0;
    at_labels *labels = NULL;
    at_error err = {0};
    int code = o->only ? cli_tag_ids(o, m, "only", o->only, &only, &n_only) : 0;
    if (code == 0 && o->own_tags)
        code = cli_open_labels(o, m, o->own_tags, o->only_custom, &labels);
    const int share = b->threads / b->parallel;
    const at_session_options so = {.struct_size = sizeof so,
                                   .threads = share > 1 ? share : 1,
                                   .max_batch = b->batch,
                                   .only = only,
                                   .n_only = n_only};
    for (int i = 0; i < b->parallel && code == 0; i++) {
        lines[i] = (line){.o = o,
                          .model = m,
                          .p = p,
                          .first = (size_t)i,
                          .step = (size_t)b->parallel,
                          .batch = (size_t)b->batch};
        if (at_session_open(m, &so, &lines[i].session, &err) != AT_OK ||
            (labels &&
             at_session_set_labels(lines[i].session, labels, o->only_custom, &err) != AT_OK))
            code = cli_fail(&err);
    }
    free(only);
    at_labels_free(labels);
    return code;
}

static int find_pictures(pictures *p, const cli_options *o, char **inputs, size_t n, char *what,
                         size_t size)
{
    const bool named = n || o->files_from;
    const int code = named ? cli_files_find(&p->files, o, inputs, n) : make(p);
    if (named) p->n = p->files.n;
    if (o->images > 0 && (size_t)o->images < p->n) p->n = (size_t)o->images;
    (void)snprintf(what, size, named ? "%zu picture%s" : "%zu made picture%s of 640 x 480", p->n,
                   p->n == 1 ? "" : "s");
    return code;
}

int cmd_bench(const cli_options *o, char **inputs, size_t n)
{
    char what[80];
    pictures p = {0};
    at_model *m = NULL;
    bench b = {.threads = (int)(o->threads ? o->threads : at_cpu_count()),
               .parallel = (int)(o->parallel > SESSIONS_MAX ? SESSIONS_MAX
                                 : o->parallel              ? o->parallel
                                                            : 1),
               .batch = (int)(o->batch > BATCH_MAX ? BATCH_MAX
                              : o->batch           ? o->batch
                                                   : 1),
               .pictures = what};
    json_t *then = NULL;
    if (o->repeat == 0 && cli_given(o, "bench", "repeat"))
        return cli_usage("--repeat: 0 is not a whole number from 1 on");
    line *lines = calloc(SESSIONS_MAX, sizeof *lines);
    int code = lines ? 0 : 6;
    if (code == 0 && o->compare) code = bench_earlier(o->compare, &then);
    if (code == 0) code = find_pictures(&p, o, inputs, n, what, sizeof what);
    const double opening = cli_seconds();
    if (code == 0) code = cli_open_model(o, &m);
    b.open_ms = (cli_seconds() - opening) * 1e3;
    b.model = m;
    at_error err = {0};
    if (code == 0) code = open_lines(o, m, &p, &b, lines);
    if (code == 0 && at_machine_measure(b.threads, &b.machine, &err) != AT_OK)
        code = cli_fail(&err);
    if (code == 0) code = measure(o, &b, lines);
    if (code == 0 && (o->json || cli_wants_json(o)))
        code = cli_print_json(bench_json(&b));
    else if (code == 0)
        bench_print(&b);
    if (code == 0 && then) bench_compare(then, &b);
    json_decref(then);
    for (int i = 0; lines && i < SESSIONS_MAX; i++) {
        free(lines[i].ms);
        at_session_close(lines[i].session);
    }
    free(lines);
    free(b.ms);
    at_model_close(m);
    for (size_t i = 0; i < MADE; i++)
        at_buffer_free(p.made[i]);
    cli_files_free(&p.files);
    return code;
}
