/* backend.h - the ops a device implements: one table, one set of argument structs.
 *
 * A backend packs weights once per model (at_matrix, shared by all sessions, read-only) and opens a
 * device per session (thread pool and scratch memory). Ops never fail: shapes were checked one floor
 * up (nn), scratch was taken at open. All activations are float32, C order; `ld` is the distance of
 * rows in elements. Results do not depend on the number of threads nor on m (the batch): bit for bit. */
#ifndef AT_BACKEND_BACKEND_H
#define AT_BACKEND_BACKEND_H

#include "base/dtype.h"
#include "base/pool.h"

typedef struct at_device at_device;

/* Scratch is taken when a device is opened, so some sizes have limits; nn checks them. */
enum {
    AT_MAX_ROW = 1 << 16,       // n of a norm with gather, per_class of a re-weighting
    AT_MAX_BYTES_DEPTH = 32768, // k of a matrix of bytes
    AT_MAX_KEYS = 4096,         // n_k of an attention
    AT_MAX_HEAD_DIM = 256,      // its head_dim
    AT_LAYOUT_TEXT = 96,        // of at_backend.layout, with its NUL
};

/* Weights [n, k] of a linear layer (PyTorch's [out, in]), packed for the device. */
typedef struct at_matrix {
    size_t n, k;
    // AT_F32, AT_F16, AT_BF16 in storage; products and sums are f32. AT_I8: W8A8, activations are
    // quantised row by row, products and sums are whole numbers. AT_Q8_0, AT_Q4_0: weights in blocks,
    // widened on their way, products and sums are f32
    at_dtype type;
    bool narrow; // AT_BF16 whose products are of bfloat16: x is rounded to it, sums are f32
    void *data;  // packed, AT_SLACK readable bytes behind; layout is the backend's
    size_t bytes;
    bool borrowed; // data is a mapped file's: read-only, not freed
} at_matrix;

typedef enum at_act {
    AT_ACT_NONE,
    AT_ACT_GELU,
    AT_ACT_QUICK_GELU,
    AT_ACT_RELU,
    AT_ACT_RELU6
} at_act;

/* Row r of y: LayerNorm over n elements; then * gamma + beta. With `gather`, x is pictures of so many rows
 * that `period` rows of y come of each, and the input row is made of `segments` rows of its picture, each
 * n / segments wide: gather[r % period, s] (patch merging). y may be x when gather is NULL. Two-pass mean
 * and variance, biased, as PyTorch. */
typedef struct at_norm_args {
    size_t rows, n;
    const float *x;
    size_t ldx;
    const int32_t *gather; // [period, segments] or NULL
    size_t period, segments;
    const float *gamma;
    const float *beta;
    float eps;
    float *y;
    size_t ldy;
} at_norm_args;

/* y[m, n] = act(x[m, k] W^T + bias[n]) + residual[m, n]. GELU is the erf form,
 * QUICK_GELU x / (1 + exp(-1.702 x)). y may be residual.
 * With `together`, m is a number of pictures of so many rows each, and the bits of a row may depend on the
 * other rows of its picture: an error is small beside the picture's results, not beside each. */
typedef struct at_linear_args {
    size_t m;
    size_t together; // 0: each row is by itself
    const float *x;
    size_t ldx;
    const at_norm_args *norm; // or NULL; x's rows are what it would write, its y is not written.
                              // Only with W of AT_I8 or narrow, whose rows are rewritten anyway
    const at_matrix *w;
    const float *bias; // [n] or NULL
    at_act act;
    const float *residual; // [m, n] or NULL; added after act
    size_t ld_residual;
    float *y;
    size_t ldy;
} at_linear_args;

/* Multi-head attention. For image b, group g (a window, or the whole map), head h:
 *   P = softmax_j(scale * q_i . k_j + bias[h, i, j] + (region[g, i] != region[g, j] ? -100 : 0)
 *                 + key_mask[b, j] + (causal and j > i + n_k - n_q ? -inf : 0))
 *   out_i = sum_j P_ij v_j
 * Row i of group g is row index[g, i] of q, k, v and out (window partition, shift and reverse in one
 * map); without index, row i. Head h is columns [h * head_dim, (h + 1) * head_dim). */
typedef struct at_attention_args {
    size_t batch, groups, heads, head_dim, n_q, n_k;
    const float *q;
    size_t ldq, q_batch; // q_batch: elements from image to image; 0: the same queries for all
    const float *k;
    const float *v;
    size_t ldkv, kv_batch;
    float *out;
    size_t ldo, out_batch;
    const int32_t *index; // [groups, n_q], n_q == n_k; or NULL (groups == 1)
    float scale;
    const float *bias;     // [heads, n_q, n_k] or NULL
    const uint8_t *region; // [groups, n_q] or NULL
    const float *key_mask; // [batch, n_k] or NULL
    bool causal;
    bool coarse; // the device may round q, k, v and P to bfloat16
    bool
        kept; // keys and values outlive the call and its queries are few: not worth packing. No index
} at_attention_args;

/* Rows of patches for a convolution as a product: y[b, oy, ox, :] = x[b, oy*stride - pad_top + dy,
 * ox*stride - pad_left + dx, :] for dy, dx in the kernel, zero outside. x is [b, h, w, c]. */
typedef struct at_im2col_args {
    size_t batch, h, w, c, kernel, stride, pad_top, pad_left, out_h, out_w;
    const float *x;
    float *y; // [batch, out_h, out_w, kernel, kernel, c]
} at_im2col_args;

/* 3x3 depthwise convolution, [b, h, w, c] to [b, out_h, out_w, c]; weight [3, 3, c], bias [c]. */
typedef struct at_depthwise_args {
    size_t batch, h, w, c, stride, pad_top, pad_left, out_h, out_w;
    const float *x;
    const float *weight;
    const float *bias;
    at_act act; // NONE or RELU6
    float *y;
} at_depthwise_args;

/* RAM++ re-weighting of descriptions (arXiv 2310.15200, section 3.3), in one pass over W:
 *   logits[b, c, j] = scale * dot(x[b], W[c, j]);  P = softmax_j;  y[b, c] = sum_j P[j] W[c, j]
 * W: [classes, per_class, dim] of dtype type, x: [batch, dim]. classes_index (or NULL) picks rows. */
typedef struct at_reweight_args {
    size_t batch, classes, per_class, dim;
    const void *w;
    at_dtype type;
    const int32_t *classes_index; // [classes] rows of W, or NULL
    const float *w_scale;         // [all classes, per_class] multiplies each dot (1/norm), or NULL
    const float *x;
    float scale;
    float *logits;  // [batch, classes, per_class] or NULL
    float *weights; // [batch, classes, per_class] or NULL
    float *y;       // [batch, classes, dim]
} at_reweight_args;

/* y[b, 0..n) = mean over rows of x[b, rows, n], summed in a fixed order. */
typedef struct at_mean_args {
    size_t batch, rows, n;
    const float *x;
    size_t ldx, x_batch;
    float *y;
    size_t y_batch;
} at_mean_args;

/* y[r] = x[r, :] . w[row, :] + bias[row] with row = index ? index[r] : r: a classifier of its own
 * for every label. */
typedef struct at_row_dots_args {
    size_t rows, n;
    const float *x;
    size_t ldx;
    const float *w;       // [.., n]
    const float *bias;    // [..]
    const int32_t *index; // [rows] or NULL
    float *y;             // [rows]
} at_row_dots_args;

/* What the device's threads can do at most, measured; 0: there is no such instruction. */
typedef struct at_peak {
    double flop_s;  // of f32 multiply-adds, each two
    double bf16_s;  // likewise, of bfloat16
    double int8_s;  // and of bytes
    double bytes_s; // read from memory
    int threads;
} at_peak;

typedef struct at_backend {
    const char *name; // "cpu"
    /* Packs w [n, k], C order, of `src` type (f32, f16, bf16) into `dst` type, on `pool` (may be
     * NULL); or of blocks, the same type on both sides, k whole blocks. AT_E_OUT_OF_MEMORY only. */
    at_status (*pack)(at_matrix *out, const void *w, at_dtype src, at_dtype dst, size_t n, size_t k,
                      at_pool *pool, const at_allocator *al, at_error *err);
    /* Packs w [n, k] of AT_I8 with a scale a row of w, n floats at any address. k <= AT_MAX_BYTES_DEPTH.
     * AT_E_OUT_OF_MEMORY only. */
    at_status (*pack_s8)(at_matrix *out, const int8_t *w, const void *scales, size_t n, size_t k,
                         at_pool *pool, const at_allocator *al, at_error *err);
    /* True if the device has instructions for products of bfloat16. */
    bool (*computes_bf16)(void);
    /* Packs w [n, k] of `src` type (f32, f16, bf16), rounded to bfloat16, for products of bfloat16 (slow
     * loops where the device has no instructions). k <= AT_MAX_BYTES_DEPTH. AT_E_OUT_OF_MEMORY only. */
    at_status (*pack_bf16)(at_matrix *out, const void *w, at_dtype src, size_t n, size_t k,
                           at_pool *pool, const at_allocator *al, at_error *err);
    void (*unpack)(at_matrix *m, const at_allocator *al); // frees; a zeroed one is fine
    /* How this device's panels for AT_COMPUTE_F32 lie, in words: where they are equal, a matrix packed there
     * is a matrix packed here, byte for byte. */
    void (*layout)(char text[AT_LAYOUT_TEXT]);
    /* The same panels of weights [n, k] as a tensor of `type`: rows and columns. k is whole blocks, if any. */
    void (*panels)(at_dtype type, size_t n, size_t k, uint64_t dims[2]);
    at_status (*open)(at_device **out, int threads, const at_allocator *al, at_error *err);
    void (*close)(at_device *d);
    at_pool *(*pool)(at_device *d);
    void (*linear)(at_device *d, const at_linear_args *a);
    void (*norm)(at_device *d, const at_norm_args *a);
    void (*attention)(at_device *d, const at_attention_args *a);
    void (*im2col)(at_device *d, const at_im2col_args *a);
    void (*depthwise)(at_device *d, const at_depthwise_args *a);
    void (*reweight)(at_device *d, const at_reweight_args *a);
    void (*mean)(at_device *d, const at_mean_args *a);
    void (*row_dots)(at_device *d, const at_row_dots_args *a);
    void (*add)(at_device *d, size_t n, const float *a, const float *b, float *y); // y = a + b
    at_status (*peak)(at_pool *pool, const at_allocator *al, at_peak *out, at_error *err);
} at_backend;

extern const at_backend at_backend_cpu;

#endif
