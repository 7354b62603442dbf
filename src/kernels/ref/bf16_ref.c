/* bf16_ref.c - the meaning of a product of bfloat16: the order of AMX tiles, in loops. */
#include "kernels/ref/end.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { NR = 16, DEPTH = 32 };

/* Numbers below the smallest normal one are zero, on the way in and out. */
static float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

static float number(const uint16_t *x)
{
    float y;
    at_f32_of_bf16_ref(1, x, &y);
    return flushed(y);
}

static void panel(const at_gemm_bf16 *p)
{
    const uint16_t *w = p->b;
    for (size_t i = 0; i < p->m; i++) {
        const uint16_t *a = (const uint16_t *)(const void *)((const char *)p->a + i * p->lda);
        float sums[NR];
        for (size_t j = 0; j < p->n; j++) {
            float s = 0.0f;
            for (size_t k0 = 0; k0 < p->k; k0 += DEPTH) {
                float part[2] = {0.0f, 0.0f};
                for (size_t k = k0; k < k0 + DEPTH; k++) {
                    const float x = number(&a[k]), y = number(&w[(k / 2 * NR + j) * 2 + k % 2]);
                    part[k % 2] = flushed(fmaf(x, y, part[k % 2]));
                }
                s = flushed(s + flushed(part[0] + part[1]));
            }
            sums[j] = s;
        }
        end_row(at_gemm_end_at(p->end, i, 0), p->n, sums);
    }
}

void at_gemm_bf16_ref(const at_gemm_bf16 *p)
{
    at_gemm_bf16 one;
    for (size_t j = 0; at_bf16_panel(p, &at_bf16_form_ref, j, &one); j++)
        panel(&one);
}
