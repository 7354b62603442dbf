/* gemm_avx2.c - gemm_panel: rows of A against one packed panel of 16 columns.
 *
 *        NR = 16 (2 ymm)        registers: 6 x 2 sums = 12
 *      +-----------------+                 2 of B; A is broadcast from memory into 1
 *  MR  |  ymm0   ymm1    |                 15 of 16 ymm
 *  =6  |  ...            |      packed B:  0 1 2 .. 15 | 16 .. 31 | ..  one line of cache a k
 *      +-----------------+      A lies as it is: six rows, lda apart, read along k
 *
 * A panel with 8 columns or fewer left runs in tiles of 12 x 8. Rows beyond the last full tile run in
 * a tile of their own height. Every sum is one chain of fused multiply-adds in the order of k, so that
 * neither the tile's height nor its place changes a bit.
 * Bound: 12 FMA a k against 8 loads, so the two FMA ports. Blocking after Goto & van de Geijn 2008. */
#include "kernels/x86/math_avx2.h"

enum { NR = 16, TILE = 12 };

/* sum += x * b, in this form and order: left to itself gcc folds loads, spreads the steps of k over each
 * other and spills sums. */
#ifdef AT_SIMD_HEADER
#define ADD_PRODUCT(sum, x, b) ((sum) = _mm256_fmadd_ps(x, b, sum))
#else
#define ADD_PRODUCT(sum, x, b) \
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(x), "x"(b))
#endif

#define INLINE static inline __attribute__((always_inline))

/* Ends a tile the slow way: GELU, columns that are no multiple of 8. */
static __attribute__((noinline)) void put_tile(const at_gemm_panel *p, size_t i, size_t rows,
                                               const float *sums)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < p->n; j += 8) {
            const size_t w = p->n - j < 8 ? p->n - j : 8;
            __m256 s = _mm256_loadu_ps(sums + r * NR + j);
            if (p->bias) s = _mm256_add_ps(s, load_first(p->bias + j, w));
            // second operand: NaN stays
            if (p->act == AT_END_RELU || p->act == AT_END_RELU6)
                s = _mm256_max_ps(_mm256_setzero_ps(), s);
            if (p->act == AT_END_RELU6) s = _mm256_min_ps(_mm256_set1_ps(6.0f), s);
            if (p->act == AT_END_GELU) s = gelu_of(s);
            if (p->residual)
                s = _mm256_add_ps(s, load_first(p->residual + (i + r) * p->ld_residual + j, w));
            float *y = p->y + (i + r) * p->ldy + j;
            if (w == 8)
                _mm256_storeu_ps(y, s);
            else
                store_first(y, s, w);
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
        const float *y = p->y + i * p->ldy;
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; r++, y += p->ldy)
            __builtin_prefetch(y, 1);
    }
    __m256 s[TILE][2];
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            s[r][v] = _mm256_setzero_ps();

    // three rows a pointer: base, base + lda, base + 2 lda are addresses of x86
    const float *a3 = a + 3 * lda;
    const float *a6 = a + 6 * lda;
    const float *a9 = a + 9 * lda;
#define ROW(r) ((r) < 3 ? a : (r) < 6 ? a3 : (r) < 9 ? a6 : a9)[(r) % 3 * lda + u]
#define STEPS(n)                                                          \
    _Pragma("GCC unroll 4") for (size_t u = 0; u < (n); u++)              \
    {                                                                     \
        const __m256 b0 = _mm256_load_ps(b + u * NR);                     \
        const __m256 b1 = vecs > 1 ? _mm256_load_ps(b + u * NR + 8) : b0; \
        _Pragma("GCC unroll 12") for (size_t r = 0; r < rows; r++)        \
        {                                                                 \
            const __m256 x = _mm256_broadcast_ss(&ROW(r));                \
            ADD_PRODUCT(s[r][0], x, b0);                                  \
            if (vecs > 1) ADD_PRODUCT(s[r][1], x, b1);                    \
        }                                                                 \
    }                                                                     \
    a += (n), a3 += (n), a6 += (n), a9 += (n), b += (n)*NR
    size_t k = 0;
    for (; k + 4 <= k_end; k += 4) {
        STEPS(4);
    }
    for (; k < k_end; k++) {
        STEPS(1);
    }
#undef STEPS
#undef ROW

    float *partial = p->partial + i * NR;
    if (!p->first) {
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vecs; v++)
                s[r][v] = _mm256_add_ps(_mm256_load_ps(partial + r * NR + 8 * v), s[r][v]);
    }
    if (p->last && p->act != AT_END_GELU && p->n == 8 * vecs) {
#define EACH                                                   \
    _Pragma("GCC unroll 12") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < vecs; v++)
        if (p->bias) {
            const __m256 bias[2] = {_mm256_loadu_ps(p->bias),
                                    vecs > 1 ? _mm256_loadu_ps(p->bias + 8) : _mm256_setzero_ps()};
            EACH s[r][v] = _mm256_add_ps(s[r][v], bias[v]);
        }
        if (p->act != AT_END_NONE) EACH s[r][v] = _mm256_max_ps(_mm256_setzero_ps(), s[r][v]);
        if (p->act == AT_END_RELU6) EACH s[r][v] = _mm256_min_ps(_mm256_set1_ps(6.0f), s[r][v]);
        if (p->residual) {
            const size_t ld = p->ld_residual;
            const float *residual = p->residual + i * ld;
            EACH s[r][v] = _mm256_add_ps(s[r][v], _mm256_loadu_ps(residual + r * ld + 8 * v));
        }
        const size_t ldy = p->ldy;
        float *y = p->y + i * ldy;
        EACH _mm256_storeu_ps(y + r * ldy + 8 * v, s[r][v]);
#undef EACH
        return;
    }
    _Alignas(32) float sums[TILE * NR];
    float *to = p->last ? sums : partial;
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            _mm256_store_ps(to + r * NR + 8 * v, s[r][v]);
    if (p->last) put_tile(p, i, rows, sums);
}

#define TILES(name, rows, vecs)                                                  \
    static __attribute__((noinline)) void name(const at_gemm_panel *p, size_t i) \
    {                                                                            \
        tile(p, i, rows, vecs);                                                  \
    }
TILES(wide_1, 1, 2)
TILES(wide_2, 2, 2)
TILES(wide_3, 3, 2)
TILES(wide_4, 4, 2)
TILES(wide_5, 5, 2)
TILES(wide_6, 6, 2)
TILES(narrow_1, 1, 1)
TILES(narrow_2, 2, 1)
TILES(narrow_4, 4, 1)
TILES(narrow_8, 8, 1)
TILES(narrow_12, 12, 1)

typedef void (*tile_fn)(const at_gemm_panel *p, size_t i);

void at_gemm_panel_avx2(const at_gemm_panel *p)
{
    static const tile_fn wide[] = {NULL, wide_1, wide_2, wide_3, wide_4, wide_5, wide_6};
    static const struct {
        size_t rows;
        tile_fn fn;
    } narrow[] = {{12, narrow_12}, {8, narrow_8}, {4, narrow_4}, {2, narrow_2}, {1, narrow_1}};
    size_t i = 0;
    if (p->n <= 8) {
        for (size_t t = 0; t < AT_COUNT(narrow); t++)
            for (; p->m - i >= narrow[t].rows; i += narrow[t].rows)
                narrow[t].fn(p, i);
        return;
    }
    const char *next = p->next;
    const size_t tiles = (p->m + 5) / 6,
                 step = next ? at_round_up(p->next_bytes / tiles + 1, 64) : 0;
    for (size_t at = 0; i < p->m; i += 6, at += step) {
        for (size_t line = at; line < at + step && line < p->next_bytes; line += 64)
            __builtin_prefetch(next + line, 0, 2);
        if (p->m - i >= 6)
            wide_6(p, i);
        else
            wide[p->m - i](p, i);
    }
}
