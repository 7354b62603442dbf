/* products.c - see products.h. Ours and the peers alternate, A B C A B C; the greatest of seven, because
 * machines are shared. Weights are packed beforehand by those that pack. Shares are of a peak measured in
 * the same minute: a loop of the type's instruction on every thread. */
#include "products.h"

#include "backend/backend.h"
#include "base/cpu.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"

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

enum { RUNS = 7, MAX_PEERS = 2, TYPES = 3, PEAK_ROUNDS = 1000000 };

/* One thread is measured in processor time: what others run meanwhile does not count. */
static clockid_t clock_id = CLOCK_MONOTONIC;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void peak_chunk(void *ctx, size_t chunk, int worker)
{
    (void)chunk;
    (void)worker;
    ((const at_peak_loop *)ctx)->run(PEAK_ROUNDS);
}

/* GFLOP/s of all threads. */
static double peak(at_pool *pool, int threads, at_dtype type)
{
    double best = 0.0;
    at_peak_loop loop = type == AT_I8     ? at_peak_int8()
                        : type == AT_BF16 ? at_peak_bf16()
                                          : at_peak_f32();
    for (int i = 0; loop.run && i < 15; i++) {
        const double begin = now_s();
        at_pool_run(pool, (size_t)threads, peak_chunk, &loop);
        const double rate = loop.ops * PEAK_ROUNDS * threads / (now_s() - begin) * 1e-9;
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

typedef struct way {
    void (*run)(void *p);
    void *p;
    double best;
} way;

/* X, W and Y of a shape in every type. */
typedef struct data {
    float *x, *w, *y;
    void *narrow_x[TYPES], *narrow_w[TYPES];
} data;

static const at_dtype types[TYPES] = {AT_F32, AT_BF16, AT_I8};

static bool fill(data *d, size_t m, size_t n, size_t k)
{
    const size_t mk = m * k, nk = n * k;
    *d = (data){
        at_alloc(NULL, mk * 4), at_alloc(NULL, nk * 4), at_alloc(NULL, m * n * 4), {NULL}, {NULL}};
    if (!d->x || !d->w || !d->y) return false;
    unsigned seed = 1;
    for (size_t i = 0; i < mk; i++)
        d->x[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    for (size_t i = 0; i < nk; i++)
        d->w[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    d->narrow_x[0] = d->x, d->narrow_w[0] = d->w;
    for (int t = 1; t < TYPES; t++) {
        d->narrow_x[t] = at_alloc(NULL, mk * 2), d->narrow_w[t] = at_alloc(NULL, nk * 2);
        if (!d->narrow_x[t] || !d->narrow_w[t]) return false;
    }
    at_kernels_get()->bf16_of_f32(mk, d->x, d->narrow_x[1]);
    at_kernels_get()->bf16_of_f32(nk, d->w, d->narrow_w[1]);
    for (size_t i = 0; i < mk; i++)
        ((int8_t *)d->narrow_x[2])[i] = (int8_t)(d->x[i] * 254.0f);
    for (size_t i = 0; i < nk; i++)
        ((int8_t *)d->narrow_w[2])[i] = (int8_t)(d->w[i] * 254.0f);
    return true;
}

static void empty(data *d)
{
    for (int t = 1; t < TYPES; t++) {
        at_free(NULL, d->narrow_x[t]);
        at_free(NULL, d->narrow_w[t]);
    }
    at_free(NULL, d->x);
    at_free(NULL, d->w);
    at_free(NULL, d->y);
}

static at_status pack(at_matrix *to, const data *d, int t, size_t n, size_t k)
{
    const at_backend *be = &at_backend_cpu;
    if (types[t] == AT_F32) return be->pack(to, d->w, AT_F32, AT_F32, n, k, NULL, NULL, NULL);
    if (types[t] == AT_BF16) return be->pack_bf16(to, d->w, AT_F32, n, k, NULL, NULL, NULL);
    float *scales = at_calloc(NULL, n, sizeof *scales);
    if (!scales) return AT_E_OUT_OF_MEMORY;
    for (size_t j = 0; j < n; j++)
        scales[j] = 1.0f / 127.0f;
    const at_status status = be->pack_s8(to, d->narrow_w[t], scales, n, k, NULL, NULL, NULL);
    at_free(NULL, scales);
    return status;
}

/* A type of a shape: ours and the peers in turn, the greatest of RUNS. */
static int bench_type(const struct shape *s, const data *d, int t, at_device *device,
                      const peer *const *peers, size_t n_peers, double top)
{
    const size_t m = s->m, n = s->n, k = s->k;
    at_matrix packed = {0};
    if (types[t] == AT_BF16 && !at_backend_cpu.computes_bf16()) return 0;
    if (pack(&packed, d, t, n, k) != AT_OK) return 1;
    ours mine = {device, {.m = m, .x = d->x, .ldx = k, .w = &packed, .y = d->y, .ldy = n}};
    ours together = mine; // the rows of one picture
    together.args.together = m;
    way ways[2 + MAX_PEERS] = {
        {.run = run_ours, .p = &mine},
        {.run = run_ours, .p = types[t] == AT_F32 ? &together : NULL},
    };
    for (size_t i = 0; i < n_peers; i++)
        ways[2 + i] = (way){.run = peers[i]->run,
                            .p = peers[i]->prepare(m, n, k, types[t], d->narrow_x[t],
                                                   d->narrow_w[t], d->y)};
    const double flop = 2.0 * (double)m * (double)n * (double)k;
    for (int r = 0; r < RUNS; r++)
        for (size_t i = 0; i < 2 + n_peers; i++) {
            const double rate = ways[i].p ? measure(ways[i].run, ways[i].p, flop) : 0.0;
            if (rate > ways[i].best) ways[i].best = rate;
        }
    double best = 0.0;
    printf("%-15s %5zu %5zu %5zu %5s %8.1f (%3.0f%%)", s->name, m, n, k,
           types[t] == AT_I8 ? "int8" : at_dtype_name(types[t]), ways[0].best,
           100.0 * ways[0].best / top);
    if (ways[1].p)
        printf("%8.1f (%3.0f%%)", ways[1].best, 100.0 * ways[1].best / top);
    else
        printf("%15s", "-");
    for (size_t i = 0; i < n_peers; i++) {
        const double rate = ways[2 + i].best;
        if (rate > best) best = rate;
        if (rate > 0.0)
            printf("%8.1f (%3.0f%%)", rate, 100.0 * rate / top);
        else
            printf("%15s", "-");
        if (ways[2 + i].p) peers[i]->finish(ways[2 + i].p);
    }
    if (best > 0.0)
        printf("   %5.2f x the best peer",
               (ways[0].best > ways[1].best ? ways[0].best : ways[1].best) / best);
    printf("\n");
    fflush(stdout);
    at_backend_cpu.unpack(&packed, NULL);
    return 0;
}

int bench_products(int threads, const char *only)
{
    const peer *peers[MAX_PEERS];
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
    at_pool *pool = at_backend_cpu.pool(device);
    threads = at_pool_size(pool);
    if (threads == 1) clock_id = CLOCK_PROCESS_CPUTIME_ID;
    for (size_t i = 0; i < n_peers; i++)
        peers[i]->threads(threads);
    double top[TYPES];
    for (int t = 0; t < TYPES; t++)
        top[t] = peak(pool, threads, types[t]);
    printf(
        "products: %s, %d threads; measured peaks f32 %.0f, bf16 %.0f, int8 %.0f G/s; rates and shares of "
        "them, the greatest of %d\n",
        at_cpu_level_name(at_cpu_features()), threads, top[0], top[1], top[2], (int)RUNS);
    printf("%-15s %5s %5s %5s %5s %15s", "", "m", "n", "k", "", "ours");
    printf("%15s", "together");
    for (size_t i = 0; i < n_peers; i++)
        printf("%15s", peers[i]->name);
    printf("\n");
    int failed = 0;
    for (size_t i = 0; i < AT_COUNT(shapes) && !failed; i++) {
        const struct shape *s = &shapes[i];
        if (only && strncmp(only, s->name, strlen(only)) != 0) continue;
        data d;
        failed = !fill(&d, s->m, s->n, s->k);
        for (int t = 0; t < TYPES && !failed; t++)
            failed = bench_type(s, &d, t, device, peers, n_peers, top[t]);
        empty(&d);
    }
    at_backend_cpu.close(device);
    return failed;
}
