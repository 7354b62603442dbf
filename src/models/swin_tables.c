/* swin_tables.c - index maps of windows and cells, bias matrices. */
#include "models/swin_tables.h"

bool at_window_map_make(at_window_map *map, size_t side, size_t window, size_t shift,
                        const at_allocator *al)
{
    const size_t across = side / window;
    map->groups = across * across;
    map->tokens = window * window;
    map->index = at_calloc(al, side * side, sizeof *map->index);
    map->region = shift ? at_calloc(al, side * side, 1) : NULL;
    if (!map->index || (shift && !map->region)) return false;
    for (size_t i = 0; i < side * side; i++) {
        const size_t g = i / map->tokens, t = i % map->tokens;
        const size_t y = g / across * window + t / window; // in the rolled map
        const size_t x = g % across * window + t % window;
        map->index[i] = (int32_t)((y + shift) % side * side + (x + shift) % side);
        if (shift) { // bands [0, side-w), [side-w, side-shift), [side-shift, side) of rows and columns
            const unsigned band_y = (y >= side - window) + (y >= side - shift);
            const unsigned band_x = (x >= side - window) + (x >= side - shift);
            map->region[i] = (uint8_t)(3 * band_y + band_x);
        }
    }
    return true;
}

void at_window_map_free(at_window_map *map, const at_allocator *al)
{
    at_free(al, map->index);
    at_free(al, map->region);
}

int32_t *at_merge_map_make(size_t side, const at_allocator *al)
{
    const size_t half = side / 2;
    int32_t *map = at_calloc(al, half * half * 4, sizeof *map);
    if (!map) return NULL;
    for (size_t i = 0; i < half * half; i++) {
        for (size_t k = 0; k < 4;
             k++) { // k's low bit is the row: the official order runs down first
            const size_t y = i / half * 2 + k % 2, x = i % half * 2 + k / 2;
            map[i * 4 + k] = (int32_t)(y * side + x);
        }
    }
    return map;
}

float *at_bias_matrix_make(const float *table, size_t window, size_t heads, const at_allocator *al)
{
    const size_t n = window * window, span = 2 * window - 1;
    float *bias = at_calloc(al, heads * n * n, sizeof *bias);
    if (!bias) return NULL;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            const size_t dy = i / window + window - 1 - j / window;
            const size_t dx = i % window + window - 1 - j % window;
            for (size_t h = 0; h < heads; h++)
                bias[(h * n + i) * n + j] = table[(dy * span + dx) * heads + h];
        }
    }
    return bias;
}
