/* math_avx2.h - exp and GELU of eight floats, loads and stores of fewer; for the avx2 kernels only.
 *
 * The polynomials are weighted fits on Chebyshev nodes, printed by tests/checkkern/fit.py. */
#ifndef AT_KERNELS_X86_MATH_AVX2_H
#define AT_KERNELS_X86_MATH_AVX2_H

#include "kernels/kernels.h"
#include "kernels/x86/poly.h"
#include "kernels/x86/simd.h"

#include <string.h>

/* Lanes [0, n) are all ones. */
static inline __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* n < 8 floats, zeros behind them; nothing else is read. */
static inline __m256 load_first(const float *x, size_t n)
{
    return _mm256_maskload_ps(x, first_lanes(n));
}

/* Not maskstore: it is microcode on Zen. */
static inline void store_first(float *y, __m256 v, size_t n)
{
    float all[8];
    _mm256_storeu_ps(all, v);
    memcpy(y, all, n * sizeof *y);
}

/* The sum of eight lanes, always in the same tree. */
static inline float sum_lanes(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float max_lanes(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/* exp(x - less) for x <= 0 and a tiny `less`; 0 below -87; NaN stays. */
static inline __m256 exp_of_negative(__m256 x, __m256 less)
{
    const __m256 magic = _mm256_set1_ps(AT_EXP_MAGIC);
    const __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(AT_LOG2_E), magic); // n in the low bits
    const __m256 n = _mm256_sub_ps(t, magic);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(AT_LN2_HI), x);
    r = _mm256_sub_ps(_mm256_fnmadd_ps(n, _mm256_set1_ps(AT_LN2_LO), r), less);
    __m256 p = _mm256_set1_ps(AT_EXP_6);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(AT_EXP_5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(AT_EXP_4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(AT_EXP_3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(AT_EXP_2));
    const __m256 one = _mm256_set1_ps(1.0f);
    p = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r), one);
    const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
    return _mm256_and_ps(p, _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_NLT_UQ));
}

/* x * Phi(x) = max(x, 0) - a * Phi(-a), a = |x|, without cancellation on either side;
 * Phi(-a) = exp(-a^2 / 2) R(s), s = 3/8 - c a / (1 + c a), a polynomial in the middle of its range.
 * a^2 is carried in two floats, because exp multiplies its error. */
static inline __m256 gelu_of(__m256 x)
{
    const __m256 a = _mm256_min_ps(_mm256_set1_ps(14.0f),
                                   _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x));
    const __m256 half_a = _mm256_mul_ps(a, _mm256_set1_ps(-0.5f));
    const __m256 z = _mm256_mul_ps(half_a, a);
    const __m256 less = _mm256_fnmadd_ps(half_a, a, z);
    const __m256 ca = _mm256_mul_ps(a, _mm256_set1_ps(AT_PHI_C));
    const __m256 w = _mm256_div_ps(ca, _mm256_add_ps(ca, _mm256_set1_ps(1.0f)));
    const __m256 s = _mm256_sub_ps(_mm256_set1_ps(0.375f), w);
    static const float terms[] = AT_PHI_TERMS; // highest first
    __m256 q = _mm256_set1_ps(terms[0]);
#pragma GCC unroll 16
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++)
        q = _mm256_fmadd_ps(q, s, _mm256_set1_ps(terms[i]));
    q = _mm256_mul_ps(q, exp_of_negative(z, less));
    // max gives its second operand for NaN
    return _mm256_fnmadd_ps(a, q, _mm256_max_ps(_mm256_setzero_ps(), x));
}

#endif
