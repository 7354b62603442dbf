/* list.h - every kernel, once: its name, its parameters, how its error is judged.
 *
 * The list makes the declarations and the table (kernels.h), the dispatch (dispatch.c), the test of
 * each level against ref and the bench (tests/checkkern). A kernel that is not here does not exist.
 * All return void. Judges: EXACT, bit for bit; ULP(n), units in the last place of the value in
 * double; SUM(c), |y - y_double| <= c * epsilon * sum of |products|. */
#ifndef AT_KERNELS_LIST_H
#define AT_KERNELS_LIST_H

// clang-format off
#define AT_KERNELS(K)                                                                              \
    /* Y = act(A B^T + bias) + residual for the rows of one packed panel; see at_gemm_panel */     \
    K(gemm_panel, (const at_gemm_panel *p), SUM(16))                                               \
    /* the sums of halves of a couple of rows; rows < 2 mr: zeros behind them. Product s is at y + s * plane */ \
    K(seven_rows, (size_t rows, size_t k, const float *x, size_t ldx, float *y, size_t plane), EXACT) \
    /* two panels against couples of rows in seven products; see at_gemm_seven */                  \
    K(gemm_seven, (const at_gemm_seven *p), SUM(16))                                               \
    /* the same bits for a few rows and all panels, as they are stored; see at_gemm_rows */         \
    K(gemm_rows, (const at_gemm_rows *p), EXACT)                                                   \
    /* the same for panels in blocks (kernels.h): the bits of gemm_panel over what block_panel gives */ \
    K(block_rows, (const at_gemm_rows *p), EXACT)                                                  \
    /* `blocks` blocks of a panel of nr columns, AT_Q8_0 or AT_Q4_0, to floats [32 * blocks][nr] */ \
    K(block_panel, (at_dtype type, size_t blocks, size_t nr, const void *b, float *y), EXACT)      \
    /* bytes, quantised activations against quantised weights; see at_gemm_s8 */                   \
    K(gemm_s8, (const at_gemm_s8 *p), EXACT)                                                       \
    /* q[i] = x[i] * (127 / max |x|) to nearest even, *scale = max / 127, in the level's form, filled up \
     * with zeros to AT_S8_PAD. A row below 1e-30 is 0; scale is NaN if x has NaN or infinity */    \
    K(quantize_row, (size_t n, const float *x, void *q, float *scale), EXACT)                      \
    /* bfloat16 against bfloat16; see at_gemm_bf16 */                                             \
    K(gemm_bf16, (const at_gemm_bf16 *p), SUM(16))                                                 \
    /* dst[i * nr + r] = src[r * ld + i], r < rows <= nr, i < k; zero for r >= rows */             \
    K(pack_32, (size_t k, size_t rows, const void *src, size_t ld, void *dst, size_t nr), EXACT)   \
    K(pack_16, (size_t k, size_t rows, const void *src, size_t ld, void *dst, size_t nr), EXACT)   \
    /* 16-bit floats at any address; round to nearest even; NaN stays NaN */                       \
    K(f32_of_f16,  (size_t n, const void *x, float *y), EXACT)                                     \
    K(f32_of_bf16, (size_t n, const void *x, float *y), EXACT)                                     \
    K(f16_of_f32,  (size_t n, const float *x, void *y), EXACT)                                     \
    K(bf16_of_f32, (size_t n, const float *x, void *y), EXACT)                                     \
    /* y = x / 2 * (1 + erf(x / sqrt 2)); in place is fine; 0 at -inf. 8 ULP below -5, else 5 */      \
    K(gelu, (size_t n, const float *x, float *y), ULP(8))                                          \
    /* y = x / (1 + exp(-1.702 x)), 1.702 as a float; in place is fine; 0 below -51, there it is 1e-36 */ \
    K(quick_gelu, (size_t n, const float *x, float *y), ULP(8))                                    \
    /* GELU to 1.9e-4, in a third of the time; NaN stays. Every level has ref's bits */             \
    K(gelu_coarse, (size_t n, const float *x, float *y), EXACT)                                    \
    K(add, (size_t n, const float *a, const float *b, float *y), EXACT)                            \
    /* y = (x - mean) / sqrt(var + eps) * gamma + beta; in place is fine */                        \
    K(layer_norm, (size_t n, const float *x, const float *gamma, const float *beta, float eps, float *y), SUM(8)) \
    /* rows of attention, in place; see at_softmax */                                              \
    K(softmax, (const at_softmax *p), ULP(8))                                                      \
    /* a head of attention; see at_attend_head */                                                  \
    K(attend_f32, (const at_attend_head *p), SUM(16))                                              \
    /* a head of attention whose inputs and weights are rounded to bfloat16; see at_attend_head */         \
    K(attend_bf16, (const at_attend_head *p), SUM(65536))                                               \
    /* y[0..n) = mean of rows, added pairwise */                                                   \
    K(mean_rows, (size_t rows, size_t n, const float *x, size_t ldx, float *y), SUM(8))            \
    /* one row of a 3x3 depthwise convolution (at_depthwise_row); a term is rounded 10 times at most */ \
    K(depthwise_row, (const at_depthwise_row *p), SUM(10))                                         \
    /* y[j] = x . w[j, :], j < rows, ld elements apart; w at any address, nothing behind n is read */ \
    K(dots_f32,  (size_t rows, size_t n, const void *w, size_t ld, const float *x, float *y), SUM(8))         \
    K(dots_f16,  (size_t rows, size_t n, const void *w, size_t ld, const float *x, float *y), SUM(8))         \
    K(dots_bf16, (size_t rows, size_t n, const void *w, size_t ld, const float *x, float *y), SUM(8))         \
    /* y[i] = sum_j p[j] w[j, i], j < rows, in the order of j; the same of w; adds to y if `more` */ \
    K(mix_f32,  (size_t rows, size_t n, const void *w, size_t ld, const float *p, bool more, float *y), SUM(8)) \
    K(mix_f16,  (size_t rows, size_t n, const void *w, size_t ld, const float *p, bool more, float *y), SUM(8)) \
    K(mix_bf16, (size_t rows, size_t n, const void *w, size_t ld, const float *p, bool more, float *y), SUM(8)) \
    /* the two passes of a resize of bytes; see at_resize_across, at_resize_down */                \
    K(resize_across, (const at_resize_across *p), EXACT)                                           \
    K(resize_down,   (const at_resize_down *p), EXACT)

/* A level names the rows it improves. */
#define AT_KERNELS_AVX2(K)                                                                         \
    K(gemm_panel) K(seven_rows) K(gemm_seven) K(gemm_rows) K(block_rows) K(block_panel) K(pack_32) K(pack_16) K(f32_of_f16) K(f32_of_bf16) K(f16_of_f32) K(bf16_of_f32)  \
    K(gelu) K(quick_gelu) K(gelu_coarse) K(add) K(layer_norm) K(softmax) K(attend_f32) K(mean_rows) K(depthwise_row)        \
    K(dots_f32) K(dots_f16) K(dots_bf16) K(mix_f32) K(mix_f16) K(mix_bf16)                      \
    K(resize_across) K(resize_down) K(gemm_s8) K(quantize_row)
#define AT_KERNELS_AVXVNNI(K) K(gemm_s8) K(quantize_row)
#define AT_KERNELS_AVX512VNNI(K) K(gemm_s8) K(quantize_row)
#define AT_KERNELS_AVX512BF16(K) K(gemm_bf16) K(bf16_of_f32)
#define AT_KERNELS_AMX(K) K(gemm_s8) K(gemm_bf16) K(attend_bf16)
#define AT_KERNELS_AVX512(K)                                                                       \
    K(gemm_panel) K(seven_rows) K(gemm_seven) K(gemm_rows) K(block_rows) K(block_panel) K(f32_of_f16) K(f32_of_bf16) K(gelu) K(quick_gelu) K(gelu_coarse) K(layer_norm) K(softmax) K(attend_f32) \
    K(resize_across) K(resize_down)
// clang-format on

#endif
