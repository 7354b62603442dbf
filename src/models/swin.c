/* swin.c - the forward pass, beside arXiv 2103.14030 section 3. Shapes in comments: B images, N
 * tokens of a stage, C its channels. Window partition, cyclic shift and their reverses are one index
 * map that attention reads and writes through (swin_tables.c). */
#include "models/swin.h"

#include "models/swin_tables.h"

#include <math.h>

enum { PATCH = 4, MLP_RATIO = 4 };
static const float EPS = 1e-5f;

at_status at_swin_open(at_swin *m, const at_config *c, const at_allocator *al, at_error *err)
{
    m->image_size = c->image_size;
    m->dim = at_swin_dim(c, AT_STAGES - 1);
    for (int s = 0; s < AT_STAGES; s++) {
        at_swin_stage *st = &m->stages[s];
        st->depth = c->depths[s];
        st->dim = at_swin_dim(c, s);
        st->side = at_swin_side(c, s);
        st->heads = c->heads[s];
        st->window = at_swin_window(c, s);
        st->blocks = at_calloc(al, st->depth, sizeof *st->blocks);
        if (!st->blocks) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the model");
    }
    return AT_OK;
}

void at_swin_params(at_swin *m, at_params *p)
{
    const at_scope root = at_scope_enter(p, "v.", "visual_encoder.");
    const uint64_t dim0 = m->stages[0].dim;
    at_param_visit(p, AT_PARAM_CONV, &m->patch_embed.w, "patch.w", "patch_embed.proj.weight", 4,
                   (const uint64_t[]){dim0, 3, PATCH, PATCH});
    at_param_visit(p, AT_PARAM_VECTOR, &m->patch_embed.bias, "patch.b", "patch_embed.proj.bias", 1,
                   &dim0);
    at_param_norm(p, &m->patch_norm, "patch_norm", "patch_embed.norm", dim0, EPS);
    for (int s = 0; s < AT_STAGES; s++) {
        at_swin_stage *st = &m->stages[s];
        const size_t c = st->dim, table = (2 * st->window - 1) * (2 * st->window - 1);
        for (size_t i = 0; i < st->depth; i++) {
            at_swin_block *b = &st->blocks[i];
            const at_scope scope = at_scope_enter(p, "s%d.b%d.", "layers.%d.blocks.%d.", s, (int)i);
            at_param_norm(p, &b->norm1, "norm1", "norm1", c, EPS);
            at_param_visit(p, AT_PARAM_BIAS_TABLE, &b->bias_table, "attn.rel_bias",
                           "attn.relative_position_bias_table", 2,
                           (const uint64_t[]){table, st->heads});
            at_param_linear(p, &b->qkv, "attn.qkv", "attn.qkv", 3 * c, c, true);
            at_param_linear(p, &b->proj, "attn.proj", "attn.proj", c, c, true);
            at_param_norm(p, &b->norm2, "norm2", "norm2", c, EPS);
            at_param_linear(p, &b->fc1, "mlp.fc1", "mlp.fc1", MLP_RATIO * c, c, true);
            at_param_linear(p, &b->fc2, "mlp.fc2", "mlp.fc2", c, MLP_RATIO * c, true);
            at_scope_leave(p, scope);
        }
        if (s + 1 < AT_STAGES) {
            const at_scope scope = at_scope_enter(p, "s%d.merge.", "layers.%d.downsample.", s);
            at_param_norm(p, &st->merge_norm, "norm", "norm", 4 * c, EPS);
            at_param_linear(p, &st->reduction, "reduction", "reduction", 2 * c, 4 * c, false);
            at_scope_leave(p, scope);
        }
    }
    at_param_norm(p, &m->norm, "norm", "norm", m->dim, EPS);
    at_scope_leave(p, root);
}

at_status at_swin_prepare(at_swin *m, const at_allocator *al, at_error *err)
{
    for (int s = 0; s < AT_STAGES; s++) {
        at_swin_stage *st = &m->stages[s];
        const size_t shift = st->side <= st->window ? 0 : st->window / 2;
        if (!at_window_map_make(&st->plain, st->side, st->window, 0, al) ||
            (shift && !at_window_map_make(&st->shifted, st->side, st->window, shift, al)) ||
            (s + 1 < AT_STAGES && !(st->merge = at_merge_map_make(st->side, al))))
            return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the windows of stage %d", s);
        for (size_t i = 0; i < st->depth; i++) {
            at_swin_block *b = &st->blocks[i];
            b->bias = at_bias_matrix_make(b->bias_table, st->window, st->heads, al);
            if (!b->bias)
                return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the position bias");
        }
    }
    return AT_OK;
}

void at_swin_close(at_swin *m, const at_backend *backend, const at_allocator *al)
{
    backend->unpack(&m->patch_embed.w, al);
    for (int s = 0; s < AT_STAGES; s++) {
        at_swin_stage *st = &m->stages[s];
        for (size_t i = 0; st->blocks && i < st->depth; i++) {
            at_swin_block *b = &st->blocks[i];
            at_linear *const all[] = {&b->qkv, &b->proj, &b->fc1, &b->fc2};
            for (size_t k = 0; k < AT_COUNT(all); k++)
                backend->unpack(&all[k]->w, al);
            at_free(al, b->bias);
        }
        backend->unpack(&st->reduction.w, al);
        at_window_map_free(&st->plain, al);
        at_window_map_free(&st->shifted, al);
        at_free(al, st->merge);
        at_free(al, st->blocks);
    }
}

/* x [B, N, C] changes in place: x += attention(norm1(x)); x += mlp(norm2(x)). */
static void block_forward(at_exec *e, const at_swin_stage *st, const at_swin_block *b, bool shifted,
                          at_tensor x)
{
    const size_t start = at_arena_mark(&e->arena);
    const size_t batch = x.dims[0], n = x.dims[1], c = st->dim;
    const at_window_map *map = shifted ? &st->shifted : &st->plain;

    at_tensor qkv = at_norm_linear_new(e, x, &b->norm1, &b->qkv, AT_ACT_NONE); // [B, N, 3C]
    at_tensor y = at_tensor3(e, batch, n, c);
    at_attend(e, &(at_attention_args){
                     .batch = batch,
                     .groups = map->groups,
                     .heads = st->heads,
                     .head_dim = c / st->heads,
                     .n_q = map->tokens,
                     .n_k = map->tokens,
                     .q = at_columns(qkv, 0, c).data,
                     .ldq = qkv.ld,
                     .q_batch = n * qkv.ld,
                     .k = at_columns(qkv, c, c).data,
                     .v = at_columns(qkv, 2 * c, c).data,
                     .ldkv = qkv.ld,
                     .kv_batch = n * qkv.ld,
                     .out = y.data,
                     .ldo = y.ld,
                     .out_batch = n * y.ld,
                     .index = map->index,
                     .scale = 1.0f / sqrtf((float)(c / st->heads)),
                     .bias = b->bias,
                     .region = map->region,
                     .coarse = b->qkv.w.type == AT_I8 || b->qkv.w.narrow,
                 });
    at_linear_to(e, y, &b->proj, AT_ACT_NONE, &x, x);

    at_arena_rewind(&e->arena, start); // qkv and y are done with

    at_tensor h = at_norm_linear_new(e, x, &b->norm2, &b->fc1, AT_ACT_GELU); // [B, N, 4C]
    at_linear_to(e, h, &b->fc2, AT_ACT_NONE, &x, x);
    at_arena_rewind(&e->arena, start);
}

static at_tensor patch_embed(at_exec *e, const at_swin *m, at_tensor pixels)
{
    const size_t batch = pixels.dims[0], side = m->image_size / PATCH;
    at_tensor x = at_tensor3(e, batch, side * side, m->stages[0].dim);
    const size_t mark = at_arena_mark(&e->arena);
    at_tensor patches = at_tensor3(e, batch, side * side, PATCH * PATCH * 3);
    at_patches(e, &(at_im2col_args){.batch = batch,
                                    .h = m->image_size,
                                    .w = m->image_size,
                                    .c = 3,
                                    .kernel = PATCH,
                                    .stride = PATCH,
                                    .out_h = side,
                                    .out_w = side,
                                    .x = pixels.data,
                                    .y = patches.data});
    at_linear_to(e, patches, &m->patch_embed, AT_ACT_NONE, NULL, x);
    at_arena_rewind(&e->arena, mark);
    at_norm_to(e, x, &m->patch_norm, x);
    at_stage(e, x, "patch_embed");
    return x;
}

/* Blocks of a stage for a batch: each block takes some pictures after others, as many as make rows enough
 * to use its weights well, so that what lies between its products stays in the caches as one picture's does. */
static void stage_forward(at_exec *e, const at_swin_stage *st, int s, at_tensor x)
{
    enum { ROWS = 576 };
    const size_t batch = x.dims[0], n = x.dims[1], some = at_max_size(ROWS / n, 1);
    for (size_t i = 0; i < st->depth; i++) {
        const bool shifted = i % 2 == 1 && st->shifted.index;
        for (size_t b = 0; b < batch; b += some) {
            const size_t images = at_min_size(some, batch - b);
            block_forward(e, st, &st->blocks[i], shifted,
                          at_tensor_of(x.data ? x.data + b * n * x.ld : NULL, 3,
                                       (const size_t[]){images, n, st->dim}));
        }
        at_stage(e, x, "swin.stage%d.block%zu.out", s, i);
    }
}

at_tensor at_swin_forward(at_exec *e, const at_swin *m, at_tensor pixels)
{
    const size_t batch = pixels.dims[0];
    const at_swin_stage *last = &m->stages[AT_STAGES - 1];
    const size_t n = last->side * last->side;
    at_tensor out = at_tensor3(e, batch, 1 + n, m->dim);
    const size_t mark = at_arena_mark(&e->arena);

    e->together = true;
    at_tensor x = patch_embed(e, m, pixels);
    for (int s = 0; s < AT_STAGES; s++) {
        const at_swin_stage *st = &m->stages[s];
        stage_forward(e, st, s, x);
        if (s + 1 < AT_STAGES) {
            // [B, N/4, 2C]: a 2x2 cell's rows side by side, LayerNorm, a linear layer
            x = at_norm_gather_linear_new(e, x, st->merge, 4, &st->merge_norm, &st->reduction);
            at_stage(e, x, "swin.stage%d.out", s);
        }
    }
    e->together = false;
    at_norm_to(e, x, &m->norm, x);
    at_stage(e, x, "swin.norm");

    // mean over the tokens after the final norm, in front of them
    for (size_t b = 0; b < batch; b++) {
        const at_tensor rows = at_row_range(x, b * n, n);
        at_copy_to(e, rows, at_row_range(out, b * (1 + n) + 1, n));
    }
    at_mean_rows(e, x, out.data, (1 + n) * m->dim);
    at_arena_rewind(&e->arena, mark);
    at_stage(e, out, "swin.out");
    return out;
}
