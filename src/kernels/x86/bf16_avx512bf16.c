/* bf16_avx512bf16.c - bfloat16 by vdpbf16ps, two products a lane: tiles of 14 x 32 as in s8.h. */
#define AT_VEC_512
#include "kernels/x86/gemm_tile.h"

/* sum += x . b, in this form and order; x is a pair in every lane. */
#ifdef AT_SIMD_HEADER
#define ADD_DOT(sum, x, b) ((sum) = check_dpbf16_ps(sum, x, b))
#else
#define ADD_DOT(sum, x, b) __asm__ volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(b))
#endif

INLINE void bf16_tile(const at_gemm_bf16 *p, size_t i, const size_t rows)
{
    const size_t lda = p->lda;
    const char *a = (const char *)p->a + i * lda, *b = p->b;
    const char *a3 = a + 3 * lda, *a6 = a + 6 * lda, *a9 = a + 9 * lda, *a12 = a + 12 * lda;
    vec s[TILE][2];
#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++)
        s[r][0] = s[r][1] = V(setzero_ps)();
    for (size_t k = 0; k < p->k; k += 2) {
        const vec b0 = V(loadu_ps)((const float *)(const void *)b);
        const vec b1 = V(loadu_ps)((const float *)(const void *)b + LANES);
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++) {
            const char *row = r < 3 ? a : r < 6 ? a3 : r < 9 ? a6 : r < 12 ? a9 : a12;
            float pair;
            memcpy(&pair, row + r % 3 * lda, sizeof pair);
            const vec x = V(set1_ps)(pair);
            ADD_DOT(s[r][0], x, b0);
            ADD_DOT(s[r][1], x, b1);
        }
        a += 4, a3 += 4, a6 += 4, a9 += 4, a12 += 4, b += 4 * NR;
    }
    end_tile(at_gemm_end_at(p->end, i, 0), rows, 2, p->n, s);
}

#define TILE_OF_ROWS(rows)                                                             \
    static __attribute__((noinline)) void tile_##rows(const at_gemm_bf16 *p, size_t i) \
    {                                                                                  \
        bf16_tile(p, i, rows);                                                         \
    }
TILE_OF_ROWS(14)
TILE_OF_ROWS(8)
TILE_OF_ROWS(4)
TILE_OF_ROWS(2)
TILE_OF_ROWS(1)

void at_gemm_bf16_avx512bf16(const at_gemm_bf16 *p)
{
    static const struct {
        size_t rows;
        void (*run)(const at_gemm_bf16 *p, size_t i);
    } tile[] = {{14, tile_14}, {8, tile_8}, {4, tile_4}, {2, tile_2}, {1, tile_1}};
    at_gemm_bf16 one;
    for (size_t j = 0; at_bf16_panel(p, &at_bf16_form_512, j, &one); j++)
        for (size_t i = 0, t = 0; i < one.m; t++)
            for (; one.m - i >= tile[t].rows; i += tile[t].rows)
                tile[t].run(&one, i);
}

/* By whole numbers and not vcvtneps2bf16, which has no denormals. */
void at_bf16_of_f32_avx512bf16(size_t n, const float *x, void *y)
{
    size_t i = 0;
#ifndef AT_SIMD_HEADER
    const __m512i half = _mm512_set1_epi32(0x7fff), one = _mm512_set1_epi32(1);
    for (; i + LANES <= n; i += LANES) {
        const vec f = _mm512_loadu_ps(x + i);
        const __m512i b = _mm512_castps_si512(f), high = _mm512_srli_epi32(b, 16);
        const __m512i up = _mm512_add_epi32(half, _mm512_and_si512(high, one));
        const __mmask16 nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
        const __m512i even = _mm512_srli_epi32(_mm512_add_epi32(b, up), 16);
        const __m512i r = _mm512_mask_or_epi32(even, nan, high, _mm512_set1_epi32(0x40));
        _mm256_storeu_si256((__m256i *)(void *)((char *)y + 2 * i), _mm512_cvtepi32_epi16(r));
    }
#endif
    at_bf16_of_f32_ref(n - i, x + i, (char *)y + 2 * i);
}
