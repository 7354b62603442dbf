/* resize.c - Pillow's 8-bit bilinear resize, exactly (SPEC: libImaging/Resample.c, Pillow 12): a
 * triangle filter that widens when shrinking, weights in fixed point with 22 fraction bits, a
 * horizontal pass to bytes, then a vertical one. The rows between the passes live in a window that
 * slides down, and a very wide picture is made in strips of columns, so that memory beyond the two
 * pictures is at most a few times that of the source's pixels, whatever its shape. */
#include "image/image.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { MOST_WEIGHTS = 1 << 19, AHEAD = 8 }; // of a strip (2 MiB); rows made at once

/* Most inputs that one output reads, when n become m. */
static size_t most_taps(int n, int m)
{
    const double scale = (double)n / m;
    const size_t taps = (size_t)ceil(scale < 1.0 ? 1.0 : scale) * 2 + 1;
    return at_min_size(taps, (size_t)n);
}

/* Weights of output x of m over n inputs: k[0 .. return value) for the inputs from *first on. */
static int32_t weights_of(int n, int m, int x, int32_t *first, int32_t *k)
{
    const double scale = (double)n / m, support = scale < 1.0 ? 1.0 : scale,
                 narrow = 1.0 / support; // Pillow multiplies by it; a division rounds otherwise
    const double center = (x + 0.5) * scale, end = center + support + 0.5;
    const int lo = center - support + 0.5 < 0 ? 0 : (int)(center - support + 0.5),
              hi = end > n ? n : (int)end;
    double sum = 0;
    for (int pass = 0; pass < 2; pass++) { // the sum, then each weight's share of it
        for (int i = lo; i < hi; i++) {
            const double t = fabs((i - center + 0.5) * narrow), w = t < 1.0 ? 1.0 - t : 0.0;
            if (pass == 0)
                sum += w;
            else // weights are not negative
                k[i - lo] = (int32_t)((sum != 0.0 ? w / sum : w) * (1 << AT_RESIZE_FRACTION) + 0.5);
        }
    }
    *first = lo;
    return hi - lo;
}

/* Memory of one call. */
typedef struct scratch {
    int32_t *first, *count, *across; // [strip], [strip], [strip, taps]
    int32_t *down;                   // weights of one output row
    uint8_t *window;                 // [rows, strip, 3]
} scratch;

typedef struct job {
    const uint8_t *src;
    uint8_t *dst;
    int w, h, out_w, out_h;
    size_t strip, taps; // columns made together; weights of one, a multiple of 4
    size_t rows;        // of the window
} job;

static bool take(scratch *s, const job *j, const at_allocator *al)
{
    size_t across, window;
    if (j->w != j->out_w) {
        if (!at_mul(j->strip, j->taps, &across)) return false;
        s->first = at_calloc(al, j->strip, sizeof *s->first);
        s->count = at_calloc(al, j->strip, sizeof *s->count);
        s->across = at_calloc(al, across, sizeof *s->across);
        if (!s->first || !s->count || !s->across) return false;
    }
    if (j->h != j->out_h) {
        s->down = at_calloc(al, most_taps(j->h, j->out_h), sizeof *s->down);
        if (!s->down) return false;
    }
    if (j->w == j->out_w || j->h == j->out_h) return true;
    if (!at_mul(j->rows, j->strip * 3, &window)) return false;
    s->window = at_alloc(al, window);
    return s->window != NULL;
}

/* Columns x .. x + n - 1 of all output rows. */
static void make_strip(const job *j, scratch *s, int x, size_t n)
{
    const at_kernels *kernels = at_kernels_get();
    const bool horizontal = j->w != j->out_w, vertical = j->h != j->out_h;
    const size_t ld_src = (size_t)j->w * 3, ld_dst = (size_t)j->out_w * 3, ld = n * 3;
    at_resize_across across = {.n = n,
                               .ld_src = ld_src,
                               .first = s->first,
                               .count = s->count,
                               .k = s->across,
                               .taps = j->taps};
    for (size_t i = 0; horizontal && i < n; i++) {
        int32_t *k = s->across + i * j->taps;
        s->count[i] = weights_of(j->w, j->out_w, x + (int)i, &s->first[i], k);
        memset(k + s->count[i], 0, (j->taps - (size_t)s->count[i]) * sizeof *k);
    }
    uint8_t *dst = j->dst + 3 * (size_t)x;
    if (!vertical) {
        across.rows = (size_t)j->h;
        across.src = j->src;
        across.dst = dst;
        across.ld_dst = ld_dst;
        kernels->resize_across(&across);
        return;
    }
    size_t top = 0, made = 0; // the window holds rows top .. made - 1
    for (int y = 0; y < j->out_h; y++) {
        int32_t from;
        const size_t taps = (size_t)weights_of(j->h, j->out_h, y, &from, s->down),
                     first = (size_t)from;
        at_resize_down down = {.n = ld,
                               .taps = taps,
                               .src = j->src + first * ld_src,
                               .ld_src = ld_src,
                               .k = s->down,
                               .dst = dst + (size_t)y * ld_dst};
        if (horizontal && first + taps > made) {
            const size_t kept = made > first ? made - first : 0;
            memmove(s->window, s->window + (first - top) * ld, kept * ld);
            top = first;
            made = first + kept;
            across.rows = at_min_size(at_round_up(first + taps - made, AHEAD), (size_t)j->h - made);
            across.src = j->src + made * ld_src;
            across.dst = s->window + kept * ld;
            across.ld_dst = ld;
            kernels->resize_across(&across);
            made += across.rows;
        }
        if (horizontal) {
            down.src = s->window + (first - top) * ld;
            down.ld_src = ld;
        }
        kernels->resize_down(&down);
    }
}

at_status at_resize_bilinear(const uint8_t *src, int w, int h, uint8_t *dst, int out_w, int out_h,
                             const at_allocator *al, at_error *err)
{
    job j = {.src = src, .dst = dst, .w = w, .h = h, .out_w = out_w, .out_h = out_h};
    if (w == out_w && h == out_h) {
        memcpy(dst, src, (size_t)w * (size_t)h * 3);
        return AT_OK;
    }
    j.taps = at_round_up(most_taps(w, out_w), 4);
    j.strip = w == out_w ? (size_t)out_w : at_max_size(MOST_WEIGHTS / j.taps, 1);
    j.strip = at_min_size(j.strip, (size_t)out_w);
    j.rows = most_taps(h, out_h) + AHEAD;
    scratch s = {0};
    const bool ok = take(&s, &j, al);
    for (size_t x = 0; ok && x < (size_t)out_w; x += j.strip)
        make_strip(&j, &s, (int)x, at_min_size(j.strip, (size_t)out_w - x));
    at_free(al, s.first);
    at_free(al, s.count);
    at_free(al, s.across);
    at_free(al, s.down);
    at_free(al, s.window);
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
