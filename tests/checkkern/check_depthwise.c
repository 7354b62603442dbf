/* check_depthwise.c - rows of 3x3 depthwise convolutions, with every border. */
#include "check.h"

#include <math.h>

void check_depthwise_row(struct checker *t)
{
    for (int round = 0; round < 300; round++) {
        const uint64_t r = random_bits();
        const size_t c = 1 + random_bits() % 40, w = 1 + random_bits() % 12, stride = 1 + (r & 1),
                     pad = r >> 1 & 1;
        const size_t out_w = at_max_size(1, (w + pad + (r >> 2 & 1)) /
                                                stride); // may reach past the right edge
        float *rows[3], *weight = input(9 * c), *bias = input(c), *y = output(out_w * c);
        for (int d = 0; d < 3; d++)
            rows[d] = r >> (8 + d) & 3 ? input(w * c) : NULL; // outside the picture
        const at_depthwise_row p = {.c = c,
                                    .w = w,
                                    .out_w = out_w,
                                    .stride = stride,
                                    .pad = pad,
                                    .rows = {rows[0], rows[1], rows[2]},
                                    .weight = weight,
                                    .bias = r & 16 ? bias : NULL,
                                    .act = r & 32   ? AT_END_RELU6
                                           : r & 64 ? AT_END_RELU
                                                    : AT_END_NONE,
                                    .y = y};
        t->k->depthwise_row(&p);
        for (size_t ox = 0; ox < out_w; ox++)
            for (size_t i = 0; i < c; i++) {
                double want = p.bias ? (double)bias[i] : 0.0, size = fabs(want);
                for (size_t tap = 0; tap < 9; tap++) {
                    const ptrdiff_t ix = (ptrdiff_t)(ox * stride + tap % 3) - (ptrdiff_t)pad;
                    if (!rows[tap / 3] || ix < 0 || ix >= (ptrdiff_t)w) continue;
                    const double v = (double)rows[tap / 3][(size_t)ix * c + i] *
                                     (double)weight[tap * c + i];
                    want += v;
                    size += fabs(v);
                }
                if (p.act != AT_END_NONE && want < 0.0) want = 0.0;
                if (p.act == AT_END_RELU6 && want > 6.0) want = 6.0;
                expect(t, (double)y[ox * c + i], want, size,
                       "c %zu w %zu out_w %zu stride %zu pad %zu act %d rows %d%d%d, [%zu, %zu]", c,
                       w, out_w, stride, pad, (int)p.act, !!rows[0], !!rows[1], !!rows[2], ox, i);
            }
        guard_release(t);
    }
}

void bench_depthwise_row(struct checker *t)
{
    for (size_t stride = 1; stride <= 2; stride++) {
        const size_t c = 192, w = 28;
        float *x = input(3 * w * c), *weight = input(9 * c), *y = output(w * c);
        double s;
        const at_depthwise_row p = {.c = c,
                                    .w = w,
                                    .out_w = w / stride,
                                    .stride = stride,
                                    .pad = 2 - stride,
                                    .rows = {x, x + w * c, x + 2 * w * c},
                                    .weight = weight,
                                    .bias = weight,
                                    .act = AT_END_RELU6,
                                    .y = y};
        TIME_CALL(s, t->k->depthwise_row(&p));
        rate(t, stride == 1 ? "28 x 192, stride 1" : "28 x 192, stride 2", s,
             18.0 * (double)(p.out_w * c), 0);
        guard_release(t);
    }
}
