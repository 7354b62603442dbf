/* peak_loops.c - the instructions that multiply floats, bf16 and bytes, as fast as they go: independent chains
 * in registers, or four tiles. Each function has its own target, so the file needs no flags. */
#include "base/cpu.h"
#include "kernels/peak.h"

#include <immintrin.h>
#include <stdint.h>

/* s += a * b in `n` registers; the empty asm keeps each in its register. */
#define CHAIN_LOOP(n, type, zero, op)                                 \
    type s[n];                                                        \
    _Pragma("GCC unroll 16") for (int i = 0; i < n; i++) s[i] = zero; \
    for (long r = 0; r < rounds; r++)                                 \
        _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)          \
        {                                                             \
            s[i] = op;                                                \
            __asm__ volatile("" : "+v"(s[i]));                        \
        }

__attribute__((target("avx2,fma"))) static void fma_avx2(long rounds)
{
    const __m256 a = _mm256_set1_ps(0.999f);
    CHAIN_LOOP(12, __m256, a, _mm256_fmadd_ps(s[i], a, a))
}

__attribute__((target("avx512f"))) static void fma_avx512(long rounds)
{
    const __m512 a = _mm512_set1_ps(0.999f);
    CHAIN_LOOP(16, __m512, a, _mm512_fmadd_ps(s[i], a, a))
}

/* Bytes without VNNI, the quickest there is; it is exact where no pair of products leaves 16 bits. */
__attribute__((target("avx2"))) static void bytes_avx2(long rounds)
{
    const __m256i a = _mm256_set1_epi8(1), one = _mm256_set1_epi16(1);
    CHAIN_LOOP(12, __m256i, a,
               _mm256_add_epi32(s[i], _mm256_madd_epi16(_mm256_maddubs_epi16(s[i], a), one)))
}

__attribute__((target("avxvnni,avx2"))) static void avxvnni(long rounds)
{
    const __m256i a = _mm256_set1_epi8(1);
    CHAIN_LOOP(12, __m256i, a, _mm256_dpbusd_avx_epi32(s[i], a, a))
}

__attribute__((target("avx512f,avx512vnni"))) static void avx512vnni(long rounds)
{
    const __m512i a = _mm512_set1_epi32(0x01010101);
    CHAIN_LOOP(16, __m512i, a, _mm512_dpbusd_epi32(s[i], a, a))
}

__attribute__((target("avx512f,avx512bf16"))) static void avx512bf16(long rounds)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512bh a = (__m512bh)one;
    CHAIN_LOOP(16, __m512, one, _mm512_dpbf16_ps(s[i], a, a))
}

typedef struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tile_config;

#define TILE_LOOP(op)                   \
    tile_config c = {.palette = 1};     \
    for (int i = 0; i < 8; i++) {       \
        c.bytes[i] = 64;                \
        c.rows[i] = 16;                 \
    }                                   \
    _tile_loadconfig(&c);               \
    _tile_zero(0);                      \
    _tile_zero(1);                      \
    _tile_zero(2);                      \
    _tile_zero(3);                      \
    _tile_zero(4);                      \
    _tile_zero(5);                      \
    _tile_zero(6);                      \
    _tile_zero(7);                      \
    for (long r = 0; r < rounds; r++) { \
        op(0, 4, 6);                    \
        op(1, 4, 7);                    \
        op(2, 5, 6);                    \
        op(3, 5, 7);                    \
    }                                   \
    _tile_release();

__attribute__((target("amx-tile,amx-int8"))) static void amx_int8(long rounds)
{
    TILE_LOOP(_tile_dpbssd)
}

__attribute__((target("amx-tile,amx-bf16"))) static void amx_bf16(long rounds)
{
    TILE_LOOP(_tile_dpbf16ps)
}

/* The last of a table that the processor has. */
typedef struct choice {
    unsigned needs;
    at_peak_loop loop;
} choice;

static at_peak_loop last(const choice *c, size_t n)
{
    const unsigned has = at_cpu_features();
    at_peak_loop best = {0};
    for (size_t i = 0; i < n; i++) {
        if ((has & c[i].needs) == c[i].needs) best = c[i].loop;
    }
    return best;
}

at_peak_loop at_peak_f32(void)
{
    static const choice c[] = {{AT_CPU_AVX2, {fma_avx2, 12 * 2.0 * 8, "avx2"}},
                               {AT_CPU_AVX512, {fma_avx512, 16 * 2.0 * 16, "avx512"}}};
    return last(c, AT_COUNT(c));
}

at_peak_loop at_peak_bf16(void)
{
    static const choice c[] = {{AT_CPU_AVX512BF16, {avx512bf16, 16 * 2.0 * 32, "avx512bf16"}},
                               {AT_CPU_AMX, {amx_bf16, 4 * 2.0 * 16 * 16 * 32, "amx"}}};
    return last(c, AT_COUNT(c));
}

at_peak_loop at_peak_int8(void)
{
    static const choice c[] = {{AT_CPU_AVX2, {bytes_avx2, 12 * 2.0 * 32, "avx2"}},
                               {AT_CPU_AVXVNNI, {avxvnni, 12 * 2.0 * 32, "avxvnni"}},
                               {AT_CPU_AVX512VNNI, {avx512vnni, 16 * 2.0 * 64, "avx512vnni"}},
                               {AT_CPU_AMX, {amx_int8, 4 * 2.0 * 16 * 16 * 64, "amx"}}};
    return last(c, AT_COUNT(c));
}
