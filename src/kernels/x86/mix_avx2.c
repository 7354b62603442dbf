/* mix_avx2.c - dot products of stored rows with a vector, and weighted sums of them: RAM++'s
 * re-weighting. Bound by memory: 16-bit rows are widened in registers. Nothing behind a row is read. */
#include "kernels/x86/vec.h"

#include <math.h>

/* n < 8 elements, zeros behind them. */
#define LOAD_FIRST(type, size)                                                \
    static inline __m256 load_first_##type(const char *w, size_t i, size_t n) \
    {                                                                         \
        char room[8 * (size)] = {0};                                          \
        memcpy(room, w + (size)*i, n * (size));                               \
        return load_##type(room);                                             \
    }
LOAD_FIRST(f32, 4)
LOAD_FIRST(f16, 2)
LOAD_FIRST(bf16, 2)

#define DOTS_AND_MIX(type, size)                                                                   \
    void at_dots_##type##_avx2(size_t rows, size_t n, const void *w, size_t ld, const float *x,    \
                               float *y)                                                           \
    {                                                                                              \
        const size_t n8 = n / 8 * 8;                                                               \
        const __m256 x_last = n8 < n ? load_first(x + n8, n - n8) : _mm256_setzero_ps();           \
        for (size_t j = 0; j < rows; j++) {                                                        \
            const char *row = (const char *)w + j * ld * (size);                                   \
            __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),          \
                           _mm256_setzero_ps()};                                                   \
            size_t i = 0;                                                                          \
            for (; i + 32 <= n; i += 32)                                                           \
                _Pragma("GCC unroll 4") for (size_t v = 0; v < 4; v++)                             \
                    s[v] = _mm256_fmadd_ps(load_##type(row + (size) * (i + 8 * v)),                \
                                           _mm256_loadu_ps(x + i + 8 * v), s[v]);                  \
            for (; i < n8; i += 8)                                                                 \
                s[0] = _mm256_fmadd_ps(load_##type(row + (size)*i), _mm256_loadu_ps(x + i), s[0]); \
            if (i < n) s[1] = _mm256_fmadd_ps(load_first_##type(row, i, n - i), x_last, s[1]);     \
            y[j] = sum_lanes(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]))); \
        }                                                                                          \
    }                                                                                              \
    void at_mix_##type##_avx2(size_t rows, size_t n, const void *w, size_t ld, const float *p,     \
                              bool more, float *y)                                                 \
    {                                                                                              \
        const size_t step = ld * (size);                                                           \
        size_t i = 0;                                                                              \
        for (; i + 32 <= n; i += 32) {                                                             \
            __m256 s[4];                                                                           \
            _Pragma("GCC unroll 4") for (size_t v = 0; v < 4; v++)                                 \
                s[v] = more ? _mm256_loadu_ps(y + i + 8 * v) : _mm256_setzero_ps();                \
            const char *row = w;                                                                   \
            for (size_t j = 0; j < rows; j++, row += step) {                                       \
                const __m256 pj = _mm256_broadcast_ss(p + j);                                      \
                _Pragma("GCC unroll 4") for (size_t v = 0; v < 4; v++)                             \
                    s[v] = _mm256_fmadd_ps(pj, load_##type(row + (size) * (i + 8 * v)), s[v]);     \
            }                                                                                      \
            _Pragma("GCC unroll 4") for (size_t v = 0; v < 4; v++)                                 \
                _mm256_storeu_ps(y + i + 8 * v, s[v]);                                             \
        }                                                                                          \
        for (; i < n; i += 8) {                                                                    \
            const size_t left = n - i < 8 ? n - i : 8;                                             \
            __m256 s = !more       ? _mm256_setzero_ps()                                           \
                       : left == 8 ? _mm256_loadu_ps(y + i)                                        \
                                   : load_first(y + i, left);                                      \
            const char *row = w;                                                                   \
            for (size_t j = 0; j < rows; j++, row += step) {                                       \
                const __m256 wj = left == 8 ? load_##type(row + (size)*i)                          \
                                            : load_first_##type(row, i, left);                     \
                s = _mm256_fmadd_ps(_mm256_broadcast_ss(p + j), wj, s);                            \
            }                                                                                      \
            if (left == 8)                                                                         \
                _mm256_storeu_ps(y + i, s);                                                        \
            else                                                                                   \
                store_first(y + i, s, left);                                                       \
        }                                                                                          \
    }
DOTS_AND_MIX(f32, 4)
DOTS_AND_MIX(f16, 2)
DOTS_AND_MIX(bf16, 2)
