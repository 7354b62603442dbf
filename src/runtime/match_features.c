/* match_features.c - what a picture is compared by: its vector, its tokens, its tags. */
#include "runtime/match.h"

#include <string.h>

size_t at_model_match_width(const at_model *m)
{
    const at_retrieval *r = at_match_part(m);
    return r ? r->dim : 0;
}
size_t at_model_match_tokens(const at_model *m)
{
    const at_retrieval *r = at_match_part(m);
    return r ? r->most : 0;
}

at_status at_match_unsupported(const at_model *m, at_error *err)
{
    return at_fail(
        err, AT_E_MODEL_UNSUPPORTED,
        "%s (%s) has no weights to compare pictures with texts; they come from training a "
        "Tag2Text for retrieval (neither the model in the box nor the official checkpoints "
        "have them)",
        at_weights_path(m->weights), m->net->config.arch);
}

at_status at_session_pass(at_session *s, at_arena *arena, at_pass_fn pass, void *user,
                          at_error *err)
{
    const at_allocator *al = s->model->al;
    at_exec *x = &s->exec, plan = {.backend = x->backend, .err = err};
    const at_status texts = at_model_need_texts(s->model, x->backend->pool(x->device), err);
    if (texts != AT_OK) return texts;
    pass(&plan, user);
    if (plan.status != AT_OK) return plan.status;
    const size_t need = plan.arena.peak + AT_ALIGN; // an arena without memory would plan again
    if (need > arena->cap) {
        at_free(al, arena->data);
        *arena = (at_arena){.data = at_alloc(al, need), .cap = need};
        if (!arena->data) {
            *arena = (at_arena){0};
            return at_fail(err, AT_E_OUT_OF_MEMORY,
                           "no memory for a pass beside the session's own");
        }
    }
    const at_exec before = *x;
    x->arena = *arena;
    x->status = AT_OK;
    x->err = err;
    x->observe = NULL; // the stages are those of the picture
    pass(x, user);
    const at_status status = x->status;
    x->arena = before.arena;
    x->err = before.err;
    x->observe = before.observe;
    return status;
}

/* --- a batch of pictures ----------------------------------------------------------------------------- */

typedef struct batch {
    const at_retrieval *r;
    const float *tokens; // [count, rows, dim]
    size_t count;
    float *vectors; // [count, dim]
} batch;

static void project(at_exec *x, void *user)
{
    const batch *b = user;
    const at_retrieval *r = b->r;
    const size_t dims[3] = {b->count, r->token_rows, r->encoder.memory_dim};
    at_retrieval_images(x, r, at_tensor_of(b->tokens, 3, dims),
                        at_tensor_of(b->vectors, 2, (const size_t[]){b->count, r->dim}));
}

static at_status keep(const at_session *s, const batch *b, size_t i, const at_tag_options *o,
                      at_features **out, at_error *err)
{
    const at_model *m = s->model;
    const size_t tokens = b->r->token_rows * b->r->encoder.memory_dim, dim = b->r->dim;
    at_features *f = *out = at_new(m->al, at_features);
    if (!f) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a picture's features");
    *f = (at_features){.al = m->al,
                       .model = m,
                       .vector = at_alloc(m->al, dim * sizeof(float)),
                       .tokens = at_alloc(m->al, tokens * sizeof(float))};
    if (!f->vector || !f->tokens)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a picture's features");
    memcpy(f->vector, b->vectors + i * dim, dim * sizeof(float));
    memcpy(f->tokens, b->tokens + i * tokens, tokens * sizeof(float));
    return at_tags_choose(s, s->logits + i * s->choice.labels.count, o, &f->tags, err);
}

static at_status one_batch(at_session *s, at_arena *arena, float *vectors,
                           const at_pixels *const *pixels, size_t count, const at_tag_options *o,
                           at_features **features, at_error *err)
{
    at_status status = at_session_forward(s, pixels, count, err);
    batch b = {
        .r = at_match_part(s->model), .tokens = s->tokens, .count = count, .vectors = vectors};
    if (status == AT_OK) status = at_session_pass(s, arena, project, &b, err);
    for (size_t i = 0; i < count && status == AT_OK; i++)
        status = keep(s, &b, i, o, &features[i], err);
    for (size_t i = 0; i < count && status != AT_OK; i++) {
        at_features_free(features[i]);
        features[i] = NULL;
    }
    return status;
}

static at_status check(const at_session *s, const at_pixels *const *pixels, size_t count,
                       at_error *err)
{
    if (!at_match_part(s->model)) return at_match_unsupported(s->model, err);
    for (size_t i = 0; i < count; i++) {
        if (!pixels[i] || (size_t)pixels[i]->size != s->model->net->config.image_size)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "pixels %zu were prepared for another model", i);
    }
    return AT_OK;
}

at_status at_session_features_pixels(at_session *s, const at_pixels *const *pixels, size_t count,
                                     const at_tag_options *tags, at_features **features,
                                     at_error *errs)
{
    if (!s || !pixels || !features)
        return at_fail(errs, AT_E_INVALID_PARAMETER,
                       "at_session_features_pixels: no array may be NULL");
    const at_allocator *al = s->model->al;
    const at_retrieval *r = at_match_part(s->model);
    at_tag_options o;
    at_error why = {0};
    at_arena arena = {0};
    float *vectors = NULL;
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        features[i] = NULL;
    at_status worst = check(s, pixels, count, &why);
    if (worst == AT_OK) worst = at_tag_options_read(&o, tags, &why);
    if (worst == AT_OK)
        worst = at_session_keep_tokens(s, r->token_rows, r->encoder.memory_dim, &why);
    if (worst == AT_OK && !(vectors = at_calloc(al, s->max_batch * r->dim, sizeof *vectors)))
        worst = at_fail(&why, AT_E_OUT_OF_MEMORY, "no memory for pictures' vectors");
    if (worst != AT_OK) {
        for (size_t i = 0; errs && i < count; i++)
            errs[i] = why;
        return worst;
    }
    for (size_t first = 0; first < count; first += s->max_batch) {
        const size_t n = at_min_size(s->max_batch, count - first);
        const at_status one = one_batch(s, &arena, vectors, pixels + first, n, &o, features + first,
                                        &why);
        if (one == AT_OK) {
            good += n;
            continue;
        }
        worst = one;
        for (size_t i = first; errs && i < first + n; i++)
            errs[i] = why;
    }
    at_free(al, arena.data);
    at_free(al, vectors);
    return worst == AT_OK || good == 0 ? worst : AT_E_PARTIAL;
}

at_status at_session_features(at_session *s, const at_image *image, const at_tag_options *tags,
                              at_features **features, at_error *err)
{
    if (!s || !image || !features)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_features: session, image and features must not be NULL");
    *features = NULL;
    at_pixels *pixels = NULL;
    at_status status = at_pixels_prepare(s->model, image, &pixels, err);
    const at_pixels *one = pixels;
    if (status == AT_OK) status = at_session_features_pixels(s, &one, 1, tags, features, err);
    at_pixels_free(pixels);
    return status;
}

const float *at_features_vector(const at_features *f)
{
    return f->vector;
}
const at_tags *at_features_tags(const at_features *f)
{
    return f->tags;
}

void at_features_free(at_features *f)
{
    if (!f) return;
    at_tags_free(f->tags);
    at_free(f->al, f->vector);
    at_free(f->al, f->tokens);
    at_free(f->al, f);
}
