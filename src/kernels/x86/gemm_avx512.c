/* gemm_avx512.c - gemm_panel in tiles of 14 x 32, or 14 x 16 where few columns are left; see gemm_tile.h. */
#define AT_VEC_512
#include "kernels/x86/gemm_rows.h"

TILES(wide, 14, 2)
TILES(wide, 8, 2)
TILES(wide, 4, 2)
TILES(wide, 2, 2)
TILES(wide, 1, 2)
TILES(narrow, 14, 1)
TILES(narrow, 8, 1)
TILES(narrow, 4, 1)
TILES(narrow, 2, 1)
TILES(narrow, 1, 1)

void at_gemm_panel_avx512(const at_gemm_panel *p)
{
    static const tiles wide[] = {ROWS(wide, 14), ROWS(wide, 8), ROWS(wide, 4), ROWS(wide, 2),
                                 ROWS(wide, 1)};
    static const tiles narrow[] = {ROWS(narrow, 14), ROWS(narrow, 8), ROWS(narrow, 4),
                                   ROWS(narrow, 2), ROWS(narrow, 1)};
    run_tiles(p, p->n > LANES ? wide : narrow);
}

void at_gemm_rows_avx512(const at_gemm_rows *p)
{
    all_panels(p);
}
