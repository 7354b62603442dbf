/* ops.c - each op: shapes, then the backend, then its time. */
#include "nn/nn.h"

#include "base/block.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>
#include <time.h>

static const char *const op_names[AT_OPS_] = {
    [AT_OP_LINEAR] = "linear",
    [AT_OP_LINEAR_BF16] = "linear_bf16",
    [AT_OP_LINEAR_S8] = "linear_int8",
    [AT_OP_NORM] = "layer_norm",
    [AT_OP_ATTENTION] = "attention",
    [AT_OP_ATTENTION_COARSE] = "attention_coarse",
    [AT_OP_IM2COL] = "im2col",
    [AT_OP_DEPTHWISE] = "depthwise",
    [AT_OP_REWEIGHT] = "reweight",
    [AT_OP_MEAN] = "mean",
    [AT_OP_ADD] = "add",
    [AT_OP_COPY] = "copy",
};

const char *at_op_name(at_op op)
{
    return op_names[op];
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* False: nothing is to be computed (an earlier failure, a wrong shape, planning). */
static bool begin(at_exec *x, at_op op, bool shapes_fit, double *start)
{
    if (x->status != AT_OK) return false;
    if (!shapes_fit) {
        at_exec_fail(x, AT_E_INTERNAL, "%s: shapes do not fit", op_names[op]);
        return false;
    }
    if (at_planning(x)) return false;
    if (x->profile) *start = now_s();
    return true;
}

static void end(at_exec *x, at_op op, double start, double flop)
{
    if (!x->profile) return;
    x->counts[op].seconds += now_s() - start;
    x->counts[op].flop += flop;
    x->counts[op].calls++;
}

/* Of the op that just ended: so many floats, and bytes of weights. */
static void moved(at_exec *x, at_op op, size_t floats, size_t weights)
{
    if (x->profile) x->counts[op].bytes += (double)sizeof(float) * (double)floats + (double)weights;
}

static bool is_narrow(const at_matrix *w)
{
    return w->type == AT_I8 || w->narrow;
}

/* y = act(in W^T + b) + residual; with a norm, whose result has the shape of `in`, of what that gives. */
static void linear(at_exec *x, at_tensor in, const at_norm_args *norm, const at_linear *l,
                   at_act act, const at_tensor *residual, at_tensor y)
{
    const size_t m = at_rows(in);
    const bool fit = at_cols(in) == l->w.k && at_cols(y) == l->w.n && at_rows(y) == m &&
                     (!residual || (at_rows(*residual) == m && at_cols(*residual) == l->w.n));
    double start = 0;
    const at_op op = l->w.type == AT_I8 ? AT_OP_LINEAR_S8
                     : l->w.narrow      ? AT_OP_LINEAR_BF16
                                        : AT_OP_LINEAR;
    if (!begin(x, op, fit, &start)) return;
    const size_t together = !x->together ? 0 : in.n_dims == 3 ? in.dims[1] : m;
    const at_linear_args a = {.m = m,
                              .together = together,
                              .x = norm ? NULL : in.data,
                              .ldx = in.ld,
                              .norm = norm,
                              .w = &l->w,
                              .bias = l->bias,
                              .act = act,
                              .residual = residual ? residual->data : NULL,
                              .ld_residual = residual ? residual->ld : 0,
                              .y = y.data,
                              .ldy = y.ld};
    if (x->product) x->product(x->product_user, x, &a);
    x->backend->linear(x->device, &a);
    end(x, op, start, 2.0 * (double)m * (double)l->w.n * (double)l->w.k);
    moved(x, op, m * (l->w.k + l->w.n + (residual ? l->w.n : 0)), l->w.bytes);
}

void at_linear_to(at_exec *x, at_tensor in, const at_linear *l, at_act act,
                  const at_tensor *residual, at_tensor y)
{
    linear(x, in, NULL, l, act, residual, y);
}

at_tensor at_linear_new(at_exec *x, at_tensor in, const at_linear *l, at_act act)
{
    size_t dims[4];
    memcpy(dims, in.dims, sizeof dims);
    dims[in.n_dims - 1] = l->w.n;
    at_tensor y = at_tensor_new(x, in.n_dims, dims);
    at_linear_to(x, in, l, act, NULL, y);
    return y;
}

static at_norm_args norm_of(const at_norm *n, at_tensor in, at_tensor y)
{
    return (at_norm_args){.rows = at_rows(y),
                          .n = n->n,
                          .x = in.data,
                          .ldx = in.ld,
                          .gamma = n->gamma,
                          .beta = n->beta,
                          .eps = n->eps,
                          .y = y.data,
                          .ldy = y.ld};
}

static void norm(at_exec *x, const at_norm_args *a, bool fit)
{
    double start = 0;
    if (!begin(x, AT_OP_NORM, fit, &start)) return;
    x->backend->norm(x->device, a);
    end(x, AT_OP_NORM, start, 8.0 * (double)a->rows * (double)a->n);
    moved(x, AT_OP_NORM, 2 * a->rows * a->n, 0);
}

static bool norm_fits(at_tensor in, const at_norm *n, at_tensor y)
{
    return at_cols(in) == n->n && at_cols(y) == n->n && at_rows(in) == at_rows(y);
}

void at_norm_to(at_exec *x, at_tensor in, const at_norm *n, at_tensor y)
{
    const at_norm_args a = norm_of(n, in, y);
    norm(x, &a, norm_fits(in, n, y));
}

/* `dims` of the normed rows. Their memory is planned whoever writes it: who looks at products does so in an
 * arena that was planned without. Untouched it costs nothing. */
static at_tensor norm_linear(at_exec *x, at_tensor in, const int32_t *gather, size_t segments,
                             const size_t *dims, const at_norm *n, const at_linear *l, at_act act)
{
    size_t out[4];
    memcpy(out, dims, (size_t)in.n_dims * sizeof *out);
    out[in.n_dims - 1] = l->w.n;
    const at_tensor y = at_tensor_new(x, in.n_dims, out);
    const size_t mark = at_arena_mark(&x->arena);
    const at_tensor normed = at_tensor_new(x, in.n_dims, dims);
    at_norm_args a = norm_of(n, in, normed);
    bool fit = norm_fits(in, n, normed);
    if (gather) {
        a.gather = gather;
        a.segments = segments;
        a.period = dims[1];
        fit = in.n_dims == 3 && dims[1] * segments == in.dims[1] && dims[2] == n->n &&
              n->n <= AT_MAX_ROW;
    }
    if (fit && is_narrow(&l->w) && !x->product) {
        linear(x, normed, &a, l, act, NULL, y);
    } else {
        norm(x, &a, fit);
        linear(x, normed, NULL, l, act, NULL, y);
    }
    at_arena_rewind(&x->arena, mark);
    return y;
}

at_tensor at_norm_linear_new(at_exec *x, at_tensor in, const at_norm *n, const at_linear *l,
                             at_act act)
{
    return norm_linear(x, in, NULL, 1, in.dims, n, l, act);
}

at_tensor at_norm_gather_linear_new(at_exec *x, at_tensor in, const int32_t *gather,
                                    size_t segments, const at_norm *n, const at_linear *l)
{
    const size_t dims[3] = {in.dims[0], in.dims[1] / segments, in.dims[2] * segments};
    return norm_linear(x, in, gather, segments, dims, n, l, AT_ACT_NONE);
}

void at_attend(at_exec *x, const at_attention_args *a)
{
    double start = 0;
    const at_op op = a->coarse ? AT_OP_ATTENTION_COARSE : AT_OP_ATTENTION;
    const bool fit = a->head_dim && a->head_dim <= AT_MAX_HEAD_DIM && a->n_k &&
                     a->n_k <= AT_MAX_KEYS && (a->groups == 1 || (a->index && a->n_q == a->n_k));
    if (!begin(x, op, fit, &start)) return;
    x->backend->attention(x->device, a);
    end(x, op, start,
        4.0 * (double)(a->batch * a->groups * a->heads) * (double)(a->n_q * a->n_k) *
            (double)a->head_dim);
    moved(x, op, 2 * a->batch * a->groups * a->heads * (a->n_q + a->n_k) * a->head_dim, 0);
}

void at_patches(at_exec *x, const at_im2col_args *a)
{
    double start = 0;
    if (!begin(x, AT_OP_IM2COL, a->kernel && a->stride, &start)) return;
    x->backend->im2col(x->device, a);
    end(x, AT_OP_IM2COL, start, 0);
    moved(x, AT_OP_IM2COL,
          a->batch * a->c * (a->h * a->w + a->out_h * a->out_w * a->kernel * a->kernel), 0);
}

void at_depthwise3x3(at_exec *x, const at_depthwise_args *a)
{
    double start = 0;
    if (!begin(x, AT_OP_DEPTHWISE, a->stride != 0, &start)) return;
    x->backend->depthwise(x->device, a);
    end(x, AT_OP_DEPTHWISE, start, 18.0 * (double)(a->batch * a->out_h * a->out_w) * (double)a->c);
    moved(x, AT_OP_DEPTHWISE, a->batch * a->c * (a->h * a->w + a->out_h * a->out_w), 0);
}

void at_reweight(at_exec *x, const at_reweight_args *a)
{
    double start = 0;
    if (!begin(x, AT_OP_REWEIGHT, a->per_class && a->per_class <= AT_MAX_ROW && a->dim, &start))
        return;
    x->backend->reweight(x->device, a);
    end(x, AT_OP_REWEIGHT, start,
        4.0 * (double)(a->batch * a->classes) * (double)(a->per_class * a->dim));
    moved(x, AT_OP_REWEIGHT, a->batch * (1 + a->classes) * a->dim,
          a->classes * a->per_class * a->dim * at_dtype_size(a->type));
}

void at_mean_rows(at_exec *x, at_tensor in, float *y, size_t y_batch)
{
    double start = 0;
    if (!begin(x, AT_OP_MEAN, in.n_dims == 3, &start)) return;
    x->backend->mean(x->device, &(at_mean_args){.batch = in.dims[0],
                                                .rows = in.dims[1],
                                                .n = in.dims[2],
                                                .x = in.data,
                                                .ldx = in.ld,
                                                .x_batch = in.dims[1] * in.ld,
                                                .y = y,
                                                .y_batch = y_batch});
    end(x, AT_OP_MEAN, start, (double)(in.dims[0] * in.dims[1]) * (double)in.dims[2]);
}

static void widen(at_dtype type, size_t n, const void *src, float *y)
{
    const at_kernels *kernels = at_kernels_get();
    switch (type) {
    case AT_F16: kernels->f32_of_f16(n, src, y); break;
    case AT_BF16: kernels->f32_of_bf16(n, src, y); break;
    case AT_Q8_0:
    case AT_Q4_0: at_block_decode(type, n, src, y); break;
    default: memcpy(y, src, n * sizeof *y);
    }
}

void at_rows_to(at_exec *x, const at_rows_view *rows, size_t first, at_tensor y)
{
    double start = 0;
    const size_t n = at_rows(y), k = at_cols(y);
    const bool fit = k == rows->k && first <= rows->n && n <= rows->n - first && y.ld == k;
    if (!begin(x, AT_OP_COPY, fit, &start)) return;
    widen(rows->type, n * k, (const char *)rows->data + at_dtype_bytes(rows->type, first * k),
          y.data);
    end(x, AT_OP_COPY, start, 0);
}

void at_embed_to(at_exec *x, const at_rows_view *rows, const int32_t *ids, at_tensor y)
{
    double start = 0;
    const size_t n = at_rows(y), k = at_cols(y);
    if (!begin(x, AT_OP_COPY, k == rows->k, &start)) return;
    const size_t bytes = at_dtype_bytes(rows->type, k);
    for (size_t r = 0; r < n; r++) {
        if (ids[r] < 0 || (size_t)ids[r] >= rows->n) {
            at_exec_fail(x, AT_E_INTERNAL, "token %d of %zu", (int)ids[r], rows->n);
            return;
        }
        widen(rows->type, k, (const char *)rows->data + (size_t)ids[r] * bytes, y.data + r * y.ld);
    }
    end(x, AT_OP_COPY, start, 0);
}

void at_row_dots(at_exec *x, at_tensor a, const float *w, const float *bias, const int32_t *index,
                 float *y)
{
    double start = 0;
    if (!begin(x, AT_OP_LINEAR, true, &start)) return;
    const size_t n = at_rows(a), k = at_cols(a);
    x->backend->row_dots(x->device, &(at_row_dots_args){.rows = n,
                                                        .n = k,
                                                        .x = a.data,
                                                        .ldx = a.ld,
                                                        .w = w,
                                                        .bias = bias,
                                                        .index = index,
                                                        .y = y});
    end(x, AT_OP_LINEAR, start, 2.0 * (double)n * (double)k);
}

void at_copy_to(at_exec *x, at_tensor in, at_tensor y)
{
    double start = 0;
    if (!begin(x, AT_OP_COPY, at_rows(in) == at_rows(y) && at_cols(in) == at_cols(y), &start))
        return;
    for (size_t r = 0; r < at_rows(in); r++)
        memcpy(y.data + r * y.ld, in.data + r * in.ld, at_cols(in) * sizeof(float));
    end(x, AT_OP_COPY, start, 0);
    moved(x, AT_OP_COPY, 2 * at_rows(in) * at_cols(in), 0);
}

void at_add_to(at_exec *x, at_tensor a, at_tensor b, at_tensor y)
{
    const size_t n = at_rows(a) * at_cols(a);
    const bool fit = n == at_rows(b) * at_cols(b) && n == at_rows(y) * at_cols(y) &&
                     a.ld == at_cols(a) && b.ld == at_cols(b) && y.ld == at_cols(y);
    double start = 0;
    if (!begin(x, AT_OP_ADD, fit, &start)) return;
    x->backend->add(x->device, n, a.data, b.data, y.data);
    end(x, AT_OP_ADD, start, (double)n);
    moved(x, AT_OP_ADD, 3 * n, 0);
}

void at_unit_rows(at_exec *x, at_tensor in, at_tensor y)
{
    double start = 0;
    if (!begin(x, AT_OP_MEAN, at_rows(in) == at_rows(y) && at_cols(in) == at_cols(y), &start))
        return;
    for (size_t r = 0; r < at_rows(in); r++) { // one row of 512 an image: not worth a kernel
        const float *v = in.data + r * in.ld;
        double sum = 0;
        for (size_t i = 0; i < at_cols(in); i++)
            sum += (double)v[i] * (double)v[i];
        const float norm2 = (float)sqrt(sum);
        for (size_t i = 0; i < at_cols(in); i++)
            y.data[r * y.ld + i] = v[i] / norm2;
    }
    end(x, AT_OP_MEAN, start, 0);
}
