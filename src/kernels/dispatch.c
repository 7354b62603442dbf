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
    k->seven_mr = 4;
    k->seven_k = 256;
    k->attends_bf16 = false;
    k->s8 = at_s8_form_pairs;
    k->s8.mr = 4;
    k->bf16 = at_bf16_form_ref;
    k->has_bf16 = false;
#if defined(__x86_64__)
    if (cpu & AT_CPU_AVX2) {
#define K(name) k->name = at_##name##_avx2;
        AT_KERNELS_AVX2(K)
#undef K
        k->mr = k->seven_mr = 6;
        k->s8.mr = 24; // whole tiles of 6 rows, and of two halves of 4
    }
    if (cpu & AT_CPU_AVXVNNI) {
#define K(name) k->name = at_##name##_avxvnni;
        AT_KERNELS_AVXVNNI(K)
#undef K
        k->s8 = at_s8_form_256;
    }
    if (cpu & AT_CPU_AVX512) {
#define K(name) k->name = at_##name##_avx512;
        AT_KERNELS_AVX512(K)
#undef K
        k->mr = 14;
        k->nr = 32;
        // Swin's last stage has 144 rows: more blocks than one would read its weights again. A panel's
        // block of 24 KiB leaves room for 14 rows of A even in an L1 of 32 KiB.
        k->mc = 196;
        k->kc = 192;
        k->seven_mr = 12; // couples of 24: a picture has whole numbers of them
        k->seven_k = 192;
    }
    if (cpu & AT_CPU_AVX512VNNI) {
#define K(name) k->name = at_##name##_avx512vnni;
        AT_KERNELS_AVX512VNNI(K)
#undef K
        k->s8 = at_s8_form_512;
    }
    if (cpu & AT_CPU_AVX512BF16) {
#define K(name) k->name = at_##name##_avx512bf16;
        AT_KERNELS_AVX512BF16(K)
#undef K
        k->bf16 = at_bf16_form_512;
        k->has_bf16 = true;
    }
    if (cpu & AT_CPU_AMX) {
#define K(name) k->name = at_##name##_amx;
        AT_KERNELS_AMX(K)
#undef K
        k->s8 = at_s8_form_tiles;
        k->attends_bf16 = true;
        k->bf16 = at_bf16_form_tiles;
        k->has_bf16 = true;
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
    if (!at_cpu_named()) at_kernels_choose(&table, at_cpu_features());
}

const at_kernels *at_kernels_get(void)
{
    pthread_once(&once, fill);
    return &table;
}
