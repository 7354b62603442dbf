/* block_avx512.c - panels of 32 columns in blocks; nibbles by a table in a register; see block.h. */
#define AT_VEC_512
#include "kernels/x86/block.h"

BLOCK_LEVEL(avx512)
