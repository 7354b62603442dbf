/* peak_avx2.c - as many fused multiply-adds as a core can do: twelve chains in registers. */
#include "peak.h"

#include <immintrin.h>

double peak_avx2(long rounds)
{
    __m256 s[12];
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
#pragma GCC unroll 12 // the array is registers only if every index is a constant
    for (int i = 0; i < 12; i++)
        s[i] = _mm256_set1_ps((float)i);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) {
            s[i] = _mm256_fmadd_ps(s[i], a, b);
            __asm__ volatile("" : "+x"(s[i]));
        }
    float out[8];
#pragma GCC unroll 12
    for (int i = 1; i < 12; i++)
        s[0] = _mm256_add_ps(s[0], s[i]);
    _mm256_storeu_ps(out, s[0]);
    return (double)out[0];
}
