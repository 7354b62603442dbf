/* peak.c - what this machine can do at most: products of floats and of bytes in registers, bytes a second
 * from memory. Each the best of a few short rounds on the same threads that ops run on. */
#include "backend/cpu/cpu.h"

#include "kernels/peak.h"

#include <string.h>
#include <time.h>

enum {
    ROUNDS = 7,        // of which the best counts: others may use the machine too
    CHUNKS = 4,        // a worker, so that a late one is not waited for
    LOOPS = 20000,     // of a chunk: about a millisecond
    LINE = 64,         // bytes that memory gives at once
    BUFFER = 256 << 20 // more than most caches hold
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct measuring {
    const at_peak_loop *loop;
    uint64_t *buffer;
    size_t words; // a chunk
    volatile double sink;
} measuring;

static void products(void *ctx, size_t chunk, int worker)
{
    (void)chunk;
    (void)worker;
    const measuring *m = ctx;
    m->loop->run(LOOPS);
}

static void fill(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const measuring *m = ctx;
    memset(m->buffer + chunk * m->words, 1, m->words * sizeof *m->buffer);
}

static void read_all(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    measuring *m = ctx;
    const uint64_t *from = m->buffer + chunk * m->words;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->words; i += LINE / sizeof *from) // a word of each line fetches it
        sum += from[i];
    if (sum == 1) m->sink = 1;
}

/* Least seconds of `fn` over `chunks`. */
static double least_s(at_pool *pool, size_t chunks, at_pool_fn fn, measuring *m)
{
    double least = 0;
    for (int r = 0; r < ROUNDS; r++) {
        const double start = now_s();
        at_pool_run(pool, chunks, fn, m);
        const double s = now_s() - start;
        if (r == 0 || s < least) least = s;
    }
    return least > 0 ? least : 1e-9;
}

static double operations_s(at_pool *pool, at_peak_loop loop)
{
    if (!loop.run) return 0;
    const size_t chunks = (size_t)at_pool_size(pool) * CHUNKS;
    measuring m = {.loop = &loop};
    return (double)chunks * LOOPS * loop.ops / least_s(pool, chunks, products, &m);
}

at_status at_cpu_peak(at_pool *pool, const at_allocator *al, at_peak *out, at_error *err)
{
    const size_t chunks = (size_t)at_pool_size(pool) * CHUNKS;
    const size_t words = BUFFER / sizeof(uint64_t) / chunks / LINE * LINE;
    measuring m = {.words = words, .buffer = at_alloc(al, words * chunks * sizeof(uint64_t))};
    if (!m.buffer) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory to measure it");
    at_pool_run(pool, chunks, fill, &m);
    const double read_s = least_s(pool, chunks, read_all, &m);
    at_free(al, m.buffer);
#if defined(__x86_64__)
    *out = (at_peak){.flop_s = operations_s(pool, at_peak_f32()),
                     .bf16_s = operations_s(pool, at_peak_bf16()),
                     .int8_s = operations_s(pool, at_peak_int8()),
                     .bytes_s = (double)(words * chunks * sizeof(uint64_t)) / read_s,
                     .threads = at_pool_size(pool)};
#endif
    return AT_OK;
}
