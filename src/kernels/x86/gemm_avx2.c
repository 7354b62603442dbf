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
    static const tiles wide[] = {{6, wide_6}, {5, wide_5}, {4, wide_4},
                                 {3, wide_3}, {2, wide_2}, {1, wide_1}};
    static const tiles narrow[] = {
        {12, narrow_12}, {8, narrow_8}, {4, narrow_4}, {2, narrow_2}, {1, narrow_1}};
    run_tiles(p, p->n > LANES ? wide : narrow);
}

void at_gemm_rows_avx2(const at_gemm_rows *p)
{
    all_panels(p);
}
