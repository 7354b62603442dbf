/* bf16_amx.c - bfloat16 by tiles, tdpbf16ps: 16 x 16 sums of 32 products each in 16 cycles; see amx_panels.h. Rows
 * are never left to another instruction, whose order of sums is another. */
#define AT_VEC_512
#include "kernels/x86/simd.h"

#define AMX_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#define AMX_FLOATS(e, r, j) \
    V(load_ps)((const float *)(const void *)((e)->sums + (r)*PANEL_ROW) + (j))
#include "kernels/x86/amx_panels.h"

void at_gemm_bf16_amx(const at_gemm_bf16 *p)
{
    static const _Alignas(64) float zero[NR];
    at_gemm_bf16 one;
    tiles_begin();
    for (size_t j = 0; at_bf16_panel(p, &at_bf16_form_tiles, j, &one); j++) {
        const ending e = {.end = one.end, .n = one.n};
        run_panel(&e, one.m, one.a, one.lda, one.b, one.k * 2 / STEP, zero);
    }
    tiles_end();
}
