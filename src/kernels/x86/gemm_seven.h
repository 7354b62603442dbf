/* gemm_seven.h - Strassen's seven products of tiles (at_gemm_seven), for every level.
 *
 *   for each of the seven products
 *     its sum of B's halves           in L1, a panel wide
 *     for all couples of rows         a tile of A's sum from L2, added to one or two tiles of C
 *
 * Bound: the FMA ports, as in gemm_tile.h; a tile of k steps spends 24 additions to memory beside 12 k
 * multiply-adds (AVX2; AVX-512 48 beside 24 k). */
#ifndef AT_KERNELS_X86_GEMM_SEVEN_H
#define AT_KERNELS_X86_GEMM_SEVEN_H

#include "kernels/x86/gemm_tile.h"

enum { SEVEN_MR = LANES == 8 ? 6 : 12, TILE_FLOATS = SEVEN_MR * NR };

/* Every sum of a tile. */
#define EACH                                                       \
    _Pragma("GCC unroll 12") for (size_t r = 0; r < SEVEN_MR; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < 2; v++)

typedef enum { NOWHERE, SET, ADD, SUBTRACT } change;

/* Rows and columns' halves of the tiles that a product goes to, and how. */
static const struct {
    unsigned char at[2];
    signed char sign[2];
} targets[AT_SEVEN] = {
    {{0, 3}, {1, 1}},  {{2, 3}, {1, -1}}, {{1, 3}, {1, 1}}, {{0, 2}, {1, 1}},
    {{0, 1}, {-1, 1}}, {{3, 3}, {1, 0}},  {{0, 0}, {1, 0}},
};

/* Product s is the first for this target. */
INLINE bool is_new(size_t s, size_t target)
{
    return s == 0 || (s < 3 && target == 0);
}

static __attribute__((noinline)) void product_tile(const float *a, size_t k, const float *b,
                                                   float *const c[2], const change how[2])
{
    for (size_t i = 0; i < TILE_FLOATS; i += 16) {
        __builtin_prefetch(c[0] + i, 1);
        __builtin_prefetch(c[1] + i, 1);
    }
    vec s[TILE][2];
    EACH s[r][v] = V(setzero_ps)();
    // the next tile of A: by itself the processor is late
    add_products(s, a, k, (const char *)b, k, SEVEN_MR, 2, load_f32, 4,
                 (const char *)(a + SEVEN_MR * k));
    _Pragma("GCC unroll 2") for (size_t t = 0; t < 2; t++)
    {
        float *to = c[t];
        if (how[t] == SET) {
            EACH V(store_ps)(to + r * NR + v * LANES, s[r][v]);
        } else if (how[t] == ADD) {
            EACH V(store_ps)(to + r * NR + v * LANES,
                             V(add_ps)(V(load_ps)(to + r * NR + v * LANES), s[r][v]));
        } else if (how[t] == SUBTRACT) {
            EACH V(store_ps)(to + r * NR + v * LANES,
                             V(sub_ps)(V(load_ps)(to + r * NR + v * LANES), s[r][v]));
        }
    }
}
#undef EACH

/* n a multiple of NR. */
INLINE void sum_of(size_t n, const char *x, const char *y, bool minus, float *to,
                   vec (*load)(const void *), const size_t size)
{
#define EACH                           \
    for (size_t i = 0; i < n; i += NR) \
    _Pragma("GCC unroll 2") for (size_t j = i; j < i + NR; j += LANES)
    if (!y) {
        EACH V(store_ps)(to + j, load(x + j * size));
    } else if (minus) {
        EACH V(store_ps)(to + j, V(sub_ps)(load(x + j * size), load(y + j * size)));
    } else {
        EACH V(store_ps)(to + j, V(add_ps)(load(x + j * size), load(y + j * size)));
    }
#undef EACH
}

/* B's side of product s, where it lies or in the room. */
static const float *halves_of_b(const at_gemm_seven *p, size_t s)
{
    const size_t n = p->k * NR, size = at_dtype_size(p->type);
    const char *b11 = p->b[0], *b21 = b11 + n * size, *b12 = p->b[1], *b22 = b12 + n * size;
    const char *const first[] = {b11, b11, b12, b21, b22, b11, b21};
    const char *const second[] = {b22, NULL, b22, b11, NULL, b12, b22};
    const bool minus = s == 2 || s == 3;
    if (p->type == AT_F32 && !second[s]) return (const float *)(const void *)first[s];
    switch (p->type) {
    case AT_F16: sum_of(n, first[s], second[s], minus, p->room, load_f16, 2); break;
    case AT_BF16: sum_of(n, first[s], second[s], minus, p->room, load_bf16, 2); break;
    default: sum_of(n, first[s], second[s], minus, p->room, load_f32, 4);
    }
    return p->room;
}

/* The tile of C, 2 * row + column of halves, that product s is the last for; none: 4. */
static const unsigned char done[AT_SEVEN] = {4, 4, 4, 2, 1, 3, 0};

/* Ends tile `t` of the couple from row i on, as gemm_panel does. */
INLINE void end_sums(const at_gemm_seven *p, size_t i, size_t t, float *sums)
{
    const size_t col = t % 2 * NR;
    i += t / 2 * SEVEN_MR;
    if (i >= p->m) return;
    at_gemm_end e = at_gemm_end_at(p->end, i, col);
    const size_t rows = at_min_size(SEVEN_MR, p->m - i);
    if (e.act != AT_END_NONE || p->n != 2 * NR) {
        put_tile(e, rows, at_min_size(NR, p->n - col), sums, NR);
        return;
    }
    const vec zero = V(setzero_ps)(), b0 = e.bias ? V(loadu_ps)(e.bias) : zero,
              b1 = e.bias ? V(loadu_ps)(e.bias + LANES) : zero;
    for (size_t r = 0; r < rows; r++, sums += NR, e.y += e.ldy) {
        vec s0 = V(add_ps)(V(load_ps)(sums), b0), s1 = V(add_ps)(V(load_ps)(sums + LANES), b1);
        if (e.residual) {
            const float *more = e.residual + r * e.ld_residual;
            s0 = V(add_ps)(s0, V(loadu_ps)(more));
            s1 = V(add_ps)(s1, V(loadu_ps)(more + LANES));
        }
        V(storeu_ps)(e.y, s0);
        V(storeu_ps)(e.y + LANES, s1);
    }
}

/* What end_sums writes and adds. */
INLINE void fetch_tile(const at_gemm_seven *p, size_t i, size_t t)
{
    i += t / 2 * SEVEN_MR;
    const size_t col = t % 2 * NR, end = at_min_size(p->m, i + SEVEN_MR);
    for (; i < end; i++)
        for (size_t j = col; j < col + NR; j += 16) {
            const at_gemm_end e = at_gemm_end_at(p->end, i, j);
            __builtin_prefetch(e.y, 1);
            if (e.residual) __builtin_prefetch(e.residual);
        }
}

INLINE void seven_products(const at_gemm_seven *p)
{
    const size_t couples = (p->m + 2 * SEVEN_MR - 1) / (2 * SEVEN_MR);
    const size_t bytes = p->next[0] ? 2 * p->k * NR * at_dtype_size(p->type) : 0,
                 step = at_round_up(bytes / (AT_SEVEN * couples) + 1, 64);
    size_t at = 0;
    for (size_t s = 0; s < AT_SEVEN; s++) {
        const float *b = halves_of_b(p, s), *a = p->a + s * p->plane;
        change how[2];
        for (size_t t = 0; t < 2; t++)
            how[t] = targets[s].sign[t] == 0    ? NOWHERE
                     : p->first && is_new(s, t) ? SET
                     : targets[s].sign[t] > 0   ? ADD
                                                : SUBTRACT;
        const bool ends = p->last && done[s] < 4;
        float *c = p->sums;
        for (size_t i = 0; i < couples; i++, c += 4 * TILE_FLOATS, a += SEVEN_MR * p->k) {
            float *const to[2] = {c + targets[s].at[0] * TILE_FLOATS,
                                  c + targets[s].at[1] * TILE_FLOATS};
            for (size_t line = at; line < at + step && line < bytes; line += 64) {
                __builtin_prefetch((const char *)p->next[0] + line, 0, 2);
                __builtin_prefetch((const char *)p->next[1] + line, 0, 2);
            }
            at += step;
            if (ends) fetch_tile(p, i * 2 * SEVEN_MR, done[s]);
            product_tile(a, p->k, b, to, how);
            if (ends) end_sums(p, i * 2 * SEVEN_MR, done[s], c + done[s] * TILE_FLOATS);
        }
    }
}

/* The sums of A's halves. Rows that are not there are zeros. */
INLINE void halves_of_a(size_t rows, size_t k, const float *x, size_t ldx, float *y, size_t plane)
{
    for (size_t r = 0; r < SEVEN_MR; r++, y += k) {
        const float *top = x + r * ldx, *low = top + SEVEN_MR * ldx;
        const bool has_top = r < rows, has_low = r + SEVEN_MR < rows;
        for (size_t i = 0; i < k; i += LANES) {
            const vec zero = V(setzero_ps)();
            const vec a11 = has_top ? V(loadu_ps)(top + i) : zero;
            const vec a12 = has_top ? V(loadu_ps)(top + k + i) : zero;
            const vec a21 = has_low ? V(loadu_ps)(low + i) : zero;
            const vec a22 = has_low ? V(loadu_ps)(low + k + i) : zero;
            float *to = y + i;
            V(store_ps)(to, V(add_ps)(a11, a22));
            V(store_ps)(to + plane, V(add_ps)(a21, a22));
            V(store_ps)(to + 2 * plane, a11);
            V(store_ps)(to + 3 * plane, a22);
            V(store_ps)(to + 4 * plane, V(add_ps)(a11, a12));
            V(store_ps)(to + 5 * plane, V(sub_ps)(a21, a11));
            V(store_ps)(to + 6 * plane, V(sub_ps)(a12, a22));
        }
    }
}

#endif
