/* quantize_tags.c - what the user will see of it: the same pictures by both files, tag by tag. */
#include "runtime/quantize.h"

#include <math.h>
#include <string.h>

static at_status copy_tags(at_quantized *q, const at_model *m, at_error *err)
{
    q->n_tags = m->n_tags;
    q->tags = at_calloc(NULL, q->n_tags + 1, sizeof *q->tags);
    bool memory = q->tags != NULL;
    for (size_t i = 0; memory && i < q->n_tags; i++) {
        q->tags[i] = at_strndup(NULL, m->tags[i].en, strlen(m->tags[i].en));
        memory = q->tags[i] != NULL;
    }
    return memory ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags");
}

static at_quantize_change *more_changes(at_quantized *q)
{
    if (q->n_changes == q->cap_changes) {
        const size_t cap = q->cap_changes ? 2 * q->cap_changes : 64;
        at_quantize_change *grown = at_realloc(NULL, q->changes, q->cap_changes * sizeof *grown,
                                               cap * sizeof *grown);
        if (!grown) return NULL;
        q->changes = grown;
        q->cap_changes = cap;
    }
    return &q->changes[q->n_changes++];
}

/* A picture's tags by both. */
static at_status compare(at_quantized *q, const at_model *m, size_t picture, const at_tags *before,
                         const at_tags *after, at_error *err)
{
    at_quantized_totals *t = &q->totals;
    const uint64_t changed = t->changed;
    for (size_t i = 0; i < m->n_tags; i++) {
        const float a = before->scores[i], b = after->scores[i], limit = m->tags[i].threshold;
        const double d = fabs((double)a - (double)b);
        if (m->tags[i].deleted) continue;
        q->score_sum += d;
        if (!(d <= t->score_max)) t->score_max = d; // a NaN stays
        t->decisions++;
        if ((a > limit) == (b > limit)) continue;
        at_quantize_change *c = more_changes(q);
        if (!c) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags that change");
        *c = (at_quantize_change){
            .picture = picture, .id = i, .before = a, .after = b, .threshold = limit};
        t->changed++;
    }
    t->tags_before += before->count;
    t->tags_after += after->count;
    t->pictures++;
    t->pictures_alike += t->changed == changed;
    return AT_OK;
}

at_status at_quantize_tags(at_quantized *q, at_session *s, const char *out, at_error *err)
{
    const at_model *model = s->model;
    const at_model_options mo = {.struct_size = sizeof mo, .threads = q->o.threads};
    const at_session_options so = {.struct_size = sizeof so, .threads = q->o.threads};
    at_model *m = NULL;
    at_session *quantised = NULL;
    at_status status = copy_tags(q, model, err);
    if (status == AT_OK) status = at_model_open(out, &mo, &m, err);
    if (status == AT_OK) status = at_session_open(m, &so, &quantised, err);
    for (size_t i = 0; i < q->o.n_pictures && status == AT_OK; i++) {
        at_pixels *pixels;
        at_tags *before = NULL, *after = NULL;
        status = at_quantize_picture(q, model, q->pictures[i], &pixels, err);
        const at_pixels *const one = pixels;
        if (status == AT_OK && !pixels) q->totals.unreadable++;
        if (pixels) status = at_session_tag_pixels(s, &one, 1, NULL, &before, err);
        if (pixels && status == AT_OK)
            status = at_session_tag_pixels(quantised, &one, 1, NULL, &after, err);
        if (pixels && status == AT_OK) status = compare(q, model, i, before, after, err);
        at_tags_free(before);
        at_tags_free(after);
        at_pixels_free(pixels);
        if (status == AT_OK)
            status = at_quantize_tell(q, AT_QUANTIZE_TAGS, i + 1, q->o.n_pictures, err);
    }
    if (q->totals.decisions) q->totals.score_mean = q->score_sum / (double)q->totals.decisions;
    at_session_close(quantised);
    at_model_close(m);
    return status;
}
