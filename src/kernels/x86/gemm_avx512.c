/* gemm_avx512.c - gemm_panel: rows of A against one packed panel of 32 columns.
 *
 *        NR = 32 (2 zmm)        registers: 14 x 2 sums = 28
 *      +-----------------+                 2 of B; A is broadcast from memory into 1
 *  MR  |  zmm0   zmm1    |                 31 of 32 zmm
 * =14  |  ...            |      packed B:  0 1 2 .. 31 | 32 .. 63 | ..  two lines of cache a k
 *      +-----------------+      A lies as it is: fourteen rows, lda apart, read along k
 *
 * A panel with 16 columns or fewer left runs in tiles of 14 x 16; columns that are not there are masked.
 * The order of a sum is that of gemm_avx2.c: one chain of fused multiply-adds along k.
 * Bound: 28 FMA a k against 16 loads, so the FMA ports. */
#include "kernels/x86/math_avx512.h"

enum { NR = 32, TILE = 14 };

/* sum += x * b, in this form and order; see gemm_avx2.c */
#ifdef AT_SIMD_HEADER
#define ADD_PRODUCT(sum, x, b) ((sum) = _mm512_fmadd_ps(x, b, sum))
#else
#define ADD_PRODUCT(sum, x, b) \
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(b))
#endif

#define INLINE static inline __attribute__((always_inline))

/* Ends a tile with GELU: bias, GELU, residual, one vector after the other. */
static __attribute__((noinline)) void put_gelu(const at_gemm_panel *p, size_t i, size_t rows,
                                               const float *sums)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < p->n; j += 16) {
            const __mmask16 lanes = first_lanes(p->n - j < 16 ? p->n - j : 16);
            __m512 s = _mm512_load_ps(sums + r * NR + j);
            if (p->bias) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, p->bias + j));
            s = gelu_of(s);
            const float *residual = p->residual + (i + r) * p->ld_residual + j;
            if (p->residual) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, residual));
            _mm512_mask_storeu_ps(p->y + (i + r) * p->ldy + j, lanes, s);
        }
    }
}

/* Rows [i, i + rows) against the panel's first `vecs` vectors. rows and vecs are constants. */
INLINE void tile(const at_gemm_panel *p, size_t i, const size_t rows, const size_t vecs)
{
    const size_t lda = p->lda, k_end = p->k;
    const float *a = p->a + i * lda;
    const float *b = p->b;
    if (p->last) {
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++)
            __builtin_prefetch(p->y + (i + r) * p->ldy, 1);
    }
    __m512 s[TILE][2];
#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            s[r][v] = _mm512_setzero_ps();

    // three rows a pointer: base, base + lda, base + 2 lda are addresses of x86
    const float *a3 = a + 3 * lda;
    const float *a6 = a + 6 * lda;
    const float *a9 = a + 9 * lda;
    const float *a12 = a + 12 * lda;
#define ROW(r) ((r) < 3 ? a : (r) < 6 ? a3 : (r) < 9 ? a6 : (r) < 12 ? a9 : a12)[(r) % 3 * lda + u]
#define STEPS(n)                                                           \
    _Pragma("GCC unroll 2") for (size_t u = 0; u < (n); u++)               \
    {                                                                      \
        const __m512 b0 = _mm512_load_ps(b + u * NR);                      \
        const __m512 b1 = vecs > 1 ? _mm512_load_ps(b + u * NR + 16) : b0; \
        _Pragma("GCC unroll 14") for (size_t r = 0; r < rows; r++)         \
        {                                                                  \
            const __m512 x = _mm512_set1_ps(ROW(r));                       \
            ADD_PRODUCT(s[r][0], x, b0);                                   \
            if (vecs > 1) ADD_PRODUCT(s[r][1], x, b1);                     \
        }                                                                  \
    }                                                                      \
    a += (n), a3 += (n), a6 += (n), a9 += (n), a12 += (n), b += (n)*NR
    size_t k = 0;
    for (; k + 2 <= k_end; k += 2) {
        STEPS(2);
    }
    for (; k < k_end; k++) {
        STEPS(1);
    }
#undef STEPS
#undef ROW

    float *partial = p->partial + i * NR;
    if (!p->first) {
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vecs; v++)
                s[r][v] = _mm512_add_ps(_mm512_load_ps(partial + r * NR + 16 * v), s[r][v]);
    }
    if (p->last && p->act != AT_END_GELU) {
        const __mmask16 lanes[2] = {first_lanes(p->n < 16 ? p->n : 16),
                                    first_lanes(p->n < 16 ? 0 : p->n - 16)};
#define EACH                                                   \
    _Pragma("GCC unroll 14") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < vecs; v++)
        if (p->bias) {
            const __m512 bias[2] = {_mm512_maskz_loadu_ps(lanes[0], p->bias),
                                    _mm512_maskz_loadu_ps(lanes[1], p->bias + 16)};
            EACH s[r][v] = _mm512_add_ps(s[r][v], bias[v]);
        }
        // second operand: NaN stays
        if (p->act != AT_END_NONE) EACH s[r][v] = _mm512_max_ps(_mm512_setzero_ps(), s[r][v]);
        if (p->act == AT_END_RELU6) EACH s[r][v] = _mm512_min_ps(_mm512_set1_ps(6.0f), s[r][v]);
        if (p->residual) {
            const size_t ld = p->ld_residual;
            const float *residual = p->residual + i * ld;
            EACH s[r][v] = _mm512_add_ps(
                s[r][v], _mm512_maskz_loadu_ps(lanes[v], residual + r * ld + 16 * v));
        }
        const size_t ldy = p->ldy;
        float *y = p->y + i * ldy;
        EACH _mm512_mask_storeu_ps(y + r * ldy + 16 * v, lanes[v], s[r][v]);
#undef EACH
        return;
    }
    _Alignas(64) float sums[TILE * NR];
    float *to = p->last ? sums : partial;
#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            _mm512_store_ps(to + r * NR + 16 * v, s[r][v]);
    if (p->last) put_gelu(p, i, rows, sums);
}

#define TILES(rows)                                                                       \
    static __attribute__((noinline)) void wide_##rows(const at_gemm_panel *p, size_t i)   \
    {                                                                                     \
        tile(p, i, rows, 2);                                                              \
    }                                                                                     \
    static __attribute__((noinline)) void narrow_##rows(const at_gemm_panel *p, size_t i) \
    {                                                                                     \
        tile(p, i, rows, 1);                                                              \
    }
TILES(1)
TILES(2)
TILES(4)
TILES(8)
TILES(14)

void at_gemm_panel_avx512(const at_gemm_panel *p)
{
    static const struct {
        size_t rows;
        void (*tile[2])(const at_gemm_panel *p, size_t i); // narrow, wide
    } tiles[] = {{14, {narrow_14, wide_14}},
                 {8, {narrow_8, wide_8}},
                 {4, {narrow_4, wide_4}},
                 {2, {narrow_2, wide_2}},
                 {1, {narrow_1, wide_1}}};
    const bool wide = p->n > 16;
    const char *next = p->next;
    const size_t bytes = next ? p->next_bytes : 0,
                 step = at_round_up(bytes / (p->m / TILE + 1) + 1, 64);
    size_t i = 0, at = 0;
    for (size_t t = 0; t < AT_COUNT(tiles); t++) {
        for (; p->m - i >= tiles[t].rows; i += tiles[t].rows, at += step) {
            for (size_t line = at; line < at + step && line < bytes; line += 64)
                __builtin_prefetch(next + line, 0, 2);
            tiles[t].tile[wide](p, i);
        }
    }
}
