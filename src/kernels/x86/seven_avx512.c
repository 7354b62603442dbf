/* seven_avx512.c - Strassen's seven products in tiles of 12 x 32; see gemm_seven.h. */
#define AT_VEC_512
#include "kernels/x86/gemm_seven.h"

void at_seven_rows_avx512(size_t rows, size_t k, const float *x, size_t ldx, float *y, size_t plane)
{
    halves_of_a(rows, k, x, ldx, y, plane);
}

void at_gemm_seven_avx512(const at_gemm_seven *p)
{
    seven_products(p);
}
