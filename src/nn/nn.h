/* nn.h - tensors and the ops of the models: shapes are checked here, once, and nowhere below.
 *
 * A forward pass is written straight, without looking at results: the first failure is kept in
 * at_exec.status, later ops do nothing, and the caller asks once at the end. Run with a planning
 * arena the same code computes nothing and tells how much memory it will need. */
#ifndef AT_NN_NN_H
#define AT_NN_NN_H

#include "backend/backend.h"
#include "base/arena.h"

/* float32, C order. Rows are all dimensions but the last; `ld` is the distance between them in
 * elements. No ownership: memory is an arena's, a model's or the caller's. */
typedef struct at_tensor {
    float *data;
    int n_dims; // 1..4
    size_t dims[4];
    size_t ld;
} at_tensor;

typedef enum at_op {
    AT_OP_LINEAR,
    AT_OP_LINEAR_BF16, // of a matrix that is narrow,
    AT_OP_LINEAR_S8,   // of bytes
    AT_OP_NORM,
    AT_OP_ATTENTION,
    AT_OP_ATTENTION_COARSE, // at_attention_args.coarse
    AT_OP_IM2COL,
    AT_OP_DEPTHWISE,
    AT_OP_REWEIGHT,
    AT_OP_MEAN,
    AT_OP_ADD,
    AT_OP_COPY,
    AT_OPS_
} at_op;

typedef struct at_op_count {
    double seconds;
    double flop;  // nominal, 2 a multiply-add
    double bytes; // operands and result, each once
    uint64_t calls;
} at_op_count;

/* Sees a stage of a forward pass (docs/models/stages.md); not AT_OK stops the pass with it. */
typedef at_status (*at_observe_fn)(void *user, const char *stage, const float *data,
                                   const size_t *dims, int n_dims);

/* Sees every product before it is computed; x as it was given to at_linear_to(). */
struct at_exec;
typedef void (*at_product_fn)(void *user, struct at_exec *x, const at_linear_args *a);

typedef struct at_exec {
    const at_backend *backend;
    at_device *device; // NULL when planning
    at_arena arena;    // arena.data NULL: planning
    at_status status;
    at_error *err; // may be NULL
    at_observe_fn observe;
    void *observe_user;
    at_product_fn product; // NULL: nobody looks
    void *product_user;
    bool
        together; // rows of a product are of one picture, or of pictures [B, N, C]; see at_linear_args
    bool profile;
    at_op_count counts[AT_OPS_];
} at_exec;

typedef struct at_linear {
    at_matrix w;       // [n, k]
    const float *bias; // [n] or NULL
} at_linear;

typedef struct at_norm {
    const float *gamma; // [n]
    const float *beta;  // [n]
    size_t n;
    float eps;
} at_norm;

/* Rows read where they lie in the file, never packed. */
typedef struct at_rows_view {
    const void *data;
    at_dtype type;
    size_t n, k;
} at_rows_view;

static inline bool at_planning(const at_exec *x)
{
    return !x->arena.data;
}
static inline size_t at_rows(at_tensor t)
{
    size_t rows = 1;
    for (int i = 0; i + 1 < t.n_dims; i++)
        rows *= t.dims[i];
    return rows;
}
static inline size_t at_cols(at_tensor t)
{
    return t.dims[t.n_dims - 1];
}

/* Memory of the arena, uninitialised. After a failure data is NULL and every op is silent. */
at_tensor at_tensor_new(at_exec *x, int n_dims, const size_t *dims);
#define at_tensor2(x, a, b)       at_tensor_new((x), 2, (const size_t[]){(a), (b)})
#define at_tensor3(x, a, b, c)    at_tensor_new((x), 3, (const size_t[]){(a), (b), (c)})
#define at_tensor4(x, a, b, c, d) at_tensor_new((x), 4, (const size_t[]){(a), (b), (c), (d)})
/* A view of memory that is there already. */
at_tensor at_tensor_of(const float *data, int n_dims, const size_t *dims);
at_tensor at_columns(at_tensor t, size_t first, size_t count);   // columns [first, first + count)
at_tensor at_row_range(at_tensor t, size_t first, size_t count); // as [count, cols]

/* y = act(x W^T + b) + residual. `residual` may be NULL or have y's memory. */
void at_linear_to(at_exec *x, at_tensor in, const at_linear *l, at_act act,
                  const at_tensor *residual, at_tensor y);
at_tensor at_linear_new(at_exec *x, at_tensor in, const at_linear *l, at_act act);
void at_norm_to(at_exec *x, at_tensor in, const at_norm *n, at_tensor y);
/* y = act(norm(x) W^T + b), the bits of the norm and the product by themselves. Where W is of bytes or narrow
 * it is one op, of at_linear's name, and nothing is written between the two. */
at_tensor at_norm_linear_new(at_exec *x, at_tensor in, const at_norm *n, const at_linear *l,
                             at_act act);
/* Likewise of rows that are `segments` of a picture's rows of x, [B, N, C], side by side. gather:
 * [N / segments, segments]. Gives [B, N / segments, cols]. */
at_tensor at_norm_gather_linear_new(at_exec *x, at_tensor in, const int32_t *gather,
                                    size_t segments, const at_norm *n, const at_linear *l);
/* at_attention_args with its pointers; shapes were checked by the layer that calls. */
void at_attend(at_exec *x, const at_attention_args *a);
void at_patches(at_exec *x, const at_im2col_args *a);
void at_depthwise3x3(at_exec *x, const at_depthwise_args *a);
void at_reweight(at_exec *x, const at_reweight_args *a);
/* y[b, :] = mean over rows of in[b, rows, n]; y's images are y_batch elements apart. */
void at_mean_rows(at_exec *x, at_tensor in, float *y, size_t y_batch);
/* Rows [first, first + rows(y)) of a stored matrix as float32. */
void at_rows_to(at_exec *x, const at_rows_view *rows, size_t first, at_tensor y);
/* Row r of y is row ids[r] of a stored matrix: word embeddings. */
void at_embed_to(at_exec *x, const at_rows_view *rows, const int32_t *ids, at_tensor y);
void at_copy_to(at_exec *x, at_tensor in, at_tensor y); // rows; any ld
void at_add_to(at_exec *x, at_tensor a, at_tensor b, at_tensor y);
/* y[r] = a[r, :] . w[row, :] + bias[row], row = index ? index[r] : r. w: [.., cols(a)] */
void at_row_dots(at_exec *x, at_tensor a, const float *w, const float *bias, const int32_t *index,
                 float *y);
/* y[r, :] = in[r, :] / |in[r, :]|, Euclidean, no epsilon. */
void at_unit_rows(at_exec *x, at_tensor in, at_tensor y);

/* Shows a stage to the observer, if there is one. `format` makes its name. */
void at_stage(at_exec *x, at_tensor t, const char *format, ...) AT_PRINTF(3, 4);

/* Keeps the first failure. */
void at_exec_fail(at_exec *x, at_status status, const char *format, ...) AT_PRINTF(3, 4);
const char *at_op_name(at_op op);

#endif
