/* math.h - exp and both GELUs of vectors, for every level; see vec.h.
 *
 * The polynomials are weighted fits on Chebyshev nodes, printed by tests/checkkern/fit.py. */
#ifndef AT_KERNELS_X86_MATH_H
#define AT_KERNELS_X86_MATH_H

#include "kernels/x86/poly.h"
#include "kernels/x86/vec.h"

/* Each step for n vectors, one after the other: a polynomial is a chain, and a processor's scheduler
 * sees too few instructions ahead to overlap chains that lie one behind the other. */
enum { ABREAST = 4 };
#define EACH _Pragma("GCC unroll 4") for (size_t v = 0; v < n; v++)

/* p[v] = exp(x[v] - less[v]) for x <= 0 and a tiny `less`; 0 below -87; NaN stays. n <= ABREAST. */
INLINE void exp_of_negatives(vec *p, const vec *x, const vec *less, const size_t n)
{
    static const float terms[] = {AT_EXP_6, AT_EXP_5, AT_EXP_4, AT_EXP_3, AT_EXP_2};
    const vec magic = V(set1_ps)(AT_EXP_MAGIC);
    vec t[ABREAST], r[ABREAST];
    EACH t[v] = V(fmadd_ps)(x[v], V(set1_ps)(AT_LOG2_E), magic); // n in the low bits
    EACH r[v] = V(sub_ps)(t[v], magic);
    EACH
    {
        const vec high = V(fnmadd_ps)(r[v], V(set1_ps)(AT_LN2_HI), x[v]);
        r[v] = V(fnmadd_ps)(r[v], V(set1_ps)(AT_LN2_LO), high);
    }
    EACH r[v] = V(sub_ps)(r[v], less[v]);
    EACH p[v] = V(set1_ps)(terms[0]);
#pragma GCC unroll 16
    for (size_t i = 1; i < AT_COUNT(terms); i++)
        EACH p[v] = V(fmadd_ps)(p[v], r[v], V(set1_ps)(terms[i]));
    EACH p[v] = V(fmadd_ps)(V(mul_ps)(r[v], r[v]), p[v], r[v]);
    EACH p[v] = V(add_ps)(p[v], V(set1_ps)(1.0f));
    EACH p[v] = zero_below(scaled(p[v], t[v]), x[v], -87.0f);
}

INLINE vec exp_of_negative(vec x)
{
    const vec less = V(setzero_ps)();
    vec p;
    exp_of_negatives(&p, &x, &less, 1);
    return p;
}

/* x * Phi(x) = max(x, 0) - a * Phi(-a), a = |x|, without cancellation on either side;
 * Phi(-a) = exp(-a^2 / 2) R(s), s = 3/8 - c a / (1 + c a), a polynomial in the middle of its range.
 * a^2 is carried in two floats, because exp multiplies its error. In place, n <= ABREAST. */
INLINE void gelu_of(vec *x, const size_t n)
{
    static const float terms[] = AT_PHI_TERMS; // highest first
    const vec one = V(set1_ps)(1.0f);
    vec a[ABREAST], z[ABREAST], less[ABREAST], s[ABREAST], q[ABREAST], e[ABREAST];
    EACH a[v] = V(min_ps)(V(set1_ps)(14.0f), magnitude(x[v]));
    EACH
    {
        const vec half_a = V(mul_ps)(a[v], V(set1_ps)(-0.5f));
        z[v] = V(mul_ps)(half_a, a[v]);
        less[v] = V(fnmadd_ps)(half_a, a[v], z[v]);
    }
    exp_of_negatives(e, z, less, n);
    EACH
    {
        const vec ca = V(mul_ps)(a[v], V(set1_ps)(AT_PHI_C));
        s[v] = V(sub_ps)(V(set1_ps)(0.375f), V(div_ps)(ca, V(add_ps)(ca, one)));
    }
    EACH q[v] = V(set1_ps)(terms[0]);
#pragma GCC unroll 16
    for (size_t i = 1; i < AT_COUNT(terms); i++)
        EACH q[v] = V(fmadd_ps)(q[v], s[v], V(set1_ps)(terms[i]));
    EACH q[v] = V(mul_ps)(q[v], e[v]);
    // max gives its second operand for NaN
    EACH x[v] = V(fnmadd_ps)(a[v], q[v], V(max_ps)(V(setzero_ps)(), x[v]));
}

/* x / (1 + exp(-c x)): with e = exp(-c |x|), which is at most 1, it is max(x, 0) - |x| e / (1 + e), again
 * without cancellation. c |x| is carried in two floats. In place, n <= ABREAST. */
INLINE void quick_gelu_of(vec *x, const size_t n)
{
    const vec one = V(set1_ps)(1.0f), minus_c = V(set1_ps)(-1.702f);
    vec a[ABREAST], z[ABREAST], less[ABREAST], e[ABREAST];
    EACH a[v] = V(min_ps)(V(set1_ps)(60.0f), magnitude(x[v]));
    EACH
    {
        z[v] = V(mul_ps)(minus_c, a[v]);
        less[v] = V(fnmadd_ps)(minus_c, a[v], z[v]);
    }
    exp_of_negatives(e, z, less, n);
    EACH
    {
        const vec part = zero_below(V(div_ps)(e[v], V(add_ps)(one, e[v])), x[v], -51.0f);
        x[v] = V(fnmadd_ps)(a[v], part, V(max_ps)(V(setzero_ps)(), x[v]));
    }
}
/* x (1/2 + u P(u^2)), u = x cut to where P was fitted. In place, n <= ABREAST. */
INLINE void gelu_coarse_of(vec *x, const size_t n)
{
    static const float terms[] = AT_GELU_COARSE_TERMS;
    const vec limit = V(set1_ps)(AT_GELU_COARSE_LIMIT), under = V(set1_ps)(-AT_GELU_COARSE_LIMIT);
    vec u[ABREAST], z[ABREAST], p[ABREAST];
    EACH u[v] = V(max_ps)(under, V(min_ps)(limit, x[v])); // NaN stays
    EACH z[v] = V(mul_ps)(u[v], u[v]);
    EACH p[v] = V(set1_ps)(terms[0]);
#pragma GCC unroll 16
    for (size_t i = 1; i < AT_COUNT(terms); i++)
        EACH p[v] = V(fmadd_ps)(p[v], z[v], V(set1_ps)(terms[i]));
    EACH x[v] = V(mul_ps)(x[v], V(fmadd_ps)(u[v], p[v], V(set1_ps)(0.5f)));
}
#undef EACH

/* y[0..n) = of(x[0..n)), in place too. */
INLINE void map_floats(size_t n, const float *x, float *y, void (*of)(vec *, size_t))
{
    vec g[ABREAST];
    size_t i = 0;
    for (; i + ABREAST * LANES <= n; i += ABREAST * LANES) {
#pragma GCC unroll 4
        for (size_t v = 0; v < ABREAST; v++)
            g[v] = V(loadu_ps)(x + i + v * LANES);
        of(g, ABREAST);
#pragma GCC unroll 4
        for (size_t v = 0; v < ABREAST; v++)
            V(storeu_ps)(y + i + v * LANES, g[v]);
    }
    for (; i < n; i += LANES) {
        const size_t left = n - i < LANES ? n - i : LANES;
        g[0] = load_first(x + i, left);
        of(g, 1);
        store_first(y + i, g[0], left);
    }
}

INLINE void gelu(size_t n, const float *x, float *y)
{
    map_floats(n, x, y, gelu_of);
}
INLINE void quick_gelu(size_t n, const float *x, float *y)
{
    map_floats(n, x, y, quick_gelu_of);
}
INLINE void gelu_coarse(size_t n, const float *x, float *y)
{
    map_floats(n, x, y, gelu_coarse_of);
}

#endif
