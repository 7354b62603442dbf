/* seven_avx2.c - Strassen's seven products in tiles of 6 x 16; see gemm_seven.h. */
#include "kernels/x86/gemm_seven.h"

void at_seven_rows_avx2(size_t rows, size_t k, const float *x, size_t ldx, float *y, size_t plane)
{
    halves_of_a(rows, k, x, ldx, y, plane);
}

void at_gemm_seven_avx2(const at_gemm_seven *p)
{
    seven_products(p);
}
