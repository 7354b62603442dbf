/* peak_main.c - bench_peak [THREADS]: what the processor can do at most, {"f32": GFLOP/s, "bf16": ..., "int8":
 * ...}, the best of 25; what it has no instructions for is left out. For bench/tag/run.py. */
#include "base/pool.h"
#include "kernels/peak.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TIMES = 25 };
static const double SECONDS = 0.01; // of a measurement

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct work {
    const at_peak_loop *loop;
    long rounds;
} work;

static void chunk(void *ctx, size_t i, int worker)
{
    const work *w = ctx;
    (void)i;
    (void)worker;
    w->loop->run(w->rounds);
}

static double measure(at_pool *pool, int threads, const at_peak_loop *loop)
{
    work w = {.loop = loop, .rounds = 1000};
    double took = 0, best = 0;
    while (took < SECONDS) {
        const double start = now();
        loop->run(w.rounds);
        took = now() - start;
        if (took < SECONDS) w.rounds *= 2;
    }
    for (int i = 0; i < TIMES; i++) {
        const double start = now();
        at_pool_run(pool, (size_t)threads, chunk, &w);
        const double rate = loop->ops * (double)w.rounds * threads / (now() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : at_cpu_count();
    const at_peak_loop loops[] = {at_peak_f32(), at_peak_bf16(), at_peak_int8()};
    const char *const names[] = {"f32", "bf16", "int8"};
    at_pool *pool = NULL;
    if (threads < 1 || at_pool_open(&pool, threads, NULL, NULL) != AT_OK) return 1;
    int printed = 0;
    for (int i = 0; i < 3; i++)
        if (loops[i].run) {
            const double rate = measure(pool, threads, &loops[i]);
            printf("%s\"%s\": %.1f", printed++ ? ", " : "{", names[i], rate);
        }
    printf("%s}\n", printed ? "" : "{");
    at_pool_close(pool);
    return 0;
}
