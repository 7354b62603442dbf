/* simd.h - the intrinsics. AT_SIMDE builds the same kernels over SIMDe, so that checkkern can verify
 * AVX-512 code, slowly, on a machine without it; the library is never built so. */
#ifndef AT_KERNELS_X86_SIMD_H
#define AT_KERNELS_X86_SIMD_H

#ifdef AT_SIMDE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#else
#include <immintrin.h>
#endif

#endif
