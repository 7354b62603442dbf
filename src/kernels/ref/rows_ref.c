/* rows_ref.c - kernels over whole rows: LayerNorm, softmax, mean, dots and weighted sums. */
#include "base/half.h"
#include "kernels/kernels.h"

#include <math.h>

void at_layer_norm_ref(size_t n, const float *x, const float *gamma, const float *beta, float eps,
                       float *y)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    const double mean = sum / (double)n;
    double squares = 0.0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double r = 1.0 / sqrt(squares / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * r * (double)gamma[i] + (double)beta[i]);
}

void at_softmax_ref(const at_softmax *p)
{
    for (size_t i = 0; i < p->rows; i++) {
        const size_t n = at_softmax_seen(p, i);
        float *x = p->x + i * p->ldx;
        float most = -INFINITY;
        for (size_t j = 0; j < n; j++) {
            float s = p->scale * x[j];
            if (p->bias) s += p->bias[i * p->ld_bias + j];
            if (p->region && p->region[j] != p->own[i]) s -= 100.0f;
            if (p->mask) s += p->mask[j];
            x[j] = s;
            if (s > most) most = s;
        }
        double sum = 0.0;
        for (size_t j = 0; j < n; j++) {
            x[j] = (float)exp((double)(x[j] - most)); // a NaN comes back here
            sum += (double)x[j];
        }
        const float r = (float)(1.0 / sum);
        for (size_t j = 0; j < n; j++)
            x[j] *= r;
        for (size_t j = n; j < p->n; j++)
            x[j] = 0.0f;
    }
}

/* Blocks of 16 rows are added in order, block sums like the carries of a binary counter: the tree
 * depends on `rows` alone. */
void at_mean_rows_ref(size_t rows, size_t n, const float *x, size_t ldx, float *y)
{
    for (size_t i = 0; i < n; i++) {
        float level[64];
        size_t blocks = 0;
        for (size_t r = 0; r < rows; r += 16, blocks++) {
            float s = 0.0f;
            for (size_t k = r; k < rows && k < r + 16; k++)
                s += x[k * ldx + i];
            size_t l = 0;
            for (; blocks >> l & 1; l++)
                s = level[l] + s;
            level[l] = s;
        }
        float sum = 0.0f;
        for (size_t l = 0; blocks >> l; l++)
            if (blocks >> l & 1) sum = level[l] + sum;
        y[i] = sum / (float)rows;
    }
}

static float load_f32(const char *w, size_t i)
{
    float f; // a file's data may lie at any address
    memcpy(&f, w + 4 * i, sizeof f);
    return f;
}

static uint16_t load_16(const char *w, size_t i)
{
    uint16_t h;
    memcpy(&h, w + 2 * i, sizeof h);
    return h;
}

static float load_f16(const char *w, size_t i)
{
    return at_f32_of_f16(load_16(w, i));
}
static float load_bf16(const char *w, size_t i)
{
    return at_f32_of_bf16(load_16(w, i));
}

#define DOTS_AND_MIX(type)                                                                     \
    void at_dots_##type##_ref(size_t rows, size_t n, const void *w, size_t ld, const float *x, \
                              float *y)                                                        \
    {                                                                                          \
        for (size_t j = 0; j < rows; j++) {                                                    \
            double s = 0.0;                                                                    \
            for (size_t i = 0; i < n; i++)                                                     \
                s += (double)x[i] * (double)load_##type(w, j * ld + i);                        \
            y[j] = (float)s;                                                                   \
        }                                                                                      \
    }                                                                                          \
    void at_mix_##type##_ref(size_t rows, size_t n, const void *w, size_t ld, const float *p,  \
                             bool more, float *y)                                              \
    {                                                                                          \
        for (size_t i = 0; i < n; i++) {                                                       \
            float s = more ? y[i] : 0.0f;                                                      \
            for (size_t j = 0; j < rows; j++)                                                  \
                s += p[j] * load_##type(w, j * ld + i);                                        \
            y[i] = s;                                                                          \
        }                                                                                      \
    }
DOTS_AND_MIX(f32)
DOTS_AND_MIX(f16)
DOTS_AND_MIX(bf16)
