/* rows.c - ops that go row by row: layer norm, patches, depthwise convolution, re-weighting, sums. */
#include "backend/cpu/cpu.h"

#include <string.h>

enum { ROWS = 32 }; // of a chunk

typedef struct work {
    at_device *d;
    const void *args;
} work;

static size_t chunks(size_t rows, size_t step) { return (rows + step - 1) / step; }

static void norm_chunk(void *ctx, size_t chunk, int worker)
{
    const work *w = ctx;
    const at_norm_args *a = w->args;
    float *row = w->d->scratch[worker].data;
    const size_t width = a->n / a->segments, end = at_min_size(a->rows, (chunk + 1) * ROWS);
    for (size_t r = chunk * ROWS; r < end; r++) {
        const float *x = a->x + r * a->ldx;
        if (a->gather) {
            for (size_t s = 0; s < a->segments; s++)
                memcpy(row + s * width, a->x + (size_t)a->gather[r * a->segments + s] * a->ldx, width * sizeof *row);
            x = row;
        }
        w->d->kernels->layer_norm(a->n, x, a->gamma, a->beta, a->eps, a->y + r * a->ldy);
    }
}

void at_cpu_norm(at_device *d, const at_norm_args *a)
{
    at_pool_run(d->pool, chunks(a->rows, ROWS), norm_chunk, &(work){.d = d, .args = a});
}

static void im2col_row(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const at_im2col_args *a = ((const work *)ctx)->args;
    const size_t b = chunk / a->out_h, oy = chunk % a->out_h, line = a->kernel * a->c;
    float *y = a->y + chunk * a->out_w * a->kernel * line;
    const float *image = a->x + b * a->h * a->w * a->c;
    for (size_t ox = 0; ox < a->out_w; ox++) {
        for (size_t dy = 0; dy < a->kernel; dy++, y += line) {
            const size_t sy = oy * a->stride + dy - a->pad_top; // wraps below 0 to a huge number: outside
            const size_t sx = ox * a->stride - a->pad_left;
            if (sy < a->h && sx < a->w && sx + a->kernel <= a->w) {
                memcpy(y, image + (sy * a->w + sx) * a->c, line * sizeof *y);
                continue;
            }
            for (size_t dx = 0; dx < a->kernel; dx++) {
                if (sy < a->h && sx + dx < a->w) memcpy(y + dx * a->c, image + (sy * a->w + sx + dx) * a->c, a->c * sizeof *y);
                else memset(y + dx * a->c, 0, a->c * sizeof *y);
            }
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
    at_depthwise_row r = {.c = a->c, .w = a->w, .out_w = a->out_w, .stride = a->stride, .pad = a->pad_left, .weight = a->weight,
                          .bias = a->bias, .act = a->act == AT_ACT_RELU6 ? AT_END_RELU6 : AT_END_NONE,
                          .y = a->y + chunk * a->out_w * a->c};
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

/* One class for every image: its descriptions are in the cache after the first visit. */
static void reweight_class(void *ctx, size_t c, int worker)
{
    const work *w = ctx;
    const at_reweight_args *a = w->args;
    const at_kernels *k = w->d->kernels;
    const size_t row = a->classes_index ? (size_t)a->classes_index[c] : c, per = a->per_class;
    const char *rows = (const char *)a->w + row * per * a->dim * at_dtype_size(a->type);
    float *p = w->d->scratch[worker].data;
    for (size_t b = 0; b < a->batch; b++) {
        (a->type == AT_F32 ? k->dots_f32 : a->type == AT_F16 ? k->dots_f16 : k->dots_bf16)(per, a->dim, rows, a->x + b * a->dim, p);
        for (size_t j = 0; j < per; j++) p[j] *= a->w_scale ? a->scale * a->w_scale[row * per + j] : a->scale;
        const size_t at = (b * a->classes + c) * per;
        if (a->logits) memcpy(a->logits + at, p, per * sizeof *p);
        k->softmax_row(&(at_softmax_row){.n = per, .n_all = per, .x = p, .scale = 1.0f});
        if (a->weights) memcpy(a->weights + at, p, per * sizeof *p);
        (a->type == AT_F32 ? k->mix_f32 : a->type == AT_F16 ? k->mix_f16 : k->mix_bf16)(per, a->dim, rows, p, false,
                                                                                        a->y + (b * a->classes + c) * a->dim);
    }
}

void at_cpu_reweight(at_device *d, const at_reweight_args *a)
{
    at_pool_run(d->pool, a->classes, reweight_class, &(work){.d = d, .args = a});
}

void at_cpu_mean(at_device *d, const at_mean_args *a)
{
    for (size_t b = 0; b < a->batch; b++)
        d->kernels->mean_rows(a->rows, a->n, a->x + b * a->x_batch, a->ldx, a->y + b * a->y_batch);
}

void at_cpu_add(at_device *d, size_t n, const float *a, const float *b, float *y) { d->kernels->add(n, a, b, y); }
