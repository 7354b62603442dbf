/* check_s8.c - products of bytes and quantised rows: every bit, against loops of whole numbers. */
#include "check.h"

#include <math.h>
#include <string.h>

/* An activation in the level's form. */
static void put(const at_narrow_form *f, void *q, size_t i, int v)
{
    if (f->bytes == 2)
        ((int16_t *)q)[i] = (int16_t)v;
    else
        ((uint8_t *)q)[i] = (uint8_t)(v + 128);
}

static int get(const at_narrow_form *f, const void *q, size_t i)
{
    return f->bytes == 2 ? ((const int16_t *)q)[i] : ((const uint8_t *)q)[i] - 128;
}

/* Column j's scale, behind which its fix is nr numbers away. */
static float *scale_of(const at_narrow_form *f, char *b, size_t depth, size_t j)
{
    return (float *)(void *)(b + j / f->nr * at_s8_panel_bytes(f, depth)) + j % f->nr;
}

static int8_t *weight_of(const at_narrow_form *f, char *b, size_t depth, size_t j, size_t k)
{
    int8_t *w = (int8_t *)(b + j / f->nr * at_s8_panel_bytes(f, depth) + 8 * f->nr);
    return &w[(k / f->group * f->nr + j % f->nr) * f->group + k % f->group];
}

static int random_s8(bool extreme)
{
    return extreme ? random_bits() % 2 ? 127 : -127 : (int)(random_bits() % 255) - 127;
}

struct s8_case {
    size_t m, n, k, ldy, lda_more;
    bool bias, residual, extreme, broken; // broken: a row that had NaN
    bool no_room;
    at_end_act act;
};

static void check_case(struct checker *t, struct s8_case c)
{
    const at_narrow_form *f = &t->k->s8;
    const size_t padded = at_round_up(c.k, f->fill), lda = padded * f->bytes + 4 * c.lda_more;
    const size_t rows = at_round_up(c.m, f->over), panels = (c.n + f->nr - 1) / f->nr;
    char *a = guard((rows - 1) * lda + padded * f->bytes, 0);
    char *b = guard(panels * at_s8_panel_bytes(f, c.k), 0);
    float *a_scale = guard(c.m * 4, 0);
    for (size_t i = 0; i < (rows - 1) * lda + padded * f->bytes; i++)
        a[i] = (char)random_bits(); // what a kernel may read but must not use
    for (size_t i = 0; i < c.m; i++) {
        a_scale[i] = fabsf(random_float()) * 0.01f;
        for (size_t k = 0; k < c.k; k++)
            put(f, a + i * lda, k, random_s8(c.extreme));
    }
    if (c.broken) a_scale[random_bits() % c.m] = NAN;
    memset(b, 0, panels * at_s8_panel_bytes(f, c.k));
    for (size_t j = 0; j < c.n; j++) {
        float *scale = scale_of(f, b, c.k, j);
        int32_t *fix = (int32_t *)(void *)(scale + f->nr);
        *scale = fabsf(random_float()) * 0.01f;
        for (size_t k = 0; k < c.k; k++) {
            int8_t *at = weight_of(f, b, c.k, j, k);
            *at = (int8_t)random_s8(c.extreme);
            *fix -= 128 * *at;
        }
    }
    float *bias = guard(c.n * 4, 0), *residual = guard(((c.m - 1) * c.ldy + c.n) * 4, 0);
    float *y = output((c.m - 1) * c.ldy + c.n), *want = output((c.m - 1) * c.ldy + c.n);
    for (size_t j = 0; j < c.n; j++)
        bias[j] = random_float();
    for (size_t i = 0; i < (c.m - 1) * c.ldy + c.n; i++)
        residual[i] = random_float();
    void *room = guard(at_s8_room(c.m, c.k), 0);
    memset(room, 0x7f, at_s8_room(c.m, c.k));
    t->k->gemm_s8(&(at_gemm_s8){.m = c.m,
                                .n = c.n,
                                .k = c.k,
                                .a = a,
                                .lda = lda,
                                .a_scale = a_scale,
                                .b = b,
                                .end = {y, c.ldy, c.bias ? bias : NULL, c.act,
                                        c.residual ? residual : NULL, c.ldy},
                                .room = c.no_room ? NULL : room});
    for (size_t i = 0; i < c.m; i++) {
        for (size_t j = 0; j < c.n; j++) {
            int64_t s = 0;
            for (size_t k = 0; k < c.k; k++)
                s += get(f, a + i * lda, k) * *weight_of(f, b, c.k, j, k);
            float v = (float)s * a_scale[i];
            v *= *scale_of(f, b, c.k, j);
            if (c.bias) v += bias[j];
            if (c.act == AT_END_GELU) t->k->gelu(1, &v, &v);
            if (c.act == AT_END_GELU_COARSE) t->k->gelu_coarse(1, &v, &v);
            if (c.act == AT_END_QUICK_GELU) t->k->quick_gelu(1, &v, &v);
            if (c.act == AT_END_RELU || c.act == AT_END_RELU6) v = v < 0.0f ? 0.0f : v;
            if (c.act == AT_END_RELU6) v = v > 6.0f ? 6.0f : v;
            if (c.residual) v += residual[i * c.ldy + j];
            want[i * c.ldy + j] = v;
        }
        // columns of others stay NaN in both
        for (size_t j = 0; j < (i + 1 < c.m ? c.ldy : c.n); j++) {
            const float *p = &y[i * c.ldy + j], *q = &want[i * c.ldy + j];
            if (isnan(*p) && isnan(*q)) {
                t->comparisons += 4;
                continue;
            }
            expect_bytes(t, p, q, 4,
                         "[%zu, %zu] m %zu n %zu k %zu bias %d residual %d act %d extreme %d", i, j,
                         c.m, c.n, c.k, c.bias, c.residual, (int)c.act, c.extreme);
        }
    }
    guard_release(t);
}

void check_gemm_s8(struct checker *t)
{
    const size_t nr = t->k->s8.nr;
    for (size_t m = 1; m <= 32; m++)
        for (size_t n = 1; n <= 3 * nr; n += n < 4 || (m < 4 && n < nr) ? 1 : n < nr ? 3 : 13) {
            const uint64_t r = random_bits();
            check_case(t, (struct s8_case){.m = m,
                                           .n = n,
                                           .k = AT_S8_PAD * (1 + r % 40),
                                           .ldy = n + r / 64 % 9,
                                           .lda_more = r / 1024 % 4,
                                           .bias = r >> 20 & 1,
                                           .residual = r >> 21 & 1,
                                           .extreme = (r >> 22 & 7) == 0,
                                           .broken = (r >> 25 & 7) == 0,
                                           .act = (at_end_act)((r >> 30) % 6)});
        }
    for (size_t n = nr / 2; n <= nr; n += nr / 2) // whole vectors, without GELU: the quick ending
        for (size_t m = 1; m < 80; m += 13)
            for (int act = 0; act < 6; act++)
                check_case(t, (struct s8_case){.m = m,
                                               .n = n,
                                               .k = 768,
                                               .ldy = 2 * nr,
                                               .bias = m & 1,
                                               .residual = m & 2,
                                               .act = (at_end_act)act});
    // many rows, panels and steps, whole halves of them and what is left over
    static const struct {
        size_t m, n, k;
    } many[] = {{64, 128, 192}, {64, 160, 224},  {71, 136, 256},  {192, 129, 192}, {96, 150, 1056},
                {80, 144, 196}, {64, 128, 1088}, {600, 128, 192}, {577, 131, 224}, {65, 192, 2112}};
    for (size_t c = 0; c < AT_COUNT(many); c++)
        for (int extreme = 0; extreme < 2; extreme++) {
            const uint64_t r = random_bits();
            check_case(t, (struct s8_case){.m = many[c].m,
                                           .n = many[c].n,
                                           .k = many[c].k,
                                           .ldy = many[c].n + r % 9,
                                           .lda_more = r / 16 % 4,
                                           .bias = r >> 20 & 1,
                                           .residual = r >> 21 & 1,
                                           .extreme = extreme,
                                           .broken = (r >> 25 & 3) == 0,
                                           .no_room = (r >> 27 & 7) == 0,
                                           .act = (at_end_act)((r >> 30) % 6)});
        }
    // every product at its largest, at the largest depth: nothing saturates
    check_case(t, (struct s8_case){
                      .m = 7, .n = nr, .k = AT_S8_DEPTH, .ldy = nr, .bias = true, .extreme = true});
}

void check_quantize_row(struct checker *t)
{
    const at_narrow_form *f = &t->k->s8, *own = &t->ref->s8;
    for (int round = 0; round < 3000; round++) {
        const size_t n = random_bits() % 300, padded = at_round_up(n, AT_S8_PAD);
        float *x = guard(n * 4, 0);
        const int kind = (int)(random_bits() % 6);
        for (size_t i = 0; i < n; i++)
            x[i] = random_float() * (kind == 1 ? 1e-31f : kind == 2 ? 1e30f : 1.0f);
        if (kind == 3) fill_adversarial(x, n);
        if (kind == 4) // many exact halves: max 127, so that q is x to nearest even
            for (size_t i = 0; i < n; i++)
                x[i] = i ? (float)(random_bits() % 509) * 0.5f - 127.0f : 127.0f;
        if (kind == 5 && n) x[random_bits() % n] = random_bits() % 2 ? NAN : -INFINITY;
        char *got = guard(padded * f->bytes, 0), *want = guard(padded * own->bytes, 0);
        float got_scale = 0.0f, want_scale = 0.0f;
        t->k->quantize_row(n, x, got, &got_scale);
        t->ref->quantize_row(n, x, want, &want_scale);
        expect_bytes(t, &got_scale, &want_scale, 4, "scale of n %zu kind %d: %g, not %g", n, kind,
                     (double)got_scale, (double)want_scale);
        for (size_t i = 0; i < padded; i++) {
            const int a = get(f, got, i), b = get(own, want, i);
            expect_bytes(t, &a, &b, sizeof a, "q[%zu] of n %zu kind %d: %d, not %d", i, n, kind, a,
                         b);
            // what it means: half a step from x; nothing where the row has NaN, infinity or no size
            const double step = (double)want_scale;
            const bool nothing = i >= n || !isfinite(want_scale) || step == 0.0;
            const bool right = nothing ? a == 0
                                       : fabs(a * step - (double)x[i]) <= 0.5001 * step &&
                                             a >= -127 && a <= 127;
            expect_bytes(t, &right, &(bool){true}, 1, "q[%zu] of n %zu kind %d: %d of %g", i, n,
                         kind, a, i < n ? (double)x[i] : 0.0);
            if (kind == 4 && i < n && fabsf(x[i] - (float)a) == 0.5f)
                expect_bytes(t, &(int){a & 1}, &(int){0}, sizeof(int), "%g went to %d",
                             (double)x[i], a);
        }
        guard_release(t);
    }
}

void bench_gemm_s8(struct checker *t)
{
    static const struct {
        const char *name;
        size_t m, k;
    } cases[] = {{"m 144 k 256", 144, 256}, {"m 144 k 768", 144, 768}, {"m 36 k 3072", 36, 3072},
                 {"m 144 k 32", 144, 32},   {"m 144 k 16", 144, 16},   {"m 1 k 768", 1, 768}};
    const at_narrow_form *f = &t->k->s8;
    for (size_t c = 0; c < AT_COUNT(cases); c++) {
        const size_t m = cases[c].m, k = cases[c].k, lda = at_round_up(k, f->fill) * f->bytes + 64;
        void *a = guard(at_round_up(m, f->over) * lda, 0), *b = guard(at_s8_panel_bytes(f, k), 0);
        float *scale = input(m), *y = output(m * f->nr);
        const at_gemm_s8 p = {.m = m,
                              .n = f->nr,
                              .k = k,
                              .a = a,
                              .lda = lda,
                              .a_scale = scale,
                              .b = b,
                              .end = {.y = y, .ldy = f->nr}};
        double s;
        TIME_CALL(s, t->k->gemm_s8(&p));
        rate(t, cases[c].name, s, 2.0 * (double)(m * f->nr * k), 0);
        guard_release(t);
    }
}

void bench_quantize_row(struct checker *t)
{
    static const size_t sizes[] = {16, 96, 768, 3072};
    static const char *const names[] = {"n 16", "n 96", "n 768", "n 3072"};
    for (size_t c = 0; c < AT_COUNT(sizes); c++) {
        float *x = input(sizes[c]), scale;
        void *q = guard(sizes[c] * 2, 0);
        double s;
        TIME_CALL(s, t->k->quantize_row(sizes[c], x, q, &scale));
        rate(t, names[c], s, 0, 4.0 * (double)sizes[c]);
        guard_release(t);
    }
}
