/* cpu.c - see cpu.h */
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static unsigned features;
static bool named;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct level {
    const char *name;
    unsigned mask; // what may be used at this level
} levels[] = {
    {"ref", 0},
    {"avx2", AT_CPU_AVX2},
    {"avxvnni", AT_CPU_AVX2 | AT_CPU_AVXVNNI},
    {"avx512", AT_CPU_AVX2 | AT_CPU_AVX512},
    {"avx512vnni", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI},
    {"avx512bf16", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI | AT_CPU_AVX512BF16},
    {"amx", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI | AT_CPU_AVX512BF16 | AT_CPU_AMX},
};

#if defined(__x86_64__)
/* Not every compiler's builtin knows the name "f16c". CPUID leaf 1, ECX bit 29. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 29));
}

/* Leaf 7, subleaf 1, EAX: bit 4 is AVX-VNNI, bit 5 is AVX512-BF16. */
static bool has_leaf_7_1(int bit)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << bit));
}

/* Leaf 7, EDX bits 22, 24 and 25: bfloat16, tiles, bytes. XCR0 bits 17 and 18: the system saves tiles. */
static bool has_amx(void)
{
    const unsigned tiles = 1u << 22 | 1u << 24 | 1u << 25, saved = 3u << 17;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return false; // OSXSAVE
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & tiles) != tiles) return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & saved) == saved;
}

/* Tiles are 8 KiB a thread, so Linux gives them to processes that ask (since 5.16). */
static bool may_use_tiles(void)
{
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}
#endif

static void probe(void)
{
#if defined(__x86_64__)
    // these builtins ask XGETBV too: a level counts only if the system saves its registers
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
        __builtin_cpu_supports("bmi2"))
        features |= AT_CPU_AVX2;
    if ((features & AT_CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        features |= AT_CPU_AVX512;
    if ((features & AT_CPU_AVX2) && has_leaf_7_1(4)) features |= AT_CPU_AVXVNNI;
    if ((features & AT_CPU_AVX512) && __builtin_cpu_supports("avx512vnni"))
        features |= AT_CPU_AVX512VNNI;
    if ((features & AT_CPU_AVX512VNNI) && has_leaf_7_1(5)) features |= AT_CPU_AVX512BF16;
    if ((features & AT_CPU_AVX512BF16) && has_amx()) features |= AT_CPU_AMX;
#endif
    const char *cap = getenv("ANYTAG_CPU");
    for (size_t i = 0; cap && i < AT_COUNT(levels); i++)
        if (strcmp(cap, levels[i].name) == 0) features &= levels[i].mask, named = true;
#if defined(__x86_64__)
    if ((features & AT_CPU_AMX) && !may_use_tiles()) features &= ~(unsigned)AT_CPU_AMX;
#endif
}

unsigned at_cpu_features(void)
{
    pthread_once(&once, probe);
    return features;
}

bool at_cpu_named(void)
{
    pthread_once(&once, probe);
    return named;
}

const char *at_cpu_level_name(unsigned wanted)
{
    const char *name = levels[0].name;
    for (size_t i = 1; i < AT_COUNT(levels); i++)
        if ((wanted & levels[i].mask) == levels[i].mask) name = levels[i].name;
    return name;
}
