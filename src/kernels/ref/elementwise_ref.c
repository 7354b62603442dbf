/* elementwise_ref.c - one value in, one value out: conversions, both GELUs, sums of two. */
#include "base/half.h"
#include "kernels/kernels.h"
#include "kernels/x86/poly.h"

#include <math.h>

static uint16_t load_16(const void *x, size_t i)
{
    uint16_t h; // a file's data may lie at any address
    memcpy(&h, (const char *)x + 2 * i, sizeof h);
    return h;
}

static void store_16(void *y, size_t i, uint16_t h)
{
    memcpy((char *)y + 2 * i, &h, sizeof h);
}

void at_f32_of_f16_ref(size_t n, const void *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = at_f32_of_f16(load_16(x, i));
}

void at_f32_of_bf16_ref(size_t n, const void *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = at_f32_of_bf16(load_16(x, i));
}

void at_f16_of_f32_ref(size_t n, const float *x, void *y)
{
    for (size_t i = 0; i < n; i++)
        store_16(y, i, at_f16_of_f32(x[i]));
}

void at_bf16_of_f32_ref(size_t n, const float *x, void *y)
{
    for (size_t i = 0; i < n; i++)
        store_16(y, i, at_bf16_of_f32(x[i]));
}

void at_gelu_ref(size_t n, const float *x, float *y)
{
    // erfc, not 1 + erf: below zero the sum would cancel; below -20 it is 0 in float, also at -inf
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < -20.0f
                   ? -0.0f
                   : (float)(0.5 * (double)x[i] * erfc((double)x[i] * -0.70710678118654752));
}

void at_quick_gelu_ref(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < -51.0f ? -0.0f
                             : (float)((double)x[i] / (1.0 + exp((double)x[i] * -(double)1.702f)));
}

void at_add_ref(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void at_gelu_coarse_ref(size_t n, const float *x, float *y)
{
    static const float terms[] = AT_GELU_COARSE_TERMS;
    for (size_t i = 0; i < n; i++) {
        const float limit = AT_GELU_COARSE_LIMIT;
        const float u = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
        float p = terms[0];
        for (size_t t = 1; t < AT_COUNT(terms); t++)
            p = fmaf(p, u * u, terms[t]);
        y[i] = x[i] * fmaf(u, p, 0.5f);
    }
}
