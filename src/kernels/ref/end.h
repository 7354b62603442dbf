/* end.h - the meaning of at_gemm_end: one rounding an operation. */
#ifndef AT_KERNELS_REF_END_H
#define AT_KERNELS_REF_END_H

#include "kernels/kernels.h"

/* A row of n sums. */
static inline void end_row(const at_gemm_end e, size_t n, const float *sums)
{
    for (size_t j = 0; j < n; j++) {
        float s = e.bias ? sums[j] + e.bias[j] : sums[j];
        if (e.act == AT_END_GELU) at_gelu_ref(1, &s, &s);
        if (e.act == AT_END_QUICK_GELU) at_quick_gelu_ref(1, &s, &s);
        if (e.act == AT_END_GELU_COARSE) at_gelu_coarse_ref(1, &s, &s);
        if (e.act == AT_END_RELU || e.act == AT_END_RELU6) s = s < 0.0f ? 0.0f : s;
        if (e.act == AT_END_RELU6) s = s > 6.0f ? 6.0f : s;
        e.y[j] = e.residual ? s + e.residual[j] : s;
    }
}

#endif
