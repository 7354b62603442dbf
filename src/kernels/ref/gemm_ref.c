/* gemm_ref.c - the meaning of gemm_panel and of packing; plain loops, one rounding an operation. */
#include "kernels/ref/end.h"

#include <string.h>

enum { NR = 16 };

static void widen(size_t n, const void *x, at_dtype type, float *y)
{
    if (type == AT_F32) memcpy(y, x, n * sizeof *y);
    if (type == AT_F16) at_f32_of_f16_ref(n, x, y);
    if (type == AT_BF16) at_f32_of_bf16_ref(n, x, y);
}

void at_gemm_panel_ref(const at_gemm_panel *p)
{
    for (size_t i = 0; i < p->m; i++) {
        float s[NR] = {0};
        for (size_t k = 0; k < p->k; k++) {
            const float a = p->a[i * p->lda + k];
            float b[NR];
            widen(NR, (const char *)p->b + k * NR * at_dtype_size(p->type), p->type, b);
            for (size_t j = 0; j < NR; j++)
                s[j] += a * b[j];
        }
        if (!p->first)
            for (size_t j = 0; j < NR; j++)
                s[j] += p->partial[i * NR + j];
        if (p->last)
            end_row(at_gemm_end_at(p->end, i, 0), p->n, s);
        else
            memcpy(p->partial + i * NR, s, sizeof s);
    }
}

void at_gemm_rows_ref(const at_gemm_rows *p)
{
    const size_t size = at_dtype_size(p->type);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j += NR) {
            const char *panel = (const char *)p->b + j * p->k * size;
            float total[NR] = {0};
            for (size_t k0 = 0; k0 < p->k; k0 += p->depth) {
                const size_t end = at_min_size(p->k, k0 + p->depth);
                float s[NR] = {0};
                for (size_t k = k0; k < end; k++) {
                    float b[NR];
                    widen(NR, panel + k * NR * size, p->type, b);
                    for (size_t c = 0; c < NR; c++)
                        s[c] += p->a[i * p->lda + k] * b[c];
                }
                for (size_t c = 0; c < NR; c++)
                    total[c] = k0 ? s[c] + total[c] : s[c];
            }
            end_row(at_gemm_end_at(p->end, i, j), at_min_size(NR, p->n - j), total);
        }
    }
}

// by bytes: a file's data may lie at any address
static void pack(size_t size, size_t k, size_t rows, const void *src, size_t ld, void *dst,
                 size_t nr)
{
    const char *from = src;
    char *to = dst;
    for (size_t i = 0; i < k; i++) {
        for (size_t r = 0; r < rows; r++)
            memcpy(to + (i * nr + r) * size, from + (r * ld + i) * size, size);
        memset(to + (i * nr + rows) * size, 0, (nr - rows) * size);
    }
}

void at_pack_32_ref(size_t k, size_t rows, const void *src, size_t ld, void *dst, size_t nr)
{
    pack(4, k, rows, src, ld, dst, nr);
}

void at_pack_16_ref(size_t k, size_t rows, const void *src, size_t ld, void *dst, size_t nr)
{
    pack(2, k, rows, src, ld, dst, nr);
}
