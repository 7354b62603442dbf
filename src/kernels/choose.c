/* choose.c - the quickest of kernels that give the same bits, by a look at the clock instead of the
 * processor's name: a virtual machine may have tiles and slow ones. Only products of bytes are alike so:
 * their sums are exact, tiles and AVX512-VNNI read the same panels and end with the same GELUs. Sums of
 * floats have the order of their level, which must not depend on a clock. */
#include "base/cpu.h"
#include "kernels/kernels.h"

#include <time.h>

#if defined(__x86_64__)
enum { M = 64, K = 512, ROUNDS = 6, CALLS = 4 };

static double seconds(void (*gemm)(const at_gemm_s8 *p), const at_gemm_s8 *p)
{
    double best = 1.0;
    for (int r = 0; r < ROUNDS; r++) {
        struct timespec from, to;
        (void)clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < CALLS; i++)
            gemm(p);
        (void)clock_gettime(CLOCK_MONOTONIC, &to);
        const double s = (double)(to.tv_sec - from.tv_sec) +
                         1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        if (s < best) best = s; // the least: what others run meanwhile does not count
    }
    return best;
}

void at_kernels_choose(at_kernels *k, unsigned cpu)
{
    static _Alignas(AT_ALIGN) char a[M * (K + 64)], b[AT_NR_MAX * (8 + K)];
    static _Alignas(AT_ALIGN) float y[M * AT_NR_MAX], scale[M];
    const unsigned both = AT_CPU_AVX512VNNI | AT_CPU_AMX;
    if ((cpu & both) != both) return;
    const at_gemm_s8 p = {.m = M,
                          .n = AT_NR_MAX,
                          .k = K,
                          .a = a,
                          .lda = K + 64,
                          .a_scale = scale,
                          .b = b,
                          .end = {.y = y, .ldy = AT_NR_MAX}};
    if (seconds(at_gemm_s8_avx512vnni, &p) >= seconds(at_gemm_s8_amx, &p)) return;
    k->gemm_s8 = at_gemm_s8_avx512vnni;
    k->s8 = at_s8_form_512;
}
#else
void at_kernels_choose(at_kernels *k, unsigned cpu)
{
    (void)k;
    (void)cpu;
}
#endif
