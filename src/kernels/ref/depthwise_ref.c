/* depthwise_ref.c - one output row of a 3x3 depthwise convolution, channels last. */
#include "kernels/kernels.h"

void at_depthwise_row_ref(const at_depthwise_row *p)
{
    for (size_t ox = 0; ox < p->out_w; ox++) {
        float *y = p->y + ox * p->c;
        for (size_t i = 0; i < p->c; i++)
            y[i] = p->bias ? p->bias[i] : 0.0f;
        for (size_t tap = 0; tap < 9; tap++) {
            const float *row = p->rows[tap / 3];
            const size_t ix = ox * p->stride + tap % 3; // + pad
            if (!row || ix < p->pad || ix - p->pad >= p->w) continue;
            const float *x = row + (ix - p->pad) * p->c;
            for (size_t i = 0; i < p->c; i++)
                y[i] += x[i] * p->weight[tap * p->c + i];
        }
        for (size_t i = 0; i < p->c && p->act != AT_END_NONE; i++) {
            if (y[i] < 0.0f) y[i] = 0.0f;
            if (p->act == AT_END_RELU6 && y[i] > 6.0f) y[i] = 6.0f;
        }
    }
}
