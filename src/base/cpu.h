/* cpu.h - what this processor can do and how much of it we may use. */
#ifndef AT_BASE_CPU_H
#define AT_BASE_CPU_H

#include "base/base.h"

/* Levels are bundles that exist in silicon, each containing the ones before it. */
enum {
    AT_CPU_AVX2 = 1 << 0,   // AVX2 + FMA + F16C + BMI2 (Haswell, Zen)
    AT_CPU_AVX512 = 1 << 1, // AVX-512 F+BW+DQ+VL+CD (Skylake-X, Zen 4)
};

/* Found by CPUID and the operating system's saved registers, capped by ANYTAG_CPU=ref|avx2|avx512.
 * Probed once; the same for the life of the process. */
unsigned at_cpu_features(void);
/* "ref", "avx2", "avx512": the highest level of `features`. */
const char *at_cpu_level_name(unsigned features);

#endif
