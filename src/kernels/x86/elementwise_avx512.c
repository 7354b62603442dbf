/* elementwise_avx512.c - GELU, and 16-bit floats to float32 on the way into a product. */
#define AT_VEC_512
#include "kernels/x86/math.h"

void at_f32_of_f16_avx512(size_t n, const void *x, float *y)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(y + i, load_f16((const char *)x + 2 * i));
    at_f32_of_f16_ref(n - i, (const char *)x + 2 * i, y + i);
}

void at_f32_of_bf16_avx512(size_t n, const void *x, float *y)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(y + i, load_bf16((const char *)x + 2 * i));
    at_f32_of_bf16_ref(n - i, (const char *)x + 2 * i, y + i);
}

void at_gelu_avx512(size_t n, const float *x, float *y)
{
    gelu(n, x, y);
}
void at_quick_gelu_avx512(size_t n, const float *x, float *y)
{
    quick_gelu(n, x, y);
}

void at_gelu_coarse_avx512(size_t n, const float *x, float *y)
{
    gelu_coarse(n, x, y);
}
