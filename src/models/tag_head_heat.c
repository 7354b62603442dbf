/* tag_head_heat.c - where a tag was seen: how far its logit falls when keys and values of a part of the
 * picture are hidden from the tag head,
 *     heat[t, c] = mean over r of (z_t - z_t without the cells within r rows and columns of c),
 * occlusion (Zeiler and Fergus, arXiv 1311.2901, section 4.2) on the tokens instead of the pixels: the
 * backbone runs once, a hidden window costs a row of the head. The attention itself says less: it goes
 * to where a tag is decided, often beside the thing (docs/heatmap.md has the figures). */
#include "models/tag_head.h"

#include <string.h>

enum { ROWS = 1536 }; // of a block: as many labels as fit, at least one
#define HIDDEN -1e30f // added to a score: its weight is 0

/* Half sizes of the windows: a cell alone, and windows of about 3 and 5 of 7 cells a side. */
enum { RADII = 3 };
static size_t radius_of(size_t side, size_t i)
{
    return (i * side + 3) / 7;
}

static size_t variants_of(size_t side)
{
    return 1 + RADII * side * side;
}

/* mask [variants, 1 + cells]: nothing hidden, then for each radius each cell as the middle. The mean
 * token is always seen: it tells what is in the picture, not where. */
static void fill_mask(size_t side, float *mask)
{
    const size_t cells = side * side;
    memset(mask, 0, variants_of(side) * (1 + cells) * sizeof *mask);
    for (size_t i = 0; i < RADII; i++) {
        const size_t r = radius_of(side, i);
        for (size_t c = 0; c < cells; c++) {
            float *row = mask + (1 + i * cells + c) * (1 + cells) + 1;
            const size_t y0 = c / side > r ? c / side - r : 0, x0 = c % side > r ? c % side - r : 0;
            for (size_t y = y0; y <= c / side + r && y < side; y++)
                for (size_t x = x0; x <= c % side + r && x < side; x++)
                    row[y * side + x] = HIDDEN;
        }
    }
}

/* One layer of all variants of some labels: y [variants, n, hidden] in place. */
static void layer_of(at_exec *x, const at_tag_head *h, const at_head_layer *l,
                     const at_head_keys *keys, const float *mask, size_t variants, at_tensor y)
{
    const size_t mark = at_arena_mark(&x->arena);
    const at_tensor q = at_linear_new(x, y, &l->query, AT_ACT_NONE);
    const at_head_keys masked = {.k = keys->k, .v = keys->v, .mask = mask, .variants = variants};
    at_head_layer_cross(x, l, h->heads, &masked, q, y, y);
    at_head_layer_ffn(x, l, y);
    at_arena_rewind(&x->arena, mark);
}

/* Labels [first, first + n). */
static void block_of(at_exec *x, const at_tag_head *h, const at_label_queries *labels, size_t first,
                     size_t n, const at_head_memory *memory, size_t side, const float *mask,
                     float *maps)
{
    const size_t variants = variants_of(side), cells = side * side;
    const at_tensor input = at_tensor_of(labels->input + first * h->hidden, 2,
                                         (const size_t[]){n, h->hidden});
    at_tensor y = at_tensor2(x, variants * n, h->hidden);
    at_tensor z = at_tensor2(x, variants, n);
    for (size_t v = 0; v < variants; v++)
        at_copy_to(x, input, at_row_range(y, v * n, n));
    for (size_t i = 0; i < h->n_layers; i++)
        layer_of(x, h, &h->layers[i], &memory->layers[i], mask, variants, y);
    for (size_t v = 0; v < variants; v++)
        at_tag_head_classify(x, h, labels, first, at_row_range(y, v * n, n),
                             z.data ? z.data + v * n : NULL);
    if (at_planning(x) || x->status != AT_OK) return;
    for (size_t t = 0; t < n; t++) {
        for (size_t c = 0; c < cells; c++) {
            float fall = 0;
            for (size_t i = 0; i < RADII; i++)
                fall += z.data[t] - z.data[(1 + i * cells + c) * n + t];
            maps[t * cells + c] = fall / RADII;
        }
    }
}

void at_tag_head_heat(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                      const at_head_memory *memory, size_t side, float *maps)
{
    const size_t variants = variants_of(side), cells = side * side;
    at_tensor mask = at_tensor2(x, variants, 1 + cells);
    if (!at_planning(x) && x->status == AT_OK) fill_mask(side, mask.data);
    const size_t step = variants < ROWS ? ROWS / variants : 1;
    for (size_t first = 0; first < labels->count; first += step) {
        const size_t mark = at_arena_mark(&x->arena);
        block_of(x, h, labels, first, at_min_size(step, labels->count - first), memory, side,
                 mask.data, maps ? maps + first * cells : NULL);
        at_arena_rewind(&x->arena, mark);
    }
}
