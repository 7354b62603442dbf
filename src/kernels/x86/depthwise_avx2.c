/* depthwise_avx2.c - a row of a 3x3 depthwise convolution: eight channels at a time, whose nine weights
 * stay in registers along the row. Bound by its nine loads a vector of output. */
#include "kernels/x86/vec.h"

static inline __m256 act_of(__m256 s, at_end_act act)
{
    if (act >= AT_END_RELU) s = _mm256_max_ps(_mm256_setzero_ps(), s);
    if (act == AT_END_RELU6) s = _mm256_min_ps(_mm256_set1_ps(6.0f), s);
    return s;
}

/* Channels [i, i + 8) of output ox, any taps missing. */
static __m256 border(const at_depthwise_row *p, size_t i, size_t ox)
{
    __m256 s = p->bias ? _mm256_loadu_ps(p->bias + i) : _mm256_setzero_ps();
    for (size_t tap = 0; tap < 9; tap++) {
        const float *row = p->rows[tap / 3];
        const size_t ix = ox * p->stride + tap % 3; // + pad
        if (!row || ix < p->pad || ix - p->pad >= p->w) continue;
        const __m256 x = _mm256_loadu_ps(row + (ix - p->pad) * p->c + i);
        s = _mm256_fmadd_ps(x, _mm256_loadu_ps(p->weight + tap * p->c + i), s);
    }
    return act_of(s, p->act);
}

static void channels_8(const at_depthwise_row *p, size_t i)
{
    // outputs [lo, hi) have all nine taps
    size_t lo = (p->pad + p->stride - 1) / p->stride,
           hi = p->w + p->pad >= 3 ? (p->w + p->pad - 3) / p->stride + 1 : 0;
    if (hi > p->out_w) hi = p->out_w;
    if (!p->rows[0] || !p->rows[1] || !p->rows[2] || lo > hi) lo = hi = 0;
    for (size_t ox = 0; ox < lo; ox++)
        _mm256_storeu_ps(p->y + ox * p->c + i, border(p, i, ox));
    __m256 w[9];
#pragma GCC unroll 9
    for (size_t tap = 0; tap < 9; tap++)
        w[tap] = _mm256_loadu_ps(p->weight + tap * p->c + i);
    const __m256 bias = p->bias ? _mm256_loadu_ps(p->bias + i) : _mm256_setzero_ps();
    const bool inner = lo < hi; // else rows may be NULL, and there is nothing to point at
    const size_t c = p->c, from = inner ? (lo * p->stride - p->pad) * c + i : 0;
    const float *r0 = inner ? p->rows[0] + from : NULL;
    const float *r1 = inner ? p->rows[1] + from : NULL;
    const float *r2 = inner ? p->rows[2] + from : NULL;
    for (size_t ox = lo; ox < hi;
         ox++, r0 += p->stride * c, r1 += p->stride * c, r2 += p->stride * c) {
        __m256 s = _mm256_fmadd_ps(_mm256_loadu_ps(r0), w[0], bias);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r0 + c), w[1], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r0 + 2 * c), w[2], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r1), w[3], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r1 + c), w[4], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r1 + 2 * c), w[5], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r2), w[6], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r2 + c), w[7], s);
        s = _mm256_fmadd_ps(_mm256_loadu_ps(r2 + 2 * c), w[8], s);
        _mm256_storeu_ps(p->y + ox * c + i, act_of(s, p->act));
    }
    for (size_t ox = hi; ox < p->out_w; ox++)
        _mm256_storeu_ps(p->y + ox * c + i, border(p, i, ox));
}

/* One channel, as `border` does. */
static void channel(const at_depthwise_row *p, size_t i)
{
    for (size_t ox = 0; ox < p->out_w; ox++) {
        __m128 s = p->bias ? _mm_load_ss(p->bias + i) : _mm_setzero_ps();
        for (size_t tap = 0; tap < 9; tap++) {
            const float *row = p->rows[tap / 3];
            const size_t ix = ox * p->stride + tap % 3;
            if (!row || ix < p->pad || ix - p->pad >= p->w) continue;
            s = _mm_fmadd_ss(_mm_load_ss(row + (ix - p->pad) * p->c + i),
                             _mm_load_ss(p->weight + tap * p->c + i), s);
        }
        if (p->act >= AT_END_RELU) s = _mm_max_ss(_mm_setzero_ps(), s);
        if (p->act == AT_END_RELU6) s = _mm_min_ss(_mm_set_ss(6.0f), s);
        _mm_store_ss(p->y + ox * p->c + i, s);
    }
}

void at_depthwise_row_avx2(const at_depthwise_row *p)
{
    size_t i = 0;
    for (; i + 8 <= p->c; i += 8)
        channels_8(p, i);
    for (; i < p->c; i++)
        channel(p, i);
}
