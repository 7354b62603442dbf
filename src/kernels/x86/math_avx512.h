/* math_avx512.h - math_avx2.h's functions on sixteen floats; for the avx512 kernels only. The same
 * formulas and constants; lanes that are not there are masked. */
#ifndef AT_KERNELS_X86_MATH_AVX512_H
#define AT_KERNELS_X86_MATH_AVX512_H

#include "kernels/kernels.h"
#include "kernels/x86/poly.h"
#include "kernels/x86/simd.h"

#include <string.h>

/* Lanes [0, n), n <= 16. */
static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

static inline __m512 load_first(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), x);
}
static inline void store_first(float *y, __m512 v, size_t n)
{
    _mm512_mask_storeu_ps(y, first_lanes(n), v);
}

/* The upper half. Through double, because extractf32x8 is not everywhere. */
static inline __m256 upper(__m512 v)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
}

/* The sum of sixteen lanes, always in the same tree. */
static inline float sum_lanes(__m512 v)
{
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), upper(v));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float max_lanes(__m512 v)
{
    const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), upper(v));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/* exp(x - less) for x <= 0 and a tiny `less`; 0 below -87; NaN stays. */
static inline __m512 exp_of_negative(__m512 x, __m512 less)
{
    const __m512 magic = _mm512_set1_ps(AT_EXP_MAGIC);
    const __m512 t = _mm512_fmadd_ps(x, _mm512_set1_ps(AT_LOG2_E), magic); // n in the low bits
    const __m512 n = _mm512_sub_ps(t, magic);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(AT_LN2_HI), x);
    r = _mm512_sub_ps(_mm512_fnmadd_ps(n, _mm512_set1_ps(AT_LN2_LO), r), less);
    __m512 p = _mm512_set1_ps(AT_EXP_6);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(AT_EXP_5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(AT_EXP_4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(AT_EXP_3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(AT_EXP_2));
    p = _mm512_add_ps(_mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r), _mm512_set1_ps(1.0f));
    const __m512i power = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power));
    const __mmask16 tiny = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_LT_OQ);
    return _mm512_mask_mov_ps(p, tiny, _mm512_setzero_ps());
}

/* x * Phi(x); see math_avx2.h. */
static inline __m512 gelu_of(__m512 x)
{
    const __m512i magnitude = _mm512_and_si512(_mm512_castps_si512(x),
                                               _mm512_set1_epi32(0x7fffffff));
    const __m512 a = _mm512_min_ps(_mm512_set1_ps(14.0f), _mm512_castsi512_ps(magnitude));
    const __m512 half_a = _mm512_mul_ps(a, _mm512_set1_ps(-0.5f));
    const __m512 z = _mm512_mul_ps(half_a, a);
    const __m512 less = _mm512_fnmadd_ps(half_a, a, z);
    const __m512 ca = _mm512_mul_ps(a, _mm512_set1_ps(AT_PHI_C));
    const __m512 w = _mm512_div_ps(ca, _mm512_add_ps(ca, _mm512_set1_ps(1.0f)));
    const __m512 s = _mm512_sub_ps(_mm512_set1_ps(0.375f), w);
    static const float terms[] = AT_PHI_TERMS; // highest first
    __m512 q = _mm512_set1_ps(terms[0]);
#pragma GCC unroll 16
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++)
        q = _mm512_fmadd_ps(q, s, _mm512_set1_ps(terms[i]));
    q = _mm512_mul_ps(q, exp_of_negative(z, less));
    // max gives its second operand for NaN
    return _mm512_fnmadd_ps(a, q, _mm512_max_ps(_mm512_setzero_ps(), x));
}

#endif
