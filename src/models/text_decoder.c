/* text_decoder.c - see SPEC 5.2 and 5.4. Cross-attention keys and values are made once an image (the
 * official code makes them anew for every token), beams of one image share them. */
#include "models/text_decoder.h"

#include <string.h>

void at_text_head_params(at_text_decoder *d, at_params *p, const at_text_head_names *n)
{
    const size_t w = d->bert.hidden, vocab = d->bert.vocab;
    at_param_linear(p, &d->transform, "transform", n->transform, w, w, true);
    at_param_norm(p, &d->transform_norm, "transform_norm", n->transform_norm, w, d->bert.eps);
    at_param_visit(p, AT_PARAM_TIED, &d->words.w, "words", n->words, 2,
                   (const uint64_t[]){vocab, w});
    at_param_visit(p, AT_PARAM_VECTOR, &d->words.bias, "words.b", n->bias, 1,
                   (const uint64_t[]){vocab});
}

void at_text_decoder_close(at_text_decoder *d, const at_backend *backend, const at_allocator *al)
{
    at_bert_close(&d->bert, backend, al);
    backend->unpack(&d->transform.w, al);
    backend->unpack(&d->words.w, al);
}

at_status at_text_state_open(at_text_state *s, const at_text_decoder *d, size_t images,
                             size_t beams, size_t positions, size_t memory_rows, bool masked,
                             const at_allocator *al, at_error *err)
{
    const at_bert *b = &d->bert;
    *s = (at_text_state){
        .images = images, .beams = beams, .positions = positions, .memory_rows = memory_rows};
    size_t rows, floats;
    const bool fits = at_mul(images, beams, &rows) && at_mul(rows, positions, &floats) &&
                      at_mul(floats, 2 * b->n_layers * b->hidden, &floats);
    if (fits) {
        s->memory = at_calloc(al, 2 * b->n_layers * images * memory_rows * b->hidden,
                              sizeof(float));
        s->cache = (at_bert_cache){.data = at_calloc(al, floats, sizeof(float)),
                                   .sequences = rows,
                                   .positions = positions};
        s->mask = masked ? at_calloc(al, images * memory_rows, sizeof(float)) : NULL;
    }
    if (s->memory && s->cache.data && (s->mask || !masked)) return AT_OK;
    at_text_state_close(s, al);
    return at_fail(err, AT_E_OUT_OF_MEMORY,
                   "no memory for captions of %zu tokens with %zu beams, %zu at a time", positions,
                   beams, images);
}

void at_text_state_close(at_text_state *s, const at_allocator *al)
{
    at_free(al, s->memory);
    at_free(al, s->mask);
    at_free(al, s->cache.data);
    *s = (at_text_state){0};
}

void at_text_state_reset(at_text_state *s, const at_text_decoder *d, size_t images)
{
    const at_bert *b = &d->bert;
    s->images = images;
    s->past = 0;
    s->cache.sequences = images * s->beams;
    const size_t floats = images * s->memory_rows * b->hidden;
    const size_t dims[3] = {images, s->memory_rows, b->hidden};
    for (size_t i = 0; i < b->n_layers; i++) {
        float *k = s->memory ? s->memory + 2 * i * floats : NULL;
        s->keys[i] = (at_head_keys){.k = at_tensor_of(k, 3, dims),
                                    .v = at_tensor_of(k ? k + floats : NULL, 3, dims),
                                    .mask = s->mask,
                                    .kept = true};
    }
}

void at_text_state_drop(at_text_state *s, const at_text_decoder *d, size_t image)
{
    const at_bert *b = &d->bert;
    const size_t last = --s->images, rows = s->memory_rows;
    for (size_t i = 0; i < b->n_layers; i++) {
        at_head_keys *keys = &s->keys[i];
        keys->k.dims[0] = keys->v.dims[0] = s->images;
        if (image == last) continue;
        const size_t n = rows * b->hidden;
        memcpy(keys->k.data + image * n, keys->k.data + last * n, n * sizeof(float));
        memcpy(keys->v.data + image * n, keys->v.data + last * n, n * sizeof(float));
    }
    if (image == last) return;
    if (s->mask) memcpy(s->mask + image * rows, s->mask + last * rows, rows * sizeof(float));
    for (size_t k = 0; k < s->beams; k++)
        at_text_state_copy(s, d, image * s->beams + k, last * s->beams + k);
}

void at_text_state_copy(at_text_state *s, const at_text_decoder *d, size_t to, size_t from)
{
    const at_bert_cache *c = &s->cache;
    const size_t step = c->positions * d->bert.hidden, used = s->past * d->bert.hidden;
    for (size_t i = 0; i < 2 * d->bert.n_layers; i++) {
        float *of_layer = c->data + i * c->sequences * step;
        memcpy(of_layer + to * step, of_layer + from * step, used * sizeof(float));
    }
}

void at_text_memory(at_exec *x, const at_text_decoder *d, at_tensor rows, at_text_state *s)
{
    for (size_t i = 0; i < d->bert.n_layers; i++)
        at_bert_memory(x, &d->bert, i, rows, &s->keys[i]);
}

/* Logits of the last of every sequence's n rows. */
static void head(at_exec *x, const at_text_decoder *d, at_tensor y, size_t n, bool first,
                 float *logits)
{
    at_tensor last = y;
    if (n > 1) { // every n-th row
        last = at_row_range(y, n - 1, at_rows(y) / n);
        last.ld = n * y.ld;
    }
    at_tensor t = at_tensor2(x, at_rows(last), d->bert.hidden);
    at_linear_to(x, last, &d->transform, AT_ACT_GELU, NULL, t);
    at_norm_to(x, t, &d->transform_norm, t);
    const at_tensor out = at_tensor_of(logits, 2, (const size_t[]){at_rows(last), d->bert.vocab});
    at_linear_to(x, t, &d->words, AT_ACT_NONE, NULL, out);
    if (first) at_stage(x, out, "decoder.step0.logits");
}

void at_text_prompt(at_exec *x, const at_text_decoder *d, at_text_state *s, const int32_t *ids,
                    size_t n, float *logits)
{
    const at_bert_pass pass = {.sequences = s->images,
                               .n = n,
                               .ids = ids,
                               .cache = &s->cache,
                               .slot_step = s->beams,
                               .memory = s->keys,
                               .stage = "decoder"};
    head(x, d, at_bert_forward(x, &d->bert, &pass), n, true, logits);
    if (!at_planning(x)) s->past = n;
}

void at_text_step(at_exec *x, const at_text_decoder *d, at_text_state *s, const int32_t *ids,
                  float *logits)
{
    const at_bert_pass pass = {.sequences = s->images * s->beams,
                               .n = 1,
                               .ids = ids,
                               .cache = &s->cache,
                               .past = s->past,
                               .slot_step = 1,
                               .memory = s->keys,
                               .stage = "decoder"};
    const at_observe_fn observe = x->observe;
    x->observe = NULL; // stages are those of the prompt
    head(x, d, at_bert_forward(x, &d->bert, &pass), 1, false, logits);
    x->observe = observe;
    if (!at_planning(x)) s->past++;
}
