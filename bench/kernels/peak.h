/* peak.h - loops of independent fused multiply-adds; `rounds` times 12 x 8 or 16 x 16 of them. */
#ifndef BENCH_KERNELS_PEAK_H
#define BENCH_KERNELS_PEAK_H

double peak_avx2(long rounds);
double peak_avx512(long rounds);

#endif
