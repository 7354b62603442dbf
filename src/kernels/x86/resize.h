/* resize.h - what both levels of the resize share. A weight of 23 bits is two of 16, k = high * 2^15 +
 * low, so that one multiplication takes two taps; the two sums are joined at the end, exactly. */
#ifndef AT_KERNELS_X86_RESIZE_H
#define AT_KERNELS_X86_RESIZE_H

#include "kernels/kernels.h"
#include "kernels/x86/simd.h"

#include <string.h>

enum { LOW_BITS = 15, LOW_MASK = (1 << LOW_BITS) - 1 };

/* Orders 12 bytes, twice in a register, for four taps of three channels: 32-bit lanes of two words,
 * R01 G01 B01 - | R23 G23 B23 -. */
static inline __m256i order_of_taps(void)
{
    return _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
                            6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
}

/* Low and high halves of four weights: low 01, low 23, high 01, high 23. */
static inline __m256i halves_of(const int32_t *k)
{
    const __m128i w = _mm_loadu_si128((const __m128i *)k);
    return _mm256_castsi128_si256(
        _mm_packs_epi32(_mm_and_si128(w, _mm_set1_epi32(LOW_MASK)), _mm_srai_epi32(w, LOW_BITS)));
}
static inline __m256i low_of(__m256i halves) // 01 in the lower lane, 23 in the upper
{
    return _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}
static inline __m256i high_of(__m256i halves)
{
    return _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));
}

/* Taps 01 and 23 added, rounded: R G B and a fourth that means nothing. */
static inline __m128i rounded(__m256i s)
{
    const __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    return _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(1 << (AT_RESIZE_FRACTION - 1))),
                          AT_RESIZE_FRACTION);
}

/* One pixel of four rows. */
static inline void store_pixels(uint8_t *dst, size_t ld, size_t rows, __m128i v01, __m128i v23)
{
    uint32_t pixel[4];
    _mm_storeu_si128((__m128i *)pixel, _mm_packus_epi16(v01, v23));
    for (size_t r = 0; r < rows; r++, dst += ld) {
        const uint16_t two = (uint16_t)pixel[r];
        memcpy(dst, &two, 2);
        dst[2] = (uint8_t)(pixel[r] >> 16);
    }
}

/* Two halves of weights beside each other. */
static inline int32_t pair(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)(uint16_t)first | (uint32_t)second << 16);
}

#endif
