/* block_avx2.c - panels of 16 columns in blocks; see block.h. */
#include "kernels/x86/block.h"

BLOCK_LEVEL(avx2)
