/* gemm_rows.h - gemm_rows, for every level: up to three rows against several panels at once, so that eight
 * chains of sums or more are under way: one panel's two would wait for each other. */
#ifndef AT_KERNELS_X86_GEMM_ROWS_H
#define AT_KERNELS_X86_GEMM_ROWS_H

#include "kernels/x86/gemm_tile.h"

/* Panels that m rows take at a time. */
enum { PANELS_1 = 4, PANELS_2 = 2, PANELS_3 = 2, VECS = 2 * PANELS_1 };

/* Panels [first, first + panels). All but p and first are constants. */
INLINE void rows_tile(const at_gemm_rows *p, size_t first, const size_t rows, const size_t panels,
                      vec (*load)(const void *), const size_t size)
{
    const size_t step = p->k * NR * size, vecs = 2 * panels;
    const char *b = (const char *)p->b + first * step;
    _Alignas(64) float sums[AT_FEW_ROWS * VECS * LANES];
#define EACH                                                  \
    _Pragma("GCC unroll 3") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 8") for (size_t v = 0; v < vecs; v++)
    for (size_t k = 0; k < p->k;) {
        const size_t begin = k, end = at_min_size(p->k, k + p->depth);
        vec s[AT_FEW_ROWS][VECS];
        EACH s[r][v] = V(setzero_ps)();
#pragma GCC unroll 2
        for (; k < end; k++, b += NR * size) {
            vec x[AT_FEW_ROWS];
#pragma GCC unroll 3
            for (size_t r = 0; r < rows; r++)
                x[r] = V(set1_ps)(p->a[r * p->lda + k]);
#pragma GCC unroll 8
            for (size_t v = 0; v < vecs; v++) {
                const vec w = load(b + v / 2 * step + v % 2 * LANES * size);
#pragma GCC unroll 3
                for (size_t r = 0; r < rows; r++)
                    ADD_PRODUCT(s[r][v], x[r], w);
            }
        }
        if (begin) EACH s[r][v] = V(add_ps)(V(load_ps)(sums + (r * vecs + v) * LANES), s[r][v]);
        EACH V(store_ps)(sums + (r * vecs + v) * LANES, s[r][v]);
    }
#undef EACH
    const size_t col = first * NR;
    put_tile(at_gemm_end_at(p->end, 0, col), rows, at_min_size(panels * NR, p->n - col), sums,
             vecs * LANES);
}

#define FEW(type, size, rows)                                                                    \
    static __attribute__((noinline)) void type##_##rows(const at_gemm_rows *p, size_t first)     \
    {                                                                                            \
        rows_tile(p, first, rows, PANELS_##rows, load_##type, size);                             \
    }                                                                                            \
    static __attribute__((noinline)) void type##_##rows##_1(const at_gemm_rows *p, size_t first) \
    {                                                                                            \
        rows_tile(p, first, rows, 1, load_##type, size);                                         \
    }
#define ALL_ROWS(type, size) FEW(type, size, 1) FEW(type, size, 2) FEW(type, size, 3)
ALL_ROWS(f32, 4)
ALL_ROWS(f16, 2)
ALL_ROWS(bf16, 2)

INLINE void all_panels(const at_gemm_rows *p)
{
    typedef void (*few_fn)(const at_gemm_rows *p, size_t first);
    static const size_t panels[] = {PANELS_1, PANELS_2, PANELS_3};
    static const few_fn fn[][AT_FEW_ROWS][2] = {
        [AT_F32] = {{f32_1_1, f32_1}, {f32_2_1, f32_2}, {f32_3_1, f32_3}},
        [AT_F16] = {{f16_1_1, f16_1}, {f16_2_1, f16_2}, {f16_3_1, f16_3}},
        [AT_BF16] = {{bf16_1_1, bf16_1}, {bf16_2_1, bf16_2}, {bf16_3_1, bf16_3}},
    };
    const size_t all = (p->n + NR - 1) / NR, some = panels[p->m - 1];
    for (size_t first = 0; first < all;) {
        const bool enough = all - first >= some;
        fn[p->type][p->m - 1][enough](p, first);
        first += enough ? some : 1;
    }
}

#endif
