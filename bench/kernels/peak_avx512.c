/* peak_avx512.c - as many fused multiply-adds as a core can do: sixteen chains in registers. */
#include "peak.h"

#include <immintrin.h>

double peak_avx512(long rounds)
{
    __m512 s[16];
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
#pragma GCC unroll 16 // the array is registers only if every index is a constant
    for (int i = 0; i < 16; i++)
        s[i] = _mm512_set1_ps((float)i);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            s[i] = _mm512_fmadd_ps(s[i], a, b);
            __asm__ volatile("" : "+v"(s[i]));
        }
    float out[16];
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++)
        s[0] = _mm512_add_ps(s[0], s[i]);
    _mm512_storeu_ps(out, s[0]);
    return (double)out[0];
}
