/* gemm_avx2.c - gemm_panel in tiles of 6 x 16, or 12 x 8 where few columns are left; see gemm_tile.h. */
#include "kernels/x86/gemm_rows.h"

TILES(wide, 6, 2)
TILES(wide, 5, 2)
TILES(wide, 4, 2)
TILES(wide, 3, 2)
TILES(wide, 2, 2)
TILES(wide, 1, 2)
TILES(narrow, 12, 1)
TILES(narrow, 8, 1)
TILES(narrow, 4, 1)
TILES(narrow, 2, 1)
TILES(narrow, 1, 1)

void at_gemm_panel_avx2(const at_gemm_panel *p)
{
    static const tiles wide[] = {ROWS(wide, 6), ROWS(wide, 5), ROWS(wide, 4),
                                 ROWS(wide, 3), ROWS(wide, 2), ROWS(wide, 1)};
    static const tiles narrow[] = {ROWS(narrow, 12), ROWS(narrow, 8), ROWS(narrow, 4),
                                   ROWS(narrow, 2), ROWS(narrow, 1)};
    run_tiles(p, p->n > LANES ? wide : narrow);
}

void at_gemm_rows_avx2(const at_gemm_rows *p)
{
    all_panels(p);
}
