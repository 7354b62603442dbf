/* clip_text.c - CLIP's text tower (Radford et al., arXiv 2103.00020), n tokens of each text, W width:
 *     y = token + position
 *     y += Wo attention(LN1 y), a token sees those before it;   y += W2 QuickGELU(W1 LN2 y)
 *     vector = P^T LN(y of the end token)
 * What a token becomes depends on the tokens before it alone. So texts that begin alike (templates around
 * different names do) share the rows of their beginnings: rows are computed once for each beginning and
 * laid out for each text where attention reads them, which changes no bit. */
#include "models/networks.h"

#include <math.h>

typedef struct block {
    at_norm norm1, norm2;
    at_linear qkv, out, fc1, fc2;
} block;

typedef struct clip_text {
    at_network base;
    at_rows_view words;    // [vocab, width]
    const float *position; // [positions, width]
    block *blocks;         // [layers]
    at_norm norm;
    at_linear projection; // [label_dim, width], no bias
} clip_text;

static at_status clip_open(at_network *base, at_error *err)
{
    clip_text *m = (clip_text *)base;
    m->blocks = at_calloc(base->al, base->config.text_layers, sizeof *m->blocks);
    return m->blocks ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the text layers");
}

static void clip_params(at_network *base, at_params *p)
{
    clip_text *m = (clip_text *)base;
    const at_config *c = &base->config;
    const size_t w = c->text_hidden;
    const at_scope scope = at_scope_enter(p, "ct.", "");
    at_param_visit(p, AT_PARAM_ROWS, &m->words, "words", "token_embedding.weight", 2,
                   (const uint64_t[]){c->text_vocab, w});
    at_param_visit(p, AT_PARAM_VECTOR, &m->position, "positions", "positional_embedding", 2,
                   (const uint64_t[]){c->text_positions, w});
    for (uint32_t i = 0; i < c->text_layers; i++) {
        block *b = &m->blocks[i];
        const at_scope layer = at_scope_enter(p, "l%u.", "transformer.resblocks.%u.", i);
        at_param_norm(p, &b->norm1, "norm1", "ln_1", w, c->text_eps);
        at_param_visit(p, AT_PARAM_MATRIX, &b->qkv.w, "qkv.w", "attn.in_proj_weight", 2,
                       (const uint64_t[]){3 * w, w});
        at_param_visit(p, AT_PARAM_VECTOR, &b->qkv.bias, "qkv.b", "attn.in_proj_bias", 1,
                       (const uint64_t[]){3 * w});
        at_param_linear(p, &b->out, "out", "attn.out_proj", w, w, true);
        at_param_norm(p, &b->norm2, "norm2", "ln_2", w, c->text_eps);
        at_param_linear(p, &b->fc1, "fc1", "mlp.c_fc", c->text_ffn, w, true);
        at_param_linear(p, &b->fc2, "fc2", "mlp.c_proj", w, c->text_ffn, true);
        at_scope_leave(p, layer);
    }
    at_param_norm(p, &m->norm, "norm", "ln_final", w, c->text_eps);
    at_param_visit(p, AT_PARAM_TRANSPOSED, &m->projection.w, "projection", "text_projection", 2,
                   (const uint64_t[]){w, c->label_dim});
    at_scope_leave(p, scope);
}

static at_status clip_prepare(at_network *base, at_error *err)
{
    (void)base;
    (void)err;
    return AT_OK;
}

/* Which row each token of each text has. */
typedef struct sharing {
    size_t texts, length, rows;
    int32_t *row_of;   // [texts, length]
    int32_t *token_of; // [rows] whose row it is first
    int32_t *id_of;    // [rows] of the vocabulary
    int32_t *end_row;  // [texts] of the end token
    int32_t *last_of;  // [texts] its token
    int32_t *position; // [rows]
} sharing;

static int32_t *new_ints(at_exec *x, size_t n)
{
    return (int32_t *)(void *)at_tensor2(x, 1, n).data;
}

/* A text begins like the one before it (the caller sorts them) or has rows of its own. Planned without
 * ids, as if none did. */
static sharing share(at_exec *x, const int32_t *ids, size_t texts, size_t length)
{
    const size_t tokens = texts * length;
    sharing s = {.texts = texts,
                 .length = length,
                 .rows = tokens,
                 .row_of = new_ints(x, tokens),
                 .token_of = new_ints(x, tokens),
                 .id_of = new_ints(x, tokens),
                 .position = new_ints(x, tokens),
                 .end_row = new_ints(x, texts),
                 .last_of = new_ints(x, texts)};
    if (at_planning(x) || x->status != AT_OK) return s;
    s.rows = 0;
    for (size_t t = 0; t < texts; t++) {
        bool alike = t > 0;
        for (size_t i = 0; i < length; i++) {
            const size_t at = t * length + i;
            alike = alike && ids[at] == ids[at - length];
            if (alike) {
                s.row_of[at] = s.row_of[at - length];
                continue;
            }
            s.row_of[at] = (int32_t)s.rows;
            s.token_of[s.rows] = (int32_t)at;
            s.id_of[s.rows] = ids[at];
            s.position[s.rows++] = (int32_t)i;
        }
        s.last_of[t] = (int32_t)(t * length + length - 1);
        s.end_row[t] = s.row_of[s.last_of[t]];
    }
    return s;
}

/* Rows `which` of `from`, one behind the other. */
static at_tensor pick(at_exec *x, at_tensor from, const int32_t *which, size_t n)
{
    const at_tensor y = at_tensor2(x, n, at_cols(from));
    const at_rows_view rows = {
        .data = from.data, .type = AT_F32, .n = at_rows(from), .k = at_cols(from)};
    at_embed_to(x, &rows, which, y);
    return y;
}

/* Attention of all tokens, or (`ends`) of the end tokens alone. */
static at_tensor attend(at_exec *x, const clip_text *m, const sharing *s, at_tensor qkv, bool ends)
{
    const size_t w = m->base.config.text_hidden, heads = m->base.config.text_heads,
                 n_q = ends ? 1 : s->length;
    const at_tensor all = pick(x, qkv, s->row_of, s->texts * s->length),
                    out = at_tensor2(x, s->texts * n_q, w);
    if (!all.data) return out;
    at_attend(x, &(at_attention_args){
                     .batch = s->texts,
                     .groups = 1,
                     .heads = heads,
                     .head_dim = w / heads,
                     .n_q = n_q,
                     .n_k = s->length,
                     .q = all.data + (s->length - n_q) * 3 * w,
                     .ldq = 3 * w,
                     .q_batch = s->length * 3 * w,
                     .k = all.data + w,
                     .v = all.data + 2 * w,
                     .ldkv = 3 * w,
                     .kv_batch = s->length * 3 * w,
                     .out = out.data,
                     .ldo = w,
                     .out_batch = n_q * w,
                     .scale = 1.0f / sqrtf((float)(w / heads)),
                     .causal = true,
                 });
    return ends ? out : pick(x, out, s->token_of, s->rows);
}

/* `y` and what the next layer reads. In the last layer nobody reads more than the end tokens. */
static at_tensor run_block(at_exec *x, const clip_text *m, const sharing *s, const block *b,
                           at_tensor y, bool last)
{
    const at_tensor next = last ? pick(x, y, s->end_row, s->texts) : y;
    const size_t mark = at_arena_mark(&x->arena);
    const at_tensor qkv = at_norm_linear_new(x, y, &b->norm1, &b->qkv, AT_ACT_NONE);
    const at_tensor ctx = attend(x, m, s, qkv, last);
    at_linear_to(x, ctx, &b->out, AT_ACT_NONE, &next, next);
    at_arena_rewind(&x->arena, mark);
    const at_tensor ffn = at_norm_linear_new(x, next, &b->norm2, &b->fc1, AT_ACT_QUICK_GELU);
    at_linear_to(x, ffn, &b->fc2, AT_ACT_NONE, &next, next);
    at_arena_rewind(&x->arena, mark);
    return next;
}

static at_tensor embed(at_exec *x, const clip_text *m, const sharing *s)
{
    const size_t w = m->base.config.text_hidden;
    at_tensor y = at_tensor2(x, s->rows, w);
    at_embed_to(x, &m->words, s->id_of, y);
    const size_t mark = at_arena_mark(&x->arena);
    const at_tensor positions = at_tensor_of(m->position, 2,
                                             (const size_t[]){m->base.config.text_positions, w});
    at_add_to(x, y, pick(x, positions, s->position, s->rows), y);
    at_arena_rewind(&x->arena, mark);
    return y;
}

/* A stage as [texts, length, w], or [texts, w] once only the end tokens are left. */
static void show(at_exec *x, const sharing *s, at_tensor y, size_t i)
{
    if (!x->observe) return;
    const size_t mark = at_arena_mark(&x->arena);
    at_tensor all = y;
    if (at_rows(y) == s->rows && s->rows != s->texts) {
        all = pick(x, y, s->row_of, s->texts * s->length);
        all = at_tensor_of(all.data, 3, (const size_t[]){s->texts, s->length, at_cols(y)});
    }
    at_stage(x, all, "text.layer%zu.out", i);
    at_arena_rewind(&x->arena, mark);
}

static void clip_encode(const at_network *base, at_exec *x, const int32_t *ids, size_t n,
                        size_t length, at_tensor out)
{
    const clip_text *m = (const clip_text *)base;
    const size_t mark = at_arena_mark(&x->arena), layers = base->config.text_layers;
    const sharing s = share(x, ids, n, length);
    at_tensor y = embed(x, m, &s);
    for (size_t i = 0; i < layers; i++) {
        y = run_block(x, m, &s, &m->blocks[i], y, i + 1 == layers);
        show(x, &s, y, i);
    }
    at_norm_to(x, y, &m->norm, y);
    at_stage(x, y, "text.ln_final");
    at_linear_to(x, y, &m->projection, AT_ACT_NONE, NULL, out);
    at_stage(x, out, "text_features");
    at_arena_rewind(&x->arena, mark);
}

static void clip_close(at_network *base)
{
    clip_text *m = (clip_text *)base;
    for (size_t i = 0; m->blocks && i < base->config.text_layers; i++) {
        block *b = &m->blocks[i];
        at_linear *const all[] = {&b->qkv, &b->out, &b->fc1, &b->fc2};
        for (size_t k = 0; k < AT_COUNT(all); k++)
            base->backend->unpack(&all[k]->w, base->al);
    }
    base->backend->unpack(&m->projection.w, base->al);
    at_free(base->al, m->blocks);
}

static const at_encode_type encode = {.forward = clip_encode, .byte_pairs = true};

const at_network_type at_network_clip_text = {
    .arch = "clip_text",
    .about = "CLIP's text tower, which made the labels of RAM and RAM++",
    .size = sizeof(clip_text),
    .open = clip_open,
    .params = clip_params,
    .prepare = clip_prepare,
    .close = clip_close,
    .encode = &encode,
};
