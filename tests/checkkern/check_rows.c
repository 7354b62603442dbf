/* check_rows.c - LayerNorm, softmax, mean. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t some_size(int round)
{
    static const size_t sizes[] = {1,  2,  3,  7,  8,  9,  15, 16,  17,  31,  32,
                                   33, 40, 49, 50, 63, 64, 65, 144, 145, 192, 768};
    return (size_t)round < AT_COUNT(sizes) ? sizes[round] : 1 + random_bits() % 600;
}

void check_layer_norm(struct checker *t)
{
    for (int round = 0; round < 120; round++) {
        const size_t n = some_size(round);
        float *x = input(n), *gamma = input(n), *beta = input(n), *y = output(n);
        const float shift = round % 3 ? random_float() : 30.0f * random_float();
        for (size_t i = 0; i < n; i++)
            x[i] += shift;
        t->k->layer_norm(n, x, gamma, beta, 1e-5f, y);
        double mean = 0.0, var = 0.0;
        for (size_t i = 0; i < n; i++)
            mean += (double)x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
        const double r = 1.0 / sqrt(var + (double)1e-5f);
        for (size_t i = 0; i < n; i++) {
            const double g = (double)gamma[i], d = ((double)x[i] - mean) * r;
            // the mean is known to a place of x's size, not of the difference's
            const double size = fabs(d * g) + fabs((double)beta[i]) +
                                fabs(g) * r * (fabs(mean) + fabs((double)x[i])) / 2;
            expect(t, (double)y[i], d * g + (double)beta[i], size, "n %zu, [%zu], mean %g", n, i,
                   mean);
        }
        float *z = copy_of(x, n, AT_SLACK);
        t->k->layer_norm(n, z, gamma, beta, 1e-5f, z);
        expect_bytes(t, z, y, n * sizeof *y, "in place, n %zu", n);
        guard_release(t);
    }
    float *x = input(20), *y = output(20);
    x[13] = NAN;
    t->k->layer_norm(20, x, x, x, 1e-5f, y);
    expect(t, (double)y[0], NAN, 0.0, "NaN in, NaN out");
    guard_release(t);
}

void check_softmax(struct checker *t)
{
    for (int round = 0; round < 200; round++) {
        const size_t n = some_size(round), rows = 1 + random_bits() % 20,
                     ldx = n + random_bits() % 20;
        const uint64_t with = random_bits();
        float *x = guard(((rows - 1) * ldx + n) * 4, AT_SLACK), *bias = input(rows * n),
              *mask = input(n);
        uint8_t *region = guard(n, AT_SLACK), *own = guard(rows, 0);
        double *want = malloc(n * sizeof *want);
        float *scores = malloc(n * sizeof *scores);
        for (size_t i = 0; i < (rows - 1) * ldx + n; i++)
            x[i] = 6.0f * random_float();
        for (size_t j = 0; j < n; j++)
            region[j] = (uint8_t)(random_bits() % 3);
        for (size_t i = 0; i < rows; i++)
            own[i] = (uint8_t)(random_bits() % 3);
        const bool hidden = with & 16;
        for (size_t j = 1; hidden && j < n; j++)
            mask[j] = random_bits() % 2 ? -INFINITY : 0.0f;
        const bool causal = with & 8;
        const at_softmax p = {.rows = rows,
                              .n = n,
                              .seen = causal ? (ptrdiff_t)(with >> 8 & 63) - 20 : (ptrdiff_t)n,
                              .more = causal,
                              .x = x,
                              .ldx = ldx,
                              .scale = 0.17677669f,
                              .bias = with & 1 ? bias : NULL,
                              .ld_bias = n,
                              .region = with & 2 ? region : NULL,
                              .own = own,
                              .mask = with & 4 ? mask : NULL};
        float *before = copy_of(x, (rows - 1) * ldx + n, 0);
        t->k->softmax(&p);
        for (size_t i = 0; i < rows; i++) {
            const size_t seen = at_softmax_seen(&p, i);
            float most = -INFINITY;
            double sum = 0.0;
            for (size_t j = 0; j < seen; j++) {
                float s = p.scale * before[i * ldx + j];
                if (p.bias) s += bias[i * n + j];
                if (p.region && region[j] != own[i]) s -= 100.0f;
                if (p.mask) s += mask[j];
                scores[j] = s;
                if (s > most) most = s;
            }
            for (size_t j = 0; j < seen; j++)
                sum += want[j] = exp((double)(scores[j] - most));
            for (size_t j = 0; j < n; j++)
                expect(t, (double)x[i * ldx + j], j < seen ? want[j] / sum : 0.0, 0.0,
                       "rows %zu n %zu seen %zu, [%zu, %zu], with %#x", rows, n, seen, i, j,
                       (unsigned)with & 31);
            for (size_t j = n; j < ldx && i + 1 < rows; j++)
                expect(t, (double)x[i * ldx + j], (double)before[i * ldx + j], 0.0,
                       "touched [%zu, %zu] of %zu columns", i, j, n);
        }
        free(want);
        free(scores);
        guard_release(t);
    }
    for (size_t n = 1; n < 40;
         n++) { // one NaN spoils the row; nothing but -inf too; 0 of n is all zeros
        float *x = guard(n * 4, AT_SLACK);
        at_softmax p = {.rows = 1, .n = n, .seen = (ptrdiff_t)n, .x = x, .scale = 1.0f};
        for (size_t i = 0; i < n; i++)
            x[i] = i == n / 2 ? NAN : 1.0f;
        t->k->softmax(&p);
        expect(t, (double)x[n - 1], NAN, 0.0, "NaN in %zu", n);
        for (size_t i = 0; i < n; i++)
            x[i] = -INFINITY;
        t->k->softmax(&p);
        expect(t, (double)x[n - 1], NAN, 0.0, "-inf in all of %zu", n);
        p.seen = -3;
        t->k->softmax(&p);
        expect(t, (double)x[n - 1], 0.0, 0.0, "nothing of %zu", n);
        guard_release(t);
    }
}

void check_mean_rows(struct checker *t)
{
    for (int round = 0; round < 120; round++) {
        const size_t rows = some_size(round), n = 1 + random_bits() % 40,
                     ldx = n + random_bits() % 5;
        float *x = guard(((rows - 1) * ldx + n) * 4, 0), *y = output(n), *same = output(n);
        for (size_t i = 0; i < (rows - 1) * ldx + n; i++)
            x[i] = random_float();
        t->k->mean_rows(rows, n, x, ldx, y);
        for (size_t j = 0; j < n; j++) {
            double want = 0.0, size = 0.0;
            for (size_t r = 0; r < rows; r++) {
                want += (double)x[r * ldx + j] / (double)rows;
                size += fabs((double)x[r * ldx + j]) / (double)rows;
            }
            expect(t, (double)y[j], want, size, "rows %zu n %zu ldx %zu, [%zu]", rows, n, ldx, j);
        }
        t->ref->mean_rows(rows, n, x, ldx, same);
        expect_bytes(t, y, same, n * sizeof *y, "the tree, rows %zu n %zu", rows, n);
        guard_release(t);
    }
}

void bench_layer_norm(struct checker *t)
{
    static const size_t widths[] = {192, 768, 1536};
    for (size_t w = 0; w < AT_COUNT(widths); w++) {
        const size_t n = widths[w];
        float *x = input(n), *y = output(n);
        double s;
        TIME_CALL(s, t->k->layer_norm(n, x, x, x, 1e-5f, y));
        rate(t, n == 192 ? "n 192" : n == 768 ? "n 768" : "n 1536", s, 0, 8.0 * (double)n);
        guard_release(t);
    }
}

void bench_softmax(struct checker *t)
{
    float *x = guard(48 * 144 * 4, AT_SLACK), *bias = input(48 * 144);
    memset(x, 0, 48 * 144 * 4);
    uint8_t *region = guard(144, AT_SLACK);
    for (int with = 0; with < 2; with++) {
        const at_softmax p = {.rows = 48,
                              .n = 144,
                              .seen = 144,
                              .x = x,
                              .ldx = 144,
                              .scale = 0.1f,
                              .bias = bias,
                              .ld_bias = 144,
                              .region = with ? region : NULL,
                              .own = region};
        double s;
        TIME_CALL(s, t->k->softmax(&p));
        rate(t, with ? "48 x 144, bias, region" : "48 x 144, bias", s, 0, 8.0 * 48 * 144);
    }
}

void bench_mean_rows(struct checker *t)
{
    float *x = input(144 * 1536), *y = output(1536);
    double s;
    TIME_CALL(s, t->k->mean_rows(144, 1536, x, 1536, y));
    rate(t, "144 x 1536", s, 144.0 * 1536, 4.0 * 144 * 1536);
}
