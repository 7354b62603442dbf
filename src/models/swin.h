/* swin.h - Swin transformer (Liu et al., arXiv 2103.14030) as RAM uses it: window attention with
 * relative position bias, shifted windows, patch merging; the mean token goes in front. */
#ifndef AT_MODELS_SWIN_H
#define AT_MODELS_SWIN_H

#include "models/params.h"

typedef struct at_swin_block {
    at_norm norm1, norm2;
    at_linear qkv, proj, fc1, fc2;
    const float *bias_table; // [(2w-1)^2, heads]
    float *bias;             // [heads, w*w, w*w], owned
} at_swin_block;

/* Where the tokens of a stage's windows lie in the map; one for plain, one for shifted blocks. */
typedef struct at_window_map {
    size_t groups, tokens; // windows, tokens in each
    int32_t *index;        // [groups, tokens] row of the map
    uint8_t *region;       // [groups, tokens] or NULL: which part of the torn map it comes from
} at_window_map;

typedef struct at_swin_stage {
    size_t depth, dim, side, heads, window;
    at_swin_block *blocks; // [depth]
    at_window_map plain, shifted;
    int32_t *merge; // [side/2 * side/2, 4] rows of the 2x2 cells; NULL in the last stage
    at_norm merge_norm;
    at_linear reduction;
} at_swin_stage;

typedef struct at_swin {
    size_t image_size, dim; // dim: of the last stage
    at_linear patch_embed;  // [C, 4*4*3]
    at_norm patch_norm, norm;
    at_swin_stage stages[AT_STAGES];
} at_swin;

/* Memory of the structure. */
at_status at_swin_open(at_swin *m, const at_config *c, const at_allocator *al, at_error *err);
void at_swin_params(at_swin *m, at_params *p);
/* What follows from the parameters alone: index maps, bias matrices. */
at_status at_swin_prepare(at_swin *m, const at_allocator *al, at_error *err);
void at_swin_close(at_swin *m, const at_backend *backend, const at_allocator *al);

/* pixels [B, S, S, 3], normalised, to tokens [B, 1 + (S/32)^2, dim], the mean token first. */
at_tensor at_swin_forward(at_exec *x, const at_swin *m, at_tensor pixels);

#endif
