/* cpu.c - see cpu.h */
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned features;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct level {
    const char *name;
    unsigned mask; // what may be used at this level
} levels[] = {
    {"ref", 0},
    {"avx2", AT_CPU_AVX2},
    {"avx512", AT_CPU_AVX2 | AT_CPU_AVX512},
};

#if defined(__x86_64__)
/* Not every compiler's builtin knows the name "f16c". CPUID leaf 1, ECX bit 29. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 29));
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
#endif
    const char *cap = getenv("ANYTAG_CPU");
    for (size_t i = 0; cap && i < AT_COUNT(levels); i++)
        if (strcmp(cap, levels[i].name) == 0) features &= levels[i].mask;
}

unsigned at_cpu_features(void)
{
    pthread_once(&once, probe);
    return features;
}

const char *at_cpu_level_name(unsigned wanted)
{
    const char *name = levels[0].name;
    for (size_t i = 1; i < AT_COUNT(levels); i++)
        if ((wanted & levels[i].mask) == levels[i].mask) name = levels[i].name;
    return name;
}

/* The quota of the control group this process runs in, in processors rounded up; 0: none. */
static int cgroup_quota(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!f) return 0;
    long quota = 0;
    long period = 0;
    const int n = fscanf(f, "%ld %ld", &quota, &period); // "max 100000" when there is none
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int at_cpu_count(void)
{
    int n = 0;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
    if (n < 1) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int quota = cgroup_quota();
    if (quota > 0 && quota < n) n = quota;
    return n < 1 ? 1 : n;
}
