/* resize_down.h - the vertical pass of a resize, one text for both widths (VEC, VI(name)).
 * Included by resize_avx2.c and resize_avx512.c. */
#ifndef AT_KERNELS_X86_RESIZE_DOWN_H
#define AT_KERNELS_X86_RESIZE_DOWN_H

#include "kernels/x86/resize.h"

#ifdef AT_VEC_512
#define VEC         __m512i
#define VI(name)    _mm512_##name
#define ZERO()      _mm512_setzero_si512()
#define LOAD(p)     _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512((p), (v))
#else
#define VEC         __m256i
#define VI(name)    _mm256_##name
#define ZERO()      _mm256_setzero_si256()
#define LOAD(p)     _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), (v))
#endif

static inline VEC join(VEC low, VEC high)
{
    return VI(add_epi32)(low, VI(slli_epi32)(high, LOW_BITS));
}

static inline void resize_down(const at_resize_down *p)
{
    enum { STEP = sizeof(VEC) };
    const VEC half = VI(set1_epi32)(1 << (AT_RESIZE_FRACTION - 1)), zero = ZERO();
    for (size_t i = 0; i < p->n; i += STEP) {
        VEC low[4], high[4]; // bytes 0-3, 4-7, 8-11, 12-15 of each 16; the packs undo it
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            low[j] = high[j] = zero;
        for (size_t t = 0; t < p->taps; t += 2) {
            const bool both = t + 1 < p->taps;
            const int32_t k0 = p->k[t], k1 = both ? p->k[t + 1] : 0;
            const uint8_t *src = p->src + t * p->ld_src + i;
            const VEC a = LOAD(src), b = LOAD(src + (both ? p->ld_src : 0));
            const VEC k_low = VI(set1_epi32)(pair(k0 & LOW_MASK, k1 & LOW_MASK)),
                      k_high = VI(set1_epi32)(pair(k0 >> LOW_BITS, k1 >> LOW_BITS));
            const VEC front = VI(unpacklo_epi8)(a, b), back = VI(unpackhi_epi8)(a, b);
            const VEC v[4] = {VI(unpacklo_epi8)(front, zero), VI(unpackhi_epi8)(front, zero),
                              VI(unpacklo_epi8)(back, zero), VI(unpackhi_epi8)(back, zero)};
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                low[j] = VI(add_epi32)(low[j], VI(madd_epi16)(v[j], k_low));
                high[j] = VI(add_epi32)(high[j], VI(madd_epi16)(v[j], k_high));
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            low[j] = VI(srai_epi32)(VI(add_epi32)(join(low[j], high[j]), half), AT_RESIZE_FRACTION);
        const VEC bytes = VI(packus_epi16)(VI(packs_epi32)(low[0], low[1]),
                                           VI(packs_epi32)(low[2], low[3]));
        if (i + STEP <= p->n) {
            STORE(p->dst + i, bytes);
        } else {
            uint8_t last[STEP];
            STORE(last, bytes);
            memcpy(p->dst + i, last, p->n - i);
        }
    }
}

#endif
