/* s8_avx2.c - bytes widened to 16 bits. Many rows against many panels: s8_strassen.h. The rest: pairs by
 * vpmaddwd in tiles of 6 x 16, or 12 x 8; see s8.h. */
#define AT_S8_PAIRS
#include "kernels/x86/s8.h"

#include "kernels/x86/s8_strassen.h"

S8_PANEL(6, 12)

static void pairs(const at_gemm_s8 *p)
{
    at_gemm_s8 one;
    for (size_t j = 0; at_s8_panel(p, &FORM, j, &one); j++)
        s8_one_panel(&one);
}

/* What is left of rows and columns is multiplied in pairs. */
static void some_rows(const at_gemm_s8 *p)
{
    // below them making the halves costs more than it saves
    enum { LEAST_ROWS = 64, LEAST_COLUMNS = 8 * NR, LEAST_DEPTH = 192 };
    if (!p->room || p->m < LEAST_ROWS || p->n < LEAST_COLUMNS || p->k < LEAST_DEPTH || p->k % 32) {
        pairs(p);
        return;
    }
    const size_t m = p->m / (2 * HIGH) * (2 * HIGH), n = p->n / (2 * NR) * (2 * NR);
    at_gemm_s8 part = at_s8_rows(p, 0, m);
    part.n = n;
    strassen(&part);
    at_gemm_s8 last;
    part.n = p->n;
    for (size_t j = n / NR; at_s8_panel(&part, &FORM, j, &last); j++)
        s8_one_panel(&last);
    part = at_s8_rows(p, m, p->m - m);
    pairs(&part);
}

void at_gemm_s8_avx2(const at_gemm_s8 *p)
{
    for (size_t i = 0; i < p->m; i += AT_S8_ROWS) {
        const at_gemm_s8 some = at_s8_rows(p, i, at_min_size(AT_S8_ROWS, p->m - i));
        some_rows(&some);
    }
}

S8_QUANTIZE(avx2)
