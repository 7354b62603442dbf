/* half.h - IEEE binary16 and bfloat16 to and from float, round to nearest even, one value at a time.
 * Kernels convert many (src/kernels). */
#ifndef AT_BASE_HALF_H
#define AT_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float at_f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint32_t at_bits_of_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float at_f32_of_bf16(uint16_t h)
{
    return at_f32_of_bits((uint32_t)h << 16);
}
static inline uint16_t at_bf16_of_f32(float f)
{
    const uint32_t b = at_bits_of_f32(f);
    if ((b & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(b >> 16 | 0x40u); // NaN stays quiet
    return (uint16_t)((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
}

static inline float at_f32_of_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return at_f32_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    // the exponent moves from bias 15 to 127 by an exact product, subnormals included
    const float magnitude = at_f32_of_bits(rest << 13) * 0x1p112f;
    return at_f32_of_bits(sign | at_bits_of_f32(magnitude));
}
static inline uint16_t at_f16_of_f32(float f)
{
    const uint32_t b = at_bits_of_f32(f), sign = b >> 16 & 0x8000u, rest = b & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); // 65520 and more round to infinity
    if (rest < 0x38800000u) {                                   // below 2^-14: subnormal
        const float shifted = at_f32_of_bits(rest) + 0.5f;      // the adder rounds to 2^-24 steps
        return (uint16_t)(sign | (at_bits_of_f32(shifted) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13));
}

#endif
