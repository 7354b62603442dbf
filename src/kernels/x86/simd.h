/* simd.h - the intrinsics. With AT_SIMD_HEADER checkkern builds the same kernels over a translation, so
 * that AVX-512 code is verified, slowly, on a machine without it; the library is never built so. */
#ifndef AT_KERNELS_X86_SIMD_H
#define AT_KERNELS_X86_SIMD_H

#ifdef AT_SIMD_HEADER
#include AT_SIMD_HEADER
#else
#include <immintrin.h>
#endif

#endif
