/* vec.h - the vector of a level, so that one text serves AVX2 and AVX-512: V(add_ps) is _mm256_add_ps or
 * _mm512_add_ps. A file of the AVX-512 level defines AT_VEC_512 first. What the two spell differently is
 * a function here, named alike. */
#ifndef AT_KERNELS_X86_VEC_H
#define AT_KERNELS_X86_VEC_H

#include "kernels/kernels.h"
#include "kernels/x86/simd.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#ifdef AT_VEC_512

typedef __m512 vec;
enum { LANES = 16 };
#define V(op) _mm512_##op

/* Lanes [0, n), n <= 16. */
static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

/* n floats, zeros behind them; nothing else is read. */
static inline vec load_first(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), x);
}

static inline void store_first(float *y, vec v, size_t n)
{
    _mm512_mask_storeu_ps(y, first_lanes(n), v);
}

/* LANES stored numbers at any address. */
INLINE vec load_f32(const void *x)
{
    return _mm512_loadu_ps(x);
}
INLINE vec load_f16(const void *x)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x));
}
INLINE vec load_bf16(const void *x)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE vec magnitude(vec x)
{
    const __m512i rest = _mm512_set1_epi32(0x7fffffff);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), rest));
}

/* x, or 0 where `by` is less than `limit`. */
INLINE vec zero_below(vec x, vec by, float limit)
{
    const __mmask16 below = _mm512_cmp_ps_mask(by, _mm512_set1_ps(limit), _CMP_LT_OQ);
    return _mm512_mask_mov_ps(x, below, _mm512_setzero_ps());
}

/* x * 2^n, n in the low bits of `power`. */
INLINE vec scaled(vec x, vec power)
{
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(power), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), n));
}

/* Two halves, combined: the first step of a tree over the lanes. Through double, because extractf32x8 is
 * not everywhere. */
#define HALVES(op, v) \
    op(_mm512_castps512_ps256(v), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)))

#else

typedef __m256 vec;
enum { LANES = 8 };
#define V(op) _mm256_##op

/* Lanes [0, n) are all ones. */
static inline __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* n floats, zeros behind them; nothing else is read. */
static inline vec load_first(const float *x, size_t n)
{
    return _mm256_maskload_ps(x, first_lanes(n));
}

/* Not maskstore: it is microcode on Zen. */
static inline void store_first(float *y, vec v, size_t n)
{
    float all[8];
    _mm256_storeu_ps(all, v);
    memcpy(y, all, n * sizeof *y);
}

/* LANES stored numbers at any address. */
INLINE vec load_f32(const void *x)
{
    return _mm256_loadu_ps(x);
}
INLINE vec load_f16(const void *x)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x));
}
INLINE vec load_bf16(const void *x)
{
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

INLINE vec magnitude(vec x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/* x, or 0 where `by` is less than `limit`. */
INLINE vec zero_below(vec x, vec by, float limit)
{
    return _mm256_and_ps(x, _mm256_cmp_ps(by, _mm256_set1_ps(limit), _CMP_NLT_UQ));
}

/* x * 2^n, n in the low bits of `power`. */
INLINE vec scaled(vec x, vec power)
{
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(power), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
}

#define HALVES(op, v) (v)

#endif

/* The sum of the lanes, always in the same tree. */
static inline float sum_lanes(vec v)
{
    const __m256 h = HALVES(_mm256_add_ps, v);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float max_lanes(vec v)
{
    const __m256 h = HALVES(_mm256_max_ps, v);
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#endif
