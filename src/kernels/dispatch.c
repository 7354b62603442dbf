/* dispatch.c - the table of kernels: the reference first, then each level writes over what it has. */
#include "base/cpu.h"
#include "kernels/kernels.h"

#include <pthread.h>

void at_kernels_fill(at_kernels *k, unsigned cpu)
{
#define K(name, params, judge) k->name = at_##name##_ref;
    AT_KERNELS(K)
#undef K
    k->mr = 4;
    k->nr = 16;
    k->mc = 144;
    k->kc = 256;
#if defined(__x86_64__)
    if (cpu & AT_CPU_AVX2) {
#define K(name) k->name = at_##name##_avx2;
        AT_KERNELS_AVX2(K)
#undef K
        k->mr = 6;
    }
    if (cpu & AT_CPU_AVX512) {
#define K(name) k->name = at_##name##_avx512;
        AT_KERNELS_AVX512(K)
#undef K
        k->mr = 14;
        k->nr = 32;
        k->mc = 140;
        k->kc = 256;
    }
#else
    (void)cpu;
#endif
}

static at_kernels table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void)
{
    at_kernels_fill(&table, at_cpu_features());
}

const at_kernels *at_kernels_get(void)
{
    pthread_once(&once, fill);
    return &table;
}
