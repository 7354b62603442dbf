/* rows_avx2.c - LayerNorm, softmax and mean of rows. Lanes are added in one fixed tree. */
#include "kernels/x86/math.h"

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

/* What softmax adds to the scores of one row. */
typedef struct terms {
    const float *bias, *mask; // each NULL or with readable slack behind it
    const uint8_t *region;
    __m256i own;
    __m256 scale;
} terms;

/* Eight scores from j on. `all` is a constant: false where there is nothing but a bias. */
static inline __attribute__((always_inline)) __m256 score(const terms *t, const float *x, size_t j,
                                                          bool all)
{
    __m256 s = _mm256_mul_ps(t->scale, _mm256_loadu_ps(x + j));
    if (!all) return _mm256_add_ps(s, _mm256_loadu_ps(t->bias + j));
    if (t->bias) s = _mm256_add_ps(s, _mm256_loadu_ps(t->bias + j));
    if (t->region) {
        const __m256i region = _mm256_cvtepu8_epi32(
            _mm_loadl_epi64((const __m128i *)(t->region + j)));
        const __m256 same = _mm256_castsi256_ps(_mm256_cmpeq_epi32(region, t->own));
        s = _mm256_sub_ps(s, _mm256_andnot_ps(same, _mm256_set1_ps(100.0f)));
    }
    if (t->mask) s = _mm256_add_ps(s, _mm256_loadu_ps(t->mask + j));
    return s;
}

/* n scores take their terms; lanes behind them, where x has them, become -inf. Gives the largest. */
static inline __attribute__((always_inline)) __m256 scores(const terms *t, float *x, size_t n,
                                                           bool all)
{
    const __m256 nothing = _mm256_set1_ps(-INFINITY);
    __m256 most = nothing;
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        const __m256 s = score(t, x, j, all);
        _mm256_storeu_ps(x + j, s);
        most = _mm256_max_ps(s, most); // a NaN that this forgets comes back through exp
    }
    if (j < n) {
        const __m256 s = _mm256_blendv_ps(nothing, score(t, x, j, all),
                                          _mm256_castsi256_ps(first_lanes(n - j)));
        store_first(x + j, s, n - j);
        most = _mm256_max_ps(s, most);
    }
    return _mm256_set1_ps(max_lanes(most));
}

/* x becomes exp(x - most); gives the sum. */
static inline float powers(float *x, size_t n, __m256 most)
{
    __m256 sum = _mm256_setzero_ps();
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        const __m256 e = exp_of_negative(_mm256_sub_ps(_mm256_loadu_ps(x + j), most));
        _mm256_storeu_ps(x + j, e);
        sum = _mm256_add_ps(sum, e);
    }
    if (j < n) {
        const __m256 e = exp_of_negative(_mm256_sub_ps(load_first(x + j, n - j), most));
        store_first(x + j, e, n - j);
        sum = _mm256_add_ps(sum, _mm256_and_ps(e, _mm256_castsi256_ps(first_lanes(n - j))));
    }
    return sum_lanes(sum);
}

static inline void scale_by(float *x, size_t n, float r)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8)
        _mm256_storeu_ps(x + j, _mm256_mul_ps(_mm256_loadu_ps(x + j), _mm256_set1_ps(r)));
    for (; j < n; j++)
        x[j] *= r;
}

/* A few rows go through each pass together, so that one row's last additions overlap the next's first. */
enum { TOGETHER = 8 };

void at_softmax_avx2(const at_softmax *p)
{
    const bool all = !p->bias || p->region || p->mask;
    terms t = {.mask = p->mask, .region = p->region, .scale = _mm256_set1_ps(p->scale)};
    for (size_t first = 0; first < p->rows; first += TOGETHER) {
        const size_t rows = p->rows - first < TOGETHER ? p->rows - first : TOGETHER;
        __m256 most[TOGETHER];
        float sum[TOGETHER];
        size_t n[TOGETHER];
        for (size_t i = 0; i < rows; i++) {
            float *x = p->x + (first + i) * p->ldx;
            n[i] = at_softmax_seen(p, first + i);
            t.bias = p->bias ? p->bias + (first + i) * p->ld_bias : NULL;
            if (p->region) t.own = _mm256_set1_epi32(p->own[first + i]);
            most[i] = all ? scores(&t, x, n[i], true) : scores(&t, x, n[i], false);
        }
        for (size_t i = 0; i < rows; i++)
            sum[i] = powers(p->x + (first + i) * p->ldx, n[i], most[i]);
        for (size_t i = 0; i < rows; i++) {
            float *x = p->x + (first + i) * p->ldx;
            scale_by(x, n[i], 1.0f / sum[i]);
            for (size_t j = n[i]; j < p->n; j++)
                x[j] = 0.0f;
        }
    }
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
