/* resize_ref.c - the two passes of a resize of bytes, in whole numbers: any order gives the same bits. */
#include "kernels/kernels.h"

static uint8_t to_byte(uint32_t sum)
{
    const int32_t v = (int32_t)(sum + (1u << (AT_RESIZE_FRACTION - 1))) >> AT_RESIZE_FRACTION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void at_resize_across_ref(const at_resize_across *p)
{
    for (size_t r = 0; r < p->rows; r++) {
        for (size_t x = 0; x < p->n; x++) {
            const uint8_t *src = p->src + r * p->ld_src + 3 * (size_t)p->first[x];
            uint32_t sum[3] = {0}; // unsigned: the sums of a side of millions of pixels may wrap
            for (int32_t t = 0; t < p->count[x]; t++) {
                for (int c = 0; c < 3; c++)
                    sum[c] += (uint32_t)p->k[x * p->taps + (size_t)t] * src[3 * t + c];
            }
            for (int c = 0; c < 3; c++)
                p->dst[r * p->ld_dst + 3 * x + (size_t)c] = to_byte(sum[c]);
        }
    }
}

void at_resize_down_ref(const at_resize_down *p)
{
    enum { BLOCK = 64 };
    for (size_t i = 0; i < p->n; i += BLOCK) {
        const size_t n = at_min_size(BLOCK, p->n - i);
        uint32_t sum[BLOCK] = {0};
        for (size_t t = 0; t < p->taps; t++) {
            const uint8_t *src = p->src + t * p->ld_src + i;
            for (size_t j = 0; j < n; j++)
                sum[j] += (uint32_t)p->k[t] * src[j];
        }
        for (size_t j = 0; j < n; j++)
            p->dst[i + j] = to_byte(sum[j]);
    }
}
