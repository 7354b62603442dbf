/* retrieval.c - one stack, read two ways (BLIP 3.2): on the words alone it makes a text's vector, with
 * cross-attention to an image's tokens it says whether the two belong together.
 *     image  v = unit(Wv I[0] + bv)             text  t = unit(Wt stack(words)[0] + bt)
 *     cosine = v . t                            match logits = Wm stack(words | I)[0] + bm
 * Texts come without padding: a masked position adds exp(-10000) = 0 to every sum. */
#include "models/retrieval.h"

at_status at_retrieval_open(at_retrieval *r, const at_config *c, size_t memory_dim,
                            const at_allocator *al, at_error *err)
{
    const size_t side = at_swin_side(c, AT_STAGES - 1);
    at_config numbers = *c; // the text part's but for the layers
    numbers.text_layers = c->retrieval_layers;
    r->dim = c->retrieval_dim;
    r->most = c->retrieval_max;
    r->token_rows = 1 + side * side;
    return at_bert_open(&r->encoder, &numbers, memory_dim, NULL, al, err);
}

void at_retrieval_params(at_retrieval *r, at_params *p)
{
    const size_t w = r->encoder.hidden;
    at_scope scope = at_scope_enter(p, "a.", "alignment_encoder.");
    at_bert_params(&r->encoder, p, &at_bert_names_official);
    at_scope_leave(p, scope);
    at_param_linear(p, &r->vision, "a.vision", "vision_proj", r->dim, r->encoder.memory_dim, true);
    at_param_linear(p, &r->text, "a.text", "text_proj", r->dim, w, true);
    at_param_linear(p, &r->match, "a.match", "itm_head", 2, w, true);
    at_param_visit(p, AT_PARAM_VECTOR, &r->temperature, "a.temperature", "temp", 0,
                   (const uint64_t[]){1});
}

void at_retrieval_close(at_retrieval *r, const at_backend *backend, const at_allocator *al)
{
    at_bert_close(&r->encoder, backend, al);
    backend->unpack(&r->vision.w, al);
    backend->unpack(&r->text.w, al);
    backend->unpack(&r->match.w, al);
}

/* The first of every n rows. */
static at_tensor first_rows(at_tensor y, size_t n)
{
    at_tensor first = at_row_range(y, 0, at_rows(y) / n);
    first.ld = n * y.ld;
    return first;
}

void at_retrieval_images(at_exec *x, const at_retrieval *r, at_tensor tokens, at_tensor vectors)
{
    at_linear_to(x, first_rows(tokens, tokens.dims[1]), &r->vision, AT_ACT_NONE, NULL, vectors);
    at_unit_rows(x, vectors, vectors);
}

void at_retrieval_texts(at_exec *x, const at_retrieval *r, const int32_t *ids, size_t n,
                        size_t length, at_tensor vectors)
{
    const at_tensor y = at_bert_forward(
        x, &r->encoder,
        &(at_bert_pass){.sequences = n, .n = length, .ids = ids, .stage = "match.text"});
    at_linear_to(x, first_rows(y, length), &r->text, AT_ACT_NONE, NULL, vectors);
    at_unit_rows(x, vectors, vectors);
}

void at_retrieval_memory(at_exec *x, const at_retrieval *r, at_tensor tokens, at_head_keys *keys)
{
    const at_bert *b = &r->encoder;
    for (size_t i = 0; i < b->n_layers; i++) {
        keys[i] = (at_head_keys){.k = at_tensor3(x, 1, tokens.dims[1], b->hidden),
                                 .v = at_tensor3(x, 1, tokens.dims[1], b->hidden)};
        at_bert_memory(x, b, i, tokens, &keys[i]);
    }
}

void at_retrieval_pairs(at_exec *x, const at_retrieval *r, const at_head_keys *keys,
                        const int32_t *ids, size_t n, size_t length, at_tensor logits)
{
    const at_tensor y = at_bert_forward(
        x, &r->encoder,
        &(at_bert_pass){
            .sequences = n, .n = length, .ids = ids, .memory = keys, .stage = "match.pair"});
    at_linear_to(x, first_rows(y, length), &r->match, AT_ACT_NONE, NULL, logits);
}
