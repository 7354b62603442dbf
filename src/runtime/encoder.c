/* encoder.c - texts in, vectors out: texts of equally many tokens go through the network together, so
 * that nothing is computed on padding. */
#include "runtime/labels.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 2048 }; // of a batch: enough to use the weights many times

struct at_encoder {
    at_model *m; // a network with type->encode, and its vocabulary
    at_exec exec;
    pthread_mutex_t lock; // one call at a time
};

at_status at_encoder_open(const char *path, const at_model_options *options, at_encoder **out,
                          at_error *err)
{
    if (!path || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_encoder_open: path and encoder must not be NULL");
    *out = NULL;
    at_model *m;
    at_status status = at_network_file_open(path, options, true, &m, err);
    if (status != AT_OK) return status;
    at_model_options o;
    at_encoder *e = at_new(m->al, at_encoder);
    status = AT_OPTIONS(at_model_options, &o, options, err);
    if (!e) status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the text encoder");
    if (status == AT_OK) {
        *e = (at_encoder){.m = m, .exec.backend = m->net->backend};
        (void)pthread_mutex_init(&e->lock, NULL);
        status = e->exec.backend->open(&e->exec.device, o.threads, m->al, err);
        if (status != AT_OK) (void)pthread_mutex_destroy(&e->lock);
    }
    if (status != AT_OK) {
        at_free(m->al, e);
        at_model_close(m);
        return status;
    }
    *out = e;
    return AT_OK;
}

void at_encoder_close(at_encoder *e)
{
    if (!e) return;
    at_model *m = e->m;
    e->exec.backend->close(e->exec.device);
    at_free(m->al, e->exec.arena.data);
    (void)pthread_mutex_destroy(&e->lock);
    at_free(m->al, e);
    at_model_close(m);
}

const char *at_encoder_name(const at_encoder *e)
{
    return at_model_name(e->m);
}
const char *at_encoder_architecture(const at_encoder *e)
{
    return at_model_architecture(e->m);
}
size_t at_encoder_width(const at_encoder *e)
{
    return e->m->net->config.label_dim;
}
size_t at_encoder_tokens(const at_encoder *e)
{
    return e->m->net->config.text_positions;
}

const char *const *at_encoder_templates(const at_encoder *e, size_t *n)
{
    return at_weights_strings(e->m->weights, "anytag.label_templates", n);
}

void at_encoder_observe(at_encoder *e, at_observe_fn observe, void *user)
{
    e->exec.observe = observe;
    e->exec.observe_user = user;
}

/* A text's tokens between first and last, cut to what the network has positions for. */
typedef struct line {
    int32_t *ids;
    size_t n, index;
} line;

static at_status tokens_of(const at_encoder *e, const char *text, line *l, at_error *err)
{
    const at_wordpiece *words = e->m->words;
    const at_clip_bpe *pairs = e->m->pairs;
    const at_encode_type *type = e->m->net->type->encode;
    const int32_t first = pairs ? at_clip_bpe_first(pairs) : at_wordpiece_id(words, type->first),
                  last = pairs ? at_clip_bpe_last(pairs) : at_wordpiece_id(words, type->last);
    int32_t *inner;
    size_t n;
    const at_status status = pairs
                                 ? at_clip_bpe_encode(pairs, text, strlen(text), &inner, &n, err)
                                 : at_wordpiece_encode(words, text, strlen(text), &inner, &n, err);
    if (status != AT_OK) return status;
    n = at_min_size(n, at_encoder_tokens(e) - 2);
    for (size_t i = 0; i < n && pairs; i++) // CLIP reads its vector at the first end token
        if (inner[i] == last) n = i;
    l->ids = at_alloc(e->m->al, (n + 2) * sizeof *l->ids);
    if (l->ids) {
        l->ids[0] = first;
        if (n) memcpy(l->ids + 1, inner, n * sizeof *inner);
        l->ids[n + 1] = last;
        l->n = n + 2;
    }
    at_free(e->m->al, inner);
    return l->ids ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a text's tokens");
}

/* By length, then those that begin alike beside each other: clip_text.c shares what they share. */
static int by_length(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    for (size_t i = 0; i < x->n; i++)
        if (x->ids[i] != y->ids[i]) return x->ids[i] < y->ids[i] ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void run(const at_encoder *e, at_exec *x, const int32_t *ids, size_t n, size_t length,
                float *out)
{
    const at_network *net = e->m->net;
    at_arena_rewind(&x->arena, 0);
    at_tensor y = at_tensor_of(out, 2, (const size_t[]){n, net->config.label_dim});
    net->type->encode->forward(net, x, ids, n, length, y);
    at_unit_rows(x, y, y);
}

/* n lines of one length. */
static at_status encode_batch(at_encoder *e, const line *lines, size_t n, int32_t *ids, float *out,
                              at_error *err)
{
    const size_t length = lines[0].n;
    for (size_t i = 0; i < n; i++)
        memcpy(ids + i * length, lines[i].ids, length * sizeof *ids);
    at_exec plan = {.backend = e->exec.backend, .err = err, .observe = e->exec.observe};
    run(e, &plan, NULL, n, length, NULL);
    if (plan.status != AT_OK) return plan.status;
    at_exec *x = &e->exec;
    if (plan.arena.peak > x->arena.cap) {
        at_free(e->m->al, x->arena.data);
        x->arena = (at_arena){.data = at_alloc(e->m->al, plan.arena.peak), .cap = plan.arena.peak};
        if (!x->arena.data) {
            x->arena.cap = 0;
            return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu texts", n);
        }
    }
    x->status = AT_OK;
    x->err = err;
    run(e, x, ids, n, length, out);
    x->err = NULL;
    return x->status;
}

static at_status encode_all(at_encoder *e, line *lines, size_t n, float *vectors,
                            at_encode_progress progress, void *user, at_error *err)
{
    const at_allocator *al = e->m->al;
    const size_t width = at_encoder_width(e), most = at_max_size(TOKENS, at_encoder_tokens(e));
    int32_t *ids = at_alloc(al, most * sizeof *ids);
    float *out = at_alloc(al, most * width * sizeof *out);
    at_status status = ids && out ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for texts");
    qsort(lines, n, sizeof *lines, by_length);
    for (size_t first = 0, k; first < n && status == AT_OK; first += k) {
        const size_t length = lines[first].n, cap = at_max_size(most / length, 1);
        for (k = 1; k < cap && first + k < n && lines[first + k].n == length;)
            k++;
        if (progress && progress(user, first, n) != 0)
            status = at_fail(err, AT_E_CANCELLED, "stopped after %zu of %zu texts", first, n);
        if (status == AT_OK) status = encode_batch(e, lines + first, k, ids, out, err);
        for (size_t i = 0; i < k && status == AT_OK; i++)
            memcpy(vectors + lines[first + i].index * width, out + i * width, width * sizeof *out);
    }
    if (progress && status == AT_OK) (void)progress(user, n, n);
    at_free(al, ids);
    at_free(al, out);
    return status;
}

at_status at_encoder_encode(at_encoder *e, const char *const *texts, size_t n, float *vectors,
                            at_encode_progress progress, void *user, at_error *err)
{
    if (!e || !texts || !vectors)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_encoder_encode: no argument may be NULL");
    line *lines = at_calloc(e->m->al, n + 1, sizeof *lines);
    at_status status = lines ? AT_OK
                             : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu texts", n);
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        lines[i].index = i;
        if (!texts[i] || !texts[i][0])
            status = at_fail(err, AT_E_INVALID_TEXT, "text %zu is empty", i + 1);
        else
            status = tokens_of(e, texts[i], &lines[i], err);
    }
    if (status == AT_OK) {
        pthread_mutex_lock(&e->lock);
        status = encode_all(e, lines, n, vectors, progress, user, err);
        pthread_mutex_unlock(&e->lock);
    }
    for (size_t i = 0; lines && i < n; i++)
        at_free(e->m->al, lines[i].ids);
    at_free(e->m->al, lines);
    return status;
}
