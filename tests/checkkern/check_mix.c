/* check_mix.c - dots and weighted sums over stored rows of three types, at odd addresses, with nothing
 * readable behind them. */
#include "check.h"

#include "base/half.h"

#include <math.h>
#include <string.h>

enum type { F32, F16, BF16 };

static double get(const char *w, enum type type, size_t i)
{
    float f;
    uint16_t h;
    memcpy(&f, w + (type == F32 ? 4 * i : 0), sizeof f);
    if (type == F32) return (double)f;
    memcpy(&h, w + 2 * i, sizeof h);
    return (double)(type == F16 ? at_f32_of_f16(h) : at_f32_of_bf16(h));
}

static void put(char *w, enum type type, size_t i, float f)
{
    const uint16_t h = type == F16 ? at_f16_of_f32(f) : at_bf16_of_f32(f);
    if (type == F32)
        memcpy(w + 4 * i, &f, sizeof f);
    else
        memcpy(w + 2 * i, &h, sizeof h);
}

typedef void (*dots_fn)(size_t rows, size_t n, const void *w, size_t ld, const float *x, float *y);
typedef void (*mix_fn)(size_t rows, size_t n, const void *w, size_t ld, const float *p, bool more,
                       float *y);

static void check_both(struct checker *t, enum type type, dots_fn dots, mix_fn mix)
{
    for (int round = 0; round < 200; round++) {
        const size_t rows = 1 + random_bits() % 20, n = 2 + random_bits() % 90,
                     ld = n + random_bits() % 9, count = (rows - 1) * ld + n,
                     size = type == F32 ? 4 : 2;
        const bool more = random_bits() % 2;
        char *w = guard(count * size + round % 2, 0); // ends one byte before the page, or on it
        for (size_t i = 0; i < count; i++)
            put(w, type, i, random_float());
        float *x = input(dots ? n : rows), *y = output(dots ? rows : n);
        float *before = input(n);
        if (dots)
            dots(rows, n, w, ld, x, y);
        else {
            if (more) memcpy(y, before, n * sizeof *y);
            mix(rows, n, w, ld, x, more, y);
        }
        for (size_t o = 0; o < (dots ? rows : n); o++) {
            double want = !dots && more ? (double)before[o] : 0.0, magnitude = fabs(want);
            for (size_t i = 0; i < (dots ? n : rows); i++) {
                const double v = (double)x[i] * get(w, type, dots ? o * ld + i : i * ld + o);
                want += v;
                magnitude += fabs(v);
            }
            expect(t, (double)y[o], want, magnitude, "rows %zu n %zu ld %zu more %d, [%zu]", rows,
                   n, ld, more, o);
        }
        guard_release(t);
    }
}

static void bench_both(struct checker *t, size_t size, dots_fn dots, mix_fn mix)
{
    const size_t rows = 51, n = 512;
    void *w = guard(rows * n * size, 0);
    memset(w, 0x3c, rows * n * size);
    float *x = input(n), *y = output(n);
    double s;
    if (dots)
        TIME_CALL(s, dots(rows, n, w, n, x, y));
    else
        TIME_CALL(s, mix(rows, n, w, n, x, false, y));
    rate(t, "51 x 512", s, 2.0 * (double)(rows * n), (double)(rows * n * size));
}

#define TYPE(type, TYPE_, size)                        \
    void check_dots_##type(struct checker *t)          \
    {                                                  \
        check_both(t, TYPE_, t->k->dots_##type, NULL); \
    }                                                  \
    void check_mix_##type(struct checker *t)           \
    {                                                  \
        check_both(t, TYPE_, NULL, t->k->mix_##type);  \
    }                                                  \
    void bench_dots_##type(struct checker *t)          \
    {                                                  \
        bench_both(t, size, t->k->dots_##type, NULL);  \
    }                                                  \
    void bench_mix_##type(struct checker *t)           \
    {                                                  \
        bench_both(t, size, NULL, t->k->mix_##type);   \
    }
TYPE(f32, F32, 4)
TYPE(f16, F16, 2)
TYPE(bf16, BF16, 2)
