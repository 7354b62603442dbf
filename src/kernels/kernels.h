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

typedef enum at_end_act {
    AT_END_NONE,
    AT_END_GELU,
    AT_END_QUICK_GELU,
    AT_END_GELU_COARSE, // of sums whose results are rounded to 8 bits next
    AT_END_RELU,
    AT_END_RELU6
} at_end_act;

/* What becomes of sums: y[i, j] = act(s[i, j] + bias[j]) + residual[i, j]. */
typedef struct at_gemm_end {
    float *y;
    size_t ldy;
    const float *bias; // or NULL
    at_end_act act;
    const float *residual; // or NULL; may be y
    size_t ld_residual;
} at_gemm_end;

/* The ending of rows from i on, columns from j on. */
static inline at_gemm_end at_gemm_end_at(at_gemm_end e, size_t i, size_t j)
{
    e.y += i * e.ldy + j;
    if (e.bias) e.bias += j;
    if (e.residual) e.residual += i * e.ld_residual + j;
    return e;
}

/* m rows of A against one packed panel of NR columns, over one block of the depth:
 *   s[i, j] = sum_k a[i, k] b[k, j], k ascending; plus partial[i, j] of the blocks before (not first).
 * Not the last block: partial = s. Last: s is ended for j < n. */
typedef struct at_gemm_panel {
    size_t m, n, k; // n <= NR columns of the panel that exist
    const float *a;
    size_t lda;
    const void *b; // [k][NR] of `type`: float32, float16 or bfloat16; AT_ALIGN aligned
    at_dtype type;
    float *partial; // [m][NR]; NULL when first and last
    bool first, last;
    at_gemm_end end;
    const void *next; // what the next call will read, to be fetched into the cache, or NULL
    size_t next_bytes;
} at_gemm_panel;

/* Strassen's product of two matrices cut into halves each way (Gaussian elimination is not optimal, 1969):
 * seven products of halves instead of eight. A's rows are cut into couples of 2 mr rows, B's columns into
 * couples of panels, the block of the depth in the middle, so that all sums are of tiles that are in a
 * cache. Product s of a couple, 1 and 2 being halves of rows, depth, depth, columns:
 *   s          A                    B                    added to C
 *   0          a11 + a22            b11 + b22            c11, c22
 *   1          a21 + a22            b11                  c21, -c22
 *   2          a11                  b12 - b22            c12, c22
 *   3          a22                  b21 - b11            c11, c21
 *   4          a11 + a12            b22                  -c11, c12
 *   5          a21 - a11            b11 + b12            c22
 *   6          a12 - a22            b21 + b22            c11
 * Each product is a chain of fused multiply-adds in the order of k, and c grows in the order of s. An error
 * is small beside all four of a couple's results, not beside each. */
enum { AT_SEVEN = 7 };
typedef struct at_gemm_seven {
    // m rows, the last couple filled up with zeros; NR < n <= 2 NR; half of the depth
    size_t m, n, k;
    const float *a; // [7, plane apart][couples][mr][k], as seven_rows leaves it
    size_t plane;
    const void *b[2]; // two panels, [2 k][NR] of `type`, float32, float16 or bfloat16
    at_dtype type;
    const void *next[2]; // as b, of the next call, to be fetched into the cache; or NULL
    float *room;         // [k][NR]
    float *sums; // [couples][2, rows][2, columns][mr][NR]: of the blocks before, and of this one
    bool first, last;
    at_gemm_end end; // taken by the last block, as in at_gemm_panel
} at_gemm_seven;

enum { AT_FEW_ROWS = 3 };

/* m <= AT_FEW_ROWS rows against consecutive panels: what gemm_panel gives, block of the depth by block,
 * but the panels are widened in registers, many at a time, because so few rows wait for memory alone. */
typedef struct at_gemm_rows {
    size_t m, n, k, depth; // depth of a block
    const float *a;
    size_t lda;
    const void *b; // [(n + NR - 1) / NR][k][NR] of `type`: float32, float16 or bfloat16
    at_dtype type;
    at_gemm_end end;
} at_gemm_rows;

/* Panels of weights in ggml's blocks (base/block.h): [k / 32] times NR steps in float16, then 32 rows of NR
 * bytes, or 16 rows of NR bytes whose low nibbles are numbers 0 to 15 of the block and whose high nibbles
 * are 16 to 31. In at_gemm_rows, k and depth are then multiples of 32. */

/* How a level likes numbers of one or two bytes: panels of nr columns, w[k / group][nr][group], zeros from
 * k up to a multiple of `fill`. Activations may be read, whatever they are, up to a multiple of `over` in
 * rows and of `fill` in k; `bytes` is what one takes. */
typedef struct at_narrow_form {
    size_t mr, nr; // tile; nr is the width of a panel
    size_t group;  // of k, 2 or 4
    size_t bytes;  // 1 or 2
    size_t fill;
    size_t over;
    size_t cache; // bytes of rows that are quick to read again for every panel
    size_t rows;  // of a chunk at most: its product is no quicker with more,
    size_t least; // and with fewer it is slower
} at_narrow_form;

/* Of bytes: a panel begins with float scale[nr], int32_t fix[nr] (-128 times the sum of a column); an
 * activation is an int16_t, or where `bytes` is 1 a uint8_t that is 128 too large; rows of them are
 * filled up with zeros to a multiple of AT_S8_PAD. */
static const at_narrow_form
    // rows so slow that they may come from L3
    at_s8_form_pairs = {6, 16, 2, 2, 4, 1, 2 << 20, 288, 192},
    at_s8_form_256 = {6, 16, 4, 1, 4, 1, 384 << 10, 256, 24},
    // panels as the tiles', to choose after all is packed
    at_s8_form_512 = {14, 32, 4, 1, 64, 1, 512 << 10, 256, 24},
    at_s8_form_tiles = {32, 32, 4, 1, 64, 16, 1 << 20, 256, 24};
/* Of bfloat16: rows of activations are filled up with zeros to a multiple of `fill`. */
static const at_narrow_form at_bf16_form_ref = {4, 16, 2, 2, 32, 1, 384 << 10, 256, 24},
                            at_bf16_form_512 = {14, 32, 2, 2, 32, 1, 512 << 10, 256, 24},
                            at_bf16_form_tiles = {32, 32, 2, 2, 32, 16, 1 << 20, 256, 24};
enum { AT_S8_PAD = 4, AT_S8_DEPTH = 32768 }; // k at most: 127 * 127 * k fits 32 bits

/* m quantised rows against consecutive panels of bytes: s[i, j] = sum_k a[i, k] w[k, j], exact, then
 *   y[i, j] = act((float)s * a_scale[i] * scale[j] + bias[j]) + residual[i, j], j < n,
 * each operation rounded, from left to right. Every level has ref's bits; the GELUs are
 * the level's own kernels. */
typedef struct at_gemm_s8 {
    size_t m, n, k;       // n columns; k a multiple of AT_S8_PAD
    const void *a;        // as quantize_row leaves it
    size_t lda;           // bytes
    const float *a_scale; // [m]
    const void *b;        // [(n + nr - 1) / nr] panels, AT_ALIGN aligned
    at_gemm_end end;
    void *room; // at_s8_room bytes, AT_ALIGN aligned: a level may be quicker with it; or NULL
} at_gemm_s8;

enum { AT_S8_ROWS = 288 }; // that a level takes together at most; at_s8_form_pairs.rows

/* Seven halves of A by halves of its depth, eight of two panels, sums, and some lines for each. */
static inline size_t at_s8_room(size_t m, size_t k)
{
    const size_t rows = at_round_up(at_min_size(m, AT_S8_ROWS), 8) / 2,
                 depth = at_round_up(k, 32) / 2;
    return 2 * (7 * rows + 8 * 16) * depth + 4 * rows * (4 * 16 + 7 + 4) + 15 * 512;
}

/* Rows [i, i + m) alone. */
static inline at_gemm_s8 at_s8_rows(const at_gemm_s8 *p, size_t i, size_t m)
{
    at_gemm_s8 some = *p;
    some.m = m;
    some.a = (const char *)p->a + i * p->lda;
    some.a_scale += i;
    some.end = at_gemm_end_at(p->end, i, 0);
    return some;
}

/* Bytes of a panel of form f. */
static inline size_t at_s8_panel_bytes(const at_narrow_form *f, size_t k)
{
    return f->nr * (sizeof(float) + sizeof(int32_t) + at_round_up(k, f->fill));
}

/* Panel j alone; false behind the last. */
static inline bool at_s8_panel(const at_gemm_s8 *p, const at_narrow_form *f, size_t j,
                               at_gemm_s8 *one)
{
    const size_t col = j * f->nr;
    if (col >= p->n) return false;
    *one = *p;
    one->n = at_min_size(f->nr, p->n - col);
    one->b = (const char *)p->b + j * at_s8_panel_bytes(f, p->k);
    one->end = at_gemm_end_at(p->end, 0, col);
    return true;
}

/* m rows of bfloat16 against consecutive panels of it: s[i, j] = sum_k a[i, k] w[k, j] in f32, then
 *   y[i, j] = act(s + bias[j]) + residual[i, j], j < n.
 * Products are exact; sums are fused multiply-adds to nearest even that take numbers below 2^-126 for zero
 * and give zero for them. Their order is the level's instruction's, the same for every row and place:
 *   ref, tiles    for each 32 of k: even k in a sum, odd k in another, both ascending; s += even + odd
 *   avx512bf16    for each 2 of k: s += a[k + 1] w[k + 1], then s += a[k] w[k] */
typedef struct at_gemm_bf16 {
    size_t m, n, k; // n columns; k a multiple of `fill`
    const void *a;
    size_t lda;    // bytes
    const void *b; // [(n + nr - 1) / nr] panels, AT_ALIGN aligned
    at_gemm_end end;
} at_gemm_bf16;

static inline size_t at_bf16_panel_bytes(const at_narrow_form *f, size_t k)
{
    return f->nr * f->bytes * at_round_up(k, f->fill);
}

/* Panel j alone; false behind the last. */
static inline bool at_bf16_panel(const at_gemm_bf16 *p, const at_narrow_form *f, size_t j,
                                 at_gemm_bf16 *one)
{
    const size_t col = j * f->nr;
    if (col >= p->n) return false;
    *one = *p;
    one->n = at_min_size(f->nr, p->n - col);
    one->b = (const char *)p->b + j * at_bf16_panel_bytes(f, p->k);
    one->end = at_gemm_end_at(p->end, 0, col);
    return true;
}

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

/* out[i, :] = sum_j P_ij v[j, :], P = softmax_j(scale * q[i] . k[j] + bias[i, j] +
 * (region[j] != own[i] ? -100 : 0) + mask[j]); i < n_q, j < n_k, and j <= before + i if causal; 0 where
 * there is no such j. */
typedef struct at_attend_head {
    size_t n_q, n_k, dim;
    const float *q; // [.., dim]
    const float *k, *v;
    size_t ldq, ldkv;
    const int32_t *q_rows; // [n_q]: row i of q and out is q_rows[i]; NULL: i
    const int32_t *k_rows; // [n_k]: of k and v
    float *out;
    size_t ldo;
    float scale;
    const float *bias; // [n_q, n_k] or NULL
    size_t ld_bias;
    const uint8_t *region; // [n_k] or NULL
    const uint8_t *own;    // [n_q], with region
    const float *mask;     // [n_k] or NULL
    // of attend_f32 alone:
    bool causal;
    ptrdiff_t before;
    const int32_t
        *next_rows; // [n_k] of the next call's q, k and v, to be fetched into the cache; or NULL
    const float *next_q, *next_k, *next_v;
    void *room; // at_attend_room bytes, AT_ALIGN aligned
} at_attend_head;

static inline size_t at_attend_seen(const at_attend_head *p, size_t i)
{
    const ptrdiff_t seen = p->causal ? p->before + (ptrdiff_t)i + 1 : (ptrdiff_t)p->n_k;
    return seen < 0 ? 0 : (size_t)seen < p->n_k ? (size_t)seen : p->n_k;
}

/* Packed keys and values, and what a block of queries needs, of attend_f32; attend_bf16 takes less. */
static inline size_t at_attend_room(size_t n_k, size_t dim)
{
    n_k = at_round_up(n_k, 32), dim = at_round_up(dim, 32);
    return sizeof(float) * (2 * n_k * dim + 32 * (n_k + 4 * dim + 4));
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
    size_t mr, nr;            // tile; nr is the width of a packed panel
    size_t mc, kc;            // rows of A that stay in L2, depth of a block
    size_t seven_mr, seven_k; // tile of gemm_seven and half of its depth at most; 0: not worth it
    bool attends_bf16;        // attend_bf16 is quicker than attention in float32
    at_narrow_form s8;        // of gemm_s8 and quantize_row
    at_narrow_form bf16;      // of gemm_bf16
    bool has_bf16;            // the level has instructions for it; ref's loops are for tests
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
#define K(name, params, judge) void at_##name##_avxvnni params;
AT_KERNELS(K)
#undef K
#define K(name, params, judge) void at_##name##_avx512vnni params;
AT_KERNELS(K)
#undef K
#define K(name, params, judge) void at_##name##_avx512bf16 params;
AT_KERNELS(K)
#undef K
#define K(name, params, judge) void at_##name##_amx params;
AT_KERNELS(K)
#undef K
#endif

/* The table for this machine, capped by ANYTAG_CPU; the same for the life of the process. Where kernels of
 * several levels give the same bits, the quickest is measured once, unless ANYTAG_CPU names a level. */
const at_kernels *at_kernels_get(void);
/* The table that a machine with `cpu` (AT_CPU_*) gets. */
void at_kernels_fill(at_kernels *k, unsigned cpu);
/* Measures (some 100 us) and takes the quickest product of bytes whose panels and bits are the same. */
void at_kernels_choose(at_kernels *k, unsigned cpu);

#endif
