/* check_elementwise.c - conversions, GELU, sums of two: every 16-bit value, hard and random floats. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 1000};

typedef void (*widen_fn)(size_t n, const void *x, float *y);
typedef void (*narrow_fn)(size_t n, const float *x, void *y);

static void check_widen(struct checker *t, widen_fn fn, widen_fn ref)
{
    for (unsigned first = 0; first < 0x10000; first += 0x1000 - 5) { // blocks with a tail
        const size_t n = at_min_size(0x1000 - 5, 0x10000 - first);
        uint16_t *x = guard(2 * n, 0);
        float *want = output(n), *got = output(n);
        for (size_t i = 0; i < n; i++)
            x[i] = (uint16_t)(first + i);
        fn(n, x, got);
        ref(n, x, want);
        for (size_t i = 0; i < n; i++)
            expect(t, (double)got[i], (double)want[i], 0.0, "%#x", (unsigned)x[i]);
        guard_release(t);
    }
    for (size_t s = 0; s < AT_COUNT(sizes); s++) { // at an odd address
        const size_t n = sizes[s];
        char *x = (char *)guard(2 * n + 1, 0);
        for (size_t i = 0; i < n; i++) {
            const uint16_t one = (uint16_t)(0x3c00 + i);
            memcpy(x + 2 * i, &one, 2);
        }
        float *want = output(n), *got = output(n);
        fn(n, x, got);
        ref(n, x, want);
        expect_bytes(t, got, want, n * sizeof *got, "n %zu", n);
        guard_release(t);
    }
}

void check_f32_of_f16(struct checker *t)
{
    check_widen(t, t->k->f32_of_f16, t->ref->f32_of_f16);
}
void check_f32_of_bf16(struct checker *t)
{
    check_widen(t, t->k->f32_of_bf16, t->ref->f32_of_bf16);
}

static void check_narrow(struct checker *t, narrow_fn fn, narrow_fn ref, uint16_t infinity)
{
    for (size_t s = 0; s < 300; s++) {
        const size_t n = s < AT_COUNT(sizes) ? sizes[s] : 1000;
        float *x = guard(n * sizeof *x, 0);
        fill_adversarial(x, n);
        for (size_t i = 0; i < n && s % 2; i++) { // any bits at all
            const uint32_t bits = (uint32_t)random_bits();
            memcpy(&x[i], &bits, sizeof bits);
        }
        uint16_t *want = guard(2 * n, 0), *got = guard(2 * n, 0);
        fn(n, x, got);
        ref(n, x, want);
        for (size_t i = 0; i < n; i++) {
            const bool both_nan = (got[i] & 0x7fff) > infinity && (want[i] & 0x7fff) > infinity &&
                                  isnan(x[i]);
            expect(t, both_nan ? 0.0 : got[i], both_nan ? 0.0 : want[i], 0.0, "%a", (double)x[i]);
        }
        guard_release(t);
    }
}

void check_f16_of_f32(struct checker *t)
{
    check_narrow(t, t->k->f16_of_f32, t->ref->f16_of_f32, 0x7c00);
}
void check_bf16_of_f32(struct checker *t)
{
    check_narrow(t, t->k->bf16_of_f32, t->ref->bf16_of_f32, 0x7f80);
}

typedef void (*map_fn)(size_t n, const float *x, float *y);

/* A function of one value: near its meaning, in place, each place alike. */
static void check_map(struct checker *t, map_fn fn, double (*meaning)(double), const char *name)
{
    for (int round = 0; round < 400; round++) {
        const size_t n = (size_t)round < AT_COUNT(sizes) ? sizes[round] : 997;
        float *x = input(n), *y = output(n);
        if (round % 4 == 1) fill_adversarial(x, n);
        for (size_t i = 0; i < n && round % 4 > 1;
             i++) // evenly over what matters, or all magnitudes
            x[i] = round % 4 == 2 ? random_float() * 5.0f
                                  : ldexpf(random_float(), (int)(random_bits() % 40) - 30);
        fn(n, x, y);
        for (size_t i = 0; i < n; i++) {
            const double v = (double)x[i];
            expect(t, (double)y[i], meaning(v), 0.0, "%s(%a)", name, v);
        }
        guard_release(t);
    }
    for (size_t s = 0; s < AT_COUNT(sizes); s++) { // in place, and each place alike
        const size_t n = sizes[s];
        float *x = input(n), *y = output(n), *z = copy_of(x, n, 0);
        fn(n, x, y);
        fn(n, z, z);
        expect_bytes(t, z, y, n * sizeof *y, "in place, n %zu", n);
        for (size_t i = 0; i < n; i++) {
            float alone = NAN;
            fn(1, &x[i], &alone);
            expect_bytes(t, &alone, &y[i], sizeof alone, "alone, %zu of %zu", i, n);
        }
        guard_release(t);
    }
}

static double gelu(double v)
{
    return v < -15.0 ? 0.0 : 0.5 * v * erfc(-v * 0.70710678118654752440); // not -inf * 0
}
void check_gelu(struct checker *t)
{
    check_map(t, t->k->gelu, gelu, "gelu");
}

void check_gelu_coarse(struct checker *t)
{
    for (int round = 0; round < 60; round++) {
        const size_t n = (size_t)round < AT_COUNT(sizes) ? sizes[round] : 997;
        float *x = input(n), *y = output(n), *want = output(n);
        if (round % 3 == 1) fill_adversarial(x, n);
        for (size_t i = 0; i < n && round % 3 == 2; i++)
            x[i] = random_float() * 3.0f;
        t->k->gelu_coarse(n, x, y);
        t->ref->gelu_coarse(n, x, want);
        expect_bytes(t, y, want, n * sizeof *y, "n %zu", n);
        for (size_t i = 0; i < n; i++) { // a polynomial in the place of Phi
            const double v = (double)x[i], off = fabs((double)y[i] - gelu(v));
            if (off > 1.9e-4 * (1.0 + fabs(v) * 1e-3))
                expect(t, (double)y[i], gelu(v), 0.0, "%a", v);
        }
        t->k->gelu_coarse(n, x, x);
        expect_bytes(t, x, y, n * sizeof *y, "in place, n %zu", n);
        guard_release(t);
    }
}

static double quick_gelu(double v)
{
    return v < -51.0 ? 0.0 : v / (1.0 + exp(-(double)1.702f * v));
}
void check_quick_gelu(struct checker *t)
{
    check_map(t, t->k->quick_gelu, quick_gelu, "quick_gelu");
}

void check_add(struct checker *t)
{
    for (size_t s = 0; s < AT_COUNT(sizes); s++) {
        const size_t n = sizes[s];
        float *a = guard(n * 4, 0), *b = guard(n * 4, 0), *y = output(n);
        fill_adversarial(a, n);
        fill_adversarial(b, n);
        t->k->add(n, a, b, y);
        for (size_t i = 0; i < n; i++)
            expect(t, (double)y[i], (double)(a[i] + b[i]), 0.0, "%a + %a", (double)a[i],
                   (double)b[i]);
        guard_release(t);
    }
}

enum { BENCH = 1 << 12 };

static void bench_widen(struct checker *t, widen_fn fn)
{
    uint16_t *x = guard(2 * BENCH, 0);
    float *y = output(BENCH);
    double s;
    TIME_CALL(s, fn(BENCH, x, y));
    rate(t, "4096 values", s, 0, 6.0 * BENCH);
}

static void bench_narrow(struct checker *t, narrow_fn fn)
{
    float *x = input(BENCH);
    uint16_t *y = guard(2 * BENCH, 0);
    double s;
    TIME_CALL(s, fn(BENCH, x, y));
    rate(t, "4096 values", s, 0, 6.0 * BENCH);
}

void bench_f32_of_f16(struct checker *t)
{
    bench_widen(t, t->k->f32_of_f16);
}
void bench_f32_of_bf16(struct checker *t)
{
    bench_widen(t, t->k->f32_of_bf16);
}
void bench_f16_of_f32(struct checker *t)
{
    bench_narrow(t, t->k->f16_of_f32);
}
void bench_bf16_of_f32(struct checker *t)
{
    bench_narrow(t, t->k->bf16_of_f32);
}

void bench_gelu_coarse(struct checker *t)
{
    float *x = input(BENCH), *y = output(BENCH);
    double s;
    TIME_CALL(s, t->k->gelu_coarse(BENCH, x, y));
    rate(t, "4096 values", s, 0, 8.0 * BENCH);
    guard_release(t);
}

void bench_gelu(struct checker *t)
{
    float *x = input(BENCH), *y = output(BENCH);
    double s;
    TIME_CALL(s, t->k->gelu(BENCH, x, y));
    rate(t, "4096 values", s, 0, 8.0 * BENCH);
}

void bench_quick_gelu(struct checker *t)
{
    float *x = input(BENCH), *y = output(BENCH);
    double s;
    TIME_CALL(s, t->k->quick_gelu(BENCH, x, y));
    rate(t, "4096 values", s, 0, 8.0 * BENCH);
}

void bench_add(struct checker *t)
{
    float *x = input(BENCH), *y = output(BENCH);
    double s;
    TIME_CALL(s, t->k->add(BENCH, x, x, y));
    rate(t, "4096 values", s, 0, 12.0 * BENCH);
}
