/* heat.c - maps of where tags were seen: the labels that are asked for, and a pass over an image's tokens. */
#include "runtime/match.h"

#include <string.h>

typedef struct asked { // labels of one picture
    at_label_choice labels;
    at_label_part *parts; // [1 + n]: the model's own together, then each of the set
    int32_t *ids;         // of the model's own
    float *queries;       // [2, n, hidden], gathered
} asked;

static void free_asked(asked *a, const at_allocator *al)
{
    at_free(al, a->parts);
    at_free(al, a->ids);
    at_free(al, a->queries);
}

/* The model's own among t->heat_ids[0 .. n), which lie first. */
static void own_part(const at_session *s, const at_tags *t, size_t n, asked *a)
{
    const at_label_queries *q = &s->model->net->queries;
    const size_t width = s->model->net->config.head_hidden;
    at_label_part *part = &a->parts[a->labels.n_parts++];
    for (size_t i = 0; i < n; i++) {
        a->ids[i] = (int32_t)t->heat_ids[i];
        if (q->input)
            memcpy(a->queries + i * width, q->input + t->heat_ids[i] * width,
                   width * sizeof(float));
    }
    *part = (at_label_part){.count = n, .ids = a->ids};
    if (q->input)
        part->queries = (at_label_queries){.count = n, .input = a->queries, .ids = a->ids};
}

static void set_part(const at_session *s, size_t k, asked *a)
{
    const at_labels *set = s->choice.set;
    at_label_part *part = &a->parts[a->labels.n_parts++];
    *part = (at_label_part){.count = 1,
                            .rows = set->rows + (size_t)set->first[k] * set->dim,
                            .per_label = set->first[k + 1] - set->first[k]};
    if (s->choice.set_queries)
        part->queries = (at_label_queries){
            .count = 1, .input = s->choice.set_queries + k * s->model->net->config.head_hidden};
}

/* The keys that are asked for, the model's own first. */
static at_status find_ids(const at_session *s, const at_tag_options *o, at_tags *t, size_t *own,
                          at_error *err)
{
    const size_t n_tags = s->model->n_tags, all = n_tags + (t->set ? t->set->n : 0);
    const size_t n = o->heat == AT_HEAT_IDS ? o->n_heat : at_min_size(t->count, AT_HEAT_MOST);
    t->heat_ids = at_calloc(t->al, n + 1, sizeof *t->heat_ids);
    if (!t->heat_ids) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu maps", n);
    for (int custom = 0; custom <= 1; custom++) {
        for (size_t i = 0; i < n; i++) {
            const size_t id = o->heat == AT_HEAT_IDS ? o->heat_ids[i] : t->hits[i].id;
            if (id >= all)
                return at_fail(err, AT_E_INVALID_PARAMETER,
                               "heat_ids: there is no tag %zu, there are %zu", id, all);
            if ((id >= n_tags) == custom) t->heat_ids[t->n_heat++] = id;
        }
        if (!custom) *own = t->n_heat;
    }
    return AT_OK;
}

typedef struct work {
    const at_network *net;
    const at_label_choice *labels;
    at_heat_shape shape;
    const float *tokens;
    float *maps;
} work;

static void make_maps(at_exec *x, void *user)
{
    const work *w = user;
    const bool plan = at_planning(x);
    const size_t dims[3] = {1, w->shape.token_rows, w->shape.token_dim};
    w->net->type->heat->maps(w->net, x, at_tensor_of(plan ? NULL : w->tokens, 3, dims), w->labels,
                             plan ? NULL : w->maps);
}

at_status at_heat_begin(at_session *s, const at_tag_options *o, at_error *err)
{
    if (!o->heat) return AT_OK;
    const at_heat_shape shape = s->model->net->type->heat->shape(s->model->net);
    return at_session_keep_tokens(s, shape.token_rows, shape.token_dim, err);
}

at_status at_heat_add(at_session *s, size_t i, const at_tag_options *o, at_arena *arena, at_tags *t,
                      at_error *err)
{
    if (!o->heat) return AT_OK;
    const at_network *net = s->model->net;
    work w = {.net = net, .shape = net->type->heat->shape(net)};
    size_t own = 0;
    const at_status found = find_ids(s, o, t, &own, err);
    if (found != AT_OK || !t->n_heat) return found;
    asked a = {.labels = {.count = t->n_heat}};
    a.parts = at_calloc(t->al, 1 + t->n_heat, sizeof *a.parts);
    a.ids = at_calloc(t->al, own + 1, sizeof *a.ids);
    a.queries = at_calloc(t->al, own * net->config.head_hidden + 1, sizeof *a.queries);
    t->heat_side = w.shape.side;
    t->heat = at_calloc(t->al, t->n_heat * w.shape.side * w.shape.side, sizeof *t->heat);
    at_status status = AT_OK;
    if (!a.parts || !a.ids || !a.queries || !t->heat) {
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu maps", t->n_heat);
    } else {
        if (own) own_part(s, t, own, &a);
        for (size_t k = own; k < t->n_heat; k++)
            set_part(s, t->heat_ids[k] - s->model->n_tags, &a);
        a.labels.parts = a.parts;
        w.labels = &a.labels;
        w.tokens = s->tokens + i * w.shape.token_rows * w.shape.token_dim;
        w.maps = t->heat;
        status = at_session_pass(s, arena, make_maps, &w, err);
    }
    free_asked(&a, t->al);
    return status;
}

int at_tags_heat(const at_tags *t, size_t id, at_heat_map *map)
{
    const size_t cells = t->heat_side * t->heat_side;
    size_t k = 0;
    while (k < t->n_heat && t->heat_ids[k] != id)
        k++;
    if (k == t->n_heat) return 0;
    *map = (at_heat_map){
        .cells = t->heat + k * cells, .rows = (int)t->heat_side, .cols = (int)t->heat_side};
    for (size_t c = 0; c < cells; c++) {
        if (map->cells[c] > map->max) map->max = map->cells[c];
    }
    return 1;
}
