/* tag_head.c - per layer (SPEC 3.1), N labels, K image tokens, H width:
 *     y = LN(attention(x Wq, I Wk, I Wv) Wo + x);   x = LN(W2 GELU(W1 y) + y)
 * No self-attention; post-norm; no mask. */
#include "models/tag_head.h"

#include <math.h>
#include <string.h>

/* Labels in a block. Their feed-forward activations (3072 floats each at full size) stay in the
 * last-level cache, and the block is still tall enough to use the weights many times. */
enum { BLOCK = 768 };
/* Blocks are whole numbers of as many rows as a device multiplies together. */
enum { TOGETHER = 24 };

const at_head_names at_head_names_bert = {
    .layer = "tagging_head.encoder.layer.%d.",
    .query = "crossattention.self.query",
    .key = "crossattention.self.key",
    .value = "crossattention.self.value",
    .out = "crossattention.output.dense",
    .cross_norm = "crossattention.output.LayerNorm",
    .ffn_in = "intermediate.dense",
    .ffn_out = "output.dense",
    .ffn_norm = "output.LayerNorm",
};
const at_head_names at_head_names_lite = {
    .layer = "layer.%d.",
    .query = "query",
    .key = "key",
    .value = "value",
    .out = "attention_out",
    .cross_norm = "attention_norm",
    .ffn_in = "ffn_in",
    .ffn_out = "ffn_out",
    .ffn_norm = "ffn_norm",
};

at_status at_tag_head_open(at_tag_head *h, const at_config *c, const at_allocator *al,
                           at_error *err)
{
    h->n_layers = c->head_layers;
    h->hidden = c->head_hidden;
    h->heads = c->head_heads;
    h->ffn = c->head_ffn;
    h->token_dim = c->token_dim;
    h->label_dim = c->label_dim;
    h->eps = c->head_eps;
    h->classes = c->classes;
    h->layers = at_calloc(al, h->n_layers, sizeof *h->layers);
    return h->layers ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tag head");
}

void at_head_layer_params(at_params *p, at_head_layer *l, const at_head_names *n, size_t hidden,
                          size_t token_dim, size_t ffn, float eps)
{
    if (token_dim) { // else there is nothing to attend to
        at_param_linear(p, &l->query, "q", n->query, hidden, hidden, true);
        at_param_linear(p, &l->key, "k", n->key, hidden, token_dim, true);
        at_param_linear(p, &l->value, "v", n->value, hidden, token_dim, true);
        at_param_linear(p, &l->out, "o", n->out, hidden, hidden, true);
        at_param_norm(p, &l->cross_norm, "cross_norm", n->cross_norm, hidden, eps);
    }
    at_param_linear(p, &l->ffn_in, "ffn_in", n->ffn_in, ffn, hidden, true);
    at_param_linear(p, &l->ffn_out, "ffn_out", n->ffn_out, hidden, ffn, true);
    at_param_norm(p, &l->ffn_norm, "ffn_norm", n->ffn_norm, hidden, eps);
}

void at_head_layer_close(at_head_layer *l, const at_backend *backend, const at_allocator *al)
{
    at_linear *const all[] = {&l->query, &l->key, &l->value, &l->out, &l->ffn_in, &l->ffn_out};
    for (size_t k = 0; k < AT_COUNT(all); k++)
        backend->unpack(&all[k]->w, al);
}

void at_tag_head_params(at_tag_head *h, at_params *p, const at_head_names *n)
{
    const size_t w = h->hidden;
    if (!h->own_classifier)
        at_param_linear(p, &h->wordvec, "h.wordvec", "wordvec_proj", w, h->label_dim, true);
    for (size_t i = 0; i < h->n_layers; i++) {
        const at_scope scope = at_scope_enter(p, "h.l%d.", n->layer, (int)i);
        at_head_layer_params(p, &h->layers[i], n, w, h->token_dim, h->ffn, h->eps);
        at_scope_leave(p, scope);
    }
    if (!h->own_classifier) {
        at_param_linear(p, &h->fc, "h.fc", "fc", 1, w, true);
        return;
    }
    at_param_visit(p, AT_PARAM_VECTOR, &h->fc_rows, "h.fc.w", "fc.W", 3,
                   (const uint64_t[]){1, h->classes, w});
    at_param_visit(p, AT_PARAM_VECTOR, &h->fc_bias, "h.fc.b", "fc.b", 2,
                   (const uint64_t[]){1, h->classes});
}

void at_tag_head_close(at_tag_head *h, const at_backend *backend, const at_allocator *al)
{
    for (size_t i = 0; h->layers && i < h->n_layers; i++)
        at_head_layer_close(&h->layers[i], backend, al);
    backend->unpack(&h->wordvec.w, al);
    backend->unpack(&h->fc.w, al);
    at_free(al, h->layers);
}

void at_tag_head_input(at_exec *x, const at_tag_head *h, at_tensor embeddings, at_tensor input)
{
    at_linear_to(x, embeddings, &h->wordvec, AT_ACT_RELU, NULL, input);
}

at_status at_fixed_labels_open(at_fixed_labels *l, const at_config *c, const at_allocator *al,
                               at_error *err)
{
    l->count = c->classes;
    l->queries = at_calloc(al, 2 * l->count * c->head_hidden, sizeof(float));
    return l->queries
               ? AT_OK
               : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu label queries", l->count);
}

void at_fixed_labels_params(at_fixed_labels *l, at_params *p, const char *official,
                            size_t label_dim)
{
    at_param_visit(p, AT_PARAM_ROWS, &l->embed, "h.label_embed", official, 2,
                   (const uint64_t[]){l->count, label_dim});
}

/* Input and first query of embeddings e [n, label_dim]. */
static void queries_of(at_exec *x, const at_tag_head *h, at_tensor e, float *input, float *query)
{
    const size_t dims[2] = {at_rows(e), h->hidden};
    at_tensor in = at_tensor_of(input, 2, dims);
    if (h->own_classifier)
        at_copy_to(x, e, in);
    else
        at_tag_head_input(x, h, e, in);
    at_linear_to(x, in, &h->layers[0].query, AT_ACT_NONE, NULL, at_tensor_of(query, 2, dims));
}

void at_tag_head_queries(at_exec *x, const at_tag_head *h, at_tensor embeddings, float *queries)
{
    const size_t n = at_rows(embeddings) * h->hidden;
    queries_of(x, h, embeddings, queries, queries ? queries + n : NULL);
}

at_label_queries at_fixed_labels_queries(at_exec *x, const at_tag_head *h, at_fixed_labels *l)
{
    float *input = l->queries, *query = input + l->count * h->hidden;
    for (size_t first = 0; first < l->count; first += BLOCK) {
        const size_t n = at_min_size(BLOCK, l->count - first);
        const size_t mark = at_arena_mark(&x->arena);
        at_tensor e = at_tensor2(x, n, h->label_dim);
        at_rows_to(x, &l->embed, first, e);
        queries_of(x, h, e, input + first * h->hidden, query + first * h->hidden);
        at_arena_rewind(&x->arena, mark);
    }
    return (at_label_queries){.count = l->count, .input = input, .query = query};
}

void at_tag_head_memory(at_exec *x, const at_tag_head *h, at_tensor tokens, at_head_memory *memory)
{
    for (size_t i = 0; i < h->n_layers; i++)
        memory->layers[i] = (at_head_keys){
            .k = at_linear_new(x, tokens, &h->layers[i].key, AT_ACT_NONE),
            .v = at_linear_new(x, tokens, &h->layers[i].value, AT_ACT_NONE)};
}

void at_head_layer_cross(at_exec *x, const at_head_layer *l, size_t heads, const at_head_keys *keys,
                         at_tensor q, at_tensor in, at_tensor y)
{
    const size_t width = at_cols(y), n_k = keys->k.dims[1], variants = keys->variants;
    const size_t batch = variants ? variants : keys->k.dims[0], n_q = at_rows(y) / batch;
    const size_t mark = at_arena_mark(&x->arena);
    at_tensor ctx = at_tensor2(x, batch * n_q, width);
    at_attend(x, &(at_attention_args){
                     .batch = batch,
                     .groups = 1,
                     .heads = heads,
                     .head_dim = width / heads,
                     .n_q = n_q,
                     .n_k = n_k,
                     .q = q.data,
                     .ldq = q.ld,
                     .q_batch = n_q * q.ld,
                     .k = keys->k.data,
                     .v = keys->v.data,
                     .ldkv = keys->k.ld,
                     .kv_batch = variants ? 0 : n_k * keys->k.ld,
                     .out = ctx.data,
                     .ldo = width,
                     .out_batch = n_q * width,
                     .scale = 1.0f / sqrtf((float)(width / heads)),
                     .key_mask = keys->mask,
                     // variants are told by their differences
                     .coarse = !variants && (l->out.w.type == AT_I8 || l->out.w.narrow),
                     .kept = keys->kept,
                 });
    at_linear_to(x, ctx, &l->out, AT_ACT_NONE, &in, y);
    at_norm_to(x, y, &l->cross_norm, y);
    at_arena_rewind(&x->arena, mark);
}

void at_head_layer_ffn(at_exec *x, const at_head_layer *l, at_tensor y)
{
    const size_t mark = at_arena_mark(&x->arena);
    at_tensor ffn = at_tensor2(x, at_rows(y), l->ffn_in.w.n);
    at_linear_to(x, y, &l->ffn_in, AT_ACT_GELU, NULL, ffn);
    at_linear_to(x, ffn, &l->ffn_out, AT_ACT_NONE, &y, y);
    at_arena_rewind(&x->arena, mark);
    at_norm_to(x, y, &l->ffn_norm, y);
}

/* Image b's keys and values. */
static at_tensor image_of(at_tensor t, size_t b)
{
    const size_t n = t.dims[1];
    return at_tensor_of(t.data ? t.data + b * n * t.ld : NULL, 3,
                        (const size_t[]){1, n, t.dims[2]});
}

void at_tag_head_classify(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                          size_t first, at_tensor y, float *logits)
{
    if (!h->own_classifier) {
        at_linear_to(x, y, &h->fc, AT_ACT_NONE, NULL,
                     at_tensor_of(logits, 2, (const size_t[]){at_rows(y), 1}));
        return;
    }
    const size_t from = labels->ids ? 0 : first; // without ids the rows lie in order
    at_row_dots(x, y, h->fc_rows ? h->fc_rows + from * h->hidden : NULL,
                h->fc_bias ? h->fc_bias + from : NULL, labels->ids ? labels->ids + first : NULL,
                logits);
}

void at_tag_head_forward(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                         const at_head_memory *memory, size_t b, float *logits)
{
    // a stage is shown whole: one block when somebody looks. The bits depend on the blocks only if the last
    // one is so low that its products take the plain way
    const size_t blocks = x->observe ? 1 : (labels->count + BLOCK - 1) / BLOCK;
    const size_t step = blocks ? at_round_up((labels->count + blocks - 1) / blocks, TOGETHER)
                               : 0; // blocks of equal height
    x->together = true;             // labels of one picture
    for (size_t first = 0; first < labels->count; first += step) {
        const size_t n = at_min_size(step, labels->count - first);
        const size_t mark = at_arena_mark(&x->arena);
        const size_t dims[2] = {n, h->hidden};
        const at_tensor input = at_tensor_of(labels->input + first * h->hidden, 2, dims);
        at_stage(x, input, "head.input");
        at_tensor y = at_tensor_new(x, 2, dims);
        for (size_t i = 0; i < h->n_layers; i++) {
            const at_head_layer *l = &h->layers[i];
            const size_t inner = at_arena_mark(&x->arena);
            const at_tensor in = i == 0 ? input : y;
            const at_tensor q = i == 0 && labels->query
                                    ? at_tensor_of(labels->query + first * h->hidden, 2, dims)
                                    : at_linear_new(x, in, &l->query, AT_ACT_NONE);
            const at_head_keys keys = {.k = image_of(memory->layers[i].k, b),
                                       .v = image_of(memory->layers[i].v, b)};
            at_head_layer_cross(x, l, h->heads, &keys, q, in, y);
            at_stage(x, y, "head.layer%zu.cross", i);
            at_head_layer_ffn(x, l, y);
            at_stage(x, y, "head.layer%zu.out", i);
            at_arena_rewind(&x->arena, inner);
        }
        at_tag_head_classify(x, h, labels, first, y, logits ? logits + first : NULL);
        at_arena_rewind(&x->arena, mark);
    }
    x->together = false;
}
