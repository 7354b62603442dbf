/* rows_avx512.c - LayerNorm and softmax of rows. Lanes are added in one fixed tree. */
#define AT_VEC_512
#include "kernels/x86/math.h"

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

/* Scores [j, j + 16) of row i, -inf where there are none. Region rows have readable slack behind them. */
static inline __m512 score(const at_softmax *p, size_t i, size_t j, __mmask16 lanes)
{
    __m512 s = _mm512_mul_ps(_mm512_set1_ps(p->scale),
                             _mm512_maskz_loadu_ps(lanes, p->x + i * p->ldx + j));
    if (p->bias) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, p->bias + i * p->ld_bias + j));
    if (p->region) {
        const __m512i region = _mm512_cvtepu8_epi32(
            _mm_loadu_si128((const __m128i *)(p->region + j)));
        const __mmask16 other = (__mmask16)~_mm512_cmpeq_epi32_mask(region,
                                                                    _mm512_set1_epi32(p->own[i]));
        s = _mm512_mask_sub_ps(s, other, s, _mm512_set1_ps(100.0f));
    }
    if (p->mask) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, p->mask + j));
    return _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), lanes, s);
}

/* Row i takes its terms; gives the largest score. */
static __m512 scores(const at_softmax *p, size_t i, size_t n)
{
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
        const __m512 s = score(p, i, j, lanes);
        _mm512_mask_storeu_ps(p->x + i * p->ldx + j, lanes, s);
        most = _mm512_max_ps(s, most); // a NaN that this forgets comes back through exp
    }
    return _mm512_set1_ps(max_lanes(most));
}

/* x becomes exp(x - most); gives the sum. */
static float powers(float *x, size_t n, __m512 most)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
        const __m512 s = _mm512_maskz_loadu_ps(lanes, x + j);
        const __m512 e = _mm512_maskz_mov_ps(lanes, exp_of_negative(_mm512_sub_ps(s, most)));
        _mm512_mask_storeu_ps(x + j, lanes, e);
        sum = _mm512_add_ps(sum, e);
    }
    return sum_lanes(sum);
}

/* A few rows go through each pass together, so that one row's last additions overlap the next's first. */
enum { TOGETHER = 8 };

void at_softmax_avx512(const at_softmax *p)
{
    for (size_t first = 0; first < p->rows; first += TOGETHER) {
        const size_t rows = p->rows - first < TOGETHER ? p->rows - first : TOGETHER;
        __m512 most[TOGETHER];
        float sum[TOGETHER];
        for (size_t i = 0; i < rows; i++)
            most[i] = scores(p, first + i, at_softmax_seen(p, first + i));
        for (size_t i = 0; i < rows; i++)
            sum[i] = powers(p->x + (first + i) * p->ldx, at_softmax_seen(p, first + i), most[i]);
        for (size_t i = 0; i < rows; i++) {
            const size_t n = at_softmax_seen(p, first + i);
            float *x = p->x + (first + i) * p->ldx;
            const __m512 r = _mm512_set1_ps(1.0f / sum[i]);
            for (size_t j = 0; j < n; j += 16) {
                const __mmask16 lanes = first_lanes(n - j < 16 ? n - j : 16);
                _mm512_mask_storeu_ps(x + j, lanes,
                                      _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + j), r));
            }
            for (size_t j = n; j < p->n; j++)
                x[j] = 0.0f;
        }
    }
}
