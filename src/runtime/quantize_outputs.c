/* quantize_outputs.c - a layer's error where it counts: each product of a forward pass is computed once more by
 * the quantised matrix, on the very rows that the layer was given. The pass itself goes on in full precision,
 * so that a layer's error is its own and not that of the layers before it. */
#include "base/block.h"
#include "runtime/convert.h"
#include "runtime/quantize.h"

#include <string.h>

enum { PIECE = 1 << 20 }; // floats of an output at a time

typedef struct looking {
    at_quantized *q;
    float *exact, *given; // [PIECE]

} looking;

static at_quantize_layer *layer_of(const at_quantized *q, const at_matrix *w)
{
    for (size_t i = 0; i < q->n_layers; i++) // some hundreds, beside a product
        if (q->layers[i].matrix == w) return &q->layers[i];
    return NULL;
}

static void look(void *user, at_exec *x, const at_linear_args *a)
{
    const looking *k = user;
    at_quantize_layer *l = layer_of(k->q, a->w);
    if (!l || !l->quantised.data || a->w->n > PIECE) return;
    const size_t n = a->w->n, rows = PIECE / n;
    for (size_t r = 0; r < a->m; r += rows) {
        const size_t m = at_min_size(rows, a->m - r);
        at_linear_args p = {
            .m = m, .x = a->x + r * a->ldx, .ldx = a->ldx, .w = a->w, .y = k->exact, .ldy = n};
        x->backend->linear(x->device, &p);
        p.w = &l->quantised;
        p.y = k->given;
        x->backend->linear(x->device, &p);
        for (size_t i = 0; i < m * n; i++) {
            const double d = (double)k->given[i] - (double)k->exact[i];
            l->lost += d * d;
            l->whole += (double)k->exact[i] * (double)k->exact[i];
        }
    }
}

/* --- the quantised matrices ---------------------------------------------------------------------------- */

typedef struct preparing {
    at_params base;
    at_quantized *q;
    const at_model *model;
    at_pool *pool;
} preparing;

static at_status pack(const preparing *p, at_quantize_layer *l, const at_weight *t)
{
    const at_backend *backend = p->model->net->backend;
    const size_t n = l->rows * l->columns;
    float *v = at_calloc(NULL, n, sizeof *v), *scales = at_calloc(NULL, l->rows, sizeof *scales);
    void *q = at_calloc(NULL, n, 2);
    at_status status = v && scales && q
                           ? AT_OK
                           : at_fail(p->base.err, AT_E_OUT_OF_MEMORY, "no memory for %s", l->name);
    if (status == AT_OK) at_quantize_rows(t, 0, l->rows, l->columns, v);
    if (status == AT_OK && l->wanted == AT_I8) {
        at_bytes_encode(l->rows, l->columns, v, scales, q);
        status = backend->pack_s8(&l->quantised, q, scales, l->rows, l->columns, p->pool, NULL,
                                  p->base.err);
    } else if (status == AT_OK && at_dtype_is_block(l->wanted)) {
        at_block_encode(l->wanted, n, v, q);
        status = backend->pack(&l->quantised, q, l->wanted, l->wanted, l->rows, l->columns, p->pool,
                               NULL, p->base.err);
    } else if (status == AT_OK) // AT_F32, AT_F16, AT_BF16
        status = backend->pack(&l->quantised, v, AT_F32, l->wanted, l->rows, l->columns, p->pool,
                               NULL, p->base.err);
    at_free(NULL, v);
    at_free(NULL, scales);
    at_free(NULL, q);
    return status;
}

static void prepare(at_params *base, const at_param *p)
{
    preparing *all = (preparing *)base;
    if (p->kind == AT_PARAM_ROWS || p->kind == AT_PARAM_MIXED) return;
    for (size_t i = 0; i < all->q->n_layers; i++) {
        at_quantize_layer *l = &all->q->layers[i];
        if (strcmp(l->name, p->name) != 0 || l->wanted == l->from) continue; // nothing to lose
        const at_weight *t = at_weights_find(all->model->weights, p->name);
        l->matrix = p->field;
        base->status = pack(all, l, t);
        at_weights_drop(all->model->weights, t);
    }
}

at_status at_quantize_outputs(at_quantized *q, at_session *s, at_error *err)
{
    const at_model *model = s->model;
    at_exec *x = &s->exec;
    preparing p = {.base = {.visit = prepare, .err = err},
                   .q = q,
                   .model = model,
                   .pool = x->backend->pool(x->device)};
    at_network_params(model->net, &p.base);
    at_status status = p.base.status;
    looking k = {.q = q,
                 .exact = at_alloc(NULL, PIECE * sizeof(float)),
                 .given = at_alloc(NULL, PIECE * sizeof(float))};
    if (status == AT_OK && (!k.exact || !k.given))
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the outputs of layers");
    x->product = look;
    x->product_user = &k;
    const size_t n = q->o.n_pictures, some = at_min_size(n, q->o.measured);
    const bool captions = at_model_captions(model);
    size_t seen = 0;
    for (size_t i = 0; i < some && status == AT_OK; i++) {
        at_pixels *pixels;
        at_tags *tags = NULL;
        at_captions *text = NULL;
        status = at_quantize_picture(q, model, q->pictures[i * n / some], &pixels, err);
        const at_pixels *const one = pixels;
        if (pixels && captions)
            status = at_session_caption_pixels(s, &one, 1, NULL, &text, err);
        else if (pixels)
            status = at_session_tag_pixels(s, &one, 1, NULL, &tags, err);
        seen += pixels != NULL;
        at_captions_free(text);
        at_tags_free(tags);
        at_pixels_free(pixels);
        if (status == AT_OK) status = at_quantize_tell(q, AT_QUANTIZE_OUTPUTS, i + 1, some, err);
    }
    x->product = NULL;
    if (status == AT_OK && !seen)
        status = at_fail(err, AT_E_NO_INPUT,
                         "%s: cannot be read, nor can the others that were tried of %zu pictures",
                         q->pictures[0], n);
    for (size_t i = 0; i < q->n_layers; i++)
        x->backend->unpack(&q->layers[i].quantised, NULL);
    at_free(NULL, k.exact);
    at_free(NULL, k.given);
    return status;
}
