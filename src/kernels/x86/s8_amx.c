/* s8_amx.c - bytes by tiles, tdpbusd: 16 x 16 sums of 64 products each in 16 cycles; see amx_panels.h. */
#define AT_VEC_512
#include "kernels/x86/simd.h"

#define AMX_DOT(sum, a, b) _tile_dpbusd(sum, a, b)
/* Sixteen sums of a row, scaled. */
#define AMX_FLOATS(e, r, j)                                                                    \
    V(mul_ps)                                                                                  \
    (V(mul_ps)(                                                                                \
         V(cvtepi32_ps)(_mm512_load_si512((e)->sums + (r)*PANEL_ROW + (j) * sizeof(int32_t))), \
         V(set1_ps)((e)->a_scale[r])),                                                         \
     V(loadu_ps)((e)->scale + (j)))
#include "kernels/x86/amx_panels.h"

void at_gemm_s8_amx(const at_gemm_s8 *p)
{
    at_gemm_s8 one;
    tiles_begin();
    for (size_t j = 0; at_s8_panel(p, &at_s8_form_tiles, j, &one); j++) {
        const float *scale = one.b;
        const ending e = {.end = one.end, .n = one.n, .scale = scale, .a_scale = one.a_scale};
        const float *fix = scale + NR, *weights = fix + NR;
        run_panel(&e, one.m, one.a, one.lda, (const char *)weights, at_round_up(one.k, STEP) / STEP,
                  fix);
    }
    tiles_end();
}
