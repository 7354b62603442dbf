/* bert.c - embeddings, then per layer (SPEC 5.2), n words of each sequence, H width:
 *     y = LN(self_attention(y) Wo + y);   y = LN(cross_attention(y, memory) Wo + y)
 *     y = LN(W2 GELU(W1 y) + y)
 * A decoder leaves the keys and values of its words in a cache and computes new words only. */
#include "models/bert.h"

#include <math.h>

const at_bert_names at_bert_names_official = {
    .words = "embeddings.word_embeddings.weight",
    .positions = "embeddings.position_embeddings.weight",
    .embed_norm = "embeddings.LayerNorm",
    .layer = "encoder.layer.%d.",
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .out = "attention.output.dense",
    .self_norm = "attention.output.LayerNorm",
    .cross = &at_head_names_bert,
};
static const at_head_names cross_lite = {
    .query = "cross.query",
    .key = "cross.key",
    .value = "cross.value",
    .out = "cross.out",
    .cross_norm = "cross_norm",
    .ffn_in = "ffn_in",
    .ffn_out = "ffn_out",
    .ffn_norm = "ffn_norm",
};
const at_bert_names at_bert_names_lite = {
    .words = "word_embeddings.weight",
    .positions = "position_embeddings.weight",
    .embed_norm = "embeddings_norm",
    .layer = "layer.%d.",
    .query = "self.query",
    .key = "self.key",
    .value = "self.value",
    .out = "self.out",
    .self_norm = "self_norm",
    .cross = &cross_lite,
};

at_status at_bert_open(at_bert *b, const at_config *c, size_t memory_dim, const at_tag_head *lent,
                       const at_allocator *al, at_error *err)
{
    b->n_layers = c->text_layers;
    b->hidden = c->text_hidden;
    b->heads = c->text_heads;
    b->ffn = c->text_ffn;
    b->vocab = c->text_vocab;
    b->positions = c->text_positions;
    b->memory_dim = memory_dim;
    b->eps = c->text_eps;
    b->layers = at_calloc(al, b->n_layers, sizeof *b->layers);
    if (!b->layers) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the text layers");
    for (size_t i = 0; i < b->n_layers; i++)
        b->layers[i].cross = lent && i < lent->n_layers ? &lent->layers[i] : &b->layers[i].own;
    return AT_OK;
}

void at_bert_params(at_bert *b, at_params *p, const at_bert_names *n)
{
    const size_t w = b->hidden;
    at_param_visit(p, AT_PARAM_ROWS, &b->words, "words", n->words, 2,
                   (const uint64_t[]){b->vocab, w});
    at_param_visit(p, AT_PARAM_VECTOR, &b->position, "positions", n->positions, 2,
                   (const uint64_t[]){b->positions, w});
    at_param_norm(p, &b->embed_norm, "embed_norm", n->embed_norm, w, b->eps);
    for (size_t i = 0; i < b->n_layers; i++) {
        at_bert_layer *l = &b->layers[i];
        const at_scope scope = at_scope_enter(p, "l%d.", n->layer, (int)i);
        at_param_linear(p, &l->query, "self_q", n->query, w, w, true);
        at_param_linear(p, &l->key, "self_k", n->key, w, w, true);
        at_param_linear(p, &l->value, "self_v", n->value, w, w, true);
        at_param_linear(p, &l->out, "self_o", n->out, w, w, true);
        at_param_norm(p, &l->self_norm, "self_norm", n->self_norm, w, b->eps);
        if (l->cross == &l->own)
            at_head_layer_params(p, &l->own, n->cross, w, b->memory_dim, b->ffn, b->eps);
        at_scope_leave(p, scope);
    }
}

void at_bert_close(at_bert *b, const at_backend *backend, const at_allocator *al)
{
    for (size_t i = 0; b->layers && i < b->n_layers; i++) {
        at_bert_layer *l = &b->layers[i];
        at_linear *const all[] = {&l->query, &l->key, &l->value, &l->out};
        for (size_t k = 0; k < AT_COUNT(all); k++)
            backend->unpack(&all[k]->w, al);
        at_head_layer_close(&l->own, backend, al);
    }
    at_free(al, b->layers);
}

void at_bert_memory(at_exec *x, const at_bert *b, size_t i, at_tensor tokens, at_head_keys *keys)
{
    at_linear_to(x, tokens, &b->layers[i].cross->key, AT_ACT_NONE, NULL, keys->k);
    at_linear_to(x, tokens, &b->layers[i].cross->value, AT_ACT_NONE, NULL, keys->v);
}

/* LN(word + position) */
static at_tensor embed(at_exec *x, const at_bert *b, const at_bert_pass *pass)
{
    at_tensor y = at_tensor2(x, pass->sequences * pass->n, b->hidden);
    at_embed_to(x, &b->words, pass->ids, y);
    for (size_t s = 0; s < pass->sequences; s++) {
        const at_tensor part = at_row_range(y, s * pass->n, pass->n);
        const float *position = b->position ? b->position + pass->past * b->hidden : NULL;
        at_add_to(x, part, at_tensor_of(position, 2, (const size_t[]){pass->n, b->hidden}), part);
    }
    at_norm_to(x, y, &b->embed_norm, y);
    return y;
}

/* New keys (which 0) or values (1) of layer i: into the cache, or a tensor of their own. Where they
 * begin, and from sequence to sequence. */
static const float *remember(at_exec *x, const at_bert *b, const at_bert_pass *pass, size_t i,
                             size_t which, at_tensor y, size_t *step)
{
    const at_linear *l = which ? &b->layers[i].value : &b->layers[i].key;
    const size_t w = b->hidden, n = pass->n;
    if (!pass->cache) {
        *step = n * w;
        return at_linear_new(x, y, l, AT_ACT_NONE).data;
    }
    const at_bert_cache *c = pass->cache;
    float *base = c->data ? c->data + (2 * i + which) * c->sequences * c->positions * w : NULL;
    *step = pass->slot_step * c->positions * w;
    if (n == 1) { // straight into its place
        at_tensor to = at_tensor_of(base ? base + pass->past * w : NULL, 2,
                                    (const size_t[]){pass->sequences, w});
        to.ld = *step;
        at_linear_to(x, y, l, AT_ACT_NONE, NULL, to);
        return base;
    }
    const at_tensor fresh = at_linear_new(x, y, l, AT_ACT_NONE);
    for (size_t s = 0; s < pass->sequences; s++)
        at_copy_to(x, at_row_range(fresh, s * n, n),
                   at_tensor_of(base ? base + s * *step + pass->past * w : NULL, 2,
                                (const size_t[]){n, w}));
    return base;
}

static void self_attention(at_exec *x, const at_bert *b, const at_bert_pass *pass, size_t i,
                           at_tensor y)
{
    const at_bert_layer *l = &b->layers[i];
    const size_t w = b->hidden, n = pass->n, mark = at_arena_mark(&x->arena);
    const at_tensor q = at_linear_new(x, y, &l->query, AT_ACT_NONE);
    size_t step;
    const float *k = remember(x, b, pass, i, 0, y, &step),
                *v = remember(x, b, pass, i, 1, y, &step);
    at_tensor ctx = at_tensor2(x, at_rows(y), w);
    at_attend(x, &(at_attention_args){
                     .batch = pass->sequences,
                     .groups = 1,
                     .heads = b->heads,
                     .head_dim = w / b->heads,
                     .n_q = n,
                     .n_k = (pass->cache ? pass->past : 0) + n,
                     .q = q.data,
                     .ldq = w,
                     .q_batch = n * w,
                     .k = k,
                     .v = v,
                     .ldkv = w,
                     .kv_batch = step,
                     .out = ctx.data,
                     .ldo = w,
                     .out_batch = n * w,
                     .scale = 1.0f / sqrtf((float)(w / b->heads)),
                     .key_mask = pass->key_mask,
                     .causal = pass->cache && n > 1,
                     .kept = pass->cache != NULL,
                 });
    at_linear_to(x, ctx, &l->out, AT_ACT_NONE, &y, y);
    at_norm_to(x, y, &l->self_norm, y);
    at_arena_rewind(&x->arena, mark);
}

at_tensor at_bert_forward(at_exec *x, const at_bert *b, const at_bert_pass *pass)
{
    if (pass->past + pass->n > b->positions)
        at_exec_fail(x, AT_E_INTERNAL, "%s: more than %zu positions", pass->stage, b->positions);
    at_tensor y = embed(x, b, pass);
    at_stage(x, y, "%s.embed", pass->stage);
    for (size_t i = 0; i < b->n_layers; i++) {
        const at_head_layer *cross = b->layers[i].cross;
        self_attention(x, b, pass, i, y);
        if (pass->memory) {
            const size_t mark = at_arena_mark(&x->arena);
            const at_tensor q = at_linear_new(x, y, &cross->query, AT_ACT_NONE);
            at_head_layer_cross(x, cross, b->heads, &pass->memory[i], q, y, y);
            at_arena_rewind(&x->arena, mark);
        }
        at_head_layer_ffn(x, cross, y);
        at_stage(x, y, "%s.layer%zu.out", pass->stage, i);
    }
    return y;
}
