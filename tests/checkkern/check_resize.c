/* check_resize.c - the two passes of a resize: any weights whose sums fit, sizes about every step, rows
 * that lie apart, the last row ending at memory that cannot be touched. */
#include "check.h"

#include <string.h>

static uint8_t *bytes_of(size_t n, int kind, size_t slack)
{
    uint8_t *x = guard(n, slack);
    for (size_t i = 0; i < n; i++)
        x[i] = kind == 0   ? 255
               : kind == 1 ? (uint8_t)(random_bits() % 2 * 255)
                           : (uint8_t)random_bits();
    return x;
}

/* Weights of one output: like a filter's (sum 1), one alone of 1, or of both signs (sum 1, as bicubic). */
static void fill_weights(int32_t *k, size_t taps, int kind)
{
    const int32_t one = 1 << AT_RESIZE_FRACTION;
    int32_t left = one;
    for (size_t t = 0; t < taps; t++) {
        const int32_t share = 2 * one / (int32_t)(taps + 1);
        k[t] = kind == 1 ? 0 : (int32_t)(random_bits() % (uint64_t)(share + 1));
        if (kind == 2 && t % 3 == 0) k[t] = -k[t] / 4;
        if (k[t] > left) k[t] = left;
        left -= k[t];
    }
    if (taps) {
        int32_t *last = &k[random_bits() % taps];
        const int64_t sum = (int64_t)*last + left;
        *last = (int32_t)(sum > one ? one : sum);
    }
}

static uint8_t to_byte(int64_t sum)
{
    const int64_t v = (sum + (1 << (AT_RESIZE_FRACTION - 1))) >> AT_RESIZE_FRACTION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void check_resize_across(struct checker *t)
{
    for (int round = 0; round < 600; round++) {
        const size_t rows = (size_t)(random_bits() % 21), n = (size_t)(random_bits() % 40),
                     most = 1 + (size_t)(random_bits() % 30), taps = at_round_up(most, 4),
                     w = most + (size_t)(random_bits() % 50), ld = 3 * w + round % 3 * 5,
                     ld_dst = 3 * n + round % 2 * 7;
        const size_t size = rows ? (rows - 1) * ld + 3 * w : 0,
                     size_dst = rows ? (rows - 1) * ld_dst + 3 * n : 0;
        const uint8_t *src = bytes_of(size, round % 5, AT_SLACK);
        int32_t *first = guard(n * 4, 0), *count = guard(n * 4, 0), *k = guard(n * taps * 4, 0);
        memset(k, 0, n * taps * 4);
        for (size_t x = 0; x < n; x++) {
            count[x] = (int32_t)(random_bits() % (most + 1));
            first[x] = (int32_t)(random_bits() % (w - (size_t)count[x] + 1));
            if (x + 1 == n) first[x] = (int32_t)w - count[x]; // to the last byte
            fill_weights(k + x * taps, (size_t)count[x], round % 3);
        }
        uint8_t *got = guard(size_dst, 0), *want = guard(size_dst, 0);
        const at_resize_across p = {rows, n, src, ld, ld_dst, first, count, k, taps, got};
        t->k->resize_across(&p);
        for (size_t i = 0; i < rows * n * 3; i++) {
            const size_t r = i / (3 * n), x = i / 3 % n, c = i % 3;
            int64_t sum = 0;
            for (size_t j = 0; j < (size_t)count[x]; j++)
                sum += (int64_t)k[x * taps + j] * src[r * ld + 3 * ((size_t)first[x] + j) + c];
            want[r * ld_dst + 3 * x + c] = to_byte(sum);
        }
        expect_bytes(t, got, want, size_dst, "rows %zu n %zu taps %zu w %zu kind %d", rows, n, most,
                     w, round % 3);
        guard_release(t);
    }
}

void check_resize_down(struct checker *t)
{
    static const size_t sizes[] = {0, 1, 3, 31, 32, 33, 63, 64, 65, 127, 129, 1152, 1153};
    for (int round = 0; round < 600; round++) {
        const size_t n = sizes[(size_t)round % AT_COUNT(sizes)],
                     taps = (size_t)(random_bits() % 30), ld = n + round % 4 * 9;
        const uint8_t *src = bytes_of(taps ? (taps - 1) * ld + n : 0, round % 5, AT_SLACK);
        int32_t *k = guard(taps * 4, 0);
        fill_weights(k, taps, round % 3);
        uint8_t *got = guard(n, 0), *want = guard(n, 0);
        const at_resize_down p = {n, taps, src, ld, k, got};
        t->k->resize_down(&p);
        for (size_t i = 0; i < n; i++) {
            int64_t sum = 0;
            for (size_t j = 0; j < taps; j++)
                sum += (int64_t)k[j] * src[j * ld + i];
            want[i] = to_byte(sum);
        }
        expect_bytes(t, got, want, n, "n %zu taps %zu kind %d", n, taps, round % 3);
        guard_release(t);
    }
}

enum { W = 4000, N = 384, ROWS = 8, TAPS = 24 };

void bench_resize_across(struct checker *t)
{
    const uint8_t *src = bytes_of(3 * W * ROWS, 2, AT_SLACK);
    int32_t *first = guard(N * 4, 0), *count = guard(N * 4, 0), *k = guard(N * TAPS * 4, 0);
    memset(k, 0, N * TAPS * 4);
    for (int x = 0; x < N; x++) {
        first[x] = x * (W - TAPS) / N;
        count[x] = 21;
        fill_weights(k + x * TAPS, 21, 0);
    }
    const at_resize_across p = {ROWS,  N,     src, 3 * W, 3 * N,
                                first, count, k,   TAPS,  guard(3 * N * ROWS, 0)};
    double s;
    TIME_CALL(s, t->k->resize_across(&p));
    rate(t, "8 rows 4000 -> 384", s, 2.0 * 3 * ROWS * N * 21, 3.0 * ROWS * (W + N));
}

void bench_resize_down(struct checker *t)
{
    int32_t *k = guard(16 * 4, 0);
    fill_weights(k, 16, 0);
    const at_resize_down p = {3 * N, 16, bytes_of(3 * N * 16, 2, AT_SLACK),
                              3 * N, k,  guard(3 * N, 0)};
    double s;
    TIME_CALL(s, t->k->resize_down(&p));
    rate(t, "16 rows of 384", s, 2.0 * 3 * N * 16, 3.0 * N * 17);
}
