/* main.c - bench_caption MODEL THREADS: prints the speed at which the threads read memory, then for each
 * line "LEAST MOST PATH" on stdin the seconds from file to tags and from file to tags and caption, and
 * the caption's token ids, and the seconds of each op. For run.py. */
#include "anytag/caption.h"
#include "anytag/model.h"
#include "anytag/profile.h"
#include "anytag/session.h"
#include "base/base.h"
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int fail(const at_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

enum { SLICE = 1 << 18 }; // numbers

typedef struct reading {
    const uint64_t *data;
    uint64_t sums[64];
} reading;

static void read_slice(void *ctx, size_t chunk, int worker)
{
    reading *r = ctx;
    const uint64_t *x = r->data + chunk * SLICE;
    uint64_t s[8] = {0}; // the compiler makes vectors of it
    for (size_t i = 0; i < SLICE; i += 8)
        for (size_t k = 0; k < 8; k++)
            s[k] += x[i + k];
    for (size_t k = 0; k < 8; k++)
        r->sums[worker] += s[k];
}

/* GB/s of the best of seven readings of 512 MiB: as much as a step reads. */
static double bandwidth(int threads)
{
    const size_t slices = 256, bytes = slices * SLICE * sizeof(uint64_t);
    at_pool *pool = NULL;
    reading r = {.data = malloc(bytes)};
    if (!r.data || at_pool_open(&pool, threads, NULL, NULL) != AT_OK) return 0;
    memset((void *)(uintptr_t)r.data, 1, bytes);
    double best = 1e9;
    for (int i = 0; i < 7; i++) {
        const double start = now();
        at_pool_run(pool, slices, read_slice, &r);
        const double took = now() - start;
        if (took < best) best = took;
    }
    at_pool_close(pool);
    free((void *)(uintptr_t)r.data);
    return r.sums[0] ? (double)bytes / best * 1e-9 : 0;
}

static at_status answer(at_session *s, const at_caption_options *o, const char *path, at_error *err)
{
    at_profile_row ops[16];
    at_image *image = NULL;
    at_tags *tags = NULL;
    at_captions *captions = NULL;
    const double start = now();
    at_status status = at_image_read(path, NULL, &image, err);
    if (status == AT_OK) status = at_session_tag(s, image, NULL, &tags, err);
    const double tagged = now();
    at_tags_free(tags);
    at_image_free(image);
    image = NULL;
    at_session_profile(s, 1); // counts from zero
    const double again = now();
    if (status == AT_OK) status = at_image_read(path, NULL, &image, err);
    if (status == AT_OK) status = at_session_caption(s, image, o, &captions, err);
    const double all = now() - again;
    if (status == AT_OK) {
        size_t n;
        const int32_t *ids = at_captions_ids(captions, 0, &n);
        printf("{\"tags\": %.6f, \"all\": %.6f, \"ids\": [", tagged - start, all);
        for (size_t i = 0; i < n; i++)
            printf("%s%d", i ? ", " : "", (int)ids[i]);
        printf("], \"ops\": {");
        const size_t n_ops = at_session_profile_rows(s, ops, 16);
        for (size_t i = 0; i < n_ops && i < 16; i++)
            printf("%s\"%s\": %.6f", i ? ", " : "", ops[i].op, ops[i].seconds);
        printf("}}\n");
        fflush(stdout);
    }
    at_captions_free(captions);
    at_image_free(image);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_caption MODEL THREADS\n");
        return 2;
    }
    at_model *m = NULL;
    at_session *s = NULL;
    at_error err = {0};
    const at_session_options so = {.struct_size = sizeof so, .threads = atoi(argv[2])};
    const double memory = bandwidth(so.threads);
    at_status status = at_model_open(argv[1], NULL, &m, &err);
    if (status == AT_OK) status = at_session_open(m, &so, &s, &err);
    if (status == AT_OK) printf("{\"memory_gb_s\": %.2f}\n", memory);
    fflush(stdout);
    char line[4096];
    while (status == AT_OK && fgets(line, sizeof line, stdin)) {
        at_caption_options o = {.struct_size = sizeof o};
        char *at = line;
        o.min_length = (int)strtol(at, &at, 10);
        o.max_length = (int)strtol(at, &at, 10);
        at[strcspn(at, "\n")] = 0;
        status = answer(s, &o, at + strspn(at, " "), &err);
    }
    at_session_close(s);
    at_model_close(m);
    return status == AT_OK ? 0 : fail(&err);
}
