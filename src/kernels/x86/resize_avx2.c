/* resize_avx2.c - a resize of bytes, four rows or 32 bytes at a time. */
#include "kernels/x86/resize_down.h"

__attribute__((always_inline)) static inline void across(const at_resize_across *p, size_t row,
                                                         const int rows)
{
    const __m256i order = order_of_taps();
    uint8_t *dst = p->dst + row * p->ld_dst;
    for (size_t x = 0; x < p->n; x++, dst += 3) {
        const uint8_t *src = p->src + row * p->ld_src + 3 * (size_t)p->first[x];
        const int32_t *k = p->k + x * p->taps;
        __m256i low[4], high[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            low[r] = high[r] = _mm256_setzero_si256();
        for (int32_t t = 0; t < p->count[x]; t += 4, src += 12) {
            const __m256i halves = halves_of(k + t), k_low = low_of(halves),
                          k_high = high_of(halves);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                const __m128i bytes = _mm_loadu_si128(
                    (const __m128i *)(src + (size_t)r * p->ld_src));
                const __m256i v = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order);
                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(v, k_low));
                high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(v, k_high));
            }
        }
        __m128i v[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            v[r] = rounded(join(low[r], high[r]));
        store_pixels(dst, p->ld_dst, (size_t)rows, _mm_packs_epi32(v[0], v[1]),
                     _mm_packs_epi32(v[2], v[3]));
    }
}

void at_resize_across_avx2(const at_resize_across *p)
{
    size_t row = 0;
    for (; row + 4 <= p->rows; row += 4) // weights are split once for four rows
        across(p, row, 4);
    for (; row < p->rows; row++)
        across(p, row, 1);
}

void at_resize_down_avx2(const at_resize_down *p)
{
    resize_down(p);
}
