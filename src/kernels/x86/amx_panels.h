/* amx_panels.h - the loop over tiles that products of bytes and of bfloat16 share; s8_amx.c and bf16_amx.c say
 * what a dot product of tiles is (AMX_DOT) and how sums become floats (AMX_FLOATS).
 *
 *              panel: 16 x 64 bytes a step of the depth, twice
 *                  t6          t7            a step is 64 bytes of each row of A: 64 numbers of a byte,
 *      A   t4      t0          t1            32 of two. The panel has them in fours or twos, as VNNI
 *          t5      t2          t3            and AVX512-BF16 want them, so panels are the same.
 *
 * Four sums of 16 x 16: a step is 4 tiles read and 4 dot products of 16 cycles, so that the multiplier is
 * what is waited for. A block's sums go to memory and vectors end them. Slower were: an ending spread over
 * the next block's steps, endings of two to eight blocks at once (docs/performance.md). */
#ifndef AT_KERNELS_X86_AMX_PANELS_H
#define AT_KERNELS_X86_AMX_PANELS_H

#include "kernels/x86/amx.h"
#include "kernels/x86/gemm_tile.h"

enum {
    PANEL_ROW = NR * 4,          // bytes of a panel's row of fours or twos, and of a row of sums
    PANEL_STEP = 16 * PANEL_ROW, // bytes of a panel in a step
    BLOCK = 2 * TILE_ROWS,       // rows of a block of sums
};

/* Rows whose sums are whole. */
typedef struct ending {
    at_gemm_end end;
    size_t m, n;          // m <= BLOCK
    const float *scale;   // of columns, AMX_FLOATS may use them
    const float *a_scale; // of rows
    const char *sums;     // [m][NR] of four bytes
} ending;

/* Columns that are no whole vectors, or GELU: by way of memory. */
static __attribute__((noinline)) void end_slowly(const ending *e)
{
    _Alignas(64) float sums[BLOCK * NR];
    const size_t ld = e->n > LANES ? NR : LANES;
    for (size_t r = 0; r < e->m; r++)
        for (size_t j = 0; j < ld; j += LANES)
            V(store_ps)(sums + r * ld + j, AMX_FLOATS(e, r, j));
    put_tile(e->end, e->m, e->n, sums, ld);
}

INLINE void end_vectors(const ending *e, const size_t vecs, const bool plain)
{
    const at_gemm_end *p = &e->end;
    vec bias[2];
    for (size_t v = 0; v < vecs; v++) // -0.0: x + -0.0 is x, zeros of both signs too
        bias[v] = p->bias ? V(loadu_ps)(p->bias + v * LANES) : V(set1_ps)(-0.0f);
    const float *res = plain ? NULL : p->residual;
    float *y = p->y;
    for (size_t r = 0; r < e->m; r++, y += p->ldy) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++) {
            vec s = V(add_ps)(AMX_FLOATS(e, r, v * LANES), bias[v]);
            if (!plain && p->act == AT_END_GELU_COARSE) gelu_coarse_of(&s, 1);
            if (!plain) s = relu(s, p->act);
            if (!plain && res) s = V(add_ps)(s, V(loadu_ps)(res + v * LANES));
            V(storeu_ps)(y + v * LANES, s);
        }
        if (!plain && res) res += p->ld_residual;
    }
}

static void end_rows(const ending *e)
{
    const at_end_act act = e->end.act;
    if (act == AT_END_GELU || act == AT_END_QUICK_GELU || e->n % LANES)
        end_slowly(e);
    else if (e->n > LANES && !e->end.residual && act == AT_END_NONE)
        end_vectors(e, 2, true);
    else
        e->n > LANES ? end_vectors(e, 2, false) : end_vectors(e, 1, false);
}

/* sums[0 .. 16 or 32)[0 .. 16 or 32) = start + A B over some steps, every row of it from the same `start`. */
INLINE void block_of(const bool tall, const bool wide, const char *a, size_t lda, const char *b,
                     size_t steps, const void *start, char *sums)
{
    const char *low = a + TILE_ROWS * lda, *next = (const char *)start + STEP;
    _tile_loadd(0, start, 0);
    if (wide) _tile_loadd(1, next, 0);
    if (tall) _tile_loadd(2, start, 0);
    if (tall && wide) _tile_loadd(3, next, 0);
    for (size_t s = 0; s < steps; s++) {
        _tile_loadd(4, a + s * STEP, lda);
        _tile_loadd(6, b + s * PANEL_STEP, PANEL_ROW);
        if (wide) _tile_loadd(7, b + s * PANEL_STEP + STEP, PANEL_ROW);
        if (tall) _tile_loadd(5, low + s * STEP, lda);
        AMX_DOT(0, 4, 6);
        if (wide) AMX_DOT(1, 4, 7);
        if (tall) AMX_DOT(2, 5, 6);
        if (tall && wide) AMX_DOT(3, 5, 7);
    }
    _tile_stored(0, sums, PANEL_ROW);
    if (wide) _tile_stored(1, sums + STEP, PANEL_ROW);
    if (tall) _tile_stored(2, sums + TILE_ROWS * PANEL_ROW, PANEL_ROW);
    if (tall && wide) _tile_stored(3, sums + TILE_ROWS * PANEL_ROW + STEP, PANEL_ROW);
}

/* All rows of a panel; e has the ending of the first. */
INLINE void run_panel(const ending *e, size_t m, const char *a, size_t lda, const char *b,
                      size_t steps, const void *start)
{
    _Alignas(64) char sums[BLOCK * PANEL_ROW];
    const bool wide = e->n > LANES;
    ending some = *e;
    some.sums = sums;
    for (size_t i = 0; i < m; i += BLOCK, a += BLOCK * lda) {
        some.m = at_min_size(BLOCK, m - i);
        const bool tall = some.m > TILE_ROWS;
        if (tall && wide)
            block_of(true, true, a, lda, b, steps, start, sums);
        else if (tall)
            block_of(true, false, a, lda, b, steps, start, sums);
        else if (wide)
            block_of(false, true, a, lda, b, steps, start, sums);
        else
            block_of(false, false, a, lda, b, steps, start, sums);
        end_rows(&some);
        some.end = at_gemm_end_at(some.end, BLOCK, 0);
        if (some.a_scale) some.a_scale += BLOCK;
    }
}

#endif
