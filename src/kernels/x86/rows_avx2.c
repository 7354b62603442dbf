/* rows_avx2.c - LayerNorm, softmax and mean of rows. Lanes are added in one fixed tree. */
#include "kernels/x86/math_avx2.h"

#include <math.h>

/* Sum over i of (x[i] - less)^power, four chains of eight. */
#define SUM_OF(name, expression)                                                               \
    static float name(size_t n, const float *x, __m256 less)                                   \
    {                                                                                          \
        (void)less;                                                                            \
        __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),          \
                       _mm256_setzero_ps()};                                                   \
        size_t i = 0;                                                                          \
        for (; i + 32 <= n; i += 32)                                                           \
            _Pragma("GCC unroll 4") for (size_t v = 0; v < 4; v++)                             \
            {                                                                                  \
                const __m256 d = _mm256_loadu_ps(x + i + 8 * v);                               \
                s[v] = expression(s[v], d, less);                                              \
            }                                                                                  \
        for (; i + 8 <= n; i += 8)                                                             \
            s[0] = expression(s[0], _mm256_loadu_ps(x + i), less);                             \
        if (i < n) {                                                                           \
            const __m256 mask = _mm256_castsi256_ps(first_lanes(n - i));                       \
            /* lanes that are not there hold `less`, so they add nothing */                    \
            const __m256 d = _mm256_blendv_ps(less, load_first(x + i, n - i), mask);           \
            s[1] = expression(s[1], d, less);                                                  \
        }                                                                                      \
        return sum_lanes(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]))); \
    }
static inline __m256 plus(__m256 s, __m256 x, __m256 less)
{
    (void)less;
    return _mm256_add_ps(s, x);
}
static inline __m256 plus_square(__m256 s, __m256 x, __m256 less)
{
    const __m256 d = _mm256_sub_ps(x, less);
    return _mm256_fmadd_ps(d, d, s);
}
SUM_OF(sum_of, plus)
SUM_OF(sum_of_squares, plus_square)

void at_layer_norm_avx2(size_t n, const float *x, const float *gamma, const float *beta, float eps,
                        float *y)
{
    const __m256 mean = _mm256_set1_ps(sum_of(n, x, _mm256_setzero_ps()) / (float)n);
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(sum_of_squares(n, x, mean) / (float)n + eps));
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), mean), r);
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(d, _mm256_loadu_ps(gamma + i), _mm256_loadu_ps(beta + i)));
    }
    if (i < n) {
        const size_t left = n - i;
        const __m256 d = _mm256_mul_ps(_mm256_sub_ps(load_first(x + i, left), mean), r);
        store_first(y + i,
                    _mm256_fmadd_ps(d, load_first(gamma + i, left), load_first(beta + i, left)),
                    left);
    }
}

/* Eight scores from j on; bias, region and mask rows have readable slack behind them. */
static inline __m256 score(const at_softmax_row *p, size_t j)
{
    __m256 s = _mm256_mul_ps(_mm256_set1_ps(p->scale), _mm256_loadu_ps(p->x + j));
    if (p->bias) s = _mm256_add_ps(s, _mm256_loadu_ps(p->bias + j));
    if (p->region) {
        const __m256i region = _mm256_cvtepu8_epi32(
            _mm_loadl_epi64((const __m128i *)(p->region + j)));
        const __m256i same = _mm256_cmpeq_epi32(region, _mm256_set1_epi32(p->own));
        s = _mm256_sub_ps(s, _mm256_andnot_ps(_mm256_castsi256_ps(same), _mm256_set1_ps(100.0f)));
    }
    if (p->mask) s = _mm256_add_ps(s, _mm256_loadu_ps(p->mask + j));
    return s;
}

void at_softmax_row_avx2(const at_softmax_row *p)
{
    const size_t n = p->n;
    const size_t left = n % 8, n8 = n - left;
    float *x = p->x;
    const __m256 nothing = _mm256_set1_ps(-INFINITY);
    __m256 most = nothing, last = nothing;
    for (size_t j = 0; j < n8; j += 8) {
        const __m256 s = score(p, j);
        _mm256_storeu_ps(x + j, s);
        most = _mm256_max_ps(s, most); // a NaN that this forgets comes back through exp
    }
    if (left) {
        last = _mm256_blendv_ps(nothing, score(p, n8), _mm256_castsi256_ps(first_lanes(left)));
        most = _mm256_max_ps(last, most);
    }
    most = _mm256_set1_ps(max_lanes(most));

    const __m256 zero = _mm256_setzero_ps();
    __m256 sum = zero;
    for (size_t j = 0; j < n8; j += 8) {
        const __m256 e = exp_of_negative(_mm256_sub_ps(_mm256_loadu_ps(x + j), most), zero);
        _mm256_storeu_ps(x + j, e);
        sum = _mm256_add_ps(sum, e);
    }
    if (left) {
        // lanes that are not there are -inf, unless all is: then NaN is right for those that are
        last = exp_of_negative(_mm256_sub_ps(last, most), zero);
        last = _mm256_and_ps(last, _mm256_castsi256_ps(first_lanes(left)));
        sum = _mm256_add_ps(sum, last);
    }
    const __m256 r = _mm256_set1_ps(1.0f / sum_lanes(sum));
    for (size_t j = 0; j < n8; j += 8)
        _mm256_storeu_ps(x + j, _mm256_mul_ps(_mm256_loadu_ps(x + j), r));
    if (left) store_first(x + n8, _mm256_mul_ps(last, r), left);
    if (p->n_all > n) memset(x + n, 0, (p->n_all - n) * sizeof *x);
}

/* The tree of mean_rows_ref, eight columns at once. */
static __m256 sum_8_columns(size_t rows, const float *x, size_t ldx)
{
    __m256 level[64];
    size_t blocks = 0;
    for (size_t r = 0; r < rows; r += 16, blocks++) {
        __m256 s = _mm256_setzero_ps();
        for (size_t k = r; k < rows && k < r + 16; k++)
            s = _mm256_add_ps(s, _mm256_loadu_ps(x + k * ldx));
        size_t l = 0;
        for (; blocks >> l & 1; l++)
            s = _mm256_add_ps(level[l], s);
        level[l] = s;
    }
    __m256 sum = _mm256_setzero_ps();
    for (size_t l = 0; blocks >> l; l++)
        if (blocks >> l & 1) sum = _mm256_add_ps(level[l], sum);
    return sum;
}

void at_mean_rows_avx2(size_t rows, size_t n, const float *x, size_t ldx, float *y)
{
    const __m256 count = _mm256_set1_ps((float)rows);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_div_ps(sum_8_columns(rows, x + i, ldx), count));
    at_mean_rows_ref(rows, n - i, x + i, ldx, y + i);
}
