/* load.c - parameters from a model file: matrices are packed for the device, vectors copied, rows
 * left where they lie. Pages that have been packed are given back, so that weights are in memory once.
 * Of a file that has the device's panels, matrices stay where they lie too.
 * All are checked when the model is opened; those of the text part are loaded when they are first needed:
 * they are two thirds of a Tag2Text, and a run that only tags has no use for them. */
#include "base/element.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

typedef struct loader {
    at_params base;
    at_model *model;
    at_pool *pool;
    bool late; // the text part now: it was checked and counted when the model was opened
} loader;

/* A copy in f32, aligned for kernels, freed with the model. */
static const float *keep_vector(loader *l, const at_weight *t)
{
    at_model *m = l->model;
    const size_t n = t->bytes / at_dtype_size(t->type);
    if (m->n_vectors == m->cap_vectors) {
        const size_t cap = m->cap_vectors ? 2 * m->cap_vectors : 256;
        void **grown = at_realloc(m->al, m->vectors, m->cap_vectors * sizeof *grown,
                                  cap * sizeof *grown);
        if (!grown) return NULL;
        m->vectors = grown;
        m->cap_vectors = cap;
    }
    float *copy = at_calloc(m->al, n, sizeof *copy);
    if (!copy) return NULL;
    if (t->type == AT_F32)
        memcpy(copy, t->data, t->bytes);
    else
        for (size_t i = 0; i < n; i++)
            copy[i] = (float)at_element(t->type, t->data, i);
    m->vectors[m->n_vectors++] = copy;
    return copy;
}

/* A matrix of bytes needs NAME.scale, a float an output. */
static at_status check_bytes(loader *l, const at_param *p, const at_weight *t,
                             const at_weight **out)
{
    const at_model *m = l->model;
    at_error *err = l->base.err;
    const char *path = at_weights_path(m->weights);
    char name[80];
    (void)snprintf(name, sizeof name, "%s.scale", p->name);
    const at_weight *scale = *out = at_weights_find(m->weights, name);
    if (!scale || scale->type != AT_F32 || scale->n_dims != 1 || scale->dims[0] != t->dims[0])
        return at_fail(err, AT_E_MODEL_DAMAGED,
                       "%s: %s has int8 weights, but %s with %llu f32 is missing", path, p->name,
                       name, (unsigned long long)t->dims[0]);
    const size_t n = t->dims[0];
    const size_t k = n ? t->bytes / n : 0;
    if (k > AT_MAX_BYTES_DEPTH)
        return at_fail(err, AT_E_MODEL_UNSUPPORTED,
                       "%s: %s has %zu int8 weights an output, at most %d", path, p->name, k,
                       (int)AT_MAX_BYTES_DEPTH);
    return AT_OK;
}

static at_status load_bytes(loader *l, const at_param *p, const at_weight *t)
{
    at_model *m = l->model;
    const at_weight *scale;
    at_status status = check_bytes(l, p, t, &scale);
    if (status != AT_OK) return status;
    const size_t n = t->dims[0], k = n ? t->bytes / n : 0;
    status = m->net->backend->pack_s8(p->field, t->data, scale->data, n, k, l->pool, m->al,
                                      l->base.err);
    at_weights_drop(m->weights, t);
    return status;
}

/* Rows and columns of a matrix whose stored shape is `dims`. */
static void rows_and_columns(const uint64_t *dims, int n_dims, size_t *n, size_t *k)
{
    *n = dims[0];
    *k = 1;
    for (int i = 1; i < n_dims; i++)
        *k *= dims[i];
}

/* Panels of k columns, of which visit() has checked the shape: whether a kernel can read them. */
static at_status check_panels(const loader *l, const at_weight *t, size_t k)
{
    const at_weights *w = l->model->weights;
    if (t->type == AT_I8 && k > AT_MAX_BYTES_DEPTH)
        return at_fail(l->base.err, AT_E_MODEL_UNSUPPORTED,
                       "%s: %s has %zu int8 weights an output, at most %d", at_weights_path(w),
                       t->name, k, (int)AT_MAX_BYTES_DEPTH);
    if ((uintptr_t)t->data % AT_ALIGN || at_weights_bytes(w) - t->offset - t->bytes < AT_SLACK)
        return at_fail(l->base.err, AT_E_MODEL_DAMAGED,
                       "%s: %s is not where a kernel may read it; pack the file again",
                       at_weights_path(w), t->name);
    return AT_OK;
}

static at_status borrow(loader *l, const at_param *p, const at_weight *t)
{
    uint64_t dims[4];
    at_matrix m = {
        .type = t->type, .data = (void *)(uintptr_t)t->data, .bytes = t->bytes, .borrowed = true};
    rows_and_columns(dims, at_param_stored(p, dims), &m.n, &m.k);
    at_weights_need(l->model->weights, t);
    *(at_matrix *)p->field = m;
    return AT_OK;
}

static at_status load(loader *l, const at_param *p, const at_weight *t)
{
    at_model *m = l->model;
    if (m->packed && at_param_is_matrix(p)) return borrow(l, p, t);
    at_error *err = l->base.err;
    if (t->type == AT_I8) return load_bytes(l, p, t);
    switch (p->kind) {
    case AT_PARAM_MATRIX:
    case AT_PARAM_TIED:
    case AT_PARAM_TRANSPOSED:
    case AT_PARAM_CONV: {
        size_t n, k;
        rows_and_columns(t->dims, t->n_dims, &n, &k);
        const at_backend *be = m->net->backend;
        const bool bf16 = m->compute == AT_COMPUTE_BF16 && k <= AT_MAX_BYTES_DEPTH &&
                          (t->type == AT_F32 || t->type == AT_F16 || t->type == AT_BF16);
        const at_status status =
            bf16 ? be->pack_bf16(p->field, t->data, t->type, n, k, l->pool, m->al, err)
                 : be->pack(p->field, t->data, t->type, t->type, n, k, l->pool, m->al, err);
        at_weights_drop(m->weights, t);
        return status;
    }
    case AT_PARAM_ROWS:
    case AT_PARAM_MIXED: {
        at_rows_view *rows = p->field;
        *rows = (at_rows_view){.data = t->data, .type = t->type, .n = t->dims[0], .k = t->dims[1]};
        return AT_OK;
    }
    default: {
        const float **field = p->field;
        *field = keep_vector(l, t);
        return *field ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %s", p->name);
    }
    }
}

static void visit(at_params *params, const at_param *p)
{
    loader *l = (loader *)params;
    at_model *m = l->model;
    const bool packed = m->packed && at_param_is_matrix(p);
    char name[80];
    (void)snprintf(name, sizeof name, packed ? AT_PANELS_NAME : "%s", p->name);
    const at_weight *t = at_weights_find(m->weights, name);
    const char *path = at_weights_path(m->weights);
    if (!t) {
        params->status = at_fail(params->err, AT_E_MODEL_DAMAGED,
                                 "%s: %s is missing; convert it again", path, name);
        return;
    }
    uint64_t dims[4], elements = 1;
    int n = at_param_stored(p, dims);
    for (int i = 0; i < n; i++)
        elements *= dims[i];
    size_t rows = 0, columns = 0;
    if (packed) {
        rows_and_columns(dims, n, &rows, &columns);
        m->net->backend->panels(t->type, rows, columns, dims);
        n = 2;
    }
    if (t->n_dims != n || memcmp(t->dims, dims, sizeof *dims * (size_t)n) != 0) {
        char found[96], expected[96];
        params->status = at_fail(params->err, AT_E_MODEL_DAMAGED,
                                 "%s: %s is %s, expected %s; convert it again", path, name,
                                 at_shape_text(found, sizeof found, t->dims, t->n_dims),
                                 at_shape_text(expected, sizeof expected, dims, n));
        return;
    }
    const bool stored = p->kind == AT_PARAM_MATRIX || p->kind == AT_PARAM_CONV ||
                        p->kind == AT_PARAM_ROWS || p->kind == AT_PARAM_MIXED ||
                        p->kind == AT_PARAM_TIED || p->kind == AT_PARAM_TRANSPOSED;
    const bool blocks = at_dtype_is_block(t->type) && stored && p->kind != AT_PARAM_MIXED;
    const bool bytes = t->type == AT_I8 && (p->kind == AT_PARAM_MATRIX || p->kind == AT_PARAM_CONV);
    if (t->type > AT_BF16 && !bytes && !blocks) {
        params->status = at_fail(params->err, AT_E_MODEL_UNSUPPORTED, "%s: %s has type %s", path,
                                 name, at_dtype_name(t->type));
        return;
    }
    if (packed) params->status = check_panels(l, t, columns);
    if (params->status != AT_OK) return;
    if (l->late) {
        params->status = load(l, p, t);
        return;
    }
    if (p->kind != AT_PARAM_TIED) m->parameters += elements;
    if (bytes) // one is enough to say so: the others stayed f16 for their error
        (void)snprintf(m->precision, sizeof m->precision, "int8");
    else if (blocks && p->kind != AT_PARAM_ROWS && p->kind != AT_PARAM_TIED &&
             strcmp(m->precision, "int8") != 0)
        (void)snprintf(m->precision, sizeof m->precision, "%s", at_dtype_name(t->type));
    else if (stored && p->kind == AT_PARAM_MATRIX && !m->precision[0])
        (void)snprintf(m->precision, sizeof m->precision, "%s", at_dtype_name(t->type));
    const at_weight *scale;
    if (!params->texts)
        params->status = load(l, p, t);
    else if (bytes && !packed)
        params->status = check_bytes(l, p, t, &scale);
}

static void unload(at_params *params, const at_param *p)
{
    const at_model *m = ((loader *)params)->model;
    if (at_param_is_matrix(p)) m->net->backend->unpack(p->field, m->al);
}

/* Nothing of the text part stays when it could not be loaded whole. */
static void give_up_texts(at_model *m, size_t n_vectors)
{
    loader l = {.base = {.visit = unload}, .model = m};
    m->net->type->text_params(m->net, &l.base);
    while (m->n_vectors > n_vectors)
        at_free(m->al, m->vectors[--m->n_vectors]);
}

at_status at_model_need_texts(at_model *m, at_pool *pool, at_error *err)
{
    loader l = {.base = {.visit = visit, .err = err}, .model = m, .pool = pool, .late = true};
    pthread_mutex_lock(&m->lock);
    if (!m->texts && m->net->type->text_params) {
        const size_t n_vectors = m->n_vectors;
        m->net->type->text_params(m->net, &l.base);
        m->texts = l.base.status == AT_OK;
        if (!m->texts) give_up_texts(m, n_vectors);
    }
    pthread_mutex_unlock(&m->lock);
    return l.base.status;
}

/* Whether the matrices are panels, and this device's. */
static at_status check_layout(at_model *m, at_error *err)
{
    const char *theirs = at_model_packed(m), *path = at_weights_path(m->weights);
    char ours[AT_LAYOUT_TEXT];
    m->packed = theirs[0] != 0;
    m->net->backend->layout(ours);
    if (m->packed && strcmp(theirs, ours) != 0)
        return at_fail(err, AT_E_MODEL_UNSUPPORTED,
                       "%.250s: packed for another processor's kernels (%.100s; here: %s); use the "
                       "file that it was made from, or pack that again here",
                       path, theirs, ours);
    if (m->packed && m->compute == AT_COMPUTE_BF16)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "%.250s: packed for products in f32; for bf16 use the file that it was made from",
            path);
    return AT_OK;
}

at_status at_load_params(at_model *m, at_pool *pool, at_error *err)
{
    loader l = {.base = {.visit = visit, .err = err}, .model = m, .pool = pool};
    l.base.status = check_layout(m, err);
    if (l.base.status == AT_OK) at_network_params(m->net, &l.base);
    return l.base.status;
}
