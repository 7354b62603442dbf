/* check_bf16.c - products of bfloat16: near the sum in double, and bit for bit the order of sums that
 * kernels.h gives for the level. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct bf16_case {
    size_t m, n, k, ldy, lda_more;
    bool bias, residual, tiny;
    at_end_act act;
};

static float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

/* a[k] and b[k] are numbers of bfloat16; `pairs`: the order of vdpbf16ps, else of tiles and ref. */
static float sum_of(const float *a, const float *b, size_t k_end, bool pairs)
{
    float s = 0.0f;
    for (size_t k = 0; pairs && k < k_end; k += 2)
        for (size_t odd = 2; odd-- > 0;)
            s = flushed(fmaf(flushed(a[k + odd]), flushed(b[k + odd]), s));
    for (size_t k0 = 0; !pairs && k0 < k_end; k0 += 32) {
        float part[2] = {0.0f, 0.0f};
        for (size_t k = k0; k < k0 + 32; k++)
            part[k % 2] = flushed(fmaf(flushed(a[k]), flushed(b[k]), part[k % 2]));
        s = flushed(s + flushed(part[0] + part[1]));
    }
    return s;
}

static void check_case(struct checker *t, struct bf16_case c)
{
    const at_narrow_form *f = &t->k->bf16;
    const bool pairs = strcmp(t->level, "avx512bf16") == 0;
    const size_t k_end = at_round_up(c.k, f->fill), lda = k_end * 2 + 4 * c.lda_more;
    const size_t rows = at_round_up(c.m, f->over), panels = (c.n + f->nr - 1) / f->nr;
    char *a = guard((rows - 1) * lda + k_end * 2, 0);
    uint16_t *b = guard(panels * at_bf16_panel_bytes(f, c.k), 0);
    float *x = guard(c.m * k_end * 4, 0), *w = guard(c.n * k_end * 4, 0);
    memset(a, 0xff, (rows - 1) * lda + k_end * 2); // NaN in rows that may be read but not used
    memset(b, 0, panels * at_bf16_panel_bytes(f, c.k));
    for (size_t i = 0; i < c.m * k_end; i++)
        x[i] = i % k_end < c.k ? random_float() * (c.tiny ? 1e-20f : 1.0f) : 0.0f;
    if (c.tiny && c.k > 1) x[random_bits() % c.k] = 1e-39f; // below the smallest normal number
    for (size_t i = 0; i < c.n * k_end; i++)
        w[i] = i % k_end < c.k ? random_float() * (c.tiny ? 1e-19f : 1.0f) : 0.0f;
    for (size_t i = 0; i < c.m; i++) {
        t->ref->bf16_of_f32(k_end, x + i * k_end, a + i * lda);
        t->ref->f32_of_bf16(k_end, a + i * lda, x + i * k_end);
    }
    for (size_t j = 0; j < c.n; j++)
        for (size_t k = 0; k < k_end; k++) {
            uint16_t *at = b + j / f->nr * at_bf16_panel_bytes(f, c.k) / 2 +
                           (k / 2 * f->nr + j % f->nr) * 2 + k % 2;
            t->ref->bf16_of_f32(1, &w[j * k_end + k], at);
            t->ref->f32_of_bf16(1, at, &w[j * k_end + k]);
        }
    float *bias = input(c.n), *residual = input((c.m - 1) * c.ldy + c.n),
          *y = output((c.m - 1) * c.ldy + c.n);
    t->k->gemm_bf16(&(at_gemm_bf16){.m = c.m,
                                    .n = c.n,
                                    .k = k_end,
                                    .a = a,
                                    .lda = lda,
                                    .b = b,
                                    .end = {y, c.ldy, c.bias ? bias : NULL, c.act,
                                            c.residual ? residual : NULL, c.ldy}});
    for (size_t i = 0; i < c.m; i++) {
        for (size_t j = 0; j < c.n; j++) {
            const float *row = x + i * k_end, *col = w + j * k_end;
            float v = sum_of(row, col, k_end, pairs);
            double want = 0.0, size = 0.0;
            for (size_t k = 0; k < k_end; k++) {
                want += (double)row[k] * (double)col[k];
                size += fabs((double)row[k] * (double)col[k]);
            }
            if (!c.tiny) // those are partly flushed
                expect(t, (double)v, want, size, "sum [%zu, %zu] k %zu tiny %d", i, j, c.k, c.tiny);
            if (c.bias) v += bias[j];
            if (c.act == AT_END_GELU) t->k->gelu(1, &v, &v);
            if (c.act == AT_END_GELU_COARSE) t->k->gelu_coarse(1, &v, &v);
            if (c.act == AT_END_QUICK_GELU) t->k->quick_gelu(1, &v, &v);
            if (c.act == AT_END_RELU || c.act == AT_END_RELU6) v = v < 0.0f ? 0.0f : v;
            if (c.act == AT_END_RELU6) v = v > 6.0f ? 6.0f : v;
            if (c.residual) v += residual[i * c.ldy + j];
            const float got = y[i * c.ldy + j] + 0.0f; // zeros of either sign
            v += 0.0f;
            expect_bytes(t, &got, &v, 4, "[%zu, %zu] %a not %a, m %zu n %zu k %zu act %d tiny %d",
                         i, j, (double)got, (double)v, c.m, c.n, c.k, (int)c.act, c.tiny);
        }
        for (size_t j = c.n; j < c.ldy && i + 1 < c.m; j++) // columns of others
            expect(t, (double)y[i * c.ldy + j], NAN, 0.0, "[%zu, %zu] touched", i, j);
    }
    guard_release(t);
}

void check_gemm_bf16(struct checker *t)
{
    const size_t nr = t->k->bf16.nr;
    for (size_t m = 1; m <= 50; m += m < 20 ? 1 : 7)
        for (size_t n = 1; n <= 3 * nr; n += n < 4 ? 1 : n < nr ? 5 : 13) {
            const uint64_t r = random_bits();
            check_case(t, (struct bf16_case){.m = m,
                                             .n = n,
                                             .k = 1 + r % 150,
                                             .ldy = n + r / 256 % 9,
                                             .lda_more = r / 4096 % 4,
                                             .bias = r >> 20 & 1,
                                             .residual = r >> 21 & 1,
                                             .tiny = (r >> 22 & 7) == 0,
                                             .act = (at_end_act)((r >> 30) % 6)});
        }
    check_case(t, (struct bf16_case){.m = 65, .n = 2 * nr, .k = 768, .ldy = 2 * nr, .bias = true});
}

void bench_gemm_bf16(struct checker *t)
{
    static const struct {
        const char *name;
        size_t m, k;
    } cases[] = {{"m 128 k 192", 128, 192}, {"m 144 k 768", 144, 768}, {"m 1 k 768", 1, 768}};
    const at_narrow_form *f = &t->k->bf16;
    for (size_t c = 0; c < AT_COUNT(cases); c++) {
        const size_t m = cases[c].m, k = cases[c].k, lda = k * 2 + 64,
                     a_bytes = at_round_up(m, f->over) * lda, b_bytes = at_bf16_panel_bytes(f, k);
        void *a = guard(a_bytes, 0), *b = guard(b_bytes, 0);
        memset(a, 0, a_bytes), memset(b, 0, b_bytes);
        float *y = output(m * f->nr);
        const at_gemm_bf16 p = {
            .m = m, .n = f->nr, .k = k, .a = a, .lda = lda, .b = b, .end = {.y = y, .ldy = f->nr}};
        double s;
        TIME_CALL(s, t->k->gemm_bf16(&p));
        rate(t, cases[c].name, s, 2.0 * (double)(m * f->nr * k), 0);
        guard_release(t);
    }
}
