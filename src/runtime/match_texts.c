/* match_texts.c - texts as tokens, vectors and tags. Those of one length go through the stack together,
 * so that nothing is computed on padding. */
#include "runtime/match.h"

#include <stdio.h>
#include <string.h>

size_t at_text_batch(const at_texts *t, const uint32_t *order, size_t n)
{
    const size_t length = t->lines[order[0]].n, most = at_max_size(AT_TEXT_BATCH / length, 1);
    size_t k = 1;
    while (k < n && k < most && t->lines[order[k]].n == length)
        k++;
    return k;
}

void at_text_batch_ids(const at_texts *t, const uint32_t *order, size_t n, int32_t first,
                       int32_t *ids)
{
    const size_t length = t->lines[order[0]].n;
    for (size_t i = 0; i < n; i++) {
        memcpy(ids + i * length, t->lines[order[i]].ids, length * sizeof *ids);
        ids[i * length] = first;
    }
}

/* --- one text ------------------------------------------------------------------------------------------ */

static at_status no_memory(at_error *err)
{
    return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a text");
}

static at_status tokens_of(const at_texts *t, at_text_line *l, at_error *err)
{
    const at_wordpiece *words = t->model->words;
    const size_t most = t->r->most - 2;
    int32_t *inner = NULL;
    size_t n;
    const at_status status = at_wordpiece_encode(words, l->text, strlen(l->text), &inner, &n, err);
    if (status != AT_OK) return status;
    if (n == 0) {
        at_free(t->al, inner);
        return at_fail(err, AT_E_INVALID_TEXT, "it is empty");
    }
    l->cut = n > most ? n - most : 0;
    n -= l->cut;
    l->ids = at_alloc(t->al, (n + 2) * sizeof *l->ids);
    if (l->ids) {
        l->ids[0] = at_wordpiece_id(words, "[CLS]");
        memcpy(l->ids + 1, inner, n * sizeof *inner);
        l->ids[n + 1] = at_wordpiece_id(words, "[SEP]");
        l->n = n + 2;
    }
    at_free(t->al, inner);
    return l->ids ? AT_OK : no_memory(err);
}

static at_status read_line(at_texts *t, const at_tag_finder *finder, at_text_line *l,
                           const char *text, at_error *err)
{
    const size_t len = text ? strnlen(text, AT_TEXT_BYTES_MOST + 1) : 0;
    if (len > AT_TEXT_BYTES_MOST)
        return at_fail(err, AT_E_INVALID_TEXT, "it is longer than %d bytes", AT_TEXT_BYTES_MOST);
    if (!(l->text = at_strndup(t->al, text ? text : "", len))) return no_memory(err);
    const at_status status = tokens_of(t, l, err);
    if (status != AT_OK) return status;
    l->first_tag = t->tags.len / sizeof(uint32_t);
    const at_status found = at_tag_finder_find(finder, text, len, &t->tags, err);
    l->n_tags = t->tags.len / sizeof(uint32_t) - l->first_tag;
    return found;
}

static at_status read_all(at_texts *t, const at_tag_finder *finder, const char *const *texts,
                          at_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const at_status status = read_line(t, finder, &t->lines[i], texts[i], err);
        char which[32];
        (void)snprintf(which, sizeof which, "text %zu", i + 1);
        if (status != AT_OK) return at_fail_prefix(err, status, which);
    }
    return AT_OK;
}

/* --- vectors ------------------------------------------------------------------------------------------- */

typedef struct batch {
    const at_texts *t;
    const uint32_t *order;
    size_t n;
    int32_t *ids;   // [AT_TEXT_BATCH]
    float *vectors; // [AT_TEXT_BATCH, dim]
} batch;

static void encode(at_exec *x, void *user)
{
    const batch *b = user;
    const at_retrieval *r = b->t->r;
    at_arena_rewind(&x->arena, 0);
    at_retrieval_texts(x, r, b->ids, b->n, b->t->lines[b->order[0]].n,
                       at_tensor_of(b->vectors, 2, (const size_t[]){b->n, r->dim}));
}

static at_status encode_all(at_session *s, at_texts *t, at_error *err)
{
    const size_t dim = t->r->dim;
    const int32_t first = at_wordpiece_id(t->model->words, "[CLS]");
    at_arena arena = {0};
    batch b = {.t = t,
               .ids = at_alloc(t->al, AT_TEXT_BATCH * sizeof(int32_t)),
               .vectors = at_calloc(t->al, AT_TEXT_BATCH * dim, sizeof(float))};
    at_status status = b.ids && b.vectors ? AT_OK : no_memory(err);
    for (size_t at = 0; at < t->n && status == AT_OK; at += b.n) {
        b.order = t->order + at;
        b.n = at_text_batch(t, b.order, t->n - at);
        at_text_batch_ids(t, b.order, b.n, first, b.ids);
        status = at_session_pass(s, &arena, encode, &b, err);
        for (size_t i = 0; i < b.n && status == AT_OK; i++)
            memcpy(t->vectors + b.order[i] * dim, b.vectors + i * dim, dim * sizeof(float));
    }
    at_free(t->al, arena.data);
    at_free(t->al, b.ids);
    at_free(t->al, b.vectors);
    return status;
}

/* Counting sort by length, stable. */
static void sort_by_length(at_texts *t, size_t most)
{
    size_t at = 0;
    for (size_t length = 1; length <= most; length++)
        for (size_t i = 0; i < t->n; i++)
            if (t->lines[i].n == length) t->order[at++] = (uint32_t)i;
}

/* Opened at the first text, kept by the session. */
static at_status open_finder(at_session *s, at_error *err)
{
    const at_model *m = s->model;
    if (s->finder) return AT_OK;
    const char **names = at_calloc(m->al, m->n_tags, sizeof *names);
    if (!names) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags' spellings");
    for (size_t i = 0; i < m->n_tags; i++)
        names[i] = m->tags[i].deleted ? NULL : m->tags[i].en;
    const at_status status = at_tag_finder_open(&s->finder, names, m->n_tags, m->al, err);
    at_free(m->al, names);
    return status;
}

at_status at_session_texts(at_session *s, const char *const *texts, size_t n, at_texts **out,
                           at_error *err)
{
    if (!s || !texts || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_texts: session, texts and set must not be NULL");
    *out = NULL;
    const at_model *m = s->model;
    const at_retrieval *r = at_match_part(m);
    if (!r) return at_match_unsupported(m, err);
    if (n == 0 || n > AT_TEXTS_MOST)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%zu texts, outside 1..%d", n, AT_TEXTS_MOST);
    at_status status = open_finder(s, err);
    if (status != AT_OK) return status;
    at_texts *t = at_new(m->al, at_texts);
    if (!t) return no_memory(err);
    *t = (at_texts){.al = m->al,
                    .model = m,
                    .r = r,
                    .n = n,
                    .lines = at_calloc(m->al, n, sizeof *t->lines),
                    .order = at_calloc(m->al, n, sizeof *t->order),
                    .vectors = at_calloc(m->al, n * r->dim, sizeof *t->vectors)};
    at_buf_init(&t->tags, m->al, (size_t)1 << 32);
    if (!t->lines || !t->order || !t->vectors) status = no_memory(err);
    if (status == AT_OK) status = read_all(t, s->finder, texts, err);
    if (status == AT_OK) {
        sort_by_length(t, r->most);
        status = encode_all(s, t, err);
    }
    if (status != AT_OK) {
        at_texts_free(t);
        return status;
    }
    *out = t;
    return AT_OK;
}

size_t at_texts_count(const at_texts *t)
{
    return t->n;
}
const char *at_texts_text(const at_texts *t, size_t i)
{
    return t->lines[i].text;
}
const float *at_texts_vector(const at_texts *t, size_t i)
{
    return t->vectors + i * t->r->dim;
}
size_t at_texts_cut(const at_texts *t, size_t i)
{
    return t->lines[i].cut;
}
const uint32_t *at_texts_tags(const at_texts *t, size_t i, size_t *n)
{
    *n = t->lines[i].n_tags;
    const uint32_t *all = (const uint32_t *)(const void *)t->tags.data;
    return all ? all + t->lines[i].first_tag : NULL;
}

void at_texts_free(at_texts *t)
{
    if (!t) return;
    for (size_t i = 0; t->lines && i < t->n; i++) {
        at_free(t->al, t->lines[i].text);
        at_free(t->al, t->lines[i].ids);
    }
    at_buf_reset(&t->tags);
    at_free(t->al, t->lines);
    at_free(t->al, t->order);
    at_free(t->al, t->vectors);
    at_free(t->al, t);
}
