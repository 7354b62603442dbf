/* cpu.h - what this processor can do and how much of it we may use. */
#ifndef AT_BASE_CPU_H
#define AT_BASE_CPU_H

#include "base/base.h"

/* Levels are bundles that exist in silicon. */
enum {
    AT_CPU_AVX2 = 1 << 0,   // AVX2 + FMA + F16C + BMI2 (Haswell, Zen)
    AT_CPU_AVX512 = 1 << 1, // AVX-512 F+BW+DQ+VL+CD (Skylake-X, Zen 4)
    // products of bytes: beside the levels above, neither is part of the other
    AT_CPU_AVXVNNI = 1 << 2,    // AVX2 + AVX-VNNI (Alder Lake, Zen 5)
    AT_CPU_AVX512VNNI = 1 << 3, // AVX-512 + VNNI (Ice Lake, Zen 4)
    // products of bfloat16
    AT_CPU_AVX512BF16 = 1 << 4, // AVX-512 + VNNI + BF16 (Cooper Lake, Zen 4)
    AT_CPU_AMX = 1 << 5,        // that and AMX tiles of bytes and bfloat16 (Sapphire Rapids)
    AT_CPU_ALL = (1 << 6) - 1,
};

/* Found by CPUID and the operating system's saved registers, capped by ANYTAG_CPU, the name of
 * a level. Probed once; the same for the life of the process. Where there are AMX tiles, Linux is asked
 * for the permission to use them, which holds for the process and its children. */
unsigned at_cpu_features(void);
/* True if ANYTAG_CPU names a level: then that is used, whatever would be quicker. */
bool at_cpu_named(void);
/* "ref", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx": the highest level of
 * `features`. */
const char *at_cpu_level_name(unsigned features);

#endif
