/* products.c - see products.h. Ours and the peers alternate, A B C A B C; medians of five. Weights are
 * packed beforehand by those that pack. Shares are of a peak measured in the same minute: a loop of
 * fused multiply-adds on every thread. */
#include "products.h"

#include "backend/backend.h"
#include "base/cpu.h"
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct shape {
    const char *name;
    size_t m, n, k;
} shapes[] = {
    // RAM, Swin-L, 384 pixels, one picture
    {"swin s0 qkv", 9216, 576, 192},
    {"swin s0 proj", 9216, 192, 192},
    {"swin s0 fc1", 9216, 768, 192},
    {"swin s0 fc2", 9216, 192, 768},
    {"swin s0 merge", 2304, 384, 768},
    {"swin s1 qkv", 2304, 1152, 384},
    {"swin s1 fc1", 2304, 1536, 384},
    {"swin s1 fc2", 2304, 384, 1536},
    {"swin s2 qkv", 576, 2304, 768},
    {"swin s2 proj", 576, 768, 768},
    {"swin s2 fc1", 576, 3072, 768},
    {"swin s2 fc2", 576, 768, 3072},
    {"swin s3 qkv", 144, 4608, 1536},
    {"swin s3 proj", 144, 1536, 1536},
    {"swin s3 fc1", 144, 6144, 1536},
    {"swin s3 fc2", 144, 1536, 6144},
    {"head q", 4585, 768, 768},
    {"head fc1", 4585, 3072, 768},
    {"head fc2", 4585, 768, 3072},
    {"head block fc1", 765, 3072, 768},
    {"head kv", 145, 768, 512},
    // the small model's 1x1 convolutions, one picture
    {"small 32>16", 12544, 16, 32},
    {"small 16>96", 12544, 96, 16},
    {"small 96>24", 3136, 24, 96},
    {"small 24>144", 3136, 144, 24},
    {"small 144>32", 784, 32, 144},
    {"small 32>192", 784, 192, 32},
    {"small 192>64", 196, 64, 192},
    {"small 64>384", 196, 384, 64},
    {"small 576>160", 49, 160, 576},
    {"small 160>960", 49, 960, 160},
    {"small 320>1280", 49, 1280, 320},
    {"small head", 597, 192, 192},
    // few rows: captions
    {"rows 1", 1, 3072, 768},
    {"rows 4", 4, 3072, 768},
    {"rows 8", 8, 768, 3072},
};

enum { RUNS = 5, MAX_WAYS = 4, PEAK_ROUNDS = 4000000 };

/* One thread is measured in processor time: what others run meanwhile does not count. */
static clockid_t clock_id = CLOCK_MONOTONIC;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return d > 0.0 ? 1 : d < 0.0 ? -1 : 0;
}

static void peak_chunk(void *ctx, size_t chunk, int worker)
{
    (void)chunk;
    (void)worker;
    *(volatile double *)ctx = at_cpu_features() & AT_CPU_AVX512 ? peak_avx512(PEAK_ROUNDS)
                                                                : peak_avx2(PEAK_ROUNDS);
}

/* GFLOP/s of all threads. */
static double peak(at_pool *pool, int threads)
{
    double best = 0.0, sink;
    const double lanes = at_cpu_features() & AT_CPU_AVX512 ? 16.0 * 16.0 : 12.0 * 8.0;
    for (int i = 0; i < 9; i++) {
        const double begin = now_s();
        at_pool_run(pool, (size_t)threads, peak_chunk, &sink);
        const double rate = 2.0 * lanes * PEAK_ROUNDS * threads / (now_s() - begin) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}

typedef struct ours {
    at_device *device;
    at_linear_args args;
} ours;

static void run_ours(void *p)
{
    const ours *o = p;
    at_backend_cpu.linear(o->device, &o->args);
}

/* One measurement; the first call warms and is not counted. Before it OpenBLAS' and OpenMP's threads get
 * time to fall asleep: they spin for some 30 ms after a call, on the processors that others want. */
static double measure(void (*run)(void *), void *p, double flop)
{
    nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
    run(p);
    const double begin = now_s();
    int count = 0;
    double end;
    do {
        run(p);
        count++;
        end = now_s();
    } while (end - begin < 0.03);
    return flop * count / (end - begin) * 1e-9;
}

static int bench_shape(const struct shape *s, at_device *device, const peer *const *peers,
                       size_t n_peers, double top)
{
    const size_t m = s->m, n = s->n, k = s->k;
    float *x = at_alloc(NULL, m * k * 4), *w = at_alloc(NULL, n * k * 4),
          *y = at_alloc(NULL, m * n * 4);
    uint16_t *half = at_alloc(NULL, n * k * 2);
    if (!x || !w || !y || !half) return 1;
    unsigned seed = 1;
    for (size_t i = 0; i < m * k; i++)
        x[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    for (size_t i = 0; i < n * k; i++) {
        w[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
        half[i] = (uint16_t)(0x2c00 + (seed >> 20)); // some float16 between 0.06 and 0.6
    }
    at_matrix packed[2] = {{0}, {0}};
    if (at_backend_cpu.pack(&packed[0], w, AT_F32, AT_F32, n, k, NULL, NULL, NULL) != AT_OK)
        return 1;
    if (at_backend_cpu.pack(&packed[1], half, AT_F16, AT_F16, n, k, NULL, NULL, NULL) != AT_OK)
        return 1;
    ours f32 = {device, {.m = m, .x = x, .ldx = k, .w = &packed[0], .y = y, .ldy = n}}, f16 = f32;
    f16.args.w = &packed[1];
    struct {
        void (*run)(void *);
        void *p;
        double rates[RUNS];
    } ways[MAX_WAYS] = {{.run = run_ours, .p = &f32}, {.run = run_ours, .p = &f16}};
    for (size_t i = 0; i < n_peers; i++) {
        ways[2 + i].run = peers[i]->run;
        ways[2 + i].p = peers[i]->prepare(m, n, k, x, w, y);
    }
    const double flop = 2.0 * (double)m * (double)n * (double)k;
    for (int r = 0; r < RUNS; r++)
        for (size_t i = 0; i < 2 + n_peers; i++)
            ways[i].rates[r] = measure(ways[i].run, ways[i].p, flop);
    printf("%-15s %5zu %5zu %5zu ", s->name, m, n, k);
    double best = 0.0, mine = 0.0;
    for (size_t i = 0; i < 2 + n_peers; i++) {
        qsort(ways[i].rates, RUNS, sizeof(double), by_value);
        const double rate = ways[i].rates[RUNS / 2];
        if (i == 0) mine = rate;
        if (i > 1 && rate > best) best = rate;
        printf("%8.1f (%3.0f%%)", rate, 100.0 * rate / top);
    }
    if (best > 0.0) printf("   %5.2f x the best peer", mine / best);
    printf("\n");
    fflush(stdout);
    for (size_t i = 0; i < n_peers; i++)
        peers[i]->finish(ways[2 + i].p);
    at_backend_cpu.unpack(&packed[0], NULL);
    at_backend_cpu.unpack(&packed[1], NULL);
    at_free(NULL, x);
    at_free(NULL, w);
    at_free(NULL, y);
    at_free(NULL, half);
    return 0;
}

int bench_products(int threads, const char *only)
{
    const peer *peers[MAX_WAYS];
    size_t n_peers = 0;
#if BENCH_OPENBLAS
    peers[n_peers++] = &peer_openblas;
#endif
#if BENCH_DNNL
    peers[n_peers++] = &peer_dnnl;
#endif
    at_device *device;
    at_error err;
    if (at_backend_cpu.open(&device, threads, NULL, &err) != AT_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    threads = at_pool_size(at_backend_cpu.pool(device));
    if (threads == 1) clock_id = CLOCK_PROCESS_CPUTIME_ID;
    for (size_t i = 0; i < n_peers; i++)
        peers[i]->threads(threads);
    const double top = peak(at_backend_cpu.pool(device), threads);
    printf(
        "products: %s, %d threads, measured FMA peak %.1f GFLOP/s; GFLOP/s and share of it, medians of %d\n",
        at_cpu_level_name(at_cpu_features()), threads, top, (int)RUNS);
    printf("%-15s %5s %5s %5s %15s%15s", "", "m", "n", "k", "ours f32", "ours f16");
    for (size_t i = 0; i < n_peers; i++)
        printf("%15s", peers[i]->name);
    printf("\n");
    int failed = 0;
    for (size_t i = 0; i < AT_COUNT(shapes) && !failed; i++)
        if (!only || strncmp(only, shapes[i].name, strlen(only)) == 0)
            failed = bench_shape(&shapes[i], device, peers, n_peers, top);
    at_backend_cpu.close(device);
    return failed;
}
