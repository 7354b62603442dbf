/* gemm_tile.h - a tile of gemm_panel, for every level; gemm_<level>.c says which tiles there are.
 *
 *        NR = 2 vectors         AVX2: 6 x 2 sums, 2 of B, A is broadcast from memory into 1: 15 of 16
 *      +-----------------+      AVX-512: 14 x 2 sums, 2 of B, 1 of A: 31 of 32
 *  MR  |   v0     v1     |
 *      |  ...            |      packed B:  0 1 .. NR-1 | NR .. 2NR-1 | ..
 *      +-----------------+      A lies as it is: MR rows, lda apart, read along k
 *
 * A panel with one vector of columns or less left runs in tiles of one vector, twice as high on AVX2.
 * Rows beyond the last full tile run in tiles of their own height. Every sum is one chain of fused
 * multiply-adds in the order of k, so that neither the tile's height nor its place changes a bit.
 * Bound: AVX2 12 FMA a k against 8 loads, AVX-512 28 against 16: the FMA ports.
 * Blocking after Goto & van de Geijn 2008. */
#ifndef AT_KERNELS_X86_GEMM_TILE_H
#define AT_KERNELS_X86_GEMM_TILE_H

#include "kernels/x86/math.h"

enum { NR = 2 * LANES, TILE = 14, UNROLL = LANES == 8 ? 4 : 2 };

/* sum += x * b, in this form and order: left to itself gcc folds loads, spreads the steps of k over each
 * other and spills sums. */
#ifdef AT_SIMD_HEADER
#define ADD_PRODUCT(sum, x, b) ((sum) = V(fmadd_ps)(x, b, sum))
#else
#define ADD_PRODUCT(sum, x, b) \
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(b))
#endif

/* Every sum of a tile. */
#define EACH                                                   \
    _Pragma("GCC unroll 14") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < vecs; v++)

/* RELU and RELU6; NaN stays, because max and min give their second operand for it. */
INLINE vec relu(vec s, at_end_act act)
{
    if (act == AT_END_RELU || act == AT_END_RELU6) s = V(max_ps)(V(setzero_ps)(), s);
    if (act == AT_END_RELU6) s = V(min_ps)(V(set1_ps)(6.0f), s);
    return s;
}

INLINE bool is_gelu(at_end_act act)
{
    return act == AT_END_GELU || act == AT_END_QUICK_GELU || act == AT_END_GELU_COARSE;
}

/* Ends sums [rows][ld] of n columns the slow way: GELUs, columns that are no whole vectors. */
static __attribute__((noinline)) void put_tile(const at_gemm_end e, size_t rows, size_t n,
                                               float *sums, size_t ld)
{
    for (size_t r = 0; e.bias && r < rows; r++)
        for (size_t j = 0; j < n; j += LANES) {
            const float *bias = e.bias + j;
            const vec add = n - j < LANES ? load_first(bias, n - j) : V(loadu_ps)(bias);
            float *s = sums + r * ld + j;
            V(storeu_ps)(s, V(add_ps)(V(loadu_ps)(s), add));
        }
    if (e.act == AT_END_GELU) gelu(rows * ld, sums, sums);
    if (e.act == AT_END_QUICK_GELU) quick_gelu(rows * ld, sums, sums);
    if (e.act == AT_END_GELU_COARSE) gelu_coarse(rows * ld, sums, sums);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j += LANES) {
            const vec s = relu(V(loadu_ps)(sums + r * ld + j), e.act);
            const float *residual = e.residual + r * e.ld_residual + j;
            float *y = e.y + r * e.ldy + j;
            if (n - j < LANES)
                store_first(y, e.residual ? V(add_ps)(s, load_first(residual, n - j)) : s, n - j);
            else
                V(storeu_ps)(y, e.residual ? V(add_ps)(s, V(loadu_ps)(residual)) : s);
        }
}

/* Ends a tile of n columns. */
INLINE void end_tile(const at_gemm_end e, const size_t rows, const size_t vecs, size_t n,
                     vec s[TILE][2])
{
    if (is_gelu(e.act) || n != vecs * LANES) {
        _Alignas(64) float sums[TILE * NR];
        EACH V(store_ps)(sums + (r * vecs + v) * LANES, s[r][v]);
        put_tile(e, rows, n, sums, vecs * LANES);
        return;
    }
    if (e.bias) {
        const vec bias[2] = {V(loadu_ps)(e.bias),
                             vecs > 1 ? V(loadu_ps)(e.bias + LANES) : V(setzero_ps)()};
        EACH s[r][v] = V(add_ps)(s[r][v], bias[v]);
    }
    if (e.act != AT_END_NONE) EACH s[r][v] = relu(s[r][v], e.act);
    if (e.residual)
        EACH s[r][v] = V(add_ps)(s[r][v], V(loadu_ps)(e.residual + r * e.ld_residual + v * LANES));
    EACH V(storeu_ps)(e.y + r * e.ldy + v * LANES, s[r][v]);
}

/* s[r][v] += sum over k of a[r, k] b[k, v], k ascending. What is `ahead` is fetched on the way, or NULL. */
INLINE void add_products(vec s[TILE][2], const float *a, size_t lda, const char *b, size_t k_end,
                         const size_t rows, const size_t vecs, vec (*load)(const void *),
                         const size_t size, const char *ahead)
{
    // three rows a pointer: base, base + lda, base + 2 lda are addresses of x86
    const float *a3 = a + 3 * lda;
    const float *a6 = a + 6 * lda;
    const float *a9 = a + 9 * lda;
    const float *a12 = a + 12 * lda;
#define ROW(r) ((r) < 3 ? a : (r) < 6 ? a3 : (r) < 9 ? a6 : (r) < 12 ? a9 : a12)[(r) % 3 * lda + u]
#define STEPS(n)                                                          \
    _Pragma("GCC unroll 4") for (size_t u = 0; u < (n); u++)              \
    {                                                                     \
        const vec b0 = load(b + u * NR * size);                           \
        const vec b1 = vecs > 1 ? load(b + (u * NR + LANES) * size) : b0; \
        _Pragma("GCC unroll 14") for (size_t r = 0; r < rows; r++)        \
        {                                                                 \
            const vec x = V(set1_ps)(ROW(r));                             \
            ADD_PRODUCT(s[r][0], x, b0);                                  \
            if (vecs > 1) ADD_PRODUCT(s[r][1], x, b1);                    \
        }                                                                 \
    }                                                                     \
    a += (n), a3 += (n), a6 += (n), a9 += (n), a12 += (n), b += (n)*NR * size
    size_t k = 0;
    for (; k + UNROLL <= k_end; k += UNROLL) {
        if (ahead) {
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
            ahead += 128;
        }
        STEPS(UNROLL);
    }
    for (; k < k_end; k++) {
        STEPS(1);
    }
#undef STEPS
#undef ROW
}

/* Rows [i, i + rows) against the panel's first `vecs` vectors. All but p and i are constants. */
INLINE void tile(const at_gemm_panel *p, size_t i, const size_t rows, const size_t vecs,
                 vec (*load)(const void *), const size_t size)
{
    const size_t lda = p->lda, k_end = p->k;
    const float *a = p->a + i * lda;
    const char *b = p->b;
    if (p->last) {
        const float *y = p->end.y + i * p->end.ldy;
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++, y += p->end.ldy)
            __builtin_prefetch(y, 1);
    }
    vec s[TILE][2];
    EACH s[r][v] = V(setzero_ps)();

    add_products(s, a, lda, b, k_end, rows, vecs, load, size, NULL);

    float *partial = p->partial + i * NR;
    if (!p->first) EACH s[r][v] = V(add_ps)(V(load_ps)(partial + r * NR + v * LANES), s[r][v]);
    if (!p->last) {
        EACH V(store_ps)(partial + r * NR + v * LANES, s[r][v]);
        return;
    }
    end_tile(at_gemm_end_at(p->end, i, 0), rows, vecs, p->n, s);
}
#undef EACH

typedef void (*tile_fn)(const at_gemm_panel *p, size_t i);

typedef struct tiles {
    size_t rows;              // from the highest down to 1
    tile_fn run[AT_BF16 + 1]; // by type
} tiles;

/* A tile for each type that weights are stored in, and its row of a table. 16-bit floats are widened on
 * the way into a register: the ports that do it are idle. */
#define TILE_OF(name, rows, vecs, type, size)                                                      \
    static __attribute__((noinline)) void name##_##rows##_##type(const at_gemm_panel *p, size_t i) \
    {                                                                                              \
        tile(p, i, rows, vecs, load_##type, size);                                                 \
    }
#define TILES(name, rows, vecs)       \
    TILE_OF(name, rows, vecs, f32, 4) \
    TILE_OF(name, rows, vecs, f16, 2) \
    TILE_OF(name, rows, vecs, bf16, 2)
#define ROWS(name, rows)                                                   \
    {                                                                      \
        rows,                                                              \
        {                                                                  \
            name##_##rows##_f32, name##_##rows##_f16, name##_##rows##_bf16 \
        }                                                                  \
    }

/* All rows of the panel, from the first kind of tile that fits. The next panel is fetched on the way. */
INLINE void run_tiles(const at_gemm_panel *p, const tiles *t)
{
    const char *next = p->next;
    const size_t bytes = next ? p->next_bytes : 0,
                 step = at_round_up(bytes / (p->m / t->rows + 1) + 1, 64);
    for (size_t i = 0, at = 0; i < p->m; t++) {
        for (; p->m - i >= t->rows; i += t->rows, at += step) {
            for (size_t line = at; line < at + step && line < bytes; line += 64)
                __builtin_prefetch(next + line, 0, 2);
            t->run[p->type](p, i);
        }
    }
}

#endif
