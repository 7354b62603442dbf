/* s8_ref.c - the meaning of a product of bytes and of quantising a row. Sums of products are exact, so
 * that only the endings have an order. */
#include "kernels/ref/end.h"

#include <math.h>
#include <string.h>

enum { NR = 16, GROUP = 2 };

static void panel(const at_gemm_s8 *p)
{
    const float *scale = p->b;
    const int8_t *w = (const int8_t *)p->b + NR * (sizeof(float) + sizeof(int32_t));
    for (size_t i = 0; i < p->m; i++) {
        const int16_t *a = (const int16_t *)((const char *)p->a + i * p->lda);
        float sums[NR];
        for (size_t j = 0; j < p->n; j++) {
            int32_t s = 0;
            for (size_t k = 0; k < p->k; k++)
                s += a[k] * w[(k / GROUP * NR + j) * GROUP + k % GROUP];
            sums[j] = (float)s * p->a_scale[i] * scale[j];
        }
        end_row(at_gemm_end_at(p->end, i, 0), p->n, sums);
    }
}

void at_gemm_s8_ref(const at_gemm_s8 *p)
{
    at_gemm_s8 one;
    for (size_t j = 0; at_s8_panel(p, &at_s8_form_pairs, j, &one); j++)
        panel(&one);
}

void at_quantize_row_ref(size_t n, const float *x, void *q, float *scale)
{
    int16_t *out = q;
    uint32_t most = 0; // of the magnitudes' bits, whose order is the floats', NaN above infinity
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffff;
        if (bits > most) most = bits;
    }
    float max;
    memcpy(&max, &most, sizeof max);
    const bool whole = most < 0x7f800000, zero = !whole || max < 1e-30f;
    *scale = !whole ? NAN : zero ? 0.0f : max / 127.0f;
    const float by = zero ? 0.0f : 127.0f / max;
    for (size_t i = 0; i < n; i++)
        out[i] = zero ? 0 : (int16_t)rintf(x[i] * by); // to nearest even
    for (size_t i = n; i % AT_S8_PAD; i++)
        out[i] = 0;
}
