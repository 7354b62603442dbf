/* rows.c - ops that go row by row: LayerNorm, patches, depthwise convolution, re-weighting, sums. Chunks
 * are rows or columns, so that no sum is ever shared between threads. */
#include "backend/cpu/cpu.h"

#include <string.h>

enum {
    ROWS = 32,       // of a norm's chunk
    COLUMNS = 64,    // of a mean's chunk
    ELEMENTS = 8192, // of a sum's chunk
};

typedef struct work {
    const at_device *d;
    const void *args;
} work;

static size_t chunks(size_t n, size_t step)
{
    return (n + step - 1) / step;
}

void at_cpu_norm_row(const at_kernels *kn, const at_norm_args *a, size_t r, float *row, float *y)
{
    const float *x = a->x + r * a->ldx;
    if (a->gather) {
        const size_t width = a->n / a->segments, picture = r / a->period;
        const int32_t *from = a->gather + r % a->period * a->segments;
        x = a->x + picture * a->period * a->segments * a->ldx;
        for (size_t s = 0; s < a->segments; s++)
            memcpy(row + s * width, x + (size_t)from[s] * a->ldx, width * sizeof *row);
        x = row;
    }
    kn->layer_norm(a->n, x, a->gamma, a->beta, a->eps, y);
}

static void norm_chunk(void *ctx, size_t chunk, int worker)
{
    const work *w = ctx;
    const at_norm_args *a = w->args;
    const size_t end = at_min_size(a->rows, (chunk + 1) * ROWS);
    for (size_t r = chunk * ROWS; r < end; r++)
        at_cpu_norm_row(w->d->kernels, a, r, w->d->scratch[worker].data, a->y + r * a->ldy);
}

void at_cpu_norm(at_device *d, const at_norm_args *a)
{
    at_pool_run(d->pool, chunks(a->rows, ROWS), norm_chunk, &(work){.d = d, .args = a});
}

/* Kernel row `from` of a patch, the source column sx of its first tap maybe outside. */
static void patch_row(const at_im2col_args *a, const float *from, size_t sx, float *y)
{
    const size_t line = a->kernel * a->c;
    if (from && sx < a->w && a->kernel <= a->w - sx) {
        memcpy(y, from + sx * a->c, line * sizeof *y);
        return;
    }
    for (size_t dx = 0; dx < a->kernel; dx++) {
        float *to = y + dx * a->c;
        if (from && sx + dx < a->w)
            memcpy(to, from + (sx + dx) * a->c, a->c * sizeof *y);
        else
            memset(to, 0, a->c * sizeof *y);
    }
}

static void im2col_row(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const at_im2col_args *a = ((const work *)ctx)->args;
    const size_t b = chunk / a->out_h, oy = chunk % a->out_h, line = a->kernel * a->c;
    float *y = a->y + chunk * a->out_w * a->kernel * line;
    for (size_t ox = 0; ox < a->out_w; ox++) {
        for (size_t dy = 0; dy < a->kernel; dy++, y += line) {
            // left of 0 they wrap to huge numbers, which are outside too
            const size_t sy = oy * a->stride + dy - a->pad_top;
            const size_t sx = ox * a->stride - a->pad_left;
            patch_row(a, sy < a->h ? a->x + (b * a->h + sy) * a->w * a->c : NULL, sx, y);
        }
    }
}

void at_cpu_im2col(at_device *d, const at_im2col_args *a)
{
    at_pool_run(d->pool, a->batch * a->out_h, im2col_row, &(work){.d = d, .args = a});
}

static void depthwise_row(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const work *w = ctx;
    const at_depthwise_args *a = w->args;
    const size_t b = chunk / a->out_h, oy = chunk % a->out_h;
    at_depthwise_row r = {
        .c = a->c,
        .w = a->w,
        .out_w = a->out_w,
        .stride = a->stride,
        .pad = a->pad_left,
        .weight = a->weight,
        .bias = a->bias,
        .act = a->act == AT_ACT_RELU6 ? AT_END_RELU6 : AT_END_NONE,
        .y = a->y + chunk * a->out_w * a->c,
    };
    for (size_t dy = 0; dy < 3; dy++) {
        const size_t sy = oy * a->stride + dy - a->pad_top;
        r.rows[dy] = sy < a->h ? a->x + (b * a->h + sy) * a->w * a->c : NULL;
    }
    w->d->kernels->depthwise_row(&r);
}

void at_cpu_depthwise(at_device *d, const at_depthwise_args *a)
{
    at_pool_run(d->pool, a->batch * a->out_h, depthwise_row, &(work){.d = d, .args = a});
}

typedef void (*dots_fn)(size_t rows, size_t n, const void *w, size_t ld, const float *x, float *y);
typedef void (*mix_fn)(size_t rows, size_t n, const void *w, size_t ld, const float *p, bool more,
                       float *y);

/* One class for every image: its descriptions are in the cache after the first. */
static void reweight_class(void *ctx, size_t c, int worker)
{
    const work *w = ctx;
    const at_reweight_args *a = w->args;
    const at_kernels *k = w->d->kernels;
    const dots_fn dots = a->type == AT_F32   ? k->dots_f32
                         : a->type == AT_F16 ? k->dots_f16
                                             : k->dots_bf16;
    const mix_fn mix = a->type == AT_F32   ? k->mix_f32
                       : a->type == AT_F16 ? k->mix_f16
                                           : k->mix_bf16;
    const size_t row = a->classes_index ? (size_t)a->classes_index[c] : c, per = a->per_class;
    const char *rows = (const char *)a->w + row * per * a->dim * at_dtype_size(a->type);
    float *p = w->d->scratch[worker].data;
    for (size_t b = 0; b < a->batch; b++) {
        const size_t at = b * a->classes + c;
        dots(per, a->dim, rows, a->dim, a->x + b * a->dim, p);
        for (size_t j = 0; j < per; j++)
            p[j] *= a->w_scale ? a->scale * a->w_scale[row * per + j] : a->scale;
        if (a->logits) memcpy(a->logits + at * per, p, per * sizeof *p);
        k->softmax(
            &(at_softmax){.rows = 1, .n = per, .seen = (ptrdiff_t)per, .x = p, .scale = 1.0f});
        if (a->weights) memcpy(a->weights + at * per, p, per * sizeof *p);
        mix(per, a->dim, rows, a->dim, p, false, a->y + at * a->dim);
    }
}

void at_cpu_reweight(at_device *d, const at_reweight_args *a)
{
    at_pool_run(d->pool, a->classes, reweight_class, &(work){.d = d, .args = a});
}

static void mean_chunk(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const work *w = ctx;
    const at_mean_args *a = w->args;
    const size_t parts = chunks(a->n, COLUMNS), b = chunk / parts, first = chunk % parts * COLUMNS;
    w->d->kernels->mean_rows(a->rows, at_min_size(COLUMNS, a->n - first),
                             a->x + b * a->x_batch + first, a->ldx, a->y + b * a->y_batch + first);
}

void at_cpu_mean(at_device *d, const at_mean_args *a)
{
    at_pool_run(d->pool, a->batch * chunks(a->n, COLUMNS), mean_chunk, &(work){.d = d, .args = a});
}

static void row_dots_chunk(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const work *w = ctx;
    const at_row_dots_args *a = w->args;
    const size_t end = at_min_size(a->rows, (chunk + 1) * ROWS);
    for (size_t r = chunk * ROWS; r < end; r++) {
        const size_t row = a->index ? (size_t)a->index[r] : r;
        w->d->kernels->dots_f32(1, a->n, a->w + row * a->n, a->n, a->x + r * a->ldx, a->y + r);
        a->y[r] += a->bias[row];
    }
}

void at_cpu_row_dots(at_device *d, const at_row_dots_args *a)
{
    at_pool_run(d->pool, chunks(a->rows, ROWS), row_dots_chunk, &(work){.d = d, .args = a});
}

typedef struct sum {
    const at_kernels *kernels;
    size_t n;
    const float *a, *b;
    float *y;
} sum;

static void add_chunk(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const sum *s = ctx;
    const size_t first = chunk * ELEMENTS, n = at_min_size(ELEMENTS, s->n - first);
    s->kernels->add(n, s->a + first, s->b + first, s->y + first);
}

void at_cpu_add(at_device *d, size_t n, const float *a, const float *b, float *y)
{
    at_pool_run(d->pool, chunks(n, ELEMENTS), add_chunk, &(sum){d->kernels, n, a, b, y});
}
