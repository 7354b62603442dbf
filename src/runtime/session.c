/* session.c - threads, memory and labels of one line of work. */
#include "runtime/caption.h"

#include <string.h>

/* A dry pass tells the arena's size. */
static at_status plan(at_session *s, const at_label_choice *labels, size_t batch,
                      at_observe_fn observe, size_t *need, at_error *err)
{
    const at_network *net = s->model->net;
    const size_t side = net->config.image_size;
    at_exec x = {.backend = net->backend, .err = err, .observe = observe};
    const at_tensor pixels = at_tensor_of(NULL, 4, (const size_t[]){batch, side, side, 3});
    net->type->forward(net, &x, pixels, labels, &(at_forward_out){0});
    *need = x.arena.peak;
    return x.status;
}

static at_status keep_only(at_session *s, const at_session_options *o, at_error *err)
{
    const size_t n = o->n_only, all = s->model->n_tags;
    if (!o->only) return AT_OK;
    if (n == 0) return at_fail(err, AT_E_INVALID_PARAMETER, "only: the list of tags is empty");
    for (size_t i = 0; i < n; i++) {
        if (o->only[i] >= all)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "only: there is no tag %zu, the model has %zu", o->only[i], all);
    }
    s->only = at_calloc(s->model->al, n, sizeof *s->only);
    if (!s->only) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    memcpy(s->only, o->only, n * sizeof *s->only);
    s->n_only = n;
    return AT_OK;
}

/* Memory for the labels in `c`, which become the session's; else the session stays as it was. */
static at_status take_choice(at_session *s, at_choice *c, at_error *err)
{
    const at_allocator *al = s->model->al;
    size_t need = 0;
    at_status status = plan(s, &c->labels, s->max_batch, NULL, &need, err);
    const bool grow = need > s->exec.arena.cap;
    float *arena = status == AT_OK && grow ? at_alloc(al, need) : NULL;
    float *logits = status == AT_OK ? at_calloc(al, s->max_batch * c->labels.count, sizeof *logits)
                                    : NULL;
    if (status == AT_OK && (!logits || (grow && !arena)))
        status = at_fail(err, AT_E_OUT_OF_MEMORY,
                         "no memory for batches of %zu images (%zu MB); use a smaller batch",
                         s->max_batch, need >> 20);
    if (status != AT_OK) {
        at_free(al, arena);
        at_free(al, logits);
        at_choice_close(c, al);
        return status;
    }
    if (grow) {
        at_free(al, s->exec.arena.data);
        s->exec.arena = (at_arena){.data = (void *)arena, .cap = need};
        s->arena_bytes = need;
    }
    at_free(al, s->logits);
    s->logits = logits;
    at_choice_close(&s->choice, al);
    s->choice = *c;
    return AT_OK;
}

at_status at_session_refresh(at_session *s, at_error *err)
{
    if (s->exec.observe) return AT_OK; // on memory planned for the labels it has
    pthread_mutex_lock(&s->lock);
    at_labels *set = s->next;
    const bool changed = s->changed, only = s->next_only;
    s->changed = false;
    s->next = NULL;
    pthread_mutex_unlock(&s->lock);
    if (!changed) return AT_OK;
    at_choice c;
    at_status status = at_choice_open(&c, s, set, only, err);
    at_labels_free(set);
    return status == AT_OK ? take_choice(s, &c, err) : status;
}

at_status at_session_set_labels(at_session *s, at_labels *set, int only, at_error *err)
{
    if (!s || (only && !set))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_set_labels: session must not be NULL, nor a set that is alone");
    const at_status status = set ? at_labels_check(set, s->model, err) : AT_OK;
    if (status != AT_OK) return status;
    pthread_mutex_lock(&s->lock);
    at_labels *old = s->next;
    s->next = set ? at_labels_keep(set) : NULL;
    s->next_only = only != 0;
    s->changed = true;
    pthread_mutex_unlock(&s->lock);
    at_labels_free(old);
    return AT_OK;
}

static at_status open_parts(at_session *s, const at_session_options *o, at_error *err)
{
    const at_model *m = s->model;
    const size_t side = m->net->config.image_size;
    at_choice c;
    at_status status = keep_only(s, o, err);
    s->exec.backend = m->net->backend;
    if (status == AT_OK) status = m->net->backend->open(&s->exec.device, o->threads, m->al, err);
    if (status == AT_OK) status = at_choice_open(&c, s, NULL, false, err);
    if (status == AT_OK) status = take_choice(s, &c, err);
    if (status != AT_OK) return status;
    s->pixels = at_calloc(m->al, s->max_batch * side * side * 3, sizeof(float));
    return s->pixels ? AT_OK
                     : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu images", s->max_batch);
}

at_status at_session_open(at_model *model, const at_session_options *options, at_session **out,
                          at_error *err)
{
    if (!model || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_open: model and session must not be NULL");
    *out = NULL;
    at_session_options o;
    const at_status known = AT_OPTIONS(at_session_options, &o, options, err);
    if (known != AT_OK) return known;
    const int batch = o.max_batch;
    if (batch < 0 || batch > 1024)
        return at_fail(err, AT_E_INVALID_PARAMETER, "max_batch: %d is outside 1..1024", batch);
    at_session *s = at_new(model->al, at_session);
    if (!s) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a session");
    s->model = model;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->max_batch = batch ? (size_t)batch : 1;
    const at_status status = open_parts(s, &o, err);
    if (status != AT_OK) {
        at_session_close(s);
        return status;
    }
    *out = s;
    return AT_OK;
}

void at_session_close(at_session *s)
{
    if (!s) return;
    const at_allocator *al = s->model->al;
    if (s->exec.device) s->exec.backend->close(s->exec.device);
    at_free(al, s->exec.arena.data);
    at_free(al, s->pixels);
    at_free(al, s->logits);
    at_free(al, s->tokens);
    at_caption_room_close(s);
    at_tag_finder_close(s->finder);
    at_choice_close(&s->choice, al);
    at_labels_free(s->next);
    at_free(al, s->only);
    (void)pthread_mutex_destroy(&s->lock);
    at_free(al, s);
}

at_status at_session_keep_tokens(at_session *s, size_t rows, size_t dim, at_error *err)
{
    if (!s->tokens) s->tokens = at_calloc(s->model->al, s->max_batch * rows * dim, sizeof(float));
    return s->tokens ? AT_OK
                     : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tokens of %zu images",
                               s->max_batch);
}

size_t at_session_arena_bytes(const at_session *s)
{
    return s->arena_bytes;
}

/* One pass with an observer on memory of its own, larger: stages are shown whole. */
typedef struct looker {
    at_stage_fn stage;
    void *user;
} looker;

static at_status show(void *user, const char *stage, const float *data, const size_t *dims,
                      int n_dims)
{
    const looker *l = user;
    const bool one_image = n_dims > 1 && dims[0] == 1 &&
                           n_dims == 3; // [1, N, C] is shown as [N, C]
    return l->stage(l->user, stage, data, one_image ? dims + 1 : dims,
                    one_image ? n_dims - 1 : n_dims);
}

/* A stage outside the forward pass, which has its own words for an observer that stops it. */
static at_status show_result(const looker *l, const char *stage, const float *data, size_t n,
                             at_error *err)
{
    const at_status status = l->stage(l->user, stage, data, &n, 1);
    return status == AT_OK ? status
                           : at_fail(err, status, "the observer stopped at stage %s", stage);
}

/* pixels [3, S, S], as PyTorch has them, of our [S, S, 3] in s->pixels. */
static at_status show_pixels(at_session *s, const looker *l, at_error *err)
{
    const size_t side = s->model->net->config.image_size, area = side * side;
    float *planes = at_alloc(s->model->al, 3 * area * sizeof *planes);
    if (!planes) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a stage");
    for (size_t i = 0; i < area; i++) {
        for (size_t c = 0; c < 3; c++)
            planes[c * area + i] = s->pixels[3 * i + c];
    }
    const at_status status = l->stage(l->user, "pixels", planes, (const size_t[]){3, side, side},
                                      3);
    at_free(s->model->al, planes);
    return status == AT_OK ? status : at_fail(err, status, "the observer stopped at stage pixels");
}

/* Token ids as a stage. */
static at_status show_ids(at_session *s, const looker *l, const char *stage, const int32_t *ids,
                          const float *mask, size_t n)
{
    float *values = at_calloc(s->model->al, n + 1, sizeof *values);
    if (!values) return AT_E_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++)
        values[i] = mask ? (float)(mask[i] == 0.0f) : (float)ids[i];
    const at_status status = l->stage(l->user, stage, values, &n, 1);
    at_free(s->model->al, values);
    return status;
}

static at_status inspect_caption(at_session *s, const at_pixels *pixels,
                                 const at_caption_options *options, const looker *l, at_error *err)
{
    at_captions *c = NULL;
    at_status status = at_session_caption_pixels(s, &pixels, 1, options, &c, err);
    const struct at_caption_room *room = s->caption;
    const size_t tags = s->model->net->config.text_tags;
    if (status == AT_OK) status = show_ids(s, l, "caption.tag_ids", room->tag_ids, NULL, tags);
    if (status == AT_OK) status = show_ids(s, l, "caption.tag_mask", NULL, room->tag_mask, tags);
    size_t n = 0;
    const int32_t *ids = status == AT_OK ? at_captions_ids(c, 0, &n) : NULL;
    if (ids) status = show_ids(s, l, "caption.ids", ids, NULL, n);
    at_captions_free(c);
    return status;
}

at_status at_session_inspect(at_session *s, const at_image *image,
                             const at_caption_options *caption, at_stage_fn stage, void *user,
                             at_tags **tags, at_error *err)
{
    if (!s || !image || !stage || !tags)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_session_inspect: no argument may be NULL");
    *tags = NULL;
    looker l = {.stage = stage, .user = user};
    size_t need;
    at_pixels *pixels = NULL;
    at_status status = at_session_refresh(s, err);
    if (status == AT_OK) status = plan(s, &s->choice.labels, 1, show, &need, err);
    if (status == AT_OK) status = at_pixels_prepare(s->model, image, &pixels, err);
    if (status != AT_OK) return status;
    at_exec before = s->exec;
    s->exec.arena = (at_arena){.data = at_alloc(s->model->al, need), .cap = need};
    s->exec.observe = show;
    s->exec.observe_user = &l;
    if (!s->exec.arena.data)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory to look at every stage");
    memcpy(s->pixels, pixels->data,
           (size_t)pixels->size * (size_t)pixels->size * 3 * sizeof(float));
    if (status == AT_OK) status = show_pixels(s, &l, err);
    const at_pixels *one = pixels;
    if (status == AT_OK) status = at_session_tag_pixels(s, &one, 1, NULL, tags, err);
    if (status == AT_OK) {
        const size_t n = at_tags_scores_count(*tags);
        status = show_result(&l, "logits", at_tags_logits(*tags), n, err);
        if (status == AT_OK) status = show_result(&l, "probs", at_tags_scores(*tags), n, err);
    }
    if (status == AT_OK && at_model_captions(s->model))
        status = inspect_caption(s, pixels, caption, &l, err);
    at_free(s->model->al, s->exec.arena.data);
    s->exec = before;
    at_pixels_free(pixels);
    if (status != AT_OK) {
        at_tags_free(*tags);
        *tags = NULL;
    }
    return status;
}

void at_session_profile(at_session *s, int on)
{
    s->exec.profile = on != 0;
    if (on) memset(s->exec.counts, 0, sizeof s->exec.counts);
}

static at_profile_peak peak_of(at_op op)
{
    switch (op) {
    case AT_OP_LINEAR_S8: return AT_PEAK_INT8;
    case AT_OP_LINEAR_BF16:
    case AT_OP_ATTENTION_COARSE: return AT_PEAK_BF16;
    default: return AT_PEAK_F32;
    }
}

size_t at_session_profile_rows(const at_session *s, at_profile_row *rows, size_t count)
{
    size_t n = 0;
    bool used[AT_OPS_] = {false};
    for (;;) { // by falling time; there are few
        int best = -1;
        for (int i = 0; i < AT_OPS_; i++) {
            if (!used[i] && s->exec.counts[i].calls &&
                (best < 0 || s->exec.counts[i].seconds > s->exec.counts[best].seconds))
                best = i;
        }
        if (best < 0) return n;
        used[best] = true;
        const at_op_count *c = &s->exec.counts[best];
        if (n < count)
            rows[n] = (at_profile_row){.op = at_op_name((at_op)best),
                                       .seconds = c->seconds,
                                       .flop = c->flop,
                                       .bytes = c->bytes,
                                       .peak = peak_of((at_op)best),
                                       .calls = c->calls};
        n++;
    }
}
