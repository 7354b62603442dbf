/* block.h - products with weights in blocks, for every level. A number is widened in a register and
 * multiplied by its step, which is exact, so that the sums are those of the panel in floats. */
#ifndef AT_KERNELS_X86_BLOCK_H
#define AT_KERNELS_X86_BLOCK_H

#include "kernels/x86/gemm_tile.h"

/* Panels that m rows take at a time: as many sums as hide a sum's latency behind the widening. */
enum { BLOCK_PANELS_1 = 2, BLOCK_PANELS_2 = 2, BLOCK_PANELS_3 = 1, BLOCK_VECS = 4 };

/* LANES bytes as whole numbers. */
#ifdef AT_VEC_512
INLINE __m512i wide_bytes(const char *b, bool is_signed)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)b);
    return is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
}
/* The low or high nibble of each, less 8. */
INLINE vec nibble(__m512i bytes, bool high)
{
    const vec values = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps(high ? _mm512_srli_epi32(bytes, 4) : bytes, values);
}
#else
INLINE __m256i wide_bytes(const char *b, bool is_signed)
{
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)b);
    return is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
}
INLINE vec nibble(__m256i bytes, bool high)
{
    const __m256i n = high ? _mm256_srli_epi32(bytes, 4)
                           : _mm256_and_si256(bytes, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(n, _mm256_set1_epi32(8)));
}
#endif

/* Number i (high: i + 16) of LANES columns, without their steps; `q` is behind a block's steps. */
INLINE vec number(const char *q, const at_dtype type, size_t i, const bool high, size_t v)
{
    if (type == AT_Q8_0)
        return V(cvtepi32_ps)(wide_bytes(q + (i + (high ? 16 : 0)) * NR + v * LANES, true));
    return nibble(wide_bytes(q + i * NR + v * LANES, false), high);
}

INLINE void block_tile(const at_gemm_rows *p, size_t first, const size_t rows, const size_t panels,
                       const at_dtype type)
{
    const size_t bytes = NR * (type == AT_Q8_0 ? 34 : 18), step = p->k / AT_BLOCK * bytes,
                 vecs = 2 * panels;
    const char *b = (const char *)p->b + first * step;
    _Alignas(64) float sums[AT_FEW_ROWS * BLOCK_VECS * LANES];
#define EACH                                                  \
    _Pragma("GCC unroll 3") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 4") for (size_t v = 0; v < vecs; v++)
    for (size_t k = 0; k < p->k;) {
        const size_t begin = k, end = at_min_size(p->k, k + p->depth);
        vec s[AT_FEW_ROWS][BLOCK_VECS], by[BLOCK_VECS];
        EACH s[r][v] = V(setzero_ps)();
        for (; k < end; k += AT_BLOCK, b += bytes) {
#pragma GCC unroll 4
            for (size_t v = 0; v < vecs; v++)
                by[v] = load_f16(b + v / 2 * step + v % 2 * LANES * 2);
#pragma GCC unroll 2
            for (size_t high = 0; high < 2; high++) {
                for (size_t i = 0; i < 16; i++) {
                    const float *a = p->a + k + 16 * high + i;
                    vec x[AT_FEW_ROWS];
#pragma GCC unroll 3
                    for (size_t r = 0; r < rows; r++)
                        x[r] = V(set1_ps)(a[r * p->lda]);
#pragma GCC unroll 4
                    for (size_t v = 0; v < vecs; v++) {
                        const char *q = b + v / 2 * step + NR * 2;
                        const vec w = V(mul_ps)(number(q, type, i, high, v % 2), by[v]);
#pragma GCC unroll 3
                        for (size_t r = 0; r < rows; r++)
                            ADD_PRODUCT(s[r][v], x[r], w);
                    }
                }
            }
        }
        if (begin) EACH s[r][v] = V(add_ps)(V(load_ps)(sums + (r * vecs + v) * LANES), s[r][v]);
        EACH V(store_ps)(sums + (r * vecs + v) * LANES, s[r][v]);
    }
#undef EACH
    const size_t col = first * NR;
    put_tile(at_gemm_end_at(p->end, 0, col), rows, at_min_size(panels * NR, p->n - col), sums,
             vecs * LANES);
}

#define BLOCK_FEW(name, type, rows)                                                              \
    static __attribute__((noinline)) void name##_##rows(const at_gemm_rows *p, size_t first)     \
    {                                                                                            \
        block_tile(p, first, rows, BLOCK_PANELS_##rows, type);                                   \
    }                                                                                            \
    static __attribute__((noinline)) void name##_##rows##_1(const at_gemm_rows *p, size_t first) \
    {                                                                                            \
        block_tile(p, first, rows, 1, type);                                                     \
    }
#define BLOCK_ROWS(name, type) \
    BLOCK_FEW(name, type, 1) BLOCK_FEW(name, type, 2) BLOCK_FEW(name, type, 3)
BLOCK_ROWS(q8, AT_Q8_0)
BLOCK_ROWS(q4, AT_Q4_0)

INLINE void block_all(const at_gemm_rows *p)
{
    typedef void (*few_fn)(const at_gemm_rows *p, size_t first);
    static const size_t panels[] = {BLOCK_PANELS_1, BLOCK_PANELS_2, BLOCK_PANELS_3};
    static const few_fn fn[2][AT_FEW_ROWS][2] = {
        {{q8_1_1, q8_1}, {q8_2_1, q8_2}, {q8_3_1, q8_3}},
        {{q4_1_1, q4_1}, {q4_2_1, q4_2}, {q4_3_1, q4_3}},
    };
    const size_t all = (p->n + NR - 1) / NR, some = panels[p->m - 1];
    for (size_t first = 0; first < all;) {
        const bool enough = all - first >= some;
        fn[p->type == AT_Q4_0][p->m - 1][enough](p, first);
        first += enough ? some : 1;
    }
}

INLINE void block_floats(const at_dtype type, size_t blocks, const char *b, float *y)
{
    for (; blocks; blocks--, b += NR * (type == AT_Q8_0 ? 34 : 18)) {
        const vec by[2] = {load_f16(b), load_f16(b + LANES * 2)};
#pragma GCC unroll 2
        for (size_t high = 0; high < 2; high++)
            for (size_t i = 0; i < 16; i++, y += NR)
#pragma GCC unroll 2
                for (size_t v = 0; v < 2; v++)
                    V(storeu_ps)
        (y + v * LANES, V(mul_ps)(number(b + NR * 2, type, i, high, v), by[v]));
    }
}

#define BLOCK_LEVEL(level)                                                                        \
    void at_block_rows_##level(const at_gemm_rows *p)                                             \
    {                                                                                             \
        block_all(p);                                                                             \
    }                                                                                             \
    void at_block_panel_##level(at_dtype type, size_t blocks, size_t nr, const void *b, float *y) \
    {                                                                                             \
        (void)nr;                                                                                 \
        if (type == AT_Q8_0)                                                                      \
            block_floats(AT_Q8_0, blocks, b, y);                                                  \
        else                                                                                      \
            block_floats(AT_Q4_0, blocks, b, y);                                                  \
    }

#endif
