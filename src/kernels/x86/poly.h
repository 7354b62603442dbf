/* poly.h - constants of exp and GELU, the same at every level; tests/checkkern/fit.py prints them. */
#ifndef AT_KERNELS_X86_POLY_H
#define AT_KERNELS_X86_POLY_H

#define AT_EXP_MAGIC 0x1.8p23f // adding it rounds to an integer, which its low bits then hold
#define AT_LOG2_E    0x1.715476p0f
#define AT_LN2_HI    0x1.62e4p-1f // 15 bits: n * AT_LN2_HI is exact
#define AT_LN2_LO    0x1.7f7d1cp-20f

/* exp(r) = 1 + r + r^2 (E2 + E3 r + ...) on [-ln 2 / 2, ln 2 / 2], relative error 3.7e-9 */
#define AT_EXP_2 0x1.fffff8p-2f
#define AT_EXP_3 0x1.55548ep-3f
#define AT_EXP_4 0x1.555b96p-5f
#define AT_EXP_5 0x1.123bccp-7f
#define AT_EXP_6 0x1.68532cp-10f

/* exp(a^2 / 2) Phi(-a), 0 <= a <= 14, in s = 3/8 - C a / (1 + C a), highest first, error 5.7e-8 */
#define AT_PHI_C 0x1.d70a3ep-3f
#define AT_PHI_TERMS                                                                    \
    {                                                                                   \
        -0x1.43e2f6p-4f, -0x1.a1d7d2p-4f, 0x1.132edp-3f, 0x1.22d3fcp-1f, 0x1.d88e4p-1f, \
            0x1.fa38f6p-1f, 0x1.90ca06p-1f, 0x1.e78fb2p-2f, 0x1.179ceap-3f              \
    }

/* Phi(x) - 1/2 = x P(x^2) for |x| <= 4, highest first; x Phi(x) is off by 1.9e-4 at most */
#define AT_GELU_COARSE_LIMIT 4.0f
#define AT_GELU_COARSE_TERMS                                                                  \
    {                                                                                         \
        0x1.840ff2p-26f, -0x1.aa7f58p-20f, 0x1.90ac26p-15f, -0x1.a9d1f2p-11f, 0x1.1f2b2ap-7f, \
            -0x1.086a34p-4f, 0x1.976b4ep-2f                                                   \
    }

#endif
