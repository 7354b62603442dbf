/* block.h - ggml's block types: 32 numbers of a row share a step, a float16 at the block's beginning.
 *
 *   q8_0   34 bytes: step, 32 signed bytes q            q * step
 *   q4_0   18 bytes: step, 16 bytes of two nibbles n    (n - 8) * step; low nibbles are numbers 0 to 15 of
 *          the block, high nibbles 16 to 31
 *
 * Every value is exact in a float: at most 8 bits times 11. Blocks lie at any address. */
#ifndef AT_BASE_BLOCK_H
#define AT_BASE_BLOCK_H

#include "base/dtype.h"
#include "base/half.h"

/* n floats, whole blocks, to `type`, with ggml's rounding. A block that has NaN or infinity, or a step
 * above float16's largest, becomes NaN. */
void at_block_encode(at_dtype type, size_t n, const float *x, void *blocks);
/* Back to floats. */
void at_block_decode(at_dtype type, size_t n, const void *blocks, float *y);

/* Number i of a row of blocks. */
static inline float at_block_element(at_dtype type, const void *blocks, size_t i)
{
    const uint8_t *b = (const uint8_t *)blocks + i / AT_BLOCK * at_dtype_size(type);
    const size_t at = i % AT_BLOCK;
    uint16_t step;
    memcpy(&step, b, sizeof step);
    const int q = type == AT_Q8_0 ? (int8_t)b[2 + at]
                                  : (b[2 + at % 16] >> (at < 16 ? 0 : 4) & 15) - 8;
    return (float)q * at_f32_of_f16(step);
}

#endif
