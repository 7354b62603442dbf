/* check_seven.c - Strassen's seven products: over whole and half empty couples of rows, endings, types of
 * weights and blocks of the depth. An error is small beside all that a product of halves takes in. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t couples_of(const struct checker *t, size_t m)
{
    return (m + 2 * t->k->seven_mr - 1) / (2 * t->k->seven_mr);
}

void check_seven_rows(struct checker *t)
{
    const size_t mr = t->k->seven_mr;
    for (int round = 0; round < 300; round++) {
        const size_t rows = 1 + random_bits() % (2 * mr), k = 16 * (1 + random_bits() % 5),
                     ldx = 2 * k + random_bits() % 5, plane = mr * k + 16 * (random_bits() % 2);
        float *x = guard(((rows - 1) * ldx + 2 * k) * 4, 0),
              *y = guard((6 * plane + mr * k) * 4, 0);
        for (size_t i = 0; i < (rows - 1) * ldx + 2 * k; i++)
            x[i] = random_float();
        t->k->seven_rows(rows, k, x, ldx, y, plane);
        for (size_t r = 0; r < mr; r++)
            for (size_t i = 0; i < k; i++) {
                float a[4];
                for (size_t h = 0; h < 4; h++) {
                    const size_t row = h / 2 * mr + r;
                    a[h] = row < rows ? x[row * ldx + h % 2 * k + i] : 0.0f;
                }
                const float want[AT_SEVEN] = {a[0] + a[3], a[2] + a[3], a[0],       a[3],
                                              a[0] + a[1], a[2] - a[0], a[1] - a[3]};
                for (size_t s = 0; s < AT_SEVEN; s++)
                    expect(t, (double)y[s * plane + r * k + i], (double)want[s], 0.0,
                           "product %zu [%zu, %zu] of %zu rows, k %zu", s, r, i, rows, k);
            }
        guard_release(t);
    }
}

/* Panel q of w [2 panels][all k][nr], from row k0 on, as it is stored. */
static const char *panel(const char *stored, size_t q, size_t k, size_t k0, size_t nr, size_t size)
{
    return stored + (q * k + k0) * nr * size;
}

static void check_product(struct checker *t, size_t m, size_t n, size_t half, size_t blocks,
                          at_dtype type, uint64_t r)
{
    const size_t nr = t->k->nr, mr = t->k->seven_mr, k = 2 * half * blocks, all = 2 * k * nr;
    const size_t couples = couples_of(t, m), ldy = n + r % 9, size = at_dtype_size(type);
    const size_t plane = couples * mr * half;
    const at_end_act act = (r >> 4) % 2 ? AT_END_NONE : ends[(r >> 5) % ENDS];
    float *x = guard(m * k * 4, AT_SLACK), *w = guard(all * 4, AT_SLACK);
    float *halves = guard(AT_SEVEN * plane * 4, AT_SLACK), *room = guard(half * nr * 4, 0);
    float *sums = guard(couples * 4 * mr * nr * 4, 0), *y = output((m - 1) * ldy + n);
    const float *bias = input(n), *residual = input((m - 1) * ldy + n);
    for (size_t i = 0; i < m * k; i++)
        x[i] = random_float();
    for (size_t i = 0; i < all; i++)
        w[i] = random_float();
    char *stored = guard(all * size, AT_SLACK);
    if (type == AT_F32) memcpy(stored, w, all * 4);
    if (type == AT_F16) t->ref->f16_of_f32(all, w, stored), t->ref->f32_of_f16(all, stored, w);
    if (type == AT_BF16) t->ref->bf16_of_f32(all, w, stored), t->ref->f32_of_bf16(all, stored, w);
    for (size_t b = 0; b < blocks; b++) {
        for (size_t c = 0; c < couples; c++) // judged above
            t->k->seven_rows(at_min_size(2 * mr, m - c * 2 * mr), half,
                             x + c * 2 * mr * k + 2 * b * half, k, halves + c * mr * half, plane);
        const char *b0 = panel(stored, 0, k, 2 * b * half, nr, size),
                   *b1 = panel(stored, 1, k, 2 * b * half, nr, size);
        t->k->gemm_seven(&(at_gemm_seven){.m = m,
                                          .n = n,
                                          .k = half,
                                          .a = halves,
                                          .plane = plane,
                                          .b = {b0, b1},
                                          .type = type,
                                          .next = {b0, b1},
                                          .room = room,
                                          .sums = sums,
                                          .first = b == 0,
                                          .last = b + 1 == blocks,
                                          .end = {y, ldy, r & 1024 ? bias : NULL, act,
                                                  r & 2048 ? residual : NULL, ldy}});
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldy && i * ldy + j < (m - 1) * ldy + n; j++) {
            char where[160];
            snprintf(where, sizeof where, "[%zu, %zu], m %zu n %zu half %zu x %zu type %d act %d",
                     i, j, m, n, half, blocks, (int)type, (int)act);
            if (j >= n) {
                expect(t, (double)y[i * ldy + j], NAN, 0.0, "touched %s", where);
                continue;
            }
            double want = 0.0, magnitude = 0.0;
            const size_t top = i / (2 * mr) * 2 * mr + i % mr, low = top + mr;
            for (size_t l = 0; l < k; l++) {
                const float *v = w + l * nr + j % nr, *u = v + k * nr;
                want += (double)x[i * k + l] * (double)(j < nr ? *v : *u);
                magnitude += (fabs((double)x[top * k + l]) +
                              (low < m ? fabs((double)x[low * k + l]) : 0.0)) *
                             (fabs((double)*v) + fabs((double)*u));
            }
            if (r & 1024) want += (double)bias[j];
            if (act == AT_END_GELU) want = 0.5 * want * erfc(-want * 0.70710678118654752440);
            if (act == AT_END_QUICK_GELU) want = want / (1.0 + exp(-(double)1.702f * want));
            if (act == AT_END_RELU || act == AT_END_RELU6) want = want < 0.0 ? 0.0 : want;
            if (act == AT_END_RELU6) want = want > 6.0 ? 6.0 : want;
            if (r & 2048) want += (double)residual[i * ldy + j];
            expect(t, (double)y[i * ldy + j], want, magnitude + fabs(want), "%s", where);
        }
    guard_release(t);
}

void check_gemm_seven(struct checker *t)
{
    const size_t nr = t->k->nr, unit = 2 * t->k->seven_mr;
    for (size_t m = 1; m <= 2 * unit + 3; m++)
        for (int d = 0; d < 2; d++) {
            const uint64_t r = random_bits();
            check_product(t, m, r & 64 ? 2 * nr : nr + 1 + (r >> 12) % nr, 16 * (1 + (r >> 20) % 4),
                          1 + (r >> 24) % 3, (at_dtype)((r >> 28) % 3), r >> 32);
        }
}

void bench_seven_rows(struct checker *t)
{
    const size_t unit = 2 * t->k->seven_mr, k = t->k->seven_k, plane = unit / 2 * k;
    float *x = input(unit * 2 * k), *y = guard(AT_SEVEN * plane * 4, 0);
    double s;
    TIME_CALL(s, t->k->seven_rows(unit, k, x, 2 * k, y, plane));
    rate(t, "a couple", s, 0, (double)((4 + AT_SEVEN) * plane * 4));
    guard_release(t);
}

/* Operations are those of the plain product. */
void bench_gemm_seven(struct checker *t)
{
    const size_t unit = 2 * t->k->seven_mr, m = 144 / unit * unit, k = t->k->seven_k, nr = t->k->nr;
    float *a = input(AT_SEVEN * m / 2 * k), *b = input(4 * k * nr), *y = output(m * 2 * nr);
    float *room = guard(k * nr * 4, 0), *sums = guard(m * 2 * nr * 4, 0);
    const at_gemm_seven p = {.m = m,
                             .n = 2 * nr,
                             .k = k,
                             .a = a,
                             .plane = m / 2 * k,
                             .b = {b, b + 2 * k * nr},
                             .room = room,
                             .sums = sums,
                             .first = true,
                             .last = true,
                             .end = {.y = y, .ldy = 2 * nr}};
    double s;
    TIME_CALL(s, t->k->gemm_seven(&p));
    rate(t, "144 rows", s, 2.0 * (double)(m * 2 * k * 2 * nr), 0);
    guard_release(t);
}
