/* kernels.h - arithmetic on pointers: no allocation, no threads, no errors, nothing of a model.
 *
 * list.h has the kernels; here are their argument structs and the table through which they are
 * called. Sizes are elements, `ld` the distance of rows. Inputs may be read AT_SLACK bytes past their
 * end unless list.h says otherwise; nothing is ever written past an output's end. */
#ifndef AT_KERNELS_KERNELS_H
#define AT_KERNELS_KERNELS_H

#include "base/dtype.h"
#include "kernels/list.h"

#include <stddef.h>

typedef enum at_end_act { AT_END_NONE, AT_END_GELU, AT_END_RELU, AT_END_RELU6 } at_end_act;

/* m rows of A against one packed panel of NR columns, over one block of the depth:
 *   s[i, j] = sum_k a[i, k] b[k, j], k ascending; plus partial[i, j] of the blocks before (not first).
 * Not the last block: partial = s. Last: y[i, j] = act(s + bias[j]) + residual[i, j] for j < n. */
typedef struct at_gemm_panel {
    size_t m, n, k; // n <= NR columns of the panel that exist
    const float *a;
    size_t lda;
    const void *b; // [k][NR] of `type`: float32, float16 or bfloat16; AT_ALIGN aligned
    at_dtype type;
    float *partial; // [m][NR]; NULL when first and last
    bool first, last;
    float *y;
    size_t ldy;
    const float *bias; // [n] or NULL
    at_end_act act;
    const float *residual; // or NULL; may be y
    size_t ld_residual;
    const void *next; // what the next call will read, to be fetched into the cache, or NULL
    size_t next_bytes;
} at_gemm_panel;

enum { AT_FEW_ROWS = 3 };

/* y = act(a B^T + bias) + residual for m <= AT_FEW_ROWS rows against consecutive panels: what gemm_panel
 * gives, block of the depth by block, but the panels are widened in registers, many at a time, because
 * so few rows wait for memory alone. */
typedef struct at_gemm_rows {
    size_t m, n, k, depth; // depth of a block
    const float *a;
    size_t lda;
    const void *b; // [(n + NR - 1) / NR][k][NR] of `type`: float32, float16 or bfloat16
    at_dtype type;
    float *y;
    size_t ldy;
    const float *bias; // [n] or NULL
    at_end_act act;
    const float *residual; // or NULL; may be y
    size_t ld_residual;
} at_gemm_rows;

/* x[i, j] = softmax_j(scale * x[i, j] + bias[i, j] + (region[j] != own[i] ? -100 : 0) + mask[j]) over
 * the first seen + i * more columns (none if that is negative, at most n); 0 in the others up to n. */
typedef struct at_softmax {
    size_t rows, n;
    ptrdiff_t seen, more; // n and 0: all; more 1: causal
    float *x;
    size_t ldx;
    float scale;
    const float *bias; // [rows, n] or NULL
    size_t ld_bias;
    const uint8_t *region; // [n] or NULL
    const uint8_t *own;    // [rows], with region
    const float *mask;     // [n] or NULL
} at_softmax;

static inline size_t at_softmax_seen(const at_softmax *p, size_t i)
{
    const ptrdiff_t seen = p->seen + (ptrdiff_t)i * p->more;
    return seen < 0 ? 0 : (size_t)seen < p->n ? (size_t)seen : p->n;
}

/* y[ox, :] = act(bias + sum over dy, dx of rows[dy][ox * stride - pad + dx, :] * weight[dy, dx, :]),
 * ox < out_w; taps outside [0, w) and of NULL rows are left out. */
typedef struct at_depthwise_row {
    size_t c, w, out_w, stride, pad;
    const float *rows[3]; // [w, c] or NULL
    const float *weight;  // [3, 3, c]
    const float *bias;    // [c] or NULL
    at_end_act act;       // NONE, RELU or RELU6
    float *y;
} at_depthwise_row;

/* Weights of a resize are whole numbers with this many fraction bits, -2^22 .. 2^22 (-1 to 1), and the
 * sum of a pixel fits 32 bits: Pillow's for bytes. to_byte(s) = (s + 2^21) >> 22, cut to 0 .. 255. */
enum { AT_RESIZE_FRACTION = 22 };

/* dst[r, x, :] = to_byte(sum over t < count[x] of k[x, t] * src[r, first[x] + t, :]), three channels. */
typedef struct at_resize_across {
    size_t rows, n;        // pixels of an output row
    const uint8_t *src;    // [rows, .., 3]
    size_t ld_src, ld_dst; // bytes
    const int32_t *first;  // [n] px
    const int32_t *count;  // [n]
    const int32_t *k;      // [n, taps], 0 behind count[x]
    size_t taps;           // a multiple of 4
    uint8_t *dst;          // [rows, n, 3]
} at_resize_across;

/* dst[i] = to_byte(sum over t < taps of k[t] * src[t, i]). */
typedef struct at_resize_down {
    size_t n, taps;
    const uint8_t *src; // [taps, n]
    size_t ld_src;
    const int32_t *k; // [taps]
    uint8_t *dst;     // [n]
} at_resize_down;

typedef struct at_kernels {
#define K(name, params, judge) void(*name) params;
    AT_KERNELS(K)
#undef K
    // block sizes belong to the gemm_panel beside which they were measured
    size_t mr, nr; // tile; nr is the width of a packed panel
    size_t mc, kc; // rows of A that stay in L2, depth of a block
} at_kernels;

enum { AT_NR_MAX = 32 };

#define K(name, params, judge) void at_##name##_ref params;
AT_KERNELS(K)
#undef K
#if defined(__x86_64__)
#define K(name, params, judge) void at_##name##_avx2 params;
AT_KERNELS(K)
#undef K
#define K(name, params, judge) void at_##name##_avx512 params;
AT_KERNELS(K)
#undef K
#endif

/* The table for this machine, capped by ANYTAG_CPU; the same for the life of the process. */
const at_kernels *at_kernels_get(void);
/* The table that a machine with `cpu` (AT_CPU_*) gets. */
void at_kernels_fill(at_kernels *k, unsigned cpu);

#endif
