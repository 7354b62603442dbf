/* rows_avx512.c - LayerNorm and softmax of rows. Lanes are added in one fixed tree. */
#include "kernels/x86/math_avx512.h"

#include <math.h>

/* Sums of x, or of the squares of x - mean, in two chains of sixteen. */
static float sum_of(size_t n, const float *x)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm512_add_ps(s0, _mm512_loadu_ps(x + i));
        s1 = _mm512_add_ps(s1, _mm512_loadu_ps(x + i + 16));
    }
    for (; i < n; i += 16)
        s0 = _mm512_add_ps(s0, load_first(x + i, n - i < 16 ? n - i : 16));
    return sum_lanes(_mm512_add_ps(s0, s1));
}

static float squares_of(size_t n, const float *x, __m512 mean)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
        const __m512 d1 = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16), mean);
        s0 = _mm512_fmadd_ps(d0, d0, s0);
        s1 = _mm512_fmadd_ps(d1, d1, s1);
    }
    for (; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i < 16 ? n - i : 16);
        const __m512 d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + i), mean);
        s0 = _mm512_fmadd_ps(d, d, s0);
    }
    return sum_lanes(_mm512_add_ps(s0, s1));
}

void at_layer_norm_avx512(size_t n, const float *x, const float *gamma, const float *beta,
                          float eps, float *y)
{
    const __m512 mean = _mm512_set1_ps(sum_of(n, x) / (float)n);
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(squares_of(n, x, mean) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i < 16 ? n - i : 16);
        const __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), mean), r);
        const __m512 g = _mm512_maskz_loadu_ps(lanes, gamma + i),
                     b = _mm512_maskz_loadu_ps(lanes, beta + i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_fmadd_ps(d, g, b));
    }
}

/* Scores [j, j + 16), -inf where there are none. Region rows have readable slack behind them. */
static inline __m512 score(const at_softmax_row *p, size_t j, __mmask16 lanes)
{
    __m512 s = _mm512_mul_ps(_mm512_set1_ps(p->scale), _mm512_maskz_loadu_ps(lanes, p->x + j));
    if (p->bias) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, p->bias + j));
    if (p->region) {
        const __m512i region = _mm512_cvtepu8_epi32(
            _mm_loadu_si128((const __m128i *)(p->region + j)));
        const __mmask16 other = (__mmask16)~_mm512_cmpeq_epi32_mask(region,
                                                                    _mm512_set1_epi32(p->own));
        s = _mm512_mask_sub_ps(s, other, s, _mm512_set1_ps(100.0f));
    }
    if (p->mask) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, p->mask + j));
    return _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), lanes, s);
}

void at_softmax_row_avx512(const at_softmax_row *p)
{
    const size_t n = p->n;
    float *x = p->x;
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
        const __m512 s = score(p, j, lanes);
        _mm512_mask_storeu_ps(x + j, lanes, s);
        most = _mm512_max_ps(s, most); // a NaN that this forgets comes back through exp
    }
    most = _mm512_set1_ps(max_lanes(most));
    const __m512 zero = _mm512_setzero_ps();
    __m512 sum = zero;
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
        const __m512 s = _mm512_maskz_loadu_ps(lanes, x + j);
        const __m512 e = _mm512_maskz_mov_ps(lanes, exp_of_negative(_mm512_sub_ps(s, most), zero));
        _mm512_mask_storeu_ps(x + j, lanes, e);
        sum = _mm512_add_ps(sum, e);
    }
    const __m512 r = _mm512_set1_ps(1.0f / sum_lanes(sum));
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
        _mm512_mask_storeu_ps(x + j, lanes, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + j), r));
    }
    if (p->n_all > n) memset(x + n, 0, (p->n_all - n) * sizeof *x);
}
