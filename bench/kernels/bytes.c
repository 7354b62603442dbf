/* bytes.c - bench_bytes: one panel of the product of bytes beside the float one, on one thread, in turn; the
 * best of ROUNDS by processor time, so that other programs matter little. */
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 60, WORK = 20000000 }; // multiplications of a round

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Zeroed, aligned, with room that a kernel may read behind its end. */
static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 191) / 64 * 64);
    if (!p) exit(6);
    return memset(p, 0, (bytes + 191) / 64 * 64);
}

static void floats(const at_kernels *k, const float *a, const float *b, float *partial, float *y,
                   size_t m, size_t n, size_t depth)
{
    for (size_t k0 = 0; k0 < depth; k0 += k->kc) {
        const size_t part = at_min_size(k->kc, depth - k0);
        k->gemm_panel(&(at_gemm_panel){.m = m,
                                       .n = n,
                                       .k = part,
                                       .a = a + k0,
                                       .lda = depth,
                                       .b = b + k0 * k->nr,
                                       .type = AT_F32,
                                       .partial = partial,
                                       .first = k0 == 0,
                                       .last = k0 + part == depth,
                                       .end = {.y = y, .ldy = n}});
    }
}

static void compare(const at_kernels *k, size_t m, size_t depth)
{
    const size_t padded = at_round_up(depth, AT_S8_PAD), wide = k->s8.bytes;
    const at_gemm_s8 s8 = {.m = m,
                           .n = k->s8.nr,
                           .k = padded,
                           .a = room(m * padded * wide),
                           .lda = padded * wide,
                           .a_scale = room(m * sizeof(float)),
                           .b = room(k->s8.nr * (8 + padded)),
                           .end = {.y = room(m * k->s8.nr * sizeof(float)), .ldy = k->s8.nr}};
    float *a = room(m * depth * sizeof *a), *b = room(k->nr * depth * sizeof *b),
          *partial = room(m * k->nr * sizeof *partial), *y = room(m * k->nr * sizeof *y);
    const int n = (int)(WORK / (m * k->nr * depth)) + 1;
    double best[2] = {1e9, 1e9};
    for (int r = 0; r < 2 * ROUNDS; r++) {
        const double start = now();
        for (int i = 0; i < n; i++) {
            if (r % 2)
                floats(k, a, b, partial, y, m, k->nr, depth);
            else
                k->gemm_s8(&s8);
        }
        const double seconds = (now() - start) / n;
        if (seconds < best[r % 2]) best[r % 2] = seconds;
    }
    const double flop[2] = {2.0 * (double)(m * k->s8.nr * depth),
                            2.0 * (double)(m * k->nr * depth)};
    printf("%4zu rows, depth %4zu: bytes %6.1f, float %6.1f GFLOP/s, ratio %.2f\n", m, depth,
           flop[0] / best[0] * 1e-9, flop[1] / best[1] * 1e-9,
           flop[0] / best[0] / (flop[1] / best[1]));
    void *const all[] = {(void *)(uintptr_t)s8.a,
                         (void *)(uintptr_t)s8.a_scale,
                         (void *)(uintptr_t)s8.b,
                         s8.end.y,
                         a,
                         b,
                         partial,
                         y};
    for (size_t i = 0; i < AT_COUNT(all); i++)
        free(all[i]);
}

int main(void)
{
    static const size_t shapes[][2] = {{144, 256}, {144, 768}, {36, 3072}, {144, 32}};
    for (size_t i = 0; i < AT_COUNT(shapes); i++)
        compare(at_kernels_get(), shapes[i][0], shapes[i][1]);
}
