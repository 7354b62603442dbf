/* embed.c - /v1/embed: a text as a vector of the text encoder; texts and pictures as vectors of one space if the
 * model compares them (anytag/match.h). */
#include "serve/internal.h"

#include <anytag/match.h>
#include <stdlib.h>
#include <string.h>

static json_t *vector_json(const float *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_real((double)v[i]));
    return list;
}

static void answer_vector(request *r, const char *model, const float *v, size_t n)
{
    answer_exact(r, json_pack("{ss sI so}", "model", model, "width", (json_int_t)n, "embedding",
                              vector_json(v, n)));
}

/* In the space of the model's pictures; by a session of its own, for this is a decoding thread. */
static void embed_match(request *r, const char *text)
{
    at_server *s = r->s;
    const at_session_options o = {.struct_size = sizeof o, .threads = 1, .max_batch = 1};
    at_texts *set = NULL;
    at_error err = {0};
    pthread_mutex_lock(&s->texts_lock);
    if (!s->texts) (void)at_session_open(s->tag, &o, &s->texts, &err);
    if (s->texts) (void)at_session_texts(s->texts, &text, 1, &set, &err);
    pthread_mutex_unlock(&s->texts_lock);
    if (set)
        answer_vector(r, at_model_name(s->tag), at_texts_vector(set, 0),
                      at_model_match_width(s->tag));
    else
        (void)fail_error(&r->problem, &err);
    at_texts_free(set);
}

static void embed_text(request *r, const char *text)
{
    at_encoder *e = r->s->encoder;
    const size_t n = at_encoder_width(e);
    float *vector = malloc(n * sizeof *vector);
    at_error err = {0};
    if (!vector)
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
    else if (at_encoder_encode(e, &text, 1, vector, NULL, NULL, &err) != AT_OK)
        (void)fail_error(&r->problem, &err);
    else
        answer_vector(r, at_encoder_name(e), vector, n);
    free(vector);
}

/* Pictures go on to the batcher; they were not counted when the request came, for texts are not. */
static void embed_pictures(request *r)
{
    const bool one = r->n_pictures == 1;
    if (r->values[Q_TEXT])
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "a text or pictures, not both");
    else if (!r->s->tag || !at_model_match_width(r->s->tag))
        (void)fail(&r->problem, P_MODEL_NOT_AVAILABLE,
                   "no model of this server makes vectors of pictures (Tag2Text with weights for "
                   "comparing does: anytag info has a line match); send a text");
    else if (one && r->pictures[0]->size == 0 && !r->pictures[0]->url && !r->pictures[0]->path)
        (void)fail(&r->problem, AT_E_NO_INPUT, "the picture has no bytes");
    else if (queue_admit(r->s, r->key, 1))
        r->admitted = 1;
    else
        (void)fail(&r->problem, P_QUEUE_FULL, "%d pictures wait already", r->s->o.queue);
    if (r->values[Q_TEXT]) problem_point(&r->problem, "text");
}

void embed(request *r)
{
    const char *text = r->values[Q_TEXT];
    if (r->n_pictures) {
        embed_pictures(r);
    } else if (!text || !*text) {
        (void)fail(&r->problem, AT_E_NO_INPUT, "send {\"text\": \"...\"}, or a picture");
        if (text) problem_point(&r->problem, "text");
    } else if (r->s->tag && at_model_match_width(r->s->tag)) {
        embed_match(r, text);
    } else if (r->s->encoder) {
        embed_text(r, text);
    } else {
        (void)fail(&r->problem, P_MODEL_NOT_AVAILABLE,
                   "this server has no text encoder; name one with --text-encoder");
    }
}

void embed_answer(request *r)
{
    const size_t n = at_model_match_width(r->s->tag);
    const char *model = at_model_name(r->s->tag);
    if (r->n_pictures == 1) {
        answer_vector(r, model, r->pictures[0]->result->vector, n);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_pictures; i++) {
        const picture *p = r->pictures[i];
        const bool bad = p->error.status != AT_OK;
        problem why = {0};
        if (bad) (void)fail_error(&why, &p->error);
        json_t *o = json_pack("{s{ss*}}", "source", "name", p->name);
        (void)json_object_set_new(o, bad ? "error" : "embedding",
                                  bad ? json_pack("{ss so}", "code", problem_code(why.what),
                                                  "detail", problem_detail(&why))
                                      : vector_json(p->result->vector, n));
        (void)json_array_append_new(list, o);
    }
    answer_exact(r,
                 json_pack("{ss sI so}", "model", model, "width", (json_int_t)n, "results", list));
}
