/* seven_ref.c - the meaning of gemm_seven: Strassen's products in plain loops. */
#include "kernels/ref/end.h"

#include <string.h>

enum { MR = 4, NR = 16 };

/* Halves of A, B that a product takes: 11, 12, 21, 22 are 0 to 3; and the tiles of C that it goes to. */
static const struct {
    signed char a[4], b[4], c[4];
} products[AT_SEVEN] = {
    {{1, 0, 0, 1}, {1, 0, 0, 1}, {1, 0, 0, 1}},  {{0, 0, 1, 1}, {1, 0, 0, 0}, {0, 0, 1, -1}},
    {{1, 0, 0, 0}, {0, 1, 0, -1}, {0, 1, 0, 1}}, {{0, 0, 0, 1}, {-1, 0, 1, 0}, {1, 0, 1, 0}},
    {{1, 1, 0, 0}, {0, 0, 0, 1}, {-1, 1, 0, 0}}, {{-1, 0, 1, 0}, {1, 1, 0, 0}, {0, 0, 0, 1}},
    {{0, 1, 0, -1}, {0, 0, 1, 1}, {1, 0, 0, 0}},
};

/* sum of sign[h] * x[h]; a difference is one, whichever comes first. */
static float combine(const signed char sign[4], const float x[4])
{
    float sum = 0.0f;
    for (size_t h = 0; h < 4; h++)
        if (sign[h]) sum += (float)sign[h] * x[h];
    return sum;
}

void at_seven_rows_ref(size_t rows, size_t k, const float *x, size_t ldx, float *y, size_t plane)
{
    for (size_t r = 0; r < MR; r++)
        for (size_t i = 0; i < k; i++) {
            float a[4];
            for (size_t h = 0; h < 4; h++) {
                const size_t row = h / 2 * MR + r;
                a[h] = row < rows ? x[row * ldx + h % 2 * k + i] : 0.0f;
            }
            for (size_t s = 0; s < AT_SEVEN; s++)
                y[s * plane + r * k + i] = combine(products[s].a, a);
        }
}

/* Number i of panel q in floats. */
static float weight(const at_gemm_seven *p, size_t q, size_t i)
{
    float f;
    const char *at = (const char *)p->b[q] + i * at_dtype_size(p->type);
    if (p->type == AT_F16)
        at_f32_of_f16_ref(1, at, &f);
    else if (p->type == AT_BF16)
        at_f32_of_bf16_ref(1, at, &f);
    else
        memcpy(&f, at, sizeof f);
    return f;
}

void at_gemm_seven_ref(const at_gemm_seven *p)
{
    const size_t couples = (p->m + 2 * MR - 1) / (2 * MR), half = p->k * NR;
    for (size_t s = 0; s < AT_SEVEN; s++) {
        for (size_t i = 0; i < half; i++) {
            const float b[4] = {weight(p, 0, i), weight(p, 1, i), weight(p, 0, half + i),
                                weight(p, 1, half + i)};
            p->room[i] = combine(products[s].b, b);
        }
        for (size_t c = 0; c < couples * MR * NR; c++) {
            const size_t couple = c / (MR * NR), r = c / NR % MR, j = c % NR;
            const float *a = p->a + s * p->plane + (couple * MR + r) * p->k;
            float sum = 0.0f;
            for (size_t i = 0; i < p->k; i++)
                sum += a[i] * p->room[i * NR + j];
            for (size_t h = 0; h < 4; h++) {
                float *to = p->sums + ((couple * 4 + h) * MR + r) * NR + j;
                if (p->first && s == 0) *to = 0.0f;
                if (products[s].c[h]) *to += (float)products[s].c[h] * sum;
            }
        }
    }
    for (size_t i = 0; p->last && i < p->m; i++)
        for (size_t q = 0; q < 2; q++)
            end_row(at_gemm_end_at(p->end, i, q * NR), at_min_size(NR, p->n - q * NR),
                    p->sums + ((i / MR * 2 + q) * MR + i % MR) * NR);
}
