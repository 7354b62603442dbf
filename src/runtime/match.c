/* match.c - every picture beside every text: cosine and shared tags of all pairs, then a closer look at
 * the best of each query. */
#include "runtime/match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 10 };
#define LAMBDA 0.1f

static at_status no_memory(at_error *err)
{
    return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the matches");
}

static at_status read_options(at_match_options *o, const at_match_options *given, const at_model *m,
                              at_error *err)
{
    const at_status known = AT_OPTIONS(at_match_options, o, given, err);
    if (known != AT_OK) return known;
    if (o->by != AT_BY_TEXT && o->by != AT_BY_IMAGE)
        return at_fail(err, AT_E_INVALID_PARAMETER, "by: %d is not one of 0..1", o->by);
    if (o->top_k < 0) return at_fail(err, AT_E_INVALID_PARAMETER, "top_k: %d is below 0", o->top_k);
    if (!(o->lambda >= 0 && o->lambda <= 10))
        return at_fail(err, AT_E_INVALID_PARAMETER, "lambda: %g is outside 0..10",
                       (double)o->lambda);
    for (size_t i = 0; o->idf && i < m->n_tags; i++) {
        if (!(o->idf[i] >= 0 && o->idf[i] <= 1e6f))
            return at_fail(err, AT_E_INVALID_PARAMETER, "idf: %g of \"%s\" is outside 0..1e6",
                           (double)o->idf[i], m->tags[i].en);
    }
    if (!o->top_k) o->top_k = TOP;
    if (o->no_tags)
        o->lambda = 0;
    else if (o->lambda == 0)
        o->lambda = LAMBDA;
    return AT_OK;
}

static at_status check_parts(const at_session *s, const at_features *const *features, size_t count,
                             const at_texts *texts, at_error *err)
{
    bool ours = texts->model == s->model;
    for (size_t i = 0; i < count; i++) {
        if (!features[i]) return at_fail(err, AT_E_INVALID_PARAMETER, "features %zu are NULL", i);
        ours = ours && features[i]->model == s->model;
    }
    return ours ? AT_OK
                : at_fail(err, AT_E_MODEL_MISMATCH,
                          "features and texts must be of the session's own model");
}

/* --- all pairs ------------------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

/* The text's tags that are marked, by their weights. */
static float shared_part(const at_texts *t, size_t text, const bool *marked, const float *idf)
{
    size_t n;
    const uint32_t *tags = at_texts_tags(t, text, &n);
    double all = 0, both = 0;
    for (size_t i = 0; i < n; i++) {
        const double weight = idf ? (double)idf[tags[i]] : 1;
        all += weight;
        if (marked[tags[i]]) both += weight;
    }
    return all > 0 ? (float)(both / all) : 0;
}

static void mark_tags(const at_features *f, bool *marked, bool value)
{
    const size_t n = f->model->n_tags;
    for (size_t k = 0; k < at_tags_count(f->tags); k++) {
        const size_t id = at_tags_id(f->tags, k);
        if (id < n) marked[id] = value; // else a word of the user's own
    }
}

static at_match *pair_of(const at_matches *m, size_t image, size_t text)
{
    return m->facts.by == AT_BY_TEXT ? &m->pairs[text * m->candidates + image]
                                     : &m->pairs[image * m->candidates + text];
}

static void compare_all(const at_matches *m, const at_match_options *o, bool *marked)
{
    const size_t dim = m->texts->r->dim;
    for (size_t i = 0; i < m->n_images; i++) {
        mark_tags(m->features[i], marked, true);
        for (size_t t = 0; t < m->texts->n; t++) {
            at_match *p = pair_of(m, i, t);
            *p = (at_match){.image = i,
                            .text = t,
                            .cosine = dot(m->features[i]->vector, at_texts_vector(m->texts, t),
                                          dim),
                            .tags = shared_part(m->texts, t, marked, o->idf)};
            p->score = p->cosine + o->lambda * p->tags;
        }
        mark_tags(m->features[i], marked, false);
    }
}

/* --- order ------------------------------------------------------------------------------------------- */

static int compare(float x, float y)
{
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); // of a broken model: last
    return (x < y) - (x > y);
}
static int by_place(const at_match *x, const at_match *y)
{
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}
static int by_score(const void *a, const void *b)
{
    const at_match *x = a, *y = b;
    const int order = compare(x->score, y->score);
    return order ? order : by_place(x, y);
}
static int by_closer_look(const void *a, const void *b)
{
    const at_match *x = a, *y = b;
    const int order = compare(x->logits[1] + x->score, y->logits[1] + y->score);
    return order ? order : by_score(a, b);
}

/* --- the closer look --------------------------------------------------------------------------------- */

typedef struct look {
    const at_texts *t;
    const float *tokens;
    const uint32_t *order; // [n] texts, those of one length side by side
    size_t n;
    int32_t first, *ids; // [ENC]; [AT_TEXT_BATCH]
    float *logits;       // [n, 2]
} look;

static void look_at_one(at_exec *x, void *user)
{
    const look *l = user;
    const at_retrieval *r = l->t->r;
    at_head_keys keys[AT_BERT_LAYERS];
    const size_t dims[3] = {1, r->token_rows, r->encoder.memory_dim};
    at_arena_rewind(&x->arena, 0);
    at_retrieval_memory(x, r, at_tensor_of(l->tokens, 3, dims), keys);
    for (size_t at = 0, k; at < l->n; at += k) {
        k = at_text_batch(l->t, l->order + at, l->n - at);
        at_text_batch_ids(l->t, l->order + at, k, l->first, l->ids);
        const size_t mark = at_arena_mark(&x->arena);
        at_retrieval_pairs(x, r, keys, l->ids, k, l->t->lines[l->order[at]].n,
                           at_tensor_of(l->logits + 2 * at, 2, (const size_t[]){k, 2}));
        at_arena_rewind(&x->arena, mark);
    }
}

/* Pairs that are looked at closer, an image's side by side, its texts by length. */
typedef struct todo {
    at_match *pair;
    size_t length;
} todo;

static int by_image(const void *a, const void *b)
{
    const todo *x = a, *y = b;
    if (x->pair->image != y->pair->image) return x->pair->image < y->pair->image ? -1 : 1;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return by_place(x->pair, y->pair);
}

static void keep_look(at_match *p, const float logits[2])
{
    p->looked = 1;
    p->logits[0] = logits[0];
    p->logits[1] = logits[1];
    p->itm = 1.0f / (1.0f + expf(logits[0] - logits[1]));
}

static at_status look_at(at_session *s, const at_matches *m, todo *list, size_t n,
                         const at_match_options *o, at_error *err)
{
    const at_allocator *al = m->al;
    at_arena arena = {0};
    uint32_t *order = at_alloc(al, m->texts->n * sizeof *order);
    float *logits = at_alloc(al, 2 * m->texts->n * sizeof *logits);
    look l = {.t = m->texts,
              .order = order,
              .first = at_wordpiece_id(m->model->words, "[ENC]"),
              .ids = at_alloc(al, AT_TEXT_BATCH * sizeof *l.ids),
              .logits = logits};
    at_status status = order && logits && l.ids ? AT_OK : no_memory(err);
    qsort(list, n, sizeof *list, by_image);
    for (size_t at = 0; at < n && status == AT_OK; at += l.n) {
        const size_t image = list[at].pair->image;
        for (l.n = 0; at + l.n < n && list[at + l.n].pair->image == image; l.n++)
            order[l.n] = (uint32_t)list[at + l.n].pair->text;
        l.tokens = m->features[image]->tokens;
        if (o->progress && o->progress(o->progress_user, at, n) != 0)
            status = at_fail(err, AT_E_CANCELLED, "stopped after %zu of %zu pairs", at, n);
        if (status == AT_OK) status = at_session_pass(s, &arena, look_at_one, &l, err);
        for (size_t k = 0; k < l.n && status == AT_OK; k++)
            keep_look(list[at + k].pair, logits + 2 * k);
    }
    if (o->progress && status == AT_OK) (void)o->progress(o->progress_user, n, n);
    at_free(al, arena.data);
    at_free(al, order);
    at_free(al, logits);
    at_free(al, l.ids);
    return status;
}

/* The best of every query, looked at and put in order. */
static at_status look_closer(at_session *s, at_matches *m, const at_match_options *o, at_error *err)
{
    const size_t k = at_min_size((size_t)o->top_k, m->candidates), n = m->queries * k;
    todo *list = at_calloc(m->al, n, sizeof *list);
    if (!list) return no_memory(err);
    for (size_t q = 0; q < m->queries; q++) {
        for (size_t i = 0; i < k; i++) {
            at_match *p = &m->pairs[q * m->candidates + i];
            list[q * k + i] = (todo){.pair = p, .length = m->texts->lines[p->text].n};
        }
    }
    const at_status status = look_at(s, m, list, n, o, err);
    for (size_t q = 0; q < m->queries && status == AT_OK; q++)
        qsort(m->pairs + q * m->candidates, k, sizeof *m->pairs, by_closer_look);
    at_free(m->al, list);
    return status;
}

/* --- the call ---------------------------------------------------------------------------------------- */

static at_status fill(at_session *s, at_matches *m, const at_features *const *features,
                      const at_match_options *o, at_error *err)
{
    size_t n;
    const bool fits = at_mul(m->n_images, m->texts->n, &n);
    m->pairs = fits ? at_calloc(m->al, n, sizeof *m->pairs) : NULL;
    m->features = at_calloc(m->al, m->n_images, sizeof *m->features);
    bool *marked = at_calloc(m->al, m->model->n_tags, sizeof *marked);
    at_status status = m->pairs && m->features && marked ? AT_OK : no_memory(err);
    if (status == AT_OK) {
        memcpy(m->features, features, m->n_images * sizeof *features);
        compare_all(m, o, marked);
        for (size_t q = 0; q < m->queries; q++)
            qsort(m->pairs + q * m->candidates, m->candidates, sizeof *m->pairs, by_score);
        if (!o->no_itm) status = look_closer(s, m, o, err);
    }
    at_free(m->al, marked);
    return status;
}

at_status at_session_match(at_session *s, const at_features *const *features, size_t count,
                           const at_texts *texts, const at_match_options *options, at_matches **out,
                           at_error *err)
{
    if (!s || !features || !count || !texts || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_match: no argument may be NULL, and there must be a picture");
    *out = NULL;
    at_match_options o;
    at_status status = check_parts(s, features, count, texts, err);
    if (status == AT_OK) status = read_options(&o, options, s->model, err);
    if (status != AT_OK) return status;
    at_matches *m = at_new(s->model->al, at_matches);
    if (!m) return no_memory(err);
    *m = (at_matches){.al = s->model->al,
                      .model = s->model,
                      .texts = texts,
                      .n_images = count,
                      .queries = o.by == AT_BY_TEXT ? texts->n : count,
                      .candidates = o.by == AT_BY_TEXT ? count : texts->n,
                      .facts = {.by = o.by, .lambda = o.lambda, .corpus = o.idf != NULL}};
    status = fill(s, m, features, &o, err);
    if (status != AT_OK) {
        at_matches_free(m);
        return status;
    }
    *out = m;
    return AT_OK;
}

/* --- what came out ----------------------------------------------------------------------------------- */

size_t at_matches_queries(const at_matches *m)
{
    return m->queries;
}
size_t at_matches_candidates(const at_matches *m)
{
    return m->candidates;
}
const at_match_facts *at_matches_facts(const at_matches *m)
{
    return &m->facts;
}
const at_texts *at_matches_texts(const at_matches *m)
{
    return m->texts;
}
const at_model *at_matches_model(const at_matches *m)
{
    return m->model;
}
const at_match *at_matches_at(const at_matches *m, size_t query, size_t rank)
{
    return &m->pairs[query * m->candidates + rank];
}

size_t at_matches_shared(const at_matches *m, const at_match *p, uint32_t *ids, size_t count)
{
    const at_tags *tags = m->features[p->image]->tags;
    size_t n, found = 0;
    const uint32_t *of_text = at_texts_tags(m->texts, p->text, &n);
    for (size_t i = 0; i < n; i++) {
        bool there = false;
        for (size_t k = 0; k < at_tags_count(tags) && !there; k++)
            there = at_tags_id(tags, k) == of_text[i];
        if (!there) continue;
        if (found < count) ids[found] = of_text[i];
        found++;
    }
    return found;
}

void at_matches_free(at_matches *m)
{
    if (!m) return;
    at_free(m->al, m->features);
    at_free(m->al, m->pairs);
    at_free(m->al, m);
}
