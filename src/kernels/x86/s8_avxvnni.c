/* s8_avxvnni.c - bytes by vpdpbusd of 256 bits: tiles of 6 x 16, or 12 x 8; see s8.h. */
#include "kernels/x86/s8.h"

S8_PANEL(6, 12)
S8_GEMM(avxvnni)
S8_QUANTIZE(avxvnni)
