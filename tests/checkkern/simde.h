/* simde.h - AVX-512 in terms of what every machine has: SIMDe, and the intrinsics that the kernels
 * use and Debian's SIMDe (0.7) lacks. For checkkern_simde alone. */
#ifndef CHECK_SIMDE_H
#define CHECK_SIMDE_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <float.h>
#include <math.h>
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

static inline simde__m512i check_cvtepi8_epi32(simde__m128i h)
{
    int8_t in[16];
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

static inline simde__m512 check_cvtepi32_ps(simde__m512i v)
{
    int32_t x[16];
    float y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++)
        y[i] = (float)x[i];
    return simde_mm512_loadu_ps(y);
}

static inline simde__m512i check_cvtps_epi32(simde__m512 v)
{
    const simde__m512i bits = simde_mm512_castps_si512(v);
    simde__m256i half[2];
    memcpy(half, &bits, sizeof half);
    for (int h = 0; h < 2; h++)
        half[h] = simde_mm256_cvtps_epi32(simde_mm256_castsi256_ps(half[h]));
    return simde_mm512_loadu_si512(half);
}

static inline simde__m128i check_cvtepi32_epi8(simde__m512i v)
{
    int32_t x[16];
    int8_t y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++)
        y[i] = (int8_t)x[i];
    return simde_mm_loadu_si128((const simde__m128i *)y);
}

static inline simde__m512i check_dpbusd_512(simde__m512i sum, simde__m512i a, simde__m512i b)
{
    int32_t s[16];
    uint8_t x[64];
    int8_t y[64];
    memcpy(s, &sum, sizeof s);
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 64; i++)
        s[i / 4] += x[i] * y[i];
    return simde_mm512_loadu_si512(s);
}

static inline simde__m256i check_dpbusd_256(simde__m256i sum, simde__m256i a, simde__m256i b)
{
    int32_t s[8];
    uint8_t x[32];
    int8_t y[32];
    memcpy(s, &sum, sizeof s);
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 32; i++)
        s[i / 4] += x[i] * y[i];
    return simde_mm256_loadu_si256((const simde__m256i *)s);
}

/* Tiles, all of 16 rows of 64 bytes. */
static _Thread_local uint32_t check_tiles[8][16][16];

static inline void check_tile_load(int t, const void *from, size_t ld)
{
    for (size_t r = 0; r < 16; r++)
        memcpy(check_tiles[t][r], (const char *)from + r * ld, 64);
}

static inline void check_tile_store(int t, void *to, size_t ld)
{
    for (size_t r = 0; r < 16; r++)
        memcpy((char *)to + r * ld, check_tiles[t][r], 64);
}

static inline void check_tile_dpbusd(int sum, int a, int b)
{
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 16; j++)
            for (size_t k = 0; k < 16; k++) {
                uint8_t x[4];
                int8_t y[4];
                memcpy(x, &check_tiles[a][i][k], 4);
                memcpy(y, &check_tiles[b][k][j], 4);
                for (int g = 0; g < 4; g++)
                    check_tiles[sum][i][j] += (uint32_t)(x[g] * y[g]);
            }
}

/* To nearest even; denormals are 0 and NaN is quiet. `high` gives the upper sixteen. */
static inline simde__m512i check_cvtne2ps_pbh(simde__m512 high, simde__m512 low)
{
    uint32_t in[32];
    uint16_t out[32];
    memcpy(in, &low, 64);
    memcpy(in + 16, &high, 64);
    for (int i = 0; i < 32; i++) {
        const uint32_t bits = in[i], exponent = bits & 0x7f800000;
        const int nan = exponent == 0x7f800000 && (bits & 0x7fffff);
        out[i] = (uint16_t)(nan        ? bits >> 16 | 0x40
                            : exponent ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16
                                       : bits >> 16 & 0x8000);
    }
    return simde_mm512_loadu_si512(out);
}

/* As kernels.h says for at_gemm_bf16. */
static inline float check_flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

static inline float check_number(uint32_t pair, int odd)
{
    const uint32_t bits = odd ? pair & 0xffff0000u : pair << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return check_flushed(x);
}

static inline void check_tile_dpbf16ps(int sum, int a, int b)
{
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 16; j++) {
            float s, part[2] = {0.0f, 0.0f};
            for (size_t k = 0; k < 16; k++)
                for (int odd = 0; odd < 2; odd++)
                    part[odd] = check_flushed(fmaf(check_number(check_tiles[a][i][k], odd),
                                                   check_number(check_tiles[b][k][j], odd),
                                                   part[odd]));
            memcpy(&s, &check_tiles[sum][i][j], sizeof s);
            s = check_flushed(check_flushed(s) + check_flushed(part[0] + part[1]));
            memcpy(&check_tiles[sum][i][j], &s, sizeof s);
        }
}

static inline simde__m512 check_dpbf16_ps(simde__m512 sum, simde__m512 x, simde__m512 y)
{
    float s[16];
    uint32_t a[16], b[16];
    simde_mm512_storeu_ps(s, sum);
    memcpy(a, &x, sizeof a);
    memcpy(b, &y, sizeof b);
    for (int i = 0; i < 16; i++)
        for (int odd = 1; odd >= 0; odd--)
            s[i] = check_flushed(fmaf(check_number(a[i], odd), check_number(b[i], odd), s[i]));
    return simde_mm512_loadu_ps(s);
}

static inline void check_tile_zero(int t)
{
    memset(check_tiles[t], 0, sizeof check_tiles[t]);
}

static inline simde__m128i check_maskz_loadu_epi8(simde__mmask16 m, const void *p)
{
    uint8_t out[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) out[i] = ((const uint8_t *)p)[i];
    return simde_mm_loadu_si128((const simde__m128i *)out);
}

static inline simde__m512i check_permutexvar_epi16(simde__m512i order, simde__m512i v)
{
    uint16_t from[32], at[32], out[32];
    memcpy(from, &v, 64);
    memcpy(at, &order, 64);
    for (int i = 0; i < 32; i++)
        out[i] = from[at[i] & 31];
    return simde_mm512_loadu_si512(out);
}

static inline simde__m512i check_shuffle_i32x4(simde__m512i a, simde__m512i b, int which)
{
    simde__m128i x[4], y[4], out[4];
    memcpy(x, &a, 64);
    memcpy(y, &b, 64);
    for (int i = 0; i < 4; i++)
        out[i] = (i < 2 ? x : y)[which >> 2 * i & 3];
    return simde_mm512_loadu_si512(out);
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbusd
#undef _tile_dpbf16ps
#undef _tile_zero
#define _tile_dpbf16ps      check_tile_dpbf16ps
#define _tile_zero          check_tile_zero
#define _mm512_cvtne2ps_pbh check_cvtne2ps_pbh
#undef _mm_maskz_loadu_epi8
#define _mm_maskz_loadu_epi8 check_maskz_loadu_epi8
#undef _mm512_permutexvar_epi16
#define _mm512_permutexvar_epi16 check_permutexvar_epi16
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4     check_shuffle_i32x4
#define _tile_loadconfig(config) ((void)(config))
#define _tile_release()          ((void)0)
#define _tile_loadd              check_tile_load
#define _tile_stored             check_tile_store
#define _tile_dpbusd             check_tile_dpbusd

#undef _mm512_dpbusd_epi32
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 check_cvtps_epi32
#define _mm512_cvtepi32_ps check_cvtepi32_ps
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8 check_cvtepi32_epi8
#undef _mm256_dpbusd_avx_epi32
#define _mm512_dpbusd_epi32     check_dpbusd_512
#define _mm256_dpbusd_avx_epi32 check_dpbusd_256

#define _mm512_maskz_loadu_ps check_maskz_loadu_ps
#define _mm512_mask_storeu_ps check_mask_storeu_ps
#define _mm512_cvtph_ps       check_cvtph_ps
#define _mm512_cvtepu16_epi32 check_cvtepu16_epi32
#define _mm512_cvtepu8_epi32  check_cvtepu8_epi32
#define _mm512_cvtepi8_epi32  check_cvtepi8_epi32
#define _mm512_srai_epi32     check_srai_epi32
#undef _mm512_madd_epi16 // this SIMDe gives the alias four parameters
#define _mm512_madd_epi16 simde_mm512_madd_epi16

#endif
