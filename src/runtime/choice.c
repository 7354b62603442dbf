/* choice.c - which labels a session computes: the model's or some of them, then a set's. Every label
 * costs its share of the head and nothing else, wherever it comes from. */
#include "runtime/runtime.h"

#include <string.h>

static at_status own_labels(at_choice *c, const at_session *s, at_error *err)
{
    const at_model *m = s->model;
    const size_t width = m->net->config.head_hidden, n = s->only ? s->n_only : m->n_tags;
    const at_label_queries *q = &m->net->queries;
    at_label_part *part = &c->parts[c->labels.n_parts++];
    c->n_own = n;
    *part = (at_label_part){.count = n, .queries = *q};
    if (!s->only) return AT_OK;
    c->ids = at_calloc(m->al, n, sizeof *c->ids);
    if (!c->ids) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    for (size_t i = 0; i < n; i++)
        c->ids[i] = (int32_t)s->only[i];
    part->ids = c->ids;
    if (!q->input) return AT_OK;
    float *input = c->own_queries = at_calloc(m->al, 2 * n * width, sizeof(float));
    if (!input) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    float *query = input + n * width;
    for (size_t i = 0; i < n; i++) {
        memcpy(input + i * width, q->input + s->only[i] * width, width * sizeof(float));
        memcpy(query + i * width, q->query + s->only[i] * width, width * sizeof(float));
    }
    part->queries = (at_label_queries){.count = n, .input = input, .query = query, .ids = c->ids};
    return AT_OK;
}

/* Labels that follow each other with as many rows make a part: where each picture weighs them, they
 * are weighed together. */
static void set_parts(at_choice *c, const at_labels *set)
{
    for (size_t i = 0, n; i < set->n; i += n) {
        const size_t per = set->first[i + 1] - set->first[i];
        n = 1;
        while (i + n < set->n && set->first[i + n + 1] - set->first[i + n] == per)
            n++;
        c->parts[c->labels.n_parts++] = (at_label_part){
            .count = n, .rows = set->rows + (size_t)set->first[i] * set->dim, .per_label = per};
    }
}

/* One part whose queries no picture changes: planned, then run, on memory of its own. */
static at_status set_queries(at_choice *c, const at_session *s, const at_labels *set, at_error *err)
{
    const at_network *net = s->model->net;
    const at_allocator *al = s->model->al;
    const size_t floats = set->n * net->config.head_hidden;
    float *q = c->set_queries = at_calloc(al, 2 * floats, sizeof *q);
    at_exec x = {.backend = s->exec.backend, .err = err};
    const at_tensor rows = at_tensor_of(set->rows, 2, (const size_t[]){set->n, set->dim});
    net->type->open_set->queries(net, &x, rows, q);
    x.arena = (at_arena){.data = at_alloc(al, x.arena.peak), .cap = x.arena.peak};
    x.device = s->exec.device;
    if (q && x.arena.data)
        net->type->open_set->queries(net, &x, rows, q);
    else
        x.status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    at_free(al, x.arena.data);
    c->parts[c->labels.n_parts++] = (at_label_part){
        .count = set->n,
        .rows = set->rows,
        .per_label = 1,
        .queries = {.count = set->n, .input = q, .query = q + floats}};
    return x.status;
}

at_status at_choice_open(at_choice *c, const at_session *s, at_labels *set, bool set_only,
                         at_error *err)
{
    const at_open_set *open = s->model->net->type->open_set;
    *c = (at_choice){0};
    c->parts = at_calloc(s->model->al, 1 + (set ? set->n : 0), sizeof *c->parts);
    at_status status = c->parts ? AT_OK
                                : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels");
    if (status == AT_OK && !set_only) status = own_labels(c, s, err);
    if (status == AT_OK && set) {
        c->set = at_labels_keep(set);
        if (open->queries)
            status = set_queries(c, s, set, err);
        else
            set_parts(c, set);
    }
    for (size_t i = 0; i < c->labels.n_parts; i++)
        c->labels.count += c->parts[i].count;
    c->labels.parts = c->parts;
    if (status != AT_OK) at_choice_close(c, s->model->al);
    return status;
}

void at_choice_close(at_choice *c, const at_allocator *al)
{
    at_free(al, c->parts);
    at_free(al, c->ids);
    at_free(al, c->own_queries);
    at_free(al, c->set_queries);
    at_labels_free(c->set);
    *c = (at_choice){0};
}
