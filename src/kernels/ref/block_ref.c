/* block_ref.c - the meaning of weights in blocks: those of a panel lie side by side, so that a row of the
 * panel is read at once. A product is gemm_panel's of the panel in floats. */
#include "base/half.h"
#include "kernels/ref/end.h"

#include <string.h>

enum { NR = 16 };

void at_block_panel_ref(at_dtype type, size_t blocks, size_t nr, const void *b, float *y)
{
    const uint8_t *at = b;
    for (size_t block = 0; block < blocks; block++, at += nr * at_dtype_size(type)) {
        const uint8_t *q = at + 2 * nr;
        for (size_t i = 0; i < AT_BLOCK; i++) {
            for (size_t j = 0; j < nr; j++, y++) {
                uint16_t step;
                memcpy(&step, at + 2 * j, sizeof step);
                const int n = type == AT_Q8_0 ? (int8_t)q[i * nr + j]
                                              : (q[i % 16 * nr + j] >> (i < 16 ? 0 : 4) & 15) - 8;
                *y = (float)n * at_f32_of_f16(step);
            }
        }
    }
}

void at_block_rows_ref(const at_gemm_rows *p)
{
    float floats[AT_BLOCK * NR], partial[AT_FEW_ROWS * NR];
    const size_t block = NR * at_dtype_size(p->type);
    for (size_t col = 0; col < p->n; col += NR) {
        const char *panel = (const char *)p->b + col / NR * (p->k / AT_BLOCK) * block;
        float sums[AT_FEW_ROWS * NR] = {0};
        for (size_t k0 = 0; k0 < p->k; k0 += p->depth) {
            const size_t end = at_min_size(p->k, k0 + p->depth);
            memset(partial, 0, sizeof partial);
            for (size_t k = k0; k < end; k++) {
                if (k % AT_BLOCK == 0)
                    at_block_panel_ref(p->type, 1, NR, panel + k / AT_BLOCK * block, floats);
                for (size_t i = 0; i < p->m; i++)
                    for (size_t j = 0; j < NR; j++)
                        partial[i * NR + j] += p->a[i * p->lda + k] * floats[k % AT_BLOCK * NR + j];
            }
            for (size_t i = 0; i < p->m * NR; i++)
                sums[i] = k0 ? sums[i] + partial[i] : partial[i];
        }
        for (size_t i = 0; i < p->m; i++)
            end_row(at_gemm_end_at(p->end, i, col), at_min_size(NR, p->n - col), sums + i * NR);
    }
}
