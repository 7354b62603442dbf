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

void check_softmax_row(struct checker *t)
{
    for (int round = 0; round < 400; round++) {
        const size_t n = some_size(round), n_all = n + random_bits() % 20;
        const uint64_t with = random_bits();
        float *x = guard(n_all * 4, AT_SLACK), *bias = input(n), *mask = input(n);
        uint8_t *region = guard(n, AT_SLACK);
        double *want = malloc(n * sizeof *want);
        float *scores = malloc(n * sizeof *scores);
        float most = -INFINITY;
        double sum = 0.0;
        for (size_t i = 0; i < n_all; i++)
            x[i] = i < n ? 6.0f * random_float() : NAN;
        for (size_t i = 0; i < n; i++)
            region[i] = (uint8_t)(random_bits() % 3);
        const bool hidden = with & 16;
        for (size_t i = 0; hidden && i < n; i++)
            mask[i] = random_bits() % 2 && i ? -INFINITY : 0.0f;
        const at_softmax_row p = {.n = n,
                                  .n_all = n_all,
                                  .x = x,
                                  .scale = 0.17677669f,
                                  .bias = with & 1 ? bias : NULL,
                                  .region = with & 2 ? region : NULL,
                                  .own = 1,
                                  .mask = with & 4 ? mask : NULL};
        for (size_t i = 0; i < n; i++) {
            float s = p.scale * x[i];
            if (p.bias) s += bias[i];
            if (p.region && region[i] != p.own) s -= 100.0f;
            if (p.mask) s += mask[i];
            scores[i] = s;
            if (s > most) most = s;
        }
        for (size_t i = 0; i < n; i++)
            sum += want[i] = exp((double)(scores[i] - most));
        t->k->softmax_row(&p);
        for (size_t i = 0; i < n_all; i++)
            expect(t, (double)x[i], i < n ? want[i] / sum : 0.0, 0.0,
                   "n %zu of %zu, [%zu], with %#x", n, n_all, i, (unsigned)with & 31);
        free(want);
        free(scores);
        guard_release(t);
    }
    for (size_t n = 1; n < 40;
         n++) { // one NaN spoils the row; nothing but -inf too; 0 of n is all zeros
        float *x = guard(n * 4, AT_SLACK);
        for (size_t i = 0; i < n; i++)
            x[i] = i == n / 2 ? NAN : 1.0f;
        t->k->softmax_row(&(at_softmax_row){.n = n, .n_all = n, .x = x, .scale = 1.0f});
        expect(t, (double)x[n - 1], NAN, 0.0, "NaN in %zu", n);
        for (size_t i = 0; i < n; i++)
            x[i] = -INFINITY;
        t->k->softmax_row(&(at_softmax_row){.n = n, .n_all = n, .x = x, .scale = 1.0f});
        expect(t, (double)x[n - 1], NAN, 0.0, "-inf in all of %zu", n);
        t->k->softmax_row(&(at_softmax_row){.n = 0, .n_all = n, .x = x, .scale = 1.0f});
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

void bench_softmax_row(struct checker *t)
{
    float *x = guard(144 * 4, AT_SLACK), *bias = input(144);
    uint8_t *region = guard(144, AT_SLACK);
    double s;
    TIME_CALL(s,
              t->k->softmax_row(&(at_softmax_row){
                  .n = 144, .n_all = 144, .x = x, .scale = 0.1f, .bias = bias, .region = region}));
    rate(t, "144, bias, region", s, 0, 8.0 * 144);
}

void bench_mean_rows(struct checker *t)
{
    float *x = input(144 * 1536), *y = output(1536);
    double s;
    TIME_CALL(s, t->k->mean_rows(144, 1536, x, 1536, y));
    rate(t, "144 x 1536", s, 144.0 * 1536, 4.0 * 144 * 1536);
}
