/* s8_avx512vnni.c - bytes by vpdpbusd of 512 bits: tiles of 14 x 32, or 14 x 16; see s8.h. */
#define AT_VEC_512
#include "kernels/x86/s8.h"

S8_PANEL(14, 14)
S8_GEMM(avx512vnni)
S8_QUANTIZE(avx512vnni)
