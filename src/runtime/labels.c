/* labels.c - sets of labels from outside: made of embeddings, counted owners, checked against a model. */
#include "runtime/labels.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *at_model_identity(const at_model *m)
{
    const char *source = at_model_source_sha256(m);
    return source[0] ? source : at_model_sha256(m);
}

size_t at_model_label_width(const at_model *m)
{
    return m->net->type->open_set ? m->net->config.label_dim : 0;
}

static at_status check_name(const at_label *l, size_t i, at_error *err)
{
    const char *const names[] = {l->name, l->name_zh};
    if (!l->name || !l->name[0])
        return at_fail(err, AT_E_INVALID_PARAMETER, "label %zu has no name", i + 1);
    for (size_t k = 0; k < AT_COUNT(names); k++) {
        const size_t len = names[k] ? strlen(names[k]) : 0;
        char begin[21];
        (void)snprintf(begin, sizeof begin, "%s", names[k] ? names[k] : "");
        at_utf8_printable(begin);
        if (len > AT_LABEL_NAME_MOST)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "label %zu, \"%s...\", is %zu bytes long; %d are the most", i + 1, begin,
                           len, AT_LABEL_NAME_MOST);
        for (size_t at = 0; at < len;) {
            int32_t c = 0;
            const size_t step = at_utf8_next(names[k] + at, len - at, &c);
            // C0, DEL, C1, and what turns the direction of the text around it
            const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) ||
                                 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
            if (!step || control)
                return at_fail(err, AT_E_INVALID_PARAMETER,
                               !step ? "label %zu is not UTF-8 at byte %zu"
                                     : "label %zu has a control character at byte %zu",
                               i + 1, at + 1);
            at += step;
        }
    }
    if (!(l->threshold >= 0 && l->threshold <= 1))
        return at_fail(err, AT_E_INVALID_PARAMETER, "label \"%s\": threshold %g is outside 0..1",
                       l->name, (double)l->threshold);
    return AT_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

at_status at_labels_check_names(const at_label *labels, size_t n, const at_allocator *al,
                                at_error *err)
{
    if (n < 1 || n > AT_LABELS_MOST)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%zu labels; a set has 1..%d", n,
                       AT_LABELS_MOST);
    const char **sorted = at_calloc(al, n, sizeof *sorted);
    if (!sorted) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        status = check_name(&labels[i], i, err);
        sorted[i] = labels[i].name;
    }
    if (status == AT_OK) qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; i < n && status == AT_OK; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = at_fail(err, AT_E_INVALID_PARAMETER, "label \"%s\" is there twice", sorted[i]);
    }
    at_free(al, (void *)sorted);
    return status;
}

/* Names and thresholds; the caller's strings are copied. */
static at_status keep_labels(at_labels *set, const at_label *labels, float threshold, at_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < set->n; i++) {
        bytes += strlen(labels[i].name) + 1;
        bytes += (labels[i].name_zh ? strlen(labels[i].name_zh) : 0) + 1;
    }
    char *at = set->text = at_alloc(set->al, bytes);
    set->names = at_calloc(set->al, set->n, sizeof *set->names);
    set->names_zh = at_calloc(set->al, set->n, sizeof *set->names_zh);
    set->thresholds = at_calloc(set->al, set->n, sizeof *set->thresholds);
    if (!at || !set->names || !set->names_zh || !set->thresholds)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    for (size_t i = 0; i < set->n; i++) {
        const char *const names[] = {labels[i].name, labels[i].name_zh ? labels[i].name_zh : ""};
        const char **const to[] = {&set->names[i], &set->names_zh[i]};
        for (size_t k = 0; k < AT_COUNT(to); k++) {
            const size_t len = strlen(names[k]) + 1;
            *to[k] = memcpy(at, names[k], len);
            at += len;
        }
        set->thresholds[i] = labels[i].threshold > 0 ? labels[i].threshold : threshold;
    }
    return AT_OK;
}

static at_status keep_rows(at_labels *set, const float *rows, const size_t *n_rows, at_error *err)
{
    set->first = at_calloc(set->al, set->n + 1, sizeof *set->first);
    if (!set->first) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    for (size_t i = 0; i < set->n; i++) {
        const size_t k = n_rows ? n_rows[i] : 1;
        if (k < 1 || k > AT_LABEL_ROWS_MOST)
            return at_fail(err, AT_E_INVALID_PARAMETER, "label \"%s\" has %zu rows, not 1..%d",
                           set->names[i], k, AT_LABEL_ROWS_MOST);
        set->first[i + 1] = set->first[i] + (uint32_t)k;
    }
    const size_t floats = set->first[set->n] * set->dim;
    set->rows = at_alloc(set->al, floats * sizeof *rows);
    if (!set->rows) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    memcpy(set->rows, rows, floats * sizeof *rows);
    for (size_t i = 0; i < floats; i++) {
        if (!isfinite(rows[i]))
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "row %zu of the embeddings holds %g, which is no number", i / set->dim,
                           (double)rows[i]);
    }
    return AT_OK;
}

at_status at_labels_make(const at_labels_plan *p, at_labels **out, at_error *err)
{
    at_labels *set = at_new(p->al, at_labels);
    if (!set) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a set of labels");
    if (p->al) {
        set->own_allocator = *p->al;
        set->al = &set->own_allocator;
    }
    atomic_init(&set->owners, 1);
    set->n = p->n;
    set->dim = p->dim;
    (void)snprintf(set->model, sizeof set->model, "%s", p->model);
    (void)snprintf(set->model_id, sizeof set->model_id, "%s", p->model_id);
    (void)snprintf(set->encoder, sizeof set->encoder, "%s", p->encoder);
    at_status status = at_labels_check_names(p->labels, p->n, p->al, err);
    if (status == AT_OK) status = keep_labels(set, p->labels, p->threshold, err);
    if (status == AT_OK) status = keep_rows(set, p->rows, p->n_rows, err);
    if (status == AT_OK)
        *out = set;
    else
        at_labels_free(set);
    return status;
}

/* A model without an open set says so. */
at_status at_labels_possible(const at_model *m, at_error *err)
{
    if (m->net->type->open_set) return AT_OK;
    return at_fail(
        err, AT_E_MODEL_MISMATCH,
        "%s (%s) knows its own tags only, each has weights of its own; words of your own "
        "need a ram, ram_plus or ram_lite model",
        at_model_name(m), at_model_architecture(m));
}

at_status at_labels_from_rows(const at_model *model, const at_label *labels, size_t n,
                              const float *rows, const size_t *n_rows, at_labels **set,
                              at_error *err)
{
    if (!model || !labels || !rows || !set)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_labels_from_rows: no argument may be NULL");
    *set = NULL;
    at_status status = at_labels_possible(model, err);
    for (size_t i = 0; status == AT_OK && n_rows && i < n; i++) {
        if (n_rows[i] != 1 && !model->net->type->open_set->descriptions)
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "label %zu has %zu rows; a label of a %s model has one", i + 1,
                             n_rows[i], at_model_architecture(model));
    }
    if (status != AT_OK) return status;
    const at_labels_plan p = {.al = model->al,
                              .labels = labels,
                              .n = n,
                              .dim = at_model_label_width(model),
                              .rows = rows,
                              .n_rows = n_rows,
                              .threshold = at_model_label_threshold(model),
                              .model = at_model_name(model),
                              .model_id = at_model_identity(model),
                              .encoder = ""};
    return at_labels_make(&p, set, err);
}

at_status at_labels_with_thresholds(const at_labels *set, const float *thresholds,
                                    at_labels **other, at_error *err)
{
    if (!set || !thresholds || !other)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_labels_with_thresholds: no argument may be NULL");
    *other = NULL;
    at_label *labels = at_calloc(set->al, set->n, sizeof *labels);
    size_t *n_rows = at_calloc(set->al, set->n, sizeof *n_rows);
    at_status status = labels && n_rows
                           ? AT_OK
                           : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    for (size_t i = 0; i < set->n && status == AT_OK; i++) {
        labels[i] = (at_label){
            .name = set->names[i], .name_zh = set->names_zh[i], .threshold = thresholds[i]};
        n_rows[i] = at_labels_rows(set, i);
        if (!(thresholds[i] > 0 && thresholds[i] <= 1))
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "label \"%s\": threshold %g is outside (0, 1]", set->names[i],
                             (double)thresholds[i]);
    }
    const at_labels_plan p = {.al = set->al,
                              .labels = labels,
                              .n = set->n,
                              .dim = set->dim,
                              .rows = set->rows,
                              .n_rows = n_rows,
                              .threshold = 0.5f, // not used: each label has its own
                              .model = set->model,
                              .model_id = set->model_id,
                              .encoder = set->encoder};
    if (status == AT_OK) status = at_labels_make(&p, other, err);
    at_free(set->al, labels);
    at_free(set->al, n_rows);
    return status;
}

at_status at_labels_check(const at_labels *set, const at_model *m, at_error *err)
{
    if (!set || !m)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_labels_check: no argument may be NULL");
    const at_status status = at_labels_possible(m, err);
    if (status != AT_OK) return status;
    const bool fits = set->dim == at_model_label_width(m) &&
                      (m->net->type->open_set->descriptions || set->first[set->n] == set->n);
    if (!fits || strcmp(set->model_id, at_model_identity(m)) != 0)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "the labels were made for another model (%s, id %.12s), this is %s (id "
                       "%.12s); build them again for it",
                       set->model, set->model_id, at_model_name(m), at_model_identity(m));
    return AT_OK;
}

at_labels *at_labels_keep(at_labels *set)
{
    if (set) (void)atomic_fetch_add(&set->owners, 1);
    return set;
}

void at_labels_free(at_labels *set)
{
    if (!set || atomic_fetch_sub(&set->owners, 1) != 1) return;
    at_free(set->al, (void *)set->names);
    at_free(set->al, (void *)set->names_zh);
    at_free(set->al, set->text);
    at_free(set->al, set->thresholds);
    at_free(set->al, set->first);
    at_free(set->al, set->rows);
    at_allocator copy = set->own_allocator;
    at_free(set->al ? &copy : NULL, set);
}

float at_model_label_threshold(const at_model *m)
{
    return m->net->type->open_set ? m->net->type->open_set->threshold : 0.5f;
}

size_t at_labels_count(const at_labels *set)
{
    return set->n;
}
const char *at_labels_name(const at_labels *set, size_t i, const char *lang)
{
    if (i >= set->n) return "";
    return lang && strcmp(lang, "zh") == 0 ? set->names_zh[i] : set->names[i];
}
float at_labels_threshold(const at_labels *set, size_t i)
{
    return i < set->n ? set->thresholds[i] : 1.0f;
}
size_t at_labels_rows(const at_labels *set, size_t i)
{
    return i < set->n ? set->first[i + 1] - set->first[i] : 0;
}
const char *at_labels_model(const at_labels *set)
{
    return set->model;
}
const char *at_labels_encoder(const at_labels *set)
{
    return set->encoder;
}
