/* resize_avx2.c - a resize of bytes, four rows or 32 bytes at a time. */
#include "kernels/x86/resize.h"

static inline __m256i join(__m256i low, __m256i high)
{
    return _mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS));
}

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
    enum { STEP = 32 };
    const __m256i half = _mm256_set1_epi32(1 << (AT_RESIZE_FRACTION - 1)),
                  zero = _mm256_setzero_si256();
    for (size_t i = 0; i < p->n; i += STEP) {
        __m256i low[4], high[4]; // bytes 0-3, 4-7, 8-11, 12-15 of each half; the packs undo it
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            low[j] = high[j] = zero;
        for (size_t t = 0; t < p->taps; t += 2) {
            const bool both = t + 1 < p->taps;
            const int32_t k0 = p->k[t], k1 = both ? p->k[t + 1] : 0;
            const uint8_t *src = p->src + t * p->ld_src + i;
            const __m256i a = _mm256_loadu_si256((const __m256i *)src),
                          b = _mm256_loadu_si256((const __m256i *)(src + (both ? p->ld_src : 0)));
            const __m256i k_low = _mm256_set1_epi32(pair(k0 & LOW_MASK, k1 & LOW_MASK)),
                          k_high = _mm256_set1_epi32(pair(k0 >> LOW_BITS, k1 >> LOW_BITS));
            const __m256i front = _mm256_unpacklo_epi8(a, b), back = _mm256_unpackhi_epi8(a, b);
            const __m256i v[4] = {_mm256_unpacklo_epi8(front, zero),
                                  _mm256_unpackhi_epi8(front, zero),
                                  _mm256_unpacklo_epi8(back, zero),
                                  _mm256_unpackhi_epi8(back, zero)};
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                low[j] = _mm256_add_epi32(low[j], _mm256_madd_epi16(v[j], k_low));
                high[j] = _mm256_add_epi32(high[j], _mm256_madd_epi16(v[j], k_high));
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            low[j] = _mm256_srai_epi32(_mm256_add_epi32(join(low[j], high[j]), half),
                                       AT_RESIZE_FRACTION);
        const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(low[0], low[1]),
                                                  _mm256_packs_epi32(low[2], low[3]));
        if (i + STEP <= p->n) {
            _mm256_storeu_si256((__m256i *)(p->dst + i), bytes);
        } else {
            uint8_t last[STEP];
            _mm256_storeu_si256((__m256i *)last, bytes);
            memcpy(p->dst + i, last, p->n - i);
        }
    }
}
