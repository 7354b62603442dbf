/* check_gemm.c - gemm_panel over odd rows, columns, depths and strides; packing. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct shape {
    size_t m, n, k, lda, ldy;
    bool first, last, bias, residual;
    at_end_act act;
    at_dtype type;
};

/* n values of the packed weights in their type, and b what it makes of them. */
static void *store(struct checker *t, size_t n, float *b, at_dtype type)
{
    void *stored = guard(n * at_dtype_size(type), AT_SLACK);
    if (type == AT_F32) memcpy(stored, b, n * 4);
    if (type == AT_F16) t->ref->f16_of_f32(n, b, stored), t->ref->f32_of_f16(n, stored, b);
    if (type == AT_BF16) t->ref->bf16_of_f32(n, b, stored), t->ref->f32_of_bf16(n, stored, b);
    return stored;
}

/* The coarse GELU is not exact enough for these bounds: check_s8.c has it. */
const at_end_act ends[ENDS] = {AT_END_NONE, AT_END_GELU, AT_END_QUICK_GELU, AT_END_RELU,
                               AT_END_RELU6};

static double end_of(double s, at_end_act act)
{
    switch (act) {
    case AT_END_GELU_COARSE:
    case AT_END_GELU: return 0.5 * s * erfc(-s * 0.70710678118654752440);
    case AT_END_QUICK_GELU: return s / (1.0 + exp(-(double)1.702f * s));
    case AT_END_RELU: return s < 0.0 ? 0.0 : s;
    case AT_END_RELU6: return s < 0.0 ? 0.0 : s > 6.0 ? 6.0 : s;
    case AT_END_NONE: break;
    }
    return s;
}

static void check_shape(struct checker *t, struct shape s)
{
    const size_t nr = t->k->nr;
    float *a = guard(((s.m - 1) * s.lda + s.k) * 4, AT_SLACK);
    float *b = guard(s.k * nr * 4, AT_SLACK);
    float *partial = guard(s.m * nr * 4, 0), *y = output((s.m - 1) * s.ldy + s.n);
    float *bias = input(s.n), *residual = input((s.m - 1) * s.ldy + s.n);
    for (size_t i = 0; i < (s.m - 1) * s.lda + s.k; i++)
        a[i] = random_float();
    for (size_t i = 0; i < s.k * nr; i++)
        b[i] = i % nr < s.n ? random_float() : 0.0f;
    const void *stored = store(t, s.k * nr, b, s.type);
    for (size_t i = 0; i < s.m * nr; i++)
        partial[i] = s.first ? NAN : random_float(); // NaN: not to be read
    float *before = copy_of(partial, s.m * nr, 0);
    at_gemm_panel p = {.m = s.m,
                       .n = s.n,
                       .k = s.k,
                       .a = a,
                       .lda = s.lda,
                       .b = stored,
                       .type = s.type,
                       .partial = partial,
                       .first = s.first,
                       .last = s.last,
                       .end = {y, s.ldy, s.bias ? bias : NULL, s.act, s.residual ? residual : NULL,
                               s.ldy},
                       .next = stored,
                       .next_bytes = s.k * nr * at_dtype_size(s.type)};
    t->k->gemm_panel(&p);
    char where[180];
    snprintf(
        where, sizeof where,
        "m %zu n %zu k %zu lda %zu ldy %zu first %d last %d bias %d residual %d act %d type %d",
        s.m, s.n, s.k, s.lda, s.ldy, s.first, s.last, s.bias, s.residual, (int)s.act, (int)s.type);
    for (size_t i = 0; i < s.m; i++) {
        for (size_t j = 0; j < s.n; j++) {
            double want = s.first ? 0.0 : (double)before[i * nr + j], size = fabs(want);
            for (size_t k = 0; k < s.k; k++) {
                const double ab = (double)a[i * s.lda + k] * (double)b[k * nr + j];
                want += ab;
                size += fabs(ab);
            }
            if (!s.last) {
                expect(t, (double)partial[i * nr + j], want, size, "[%zu, %zu] partial, %s", i, j,
                       where);
                continue;
            }
            if (s.bias) want += (double)bias[j], size += fabs((double)bias[j]);
            want = end_of(want, s.act);
            if (s.residual)
                want += (double)residual[i * s.ldy + j],
                    size += fabs((double)residual[i * s.ldy + j]);
            expect(t, (double)y[i * s.ldy + j], want, size, "[%zu, %zu], %s", i, j, where);
        }
        for (size_t j = s.n; j < s.ldy && i + 1 < s.m; j++) // columns of others
            expect(t, (double)y[i * s.ldy + j], NAN, 0.0, "[%zu, %zu] touched, %s", i, j, where);
    }
    // a row alone has the bits it has among others, and y may be the residual
    float *one = output(s.n), *sum = guard(nr * 4, 0);
    const size_t i = random_bits() % s.m;
    memcpy(sum, before + i * nr, nr * 4);
    if (s.residual) memcpy(one, residual + i * s.ldy, s.n * 4);
    at_gemm_panel q = p;
    q.m = 1;
    q.a = a + i * s.lda;
    q.partial = sum;
    q.end.y = one;
    q.end.residual = s.residual ? one : NULL;
    t->k->gemm_panel(&q);
    if (s.last)
        expect_bytes(t, one, y + i * s.ldy, s.n * 4, "row %zu alone, %s", i, where);
    else
        expect_bytes(t, sum, partial + i * nr, s.n * 4, "row %zu alone, %s", i, where);
    guard_release(t);
}

void check_gemm_panel(struct checker *t)
{
    const size_t nr = t->k->nr;
    static const size_t depths[] = {1, 2, 3, 4, 5, 7, 8, 27, 48, 100, 256};
    for (size_t m = 1; m <= 32; m++)
        for (size_t d = 0; d < 3; d++)
            for (size_t n = 1; n <= nr; n += n < 4 || m < 4 ? 1 : 3) {
                const uint64_t r = random_bits();
                const size_t k = depths[random_bits() % AT_COUNT(depths)];
                check_shape(t, (struct shape){.m = m,
                                              .n = n,
                                              .k = k,
                                              .lda = k + r % 7,
                                              .ldy = n + r / 8 % 9,
                                              .first = r & 64,
                                              .last = d > 0 || (r & 128),
                                              .bias = r & 256,
                                              .residual = r & 512,
                                              .act = ends[(r >> 10) % ENDS],
                                              .type = (at_dtype)((r >> 12) % 3)});
            }
    for (size_t m = 33; m < 300; m += 37)
        check_shape(t, (struct shape){.m = m,
                                      .n = nr,
                                      .k = 256,
                                      .lda = 768,
                                      .ldy = 192,
                                      .first = m & 1,
                                      .last = true,
                                      .bias = true});
}

/* The bits of gemm_panel over each panel and block of the depth, which was judged above. */
void check_gemm_rows(struct checker *t)
{
    const size_t nr = t->k->nr;
    for (int round = 0; round < 500; round++) {
        const uint64_t r = random_bits();
        const size_t m = 1 + r % AT_FEW_ROWS, n = 1 + r / 8 % (6 * nr), k = 1 + r / 4096 % 70;
        const size_t depth = r & 1ull << 40 ? k : 1 + (r >> 20) % 32, lda = k + (r >> 30) % 5,
                     ldy = n + (r >> 33) % 5, panels = (n + nr - 1) / nr, all = panels * k * nr;
        const at_dtype type = (at_dtype)((r >> 41) % 3);
        float *a = guard(((m - 1) * lda + k) * 4, AT_SLACK), *b = guard(all * 4, AT_SLACK);
        float *bias = input(n), *residual = input((m - 1) * ldy + n),
              *y = output((m - 1) * ldy + n);
        float *want = output((m - 1) * ldy + n), *partial = guard(m * nr * 4, 0);
        for (size_t i = 0; i < (m - 1) * lda + k; i++)
            a[i] = random_float();
        for (size_t i = 0; i < all; i++)
            b[i] = random_float();
        const void *stored = store(t, all, b, type);
        const at_gemm_rows p = {.m = m,
                                .n = n,
                                .k = k,
                                .depth = depth,
                                .a = a,
                                .lda = lda,
                                .b = stored,
                                .type = type,
                                .end = {y, ldy, r & 1ull << 50 ? bias : NULL,
                                        ends[(r >> 51) % ENDS], r & 1ull << 53 ? residual : NULL,
                                        ldy}};
        t->k->gemm_rows(&p);
        at_gemm_end alone = p.end;
        alone.y = want;
        for (size_t j = 0; j < n; j += nr)
            for (size_t k0 = 0; k0 < k; k0 += depth)
                t->k->gemm_panel(&(at_gemm_panel){.m = m,
                                                  .n = at_min_size(nr, n - j),
                                                  .k = at_min_size(depth, k - k0),
                                                  .a = a + k0,
                                                  .lda = lda,
                                                  .b = b + (j * k + k0 * nr),
                                                  .partial = partial,
                                                  .first = k0 == 0,
                                                  .last = k0 + depth >= k,
                                                  .end = at_gemm_end_at(alone, 0, j)});
        for (size_t i = 0; i < m; i++) // columns of others stay NaN in both
            expect_bytes(t, y + i * ldy, want + i * ldy, (i + 1 < m ? ldy : n) * 4,
                         "row %zu of m %zu n %zu k %zu depth %zu type %d act %d", i, m, n, k, depth,
                         (int)type, (int)p.end.act);
        guard_release(t);
    }
}

void bench_gemm_rows(struct checker *t)
{
    const size_t nr = t->k->nr, k = 768, n = 512;
    static const char *const names[] = {"m 1 f32", "m 1 f16", "m 1 bf16"};
    float *a = input(3 * k), *b = guard(n * k * 4, AT_SLACK), *y = output(n);
    memset(b, 0, n * k * 4);
    for (int type = AT_F32; type <= AT_BF16; type++) {
        const at_gemm_rows p = {.m = 1,
                                .n = n / nr * nr,
                                .k = k,
                                .depth = 256,
                                .a = a,
                                .lda = k,
                                .b = b,
                                .type = (at_dtype)type,
                                .end = {.y = y, .ldy = n}};
        double s;
        TIME_CALL(s, t->k->gemm_rows(&p));
        rate(t, names[type], s, 2.0 * (double)(n * k),
             (double)(n * k) * (double)at_dtype_size((at_dtype)type));
    }
    guard_release(t);
}

#define CHECK_PACK(size, type)                                                                   \
    void check_pack_##size(struct checker *t)                                                    \
    {                                                                                            \
        for (int round = 0; round < 400; round++) {                                              \
            const size_t nr = random_bits() % 2 ? 16 : 32, k = random_bits() % 70;               \
            const size_t rows = random_bits() % 2 ? nr : 1 + random_bits() % nr,                 \
                         ld = k + random_bits() % 5;                                             \
            const size_t n = (rows - 1) * ld + k;                                                \
            type *src = guard(n * sizeof *src, 0);                                               \
            type *want = guard(k * nr * sizeof *want, 0), *got = guard(k * nr * sizeof *got, 0); \
            for (size_t i = 0; i < n; i++)                                                       \
                src[i] = (type)random_bits();                                                    \
            for (size_t i = 0; i < k; i++)                                                       \
                for (size_t r = 0; r < nr; r++)                                                  \
                    want[i * nr + r] = r < rows ? src[r * ld + i] : 0;                           \
            t->k->pack_##size(k, rows, src, ld, got, nr);                                        \
            expect_bytes(t, got, want, k *nr * sizeof *got, "k %zu rows %zu ld %zu nr %zu", k,   \
                         rows, ld, nr);                                                          \
            guard_release(t);                                                                    \
        }                                                                                        \
    }                                                                                            \
    void bench_pack_##size(struct checker *t)                                                    \
    {                                                                                            \
        const size_t nr = t->k->nr, k = 768;                                                     \
        type *src = guard(k * nr * sizeof *src, 0), *dst = guard(k * nr * sizeof *dst, 0);       \
        double s;                                                                                \
        TIME_CALL(s, t->k->pack_##size(k, nr, src, k, dst, nr));                                 \
        rate(t, "k 768", s, 0, 2.0 * (double)(k * nr * sizeof *src));                            \
    }
CHECK_PACK(32, uint32_t)
CHECK_PACK(16, uint16_t)

void bench_gemm_panel(struct checker *t)
{
    static const struct {
        const char *name;
        size_t m, k, n_part; // n_part: the panel's share that exists, in halves
    } cases[] = {{"m 144 k 256", 144, 256, 2}, {"m 144 k 192", 144, 192, 2},
                 {"m 144 k 32", 144, 32, 2},   {"m 144 k 256, half", 144, 256, 1},
                 {"m 1 k 256", 1, 256, 2},     {"m 4 k 256", 4, 256, 2}};
    const size_t nr = t->k->nr;
    for (size_t c = 0; c < AT_COUNT(cases); c++) {
        const size_t m = cases[c].m, k = cases[c].k, n = nr * cases[c].n_part / 2;
        float *a = input(m * k), *b = guard(k * nr * 4, AT_SLACK), *y = output(m * nr);
        for (size_t i = 0; i < k * nr; i++)
            b[i] = random_float();
        const at_gemm_panel p = {.m = m,
                                 .n = n,
                                 .k = k,
                                 .a = a,
                                 .lda = k,
                                 .b = b,
                                 .first = true,
                                 .last = true,
                                 .end = {.y = y, .ldy = nr}};
        double s;
        TIME_CALL(s, t->k->gemm_panel(&p));
        rate(t, cases[c].name, s, 2.0 * (double)(m * n * k), 0);
        guard_release(t);
    }
}
