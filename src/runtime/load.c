/* load.c - parameters from a model file: matrices are packed for the device, vectors copied, rows
 * left where they lie. Pages that have been packed are given back, so that weights are in memory once. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

typedef struct loader {
    at_params base;
    at_model *model;
    at_pool *pool;
} loader;

/* A copy of f32 data, aligned for kernels, freed with the model. */
static const float *keep_vector(loader *l, const at_weight *t)
{
    at_model *m = l->model;
    if (m->n_vectors == m->cap_vectors) {
        const size_t cap = m->cap_vectors ? 2 * m->cap_vectors : 256;
        void **grown = at_realloc(m->al, m->vectors, m->cap_vectors * sizeof *grown,
                                  cap * sizeof *grown);
        if (!grown) return NULL;
        m->vectors = grown;
        m->cap_vectors = cap;
    }
    float *copy = at_alloc(m->al, t->bytes);
    if (!copy) return NULL;
    memcpy(copy, t->data, t->bytes);
    m->vectors[m->n_vectors++] = copy;
    return copy;
}

static at_status load(loader *l, const at_param *p, const at_weight *t)
{
    at_model *m = l->model;
    at_error *err = l->base.err;
    switch (p->kind) {
    case AT_PARAM_MATRIX:
    case AT_PARAM_TIED:
    case AT_PARAM_CONV: {
        const size_t n = t->dims[0];
        size_t k = 1;
        for (int i = 1; i < t->n_dims; i++)
            k *= t->dims[i];
        const at_status status = m->net->backend->pack(p->field, t->data, t->type, t->type, n, k,
                                                       l->pool, m->al, err);
        at_weights_drop(m->weights, t);
        return status;
    }
    case AT_PARAM_ROWS: {
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
    const at_weight *t = at_weights_find(m->weights, p->name);
    const char *path = at_weights_path(m->weights);
    if (!t) {
        params->status = at_fail(params->err, AT_E_MODEL_DAMAGED,
                                 "%s: %s is missing; convert it again", path, p->name);
        return;
    }
    uint64_t dims[4];
    const int n = at_param_stored(p, dims);
    if (t->n_dims != n || memcmp(t->dims, dims, sizeof *dims * (size_t)n) != 0) {
        char found[96], expected[96];
        params->status = at_fail(params->err, AT_E_MODEL_DAMAGED,
                                 "%s: %s is %s, expected %s; convert it again", path, p->name,
                                 at_shape_text(found, sizeof found, t->dims, t->n_dims),
                                 at_shape_text(expected, sizeof expected, dims, n));
        return;
    }
    const bool stored = p->kind == AT_PARAM_MATRIX || p->kind == AT_PARAM_CONV ||
                        p->kind == AT_PARAM_ROWS || p->kind == AT_PARAM_TIED;
    if (t->type != AT_F32 && !(stored && (t->type == AT_F16 || t->type == AT_BF16))) {
        params->status = at_fail(params->err, AT_E_MODEL_UNSUPPORTED, "%s: %s has type %s", path,
                                 p->name, at_dtype_name(t->type));
        return;
    }
    uint64_t elements = 1;
    for (int i = 0; i < n; i++)
        elements *= dims[i];
    if (p->kind != AT_PARAM_TIED) m->parameters += elements;
    if (stored && p->kind == AT_PARAM_MATRIX && !m->precision[0])
        (void)snprintf(m->precision, sizeof m->precision, "%s", at_dtype_name(t->type));
    params->status = load(l, p, t);
}

at_status at_load_params(at_model *m, at_pool *pool, at_error *err)
{
    loader l = {.base = {.visit = visit, .err = err}, .model = m, .pool = pool};
    m->net->type->params(m->net, &l.base);
    return l.base.status;
}
