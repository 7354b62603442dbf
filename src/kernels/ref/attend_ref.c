/* attend_ref.c - the meaning of a head of attention. The room holds one row's weights. */
#include "kernels/kernels.h"

#include <math.h>

static size_t row_of(const int32_t *rows, size_t i)
{
    return rows ? (size_t)rows[i] : i;
}

/* Weights of query i for n keys, not divided by their sum; gives the sum. */
static double weights(const at_attend_head *p, size_t i, size_t n, float *w)
{
    const float *q = p->q + row_of(p->q_rows, i) * p->ldq;
    float most = -INFINITY;
    for (size_t j = 0; j < n; j++) {
        const float *k = p->k + row_of(p->k_rows, j) * p->ldkv;
        float s = 0.0f;
        for (size_t c = 0; c < p->dim; c++)
            s += q[c] * k[c];
        s *= p->scale;
        if (p->bias) s += p->bias[i * p->ld_bias + j];
        if (p->region && p->region[j] != p->own[i]) s -= 100.0f;
        if (p->mask) s += p->mask[j];
        w[j] = s;
        if (s > most) most = s;
    }
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        w[j] = (float)exp((double)(w[j] - most)); // a NaN comes back here
        sum += (double)w[j];
    }
    return sum;
}

void at_attend_f32_ref(const at_attend_head *p)
{
    for (size_t i = 0; i < p->n_q; i++) {
        const size_t n = at_attend_seen(p, i);
        const float by = n ? (float)(1.0 / weights(p, i, n, p->room)) : 0.0f;
        float *out = p->out + row_of(p->q_rows, i) * p->ldo;
        for (size_t c = 0; c < p->dim; c++)
            out[c] = 0.0f;
        for (size_t j = 0; j < n; j++) {
            const float *v = p->v + row_of(p->k_rows, j) * p->ldkv, w = ((float *)p->room)[j];
            for (size_t c = 0; c < p->dim; c++)
                out[c] += w * v[c];
        }
        for (size_t c = 0; c < p->dim; c++)
            out[c] *= by;
    }
}

void at_attend_bf16_ref(const at_attend_head *p)
{
    at_attend_f32_ref(p);
}
