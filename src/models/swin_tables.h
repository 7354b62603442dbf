/* swin_tables.h - what a Swin's geometry fixes before the first picture. NULL or false: no memory. */
#ifndef AT_MODELS_SWIN_TABLES_H
#define AT_MODELS_SWIN_TABLES_H

#include "models/swin.h"

/* Windows of a side x side map rolled by -shift; regions where the roll joins what is not adjacent. */
bool at_window_map_make(at_window_map *map, size_t side, size_t window, size_t shift,
                        const at_allocator *al);
void at_window_map_free(at_window_map *map, const at_allocator *al);
/* [side/2 * side/2, 4]: rows of each 2x2 cell in the order (0,0) (1,0) (0,1) (1,1) as (row, column). */
int32_t *at_merge_map_make(size_t side, const at_allocator *al);
/* [heads, w*w, w*w] from the table [(2w-1)^2, heads]; row of query i, column of key j. */
float *at_bias_matrix_make(const float *table, size_t window, size_t heads, const at_allocator *al);

/* Resizes a bias table from side_in to side_out (2w-1 each) as the official loader does: a
 * not-a-knot cubic spline over geometrically spaced source positions, rows then columns.
 *   in [side_in^2, heads], out [side_out^2, heads]; sides odd, >= 3 */
at_status at_bias_table_resize(const float *in, size_t side_in, float *out, size_t side_out,
                               size_t heads, const at_allocator *al, at_error *err);

#endif
