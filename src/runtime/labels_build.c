/* labels_build.c - words become labels: sentences, their vectors, one or many rows a label. */
#include "runtime/labels.h"
#include "text/prompts.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 128, TEXT_LIMIT = 256 << 20 }; // labels at a time; bytes of their sentences

/* Where neither the model nor the encoder brings templates: the plainest of CLIP's. */
static const char *const plain[] = {"a photo of a {}.", NULL};

typedef struct build {
    const at_model *m;
    at_encoder *e;
    const at_label *labels;
    size_t n, dim;
    const char *const *templates;
    size_t n_templates;
    bool official; // the templates are
    bool keep;     // descriptions stay as they are
    float *rows;   // [sum of n_rows, dim]
    size_t *n_rows;
} build;

static size_t sentences(const build *b, size_t i)
{
    return b->labels[i].n_descriptions ? b->labels[i].n_descriptions : b->n_templates;
}

static void choose_templates(build *b)
{
    b->templates = b->m->net->type->open_set->templates;
    if (b->templates) {
        while (b->templates[b->n_templates])
            b->n_templates++;
        return;
    }
    b->templates = at_encoder_templates(b->e, &b->n_templates);
    b->official = b->templates != NULL;
    if (b->official && b->n_templates) return;
    b->templates = plain;
    b->n_templates = 1;
}

/* Sentences of labels [first, first + n) one behind the other, each with its NUL. */
static at_status write_sentences(const build *b, size_t first, size_t n, at_buf *text)
{
    at_buf_clear(text);
    for (size_t i = first; i < first + n; i++) {
        const at_label *l = &b->labels[i];
        for (size_t k = 0; k < sentences(b, i); k++) {
            if (l->n_descriptions)
                at_buf_str(text, l->descriptions[k] ? l->descriptions[k] : "");
            else
                at_prompt(text, b->templates[k], l->name, b->official);
            at_buf_char(text, 0);
        }
    }
    return text->status;
}

/* The mean of n vectors of length 1, of length 1 again. */
static at_status mean(const float *v, size_t n, size_t dim, float *out, const char *name,
                      at_error *err)
{
    double square = 0;
    for (size_t d = 0; d < dim; d++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += (double)v[k * dim + d];
        out[d] = (float)(sum / (double)n);
        square += (double)out[d] * (double)out[d];
    }
    if (!(square > 0))
        return at_fail(err, AT_E_INVALID_TEXT, "label \"%s\": its sentences have no direction",
                       name);
    for (size_t d = 0; d < dim; d++)
        out[d] = (float)((double)out[d] / sqrt(square));
    return AT_OK;
}

static at_status build_chunk(const build *b, size_t first, size_t n, at_buf *text, float **to,
                             at_error *err)
{
    const at_allocator *al = b->m->al;
    size_t total = 0;
    for (size_t i = first; i < first + n; i++)
        total += sentences(b, i);
    const char **texts = at_calloc(al, total, sizeof *texts);
    float *vectors = at_alloc(al, total * b->dim * sizeof *vectors);
    at_status status = write_sentences(b, first, n, text);
    if (!texts || !vectors || status != AT_OK)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu sentences", total);
    const char *at = at_buf_text(text);
    for (size_t k = 0; status == AT_OK && k < total; k++) {
        texts[k] = at;
        at += strlen(at) + 1;
    }
    if (status == AT_OK) status = at_encoder_encode(b->e, texts, total, vectors, NULL, NULL, err);
    const float *v = vectors;
    for (size_t i = first; i < first + n && status == AT_OK; i++) {
        const size_t k = sentences(b, i), rows = b->n_rows[i];
        if (rows == k)
            memcpy(*to, v, k * b->dim * sizeof *v);
        else
            status = mean(v, k, b->dim, *to, b->labels[i].name, err);
        *to += rows * b->dim;
        v += k * b->dim;
    }
    at_free(al, (void *)texts);
    at_free(al, vectors);
    return status;
}

static at_status build_rows(build *b, const at_labels_options *o, at_error *err)
{
    const at_allocator *al = b->m->al;
    size_t total = 0;
    b->n_rows = at_calloc(al, b->n, sizeof *b->n_rows);
    if (!b->n_rows) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", b->n);
    for (size_t i = 0; i < b->n; i++) {
        const at_label *l = &b->labels[i];
        if (l->n_descriptions > AT_LABEL_ROWS_MOST || (l->n_descriptions && !l->descriptions))
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "label \"%s\" has %zu descriptions; %d are the most", l->name,
                           l->n_descriptions, AT_LABEL_ROWS_MOST);
        total += b->n_rows[i] = b->keep && l->n_descriptions ? l->n_descriptions : 1;
    }
    float *to = b->rows = at_alloc(al, total * b->dim * sizeof *b->rows);
    if (!to) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu embeddings", total);
    at_buf text;
    at_buf_init(&text, al, TEXT_LIMIT);
    at_status status = AT_OK;
    for (size_t i = 0; i < b->n && status == AT_OK; i += CHUNK) {
        if (o->progress && o->progress(o->progress_user, i, b->n) != 0)
            status = at_fail(err, AT_E_CANCELLED, "stopped after %zu of %zu labels", i, b->n);
        if (status == AT_OK)
            status = build_chunk(b, i, at_min_size(CHUNK, b->n - i), &text, &to, err);
    }
    if (o->progress && status == AT_OK) (void)o->progress(o->progress_user, b->n, b->n);
    at_buf_reset(&text);
    return status;
}

at_status at_labels_build(const at_model *m, at_encoder *e, const at_label *labels, size_t n,
                          const at_labels_options *options, at_labels **set, at_error *err)
{
    if (!m || !e || !labels || !set)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_labels_build: no argument may be NULL");
    *set = NULL;
    at_labels_options o;
    at_status status = AT_OPTIONS(at_labels_options, &o, options, err);
    if (status == AT_OK) status = at_labels_possible(m, err);
    if (status == AT_OK && at_encoder_width(e) != at_model_label_width(m))
        status = at_fail(err, AT_E_MODEL_MISMATCH,
                         "%s makes vectors of %zu numbers, the labels of %s have %zu: not the "
                         "encoder its labels were made with",
                         at_encoder_name(e), at_encoder_width(e), at_model_name(m),
                         at_model_label_width(m));
    // names first: a bad one is told before the long work
    if (status == AT_OK) status = at_labels_check_names(labels, n, m->al, err);
    if (status != AT_OK) return status;
    build b = {.m = m,
               .e = e,
               .labels = labels,
               .n = n,
               .dim = at_encoder_width(e),
               .keep = m->net->type->open_set->descriptions};
    choose_templates(&b);
    status = build_rows(&b, &o, err);
    const at_labels_plan p = {.al = m->al,
                              .labels = labels,
                              .n = n,
                              .dim = b.dim,
                              .rows = b.rows,
                              .n_rows = b.n_rows,
                              .threshold = at_model_label_threshold(m),
                              .model = at_model_name(m),
                              .model_id = at_model_identity(m),
                              .encoder = at_encoder_name(e)};
    if (status == AT_OK) status = at_labels_make(&p, set, err);
    at_free(m->al, b.rows);
    at_free(m->al, b.n_rows);
    return status;
}
