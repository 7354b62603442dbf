/* tag.c - pictures in, tags out. */
#include "image/image.h"
#include "runtime/caption.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

at_status at_pixels_prepare(const at_model *model, const at_image *image, at_pixels **out,
                            at_error *err)
{
    if (!model || !image || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_pixels_prepare: no argument may be NULL");
    if (!at_image_rgb(image))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_pixels_prepare: the picture's pixels were forgotten");
    *out = NULL;
    const at_config *c = &model->net->config;
    const size_t side = c->image_size;
    at_pixels *p = at_new(model->al, at_pixels);
    uint8_t *rgb = at_alloc(model->al, side * side * 3);
    float *data = at_alloc(model->al, side * side * 3 * sizeof *data);
    at_status status = AT_OK;
    if (!p || !rgb || !data) status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the pixels");
    if (status == AT_OK)
        status = at_resize_bilinear(image->rgb, image->width, image->height, rgb, (int)side,
                                    (int)side, model->al, err);
    if (status == AT_OK) {
        at_normalise(rgb, side * side, c->mean, c->std, data);
        *p = (at_pixels){.al = model->al, .size = (int)side, .data = data};
        *out = p;
    } else {
        at_free(model->al, data);
        at_free(model->al, p);
    }
    at_free(model->al, rgb);
    return status;
}

void at_pixels_free(at_pixels *p)
{
    if (!p) return;
    at_free(p->al, p->data);
    at_free(p->al, p);
}

at_status at_tag_options_read(at_tag_options *o, const at_tag_options *given, at_error *err)
{
    const at_status known = AT_OPTIONS(at_tag_options, o, given, err);
    if (known != AT_OK) return known;
    if (o->threshold_mode < AT_THRESHOLD_OWN || o->threshold_mode > AT_THRESHOLD_NONE)
        return at_fail(err, AT_E_INVALID_PARAMETER, "threshold_mode: %d is not one of 0..3",
                       o->threshold_mode);
    const float low = o->threshold_mode == AT_THRESHOLD_SHIFT ? -1.0f : 0.0f;
    if (!(o->threshold >= low && o->threshold <= 1.0f))
        return at_fail(err, AT_E_INVALID_PARAMETER, "threshold: %g is outside %g..1",
                       (double)o->threshold, (double)low);
    if (o->heat < AT_HEAT_NONE || o->heat > AT_HEAT_IDS)
        return at_fail(err, AT_E_INVALID_PARAMETER, "heat: %d is not one of 0..2", o->heat);
    if (o->heat == AT_HEAT_IDS && (!o->heat_ids || !o->n_heat || o->n_heat > AT_HEAT_MOST))
        return at_fail(err, AT_E_INVALID_PARAMETER, "heat_ids: %zu tags are not 1..%d", o->n_heat,
                       AT_HEAT_MOST);
    if (o->top < 0) return at_fail(err, AT_E_INVALID_PARAMETER, "top: %d is below 0", o->top);
    return AT_OK;
}

static float threshold_of(const at_tags *t, const at_tag_options *o, size_t id)
{
    const size_t n = t->model->n_tags;
    const float own = id >= n         ? t->set->thresholds[id - n]
                      : o->thresholds ? o->thresholds[id]
                                      : t->model->tags[id].threshold;
    switch (o->threshold_mode) {
    case AT_THRESHOLD_SHIFT: return own + o->threshold;
    case AT_THRESHOLD_ONE: return o->threshold;
    case AT_THRESHOLD_NONE: return -1.0f;
    default: return own;
    }
}

static int by_score(const void *a, const void *b)
{
    const struct at_tag_hit *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

at_status at_tags_choose(const at_session *s, const float *logits, const at_tag_options *o,
                         at_tags **out, at_error *err)
{
    const at_model *m = s->model;
    const at_choice *c = &s->choice;
    const size_t n = c->labels.count;
    at_tags *t = at_new(m->al, at_tags);
    if (t) {
        *t = (at_tags){.al = m->al, .model = m, .n_scores = n};
        if (c->set) t->set = at_labels_keep(c->set);
        t->hits = at_calloc(m->al, n, sizeof *t->hits);
        t->scores = at_calloc(m->al, 2 * n, sizeof *t->scores);
    }
    if (!t || !t->hits || !t->scores) {
        at_tags_free(t);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags");
    }
    memcpy(t->scores + n, logits, n * sizeof *logits);
    for (size_t i = 0; i < n; i++) {
        const size_t id = i >= c->n_own ? m->n_tags + i - c->n_own : c->ids ? (size_t)c->ids[i] : i;
        const float score = 1.0f / (1.0f + expf(-logits[i])), threshold = threshold_of(t, o, id);
        t->scores[i] = score;
        // > as official, not >=: ten tags have threshold 1.0 and are so switched off
        if (score > threshold && (id >= m->n_tags || !m->tags[id].deleted))
            t->hits[t->count++] = (struct at_tag_hit){
                .id = id, .score = score, .threshold = threshold};
    }
    qsort(t->hits, t->count, sizeof *t->hits, by_score);
    if (o && o->top && t->count > (size_t)o->top) t->count = (size_t)o->top;
    *out = t;
    return AT_OK;
}

/* At most max_batch pixels, all there. Any failure is of all of them. */
at_status at_session_forward(at_session *s, const at_pixels *const *pixels, size_t count,
                             at_error *err)
{
    const at_network *net = s->model->net;
    const size_t side = net->config.image_size, floats = side * side * 3;
    const at_status fresh = at_session_refresh(s, err);
    if (fresh != AT_OK) return fresh;
    for (size_t i = 0; i < count; i++)
        memcpy(s->pixels + i * floats, pixels[i]->data, floats * sizeof(float));
    at_exec *x = &s->exec;
    x->status = AT_OK;
    x->err = err;
    at_arena_rewind(&x->arena, 0);
    net->type->forward(net, x, at_tensor_of(s->pixels, 4, (const size_t[]){count, side, side, 3}),
                       &s->choice.labels,
                       &(at_forward_out){.logits = s->logits, .tokens = s->tokens});
    x->err = NULL;
    return x->status;
}

/* One thread gains nothing by many pictures in a pass of a small model: its weights stay in the caches
 * anyway, and the activations of one picture do, of eight not (10.4 ms a picture became 15.0). */
static size_t pictures_a_pass(const at_session *s)
{
    enum { SMALL = 20000000 }; // parameters
    const bool alone = at_pool_size(s->exec.backend->pool(s->exec.device)) == 1;
    return alone && s->model->parameters < SMALL ? 1 : s->max_batch;
}

/* The same failure for every picture: no tags, the reason in each place. */
static at_status fail_all(at_tags **tags, at_error *errs, size_t count, const at_error *why)
{
    for (size_t i = 0; i < count; i++) {
        if (tags) tags[i] = NULL;
        if (errs) errs[i] = *why;
    }
    return why->status;
}

/* AT_E_PARTIAL is said only where there are both. */
static at_status outcome(at_tags *const *tags, size_t count, at_status worst)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += tags[i] != NULL;
    return good == count ? AT_OK : good ? AT_E_PARTIAL : worst;
}

at_status at_session_tag_pixels(at_session *s, const at_pixels *const *pixels, size_t count,
                                const at_tag_options *options, at_tags **tags, at_error *errs)
{
    at_error why = {0};
    at_tag_options o;
    at_status status = s && pixels && tags ? at_tag_options_read(&o, options, &why)
                                           : at_fail(&why, AT_E_INVALID_PARAMETER,
                                                     "at_session_tag_pixels: no array may be NULL");
    for (size_t i = 0; i < count && status == AT_OK; i++) {
        if (!pixels[i] || (size_t)pixels[i]->size != s->model->net->config.image_size)
            status = at_fail(&why, AT_E_INVALID_PARAMETER,
                             "pixels %zu were prepared for another model", i);
    }
    if (status != AT_OK) return fail_all(tags, errs, count, &why);
    status = at_heat_begin(s, &o, &why);
    if (status != AT_OK) return fail_all(tags, errs, count, &why);
    at_status worst = AT_OK;
    at_arena arena = {0}; // of maps
    const size_t pass = pictures_a_pass(s);
    for (size_t first = 0; first < count; first += pass) {
        const size_t n = at_min_size(pass, count - first);
        status = at_session_forward(s, pixels + first, n, &why);
        if (status != AT_OK) worst = fail_all(tags + first, errs ? errs + first : NULL, n, &why);
        for (size_t i = first; i < first + n && status == AT_OK; i++) {
            tags[i] = NULL;
            const float *logits = s->logits + (i - first) * s->choice.labels.count;
            at_tags *t = NULL;
            at_status one = at_tags_choose(s, logits, &o, &t, &why);
            if (one == AT_OK) one = at_heat_add(s, i - first, &o, &arena, t, &why);
            if (one == AT_OK) {
                tags[i] = t;
                continue;
            }
            at_tags_free(t);
            worst = fail_all(&tags[i], errs ? &errs[i] : NULL, 1, &why);
        }
    }
    at_free(s->model->al, arena.data);
    return outcome(tags, count, worst);
}

at_status at_session_tag_batch(at_session *s, const at_image *const *images, size_t count,
                               const at_tag_options *o, at_tags **tags, at_error *errs)
{
    at_error why = {0};
    at_tag_options checked; // before any work; the passes read them again
    at_status status = s && images && tags ? at_tag_options_read(&checked, o, &why)
                                           : at_fail(&why, AT_E_INVALID_PARAMETER,
                                                     "at_session_tag_batch: no array may be NULL");
    if (status != AT_OK) return fail_all(tags, errs, count, &why);
    const at_allocator *al = s->model->al;
    const size_t step = s->max_batch;
    const at_pixels **ready = at_calloc(al, step, sizeof *ready);
    size_t *which = at_calloc(al, step, sizeof *which);
    at_tags **got = at_calloc(al, step, sizeof *got);
    at_error *whys = at_calloc(al, step, sizeof *whys);
    at_status worst = AT_OK;
    const bool go = ready && which && got && whys;
    if (!go) {
        (void)at_fail(&why, AT_E_OUT_OF_MEMORY, "no memory for a batch");
        worst = fail_all(tags, errs, count, &why);
    }
    for (size_t i = 0; go && i < count;) {
        size_t n = 0;
        for (; i < count && n < step; i++) {
            at_pixels *p = NULL;
            tags[i] = NULL;
            status = at_pixels_prepare(s->model, images[i], &p, errs ? &errs[i] : NULL);
            if (status != AT_OK) {
                worst = status;
                continue;
            }
            which[n] = i;
            ready[n++] = p;
        }
        (void)at_session_tag_pixels(s, ready, n, o, got, whys);
        for (size_t k = 0; k < n; k++) {
            tags[which[k]] = got[k];
            if (!got[k]) worst = whys[k].status;
            if (!got[k] && errs) errs[which[k]] = whys[k];
            at_pixels_free((at_pixels *)(uintptr_t)ready[k]);
        }
    }
    at_free(al, ready);
    at_free(al, which);
    at_free(al, got);
    at_free(al, whys);
    return outcome(tags, count, worst);
}

at_status at_session_tag(at_session *s, const at_image *image, const at_tag_options *o,
                         at_tags **tags, at_error *err)
{
    if (!s || !image || !tags)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_tag: session, image and tags must not be NULL");
    *tags = NULL;
    at_pixels *pixels = NULL;
    at_status status = at_pixels_prepare(s->model, image, &pixels, err);
    const at_pixels *one = pixels;
    if (status == AT_OK) status = at_session_tag_pixels(s, &one, 1, o, tags, err);
    at_pixels_free(pixels);
    return status;
}

size_t at_tags_count(const at_tags *t)
{
    return t->count;
}
size_t at_tags_id(const at_tags *t, size_t i)
{
    return t->hits[i].id;
}
const char *at_tags_name(const at_tags *t, size_t i, const char *lang)
{
    const size_t id = t->hits[i].id, n = t->model->n_tags;
    return id < n ? at_model_tag(t->model, id, lang) : at_labels_name(t->set, id - n, lang);
}
int at_tags_custom(const at_tags *t, size_t i)
{
    return t->hits[i].id >= t->model->n_tags;
}
float at_tags_score(const at_tags *t, size_t i)
{
    return t->hits[i].score;
}
float at_tags_threshold(const at_tags *t, size_t i)
{
    return t->hits[i].threshold;
}
size_t at_tags_scores_count(const at_tags *t)
{
    return t->n_scores;
}
const float *at_tags_scores(const at_tags *t)
{
    return t->scores;
}
const float *at_tags_logits(const at_tags *t)
{
    return t->scores + t->n_scores;
}

void at_tags_free(at_tags *t)
{
    if (!t) return;
    at_labels_free(t->set);
    at_free(t->al, t->hits);
    at_free(t->al, t->scores);
    at_free(t->al, t->heat_ids);
    at_free(t->al, t->heat);
    at_free(t->al, t);
}
