/* elementwise_avx2.c - one value in, one value out. What is left of 8 goes through ref, or through a
 * vector whose other lanes nobody sees, so that a value does not depend on its place. */
#include "kernels/x86/math.h"

void at_f32_of_f16_avx2(size_t n, const void *x, float *y)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        _mm256_storeu_ps(y + i, load_f16((const char *)x + 2 * i));
        _mm256_storeu_ps(y + i + 8, load_f16((const char *)x + 2 * i + 16));
    }
    at_f32_of_f16_ref(n - i, (const char *)x + 2 * i, y + i);
}

void at_f32_of_bf16_avx2(size_t n, const void *x, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, load_bf16((const char *)x + 2 * i));
    at_f32_of_bf16_ref(n - i, (const char *)x + 2 * i, y + i);
}

void at_f16_of_f32_avx2(size_t n, const float *x, void *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)((char *)y + 2 * i), h);
    }
    at_f16_of_f32_ref(n - i, x + i, (char *)y + 2 * i);
}

void at_bf16_of_f32_avx2(size_t n, const float *x, void *y)
{
    const __m256i half = _mm256_set1_epi32(0x7fff);
    const __m256i one = _mm256_set1_epi32(1);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 f = _mm256_loadu_ps(x + i);
        const __m256i b = _mm256_castps_si256(f);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), one);
        const __m256i even = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(b, half), odd),
                                               16);
        const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(0x40));
        const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(f, f, _CMP_UNORD_Q));
        const __m256i h = _mm256_blendv_epi8(even, quiet, nan);
        const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0x08);
        _mm_storeu_si128((__m128i *)((char *)y + 2 * i), _mm256_castsi256_si128(packed));
    }
    at_bf16_of_f32_ref(n - i, x + i, (char *)y + 2 * i);
}

void at_gelu_avx2(size_t n, const float *x, float *y)
{
    gelu(n, x, y);
}
void at_quick_gelu_avx2(size_t n, const float *x, float *y)
{
    quick_gelu(n, x, y);
}

void at_add_avx2(size_t n, const float *a, const float *b, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
    for (; i < n; i++)
        y[i] = a[i] + b[i];
}

void at_gelu_coarse_avx2(size_t n, const float *x, float *y)
{
    gelu_coarse(n, x, y);
}
