/* simde.h - AVX-512 in terms of what every machine has: SIMDe, and the six intrinsics that the kernels
 * use and Debian's SIMDe (0.7) lacks. For checkkern_simde alone. */
#ifndef CHECK_SIMDE_H
#define CHECK_SIMDE_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <string.h>

static inline simde__m512 check_maskz_loadu_ps(simde__mmask16 m, const void *p)
{
    float out[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            memcpy(&out[i], (const float *)p + i, sizeof *out); // lanes that are off are not read
    return simde_mm512_loadu_ps(out);
}

static inline void check_mask_storeu_ps(void *p, simde__mmask16 m, simde__m512 v)
{
    float all[16];
    simde_mm512_storeu_ps(all, v);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) memcpy((float *)p + i, &all[i], sizeof *all);
}

static inline simde__m512 check_cvtph_ps(simde__m256i h)
{
    float out[16];
    simde_mm256_storeu_ps(out, simde_mm256_cvtph_ps(simde_mm256_castsi256_si128(h)));
    simde_mm256_storeu_ps(out + 8, simde_mm256_cvtph_ps(simde_mm256_extracti128_si256(h, 1)));
    return simde_mm512_loadu_ps(out);
}

static inline simde__m512i check_cvtepu16_epi32(simde__m256i h)
{
    uint16_t in[16];
    uint32_t out[16];
    memcpy(in, &h, sizeof in);
    for (int i = 0; i < 16; i++)
        out[i] = in[i];
    return simde_mm512_loadu_si512(out);
}

static inline simde__m512i check_cvtepu8_epi32(simde__m128i h)
{
    uint8_t in[16];
    uint32_t out[16];
    memcpy(in, &h, sizeof in);
    for (int i = 0; i < 16; i++)
        out[i] = in[i];
    return simde_mm512_loadu_si512(out);
}

static inline simde__m512i check_srai_epi32(simde__m512i v, int n)
{
    int32_t x[16];
    simde_mm512_storeu_si512(x, v);
    for (int i = 0; i < 16; i++)
        x[i] >>= n;
    return simde_mm512_loadu_si512(x);
}

#define _mm512_maskz_loadu_ps check_maskz_loadu_ps
#define _mm512_mask_storeu_ps check_mask_storeu_ps
#define _mm512_cvtph_ps       check_cvtph_ps
#define _mm512_cvtepu16_epi32 check_cvtepu16_epi32
#define _mm512_cvtepu8_epi32  check_cvtepu8_epi32
#define _mm512_srai_epi32     check_srai_epi32
#undef _mm512_madd_epi16 // this SIMDe gives the alias four parameters
#define _mm512_madd_epi16 simde_mm512_madd_epi16

#endif
