/* pack_avx2.c - rows side by side into panels [k][nr]: transposes of 8 x 8 elements. */
#include "kernels/x86/vec.h"

/* 8 rows of 8 floats, ld apart, to 8 rows that are nr apart. */
static void transpose_32(const float *src, size_t ld, float *dst, size_t nr)
{
    __m256 t[8], u[8];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) { // rows i and i + 4 in the halves of one register
        const __m128 lo = _mm_loadu_ps(src + i * ld);
        const __m128 lo_right = _mm_loadu_ps(src + i * ld + 4);
        t[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(lo), _mm_loadu_ps(src + (i + 4) * ld),
                                    1);
        t[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(lo_right),
                                        _mm_loadu_ps(src + (i + 4) * ld + 4), 1);
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < 8; i += 4) { // a 4 x 4 transpose in each half
        const __m256 a = _mm256_unpacklo_ps(t[i], t[i + 1]);
        const __m256 b = _mm256_unpackhi_ps(t[i], t[i + 1]);
        const __m256 c = _mm256_unpacklo_ps(t[i + 2], t[i + 3]);
        const __m256 d = _mm256_unpackhi_ps(t[i + 2], t[i + 3]);
        u[i] = _mm256_shuffle_ps(a, c, 0x44);
        u[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        u[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        u[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        _mm256_storeu_ps(dst + i * nr, u[i]);
}

static void transpose_16(const uint16_t *src, size_t ld, uint16_t *dst, size_t nr)
{
    __m128i t[8], u[8];
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        t[i] = _mm_loadu_si128((const __m128i *)(src + i * ld));
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) { // pairs: u[i] low, u[i + 4] high half of rows 2i, 2i + 1
        u[i] = _mm_unpacklo_epi16(t[2 * i], t[2 * i + 1]);
        u[i + 4] = _mm_unpackhi_epi16(t[2 * i], t[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < 8; i += 4) { // columns i .. i + 3
        const __m128i a = _mm_unpacklo_epi32(u[i], u[i + 1]);
        const __m128i b = _mm_unpackhi_epi32(u[i], u[i + 1]);
        const __m128i c = _mm_unpacklo_epi32(u[i + 2], u[i + 3]);
        const __m128i d = _mm_unpackhi_epi32(u[i + 2], u[i + 3]);
        t[i] = _mm_unpacklo_epi64(a, c);
        t[i + 1] = _mm_unpackhi_epi64(a, c);
        t[i + 2] = _mm_unpacklo_epi64(b, d);
        t[i + 3] = _mm_unpackhi_epi64(b, d);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        _mm_storeu_si128((__m128i *)(dst + i * nr), t[i]);
}

/* Full squares by `square`, the last columns and rows by ref, whose writes stay inside [k][nr]. */
#define PACK(size, type)                                                                     \
    void at_pack_##size##_avx2(size_t k, size_t rows, const void *src, size_t ld, void *dst, \
                               size_t nr)                                                    \
    {                                                                                        \
        const type *from = src;                                                              \
        type *to = dst;                                                                      \
        const size_t k8 = rows == nr && nr % 8 == 0 ? k / 8 * 8 : 0;                         \
        for (size_t i = 0; i < k8; i += 8)                                                   \
            for (size_t r = 0; r < rows; r += 8)                                             \
                transpose_##size(from + r * ld + i, ld, to + i * nr + r, nr);                \
        at_pack_##size##_ref(k - k8, rows, from + k8, ld, to + k8 * nr, nr);                 \
    }
PACK(32, float)
PACK(16, uint16_t)
