/* block.c - a block after the other; loading packs them (src/backend/cpu/pack_block.c), kernels read them. */
#include "base/block.h"

#include <math.h>

static void put_step(float step, uint8_t *block)
{
    const uint16_t half = isfinite(step) && step > -65520.0f && step < 65520.0f
                              ? at_f16_of_f32(step)
                              : 0x7e00; // NaN
    memcpy(block, &half, sizeof half);
}

static void encode_q8_0(const float *x, uint8_t *block)
{
    float most = 0.0f;
    bool finite = true;
    for (int i = 0; i < AT_BLOCK; i++) {
        finite = finite && isfinite(x[i]);
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    const float step = finite ? most / 127.0f : NAN, by = step > 1e-36f ? 1.0f / step : 0.0f;
    put_step(step, block);
    for (int i = 0; i < AT_BLOCK; i++)
        block[2 + i] = (uint8_t)(int8_t)(finite ? roundf(x[i] * by) : 0.0f);
}

static void encode_q4_0(const float *x, uint8_t *block)
{
    float most = 0.0f; // of magnitude; its sign is the step's, so that it becomes -8 exactly
    bool finite = true;
    for (int i = 0; i < AT_BLOCK; i++) {
        finite = finite && isfinite(x[i]);
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    }
    const float step = finite ? most / -8.0f : NAN, by = fabsf(step) > 1e-36f ? 1.0f / step : 0.0f;
    put_step(step, block);
    for (int i = 0; i < AT_BLOCK / 2; i++) {
        int n[2];
        for (int h = 0; h < 2; h++) {
            const float v = finite ? x[i + 16 * h] * by + 8.5f : 8.0f;
            n[h] = v > 15.0f ? 15 : (int)v;
        }
        block[2 + i] = (uint8_t)(n[0] | n[1] << 4);
    }
}

void at_block_encode(at_dtype type, size_t n, const float *x, void *blocks)
{
    uint8_t *to = blocks;
    for (size_t i = 0; i < n; i += AT_BLOCK, to += at_dtype_size(type))
        (type == AT_Q8_0 ? encode_q8_0 : encode_q4_0)(x + i, to);
}

void at_block_decode(at_dtype type, size_t n, const void *blocks, float *y)
{
    const uint8_t *from = blocks;
    for (size_t i = 0; i < n; i += AT_BLOCK, from += at_dtype_size(type), y += AT_BLOCK) {
        uint16_t half;
        memcpy(&half, from, sizeof half);
        const float step = at_f32_of_f16(half);
        for (int k = 0; k < AT_BLOCK; k++)
            y[k] = (float)(type == AT_Q8_0 ? (int8_t)from[2 + k]
                                           : (from[2 + k % 16] >> (k < 16 ? 0 : 4) & 15) - 8) *
                   step;
    }
}
