/* resize.c - Pillow's 8-bit bilinear resize, exactly (SPEC: libImaging/Resample.c, Pillow 12): a
 * triangle filter that widens when shrinking, weights in fixed point with 22 fraction bits, a
 * horizontal pass to bytes, then a vertical one. Only rows that the second pass reads are made. */
#include "image/image.h"

#include <math.h>
#include <string.h>

enum { FRACTION = 32 - 8 - 2 };

/* Weights of one axis: output i is the sum of taps k[i * size + t] of inputs first[i] + t. */
typedef struct axis {
    int size; // taps kept for each output
    int *first, *count;
    int32_t *k;
} axis;

static bool make_axis(axis *a, int n, int m, const at_allocator *al)
{
    const double scale = (double)n / m, wide = scale < 1.0 ? 1.0 : scale, support = wide,
                 narrow = 1.0 / wide; // Pillow multiplies by it; a division rounds otherwise
    a->size = (int)ceil(support) * 2 + 1;
    size_t taps;
    if (!at_mul((size_t)m, (size_t)a->size, &taps)) return false;
    a->first = at_calloc(al, (size_t)m * 2, sizeof *a->first);
    a->k = at_calloc(al, taps, sizeof *a->k);
    double *w = at_calloc(al, (size_t)a->size, sizeof *w);
    const bool ok = a->first && a->k && w;
    for (int x = 0; ok && x < m; x++) {
        const double center = (x + 0.5) * scale;
        int lo = (int)(center - support + 0.5), hi = (int)(center + support + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > n ? n : hi;
        double sum = 0;
        for (int i = lo; i < hi; i++) {
            const double t = fabs((i - center + 0.5) * narrow);
            w[i - lo] = t < 1.0 ? 1.0 - t : 0.0;
            sum += w[i - lo];
        }
        for (int i = 0; i < hi - lo; i++) {
            const double k = sum != 0.0 ? w[i] / sum : w[i];
            a->k[(size_t)x * (size_t)a->size + (size_t)i] =
                (int32_t)(k * (1 << FRACTION) + 0.5); // weights are not negative
        }
        a->first[x] = lo;
        a->first[m + x] = hi - lo;
    }
    a->count = a->first ? a->first + m : NULL;
    at_free(al, w);
    return ok;
}

static void free_axis(axis *a, const at_allocator *al)
{
    at_free(al, a->first);
    at_free(al, a->k);
}

static uint8_t clip8(int32_t v)
{
    v >>= FRACTION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_horizontal(const axis *a, const uint8_t *src, uint8_t *dst, int m)
{
    for (int x = 0; x < m; x++) {
        const int32_t *k = a->k + (size_t)x * (size_t)a->size;
        const uint8_t *p = src + 3 * (size_t)a->first[x];
        int32_t s0 = 1 << (FRACTION - 1), s1 = s0, s2 = s0;
        for (int t = 0; t < a->count[x]; t++) {
            s0 += k[t] * p[3 * t];
            s1 += k[t] * p[3 * t + 1];
            s2 += k[t] * p[3 * t + 2];
        }
        dst[3 * x] = clip8(s0);
        dst[3 * x + 1] = clip8(s1);
        dst[3 * x + 2] = clip8(s2);
    }
}

static void row_vertical(const int32_t *k, int taps, const uint8_t *src, size_t stride,
                         uint8_t *dst, size_t n, int32_t *sums)
{
    for (size_t i = 0; i < n; i++)
        sums[i] = 1 << (FRACTION - 1);
    for (int t = 0; t < taps; t++) {
        const uint8_t *p = src + (size_t)t * stride;
        for (size_t i = 0; i < n; i++)
            sums[i] += k[t] * p[i];
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = clip8(sums[i]);
}

at_status at_resize_bilinear(const uint8_t *src, int w, int h, uint8_t *dst, int out_w, int out_h,
                             const at_allocator *al, at_error *err)
{
    const size_t row = (size_t)out_w * 3;
    axis across = {0}, down = {0};
    const bool horizontal = w != out_w, vertical = h != out_h;
    bool ok = (!horizontal || make_axis(&across, w, out_w, al)) &&
              (!vertical || make_axis(&down, h, out_h, al));
    const int first = vertical && ok ? down.first[0] : 0;
    const int last = vertical && ok ? down.first[out_h - 1] + down.count[out_h - 1] : h;
    uint8_t *middle = NULL; // [last - first, out_w, 3]
    int32_t *sums = NULL;
    if (ok && horizontal && vertical)
        ok = (middle = at_alloc(al, (size_t)(last - first) * row)) != NULL;
    if (ok && vertical) ok = (sums = at_alloc(al, row * sizeof *sums)) != NULL;
    for (int y = first; ok && horizontal && y < last; y++)
        row_horizontal(&across, src + (size_t)y * (size_t)w * 3,
                       (vertical ? middle : dst) + (size_t)(y - first) * row, out_w);
    const uint8_t *from = horizontal ? middle : src + (size_t)first * row;
    for (int y = 0; ok && vertical && y < out_h; y++)
        row_vertical(down.k + (size_t)y * (size_t)down.size, down.count[y],
                     from + (size_t)(down.first[y] - first) * row, row, dst + (size_t)y * row, row,
                     sums);
    if (ok && !horizontal && !vertical) memcpy(dst, src, row * (size_t)h);
    free_axis(&across, al);
    free_axis(&down, al);
    at_free(al, middle);
    at_free(al, sums);
    return ok ? AT_OK
              : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory to resize an image of %d x %d", w, h);
}

void at_normalise(const uint8_t *rgb, size_t pixels, const float mean[3], const float std[3],
                  float *y)
{
    float table[3][256]; // 768 divisions instead of two a sample; the same roundings
    for (int c = 0; c < 3; c++) {
        for (int v = 0; v < 256; v++)
            table[c][v] = ((float)v / 255.0f - mean[c]) / std[c];
    }
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < 3; c++)
            y[3 * i + c] = table[c][rgb[3 * i + c]];
    }
}
