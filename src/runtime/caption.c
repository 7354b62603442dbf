/* caption.c - options, the session's room for captions, the batch. */
#include "runtime/caption.h"

#include <stdio.h>
#include <string.h>

int at_model_captions(const at_model *m)
{
    return at_network_caption(m->net) != NULL;
}
int at_model_caption_beams(const at_model *m)
{
    return (int)m->net->config.text_beams;
}
int at_model_caption_min_length(const at_model *m)
{
    return (int)m->net->config.text_min;
}
int at_model_caption_max_length(const at_model *m)
{
    return (int)m->net->config.text_max;
}

/* --- options ----------------------------------------------------------------------------------------- */

static at_status out_of_range(at_error *err, const char *name, double v, double low, double high)
{
    return at_fail(err, AT_E_INVALID_PARAMETER, "%s: %g is outside %g..%g", name, v, low, high);
}

/* The same, where another option ends the range. */
static at_status out_of_reach(at_error *err, const char *name, int v, size_t high, const char *of)
{
    return at_fail(err, AT_E_INVALID_PARAMETER, "%s: %d is outside 1..%zu (%s: %zu)", name, v, high,
                   of, high);
}

static at_status make_plan(const at_model *m, const at_caption_options *given, at_caption_plan *p,
                           at_error *err)
{
    const at_config *c = &m->net->config;
    at_caption_options *o = &p->o;
    at_status status = AT_OPTIONS(at_caption_options, o, given, err);
    if (status == AT_OK) status = at_tag_options_read(&p->tags, o->tags, err);
    if (status != AT_OK) return status;
    if (!at_network_caption(m->net))
        return at_fail(err, AT_E_MODEL_UNSUPPORTED,
                       "%s (%s) writes no captions; name a Tag2Text model with --model",
                       at_weights_path(m->weights), c->arch);
    int32_t prompt[AT_PROMPT];
    const size_t n_prompt = at_caption_prompt(m, prompt);
    const int most = (int)c->text_positions;
    if (o->beams < 0 || o->beams > 64) return out_of_range(err, "beams", o->beams, 1, 64);
    if (o->max_length < 0 || o->max_length > most)
        return out_of_range(err, "max_length", o->max_length, 1, most);
    p->beams = o->beams ? (size_t)o->beams : c->text_beams;
    p->num = o->num > 0 ? (size_t)o->num : 1;
    p->max_length = o->max_length ? (size_t)o->max_length : c->text_max;
    p->repetition_penalty = o->repetition_penalty > 0 ? o->repetition_penalty
                            : o->sample               ? 1.1f
                                                      : 1.0f;
    p->min_length = o->min_length ? (size_t)o->min_length : at_min_size(c->text_min, p->max_length);
    if (o->min_length < 0 || p->min_length > p->max_length)
        return out_of_reach(err, "min_length", o->min_length, p->max_length, "max length");
    if (at_caption_type_of(m)->tags_are == AT_TAGS_WORDS && p->max_length <= n_prompt)
        return out_of_range(err, "max_length", (double)p->max_length, (double)(n_prompt + 1), most);
    if (o->num < 0 || p->num > 64) return out_of_range(err, "num", o->num, 1, 64);
    if (!o->sample && p->num > p->beams) return out_of_reach(err, "num", o->num, p->beams, "beams");
    if (o->repetition_penalty < 0 || o->repetition_penalty > 10)
        return out_of_range(err, "repetition_penalty", (double)o->repetition_penalty, 0, 10);
    if (o->top_k < 0 || o->top_k > 1024) return out_of_range(err, "top_k", o->top_k, 1, 1024);
    if (!(o->top_p >= 0 && o->top_p <= 1))
        return out_of_range(err, "top_p", (double)o->top_p, 0, 1);
    if (!(o->temperature >= 0 && o->temperature <= 100))
        return out_of_range(err, "temperature", (double)o->temperature, 0, 100);
    if (o->sample && (o->n_require || o->n_forbid))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "require and forbid need the beam search; leave sample out");
    if (o->sample) p->beams = p->num;
    p->guided = !o->no_guide && o->guide && *o->guide && strcmp(o->guide, "none") != 0 &&
                strcmp(o->guide, "None") != 0;
    if (!o->n_require && !o->n_forbid) return AT_OK;
    // room for beams that have come less far with the required words
    if (!o->beams) p->beams = at_min_size(p->beams * (o->n_require + 1), 16);
    return at_wishes_open(&p->wishes, m->words, o->require, o->n_require, o->forbid, o->n_forbid,
                          m->al, err);
}

at_status at_caption_options_check(const at_model *m, const at_caption_options *options,
                                   at_error *err)
{
    if (!m) return at_fail(err, AT_E_INVALID_PARAMETER, "at_caption_options_check: no model");
    at_caption_plan p = {0};
    const at_status status = make_plan(m, options, &p, err);
    at_wishes_close(p.wishes);
    return status;
}

/* --- the room ---------------------------------------------------------------------------------------- */

void at_caption_room_close(at_session *s)
{
    struct at_caption_room *r = s->caption;
    if (!r) return;
    const at_allocator *al = s->model->al;
    at_text_state_close(&r->state, al);
    at_free(al, r->arena.data);
    at_free(al, r->logits);
    at_free(al, r->tag_ids);
    at_free(al, r->tag_mask);
    at_free(al, r->inputs);
    at_free(al, r);
    s->caption = NULL;
}

/* Dry passes tell the arena's size. */
static at_status plan_arena(const at_session *s, struct at_caption_room *r, size_t *need,
                            at_error *err)
{
    const at_network *net = s->model->net;
    int32_t prompt[AT_PROMPT];
    const size_t n_prompt = at_caption_prompt(s->model, prompt);
    const size_t dims[3] = {s->max_batch, r->shape.token_rows, r->shape.token_dim};
    at_exec x = {.backend = net->backend, .err = err};
    at_text_state dry = {.images = s->max_batch,
                         .beams = r->beams,
                         .positions = r->length,
                         .memory_rows = r->shape.memory_rows};
    dry.cache.positions = r->length;
    at_text_state_reset(&dry, r->shape.decoder, s->max_batch);
    at_caption_type_of(s->model)->memory(
        net, &x, &(at_caption_input){.tokens = at_tensor_of(NULL, 3, dims)}, &dry);
    at_arena_rewind(&x.arena, 0);
    at_text_prompt(&x, r->shape.decoder, &dry, NULL, n_prompt, NULL);
    at_arena_rewind(&x.arena, 0);
    at_text_step(&x, r->shape.decoder, &dry, NULL, NULL);
    *need = x.arena.peak;
    return x.status;
}

static at_status open_room(at_session *s, const at_caption_plan *p, at_error *err)
{
    const at_config *c = &s->model->net->config;
    const at_allocator *al = s->model->al;
    struct at_caption_room *r = s->caption;
    if (r && r->beams == p->beams && r->length >= p->max_length + AT_PROMPT) return AT_OK;
    at_caption_room_close(s);
    if (!(r = s->caption = at_calloc(al, 1, sizeof *r)))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for captions");
    r->shape = at_caption_type_of(s->model)->shape(s->model->net);
    r->beams = p->beams;
    r->length = at_min_size(p->max_length + AT_PROMPT, c->text_positions);
    size_t need = 0;
    at_status status = at_model_need_texts(s->model, s->exec.backend->pool(s->exec.device), err);
    if (status == AT_OK) status = plan_arena(s, r, &need, err);
    if (status == AT_OK)
        status = at_text_state_open(&r->state, r->shape.decoder, s->max_batch, r->beams, r->length,
                                    r->shape.memory_rows, r->shape.masked, al, err);
    const size_t rows = s->max_batch * (r->beams > AT_PROMPT ? r->beams : AT_PROMPT);
    if (status == AT_OK) {
        r->arena = (at_arena){.data = at_alloc(al, need), .cap = need};
        r->logits = at_calloc(al, s->max_batch * r->beams * c->text_vocab, sizeof(float));
        r->tag_ids = at_calloc(al, s->max_batch * c->text_tags, sizeof(int32_t));
        r->tag_mask = at_calloc(al, s->max_batch * c->text_tags, sizeof(float));
        r->inputs = at_calloc(al, rows, sizeof(int32_t));
        if (!r->arena.data || !r->logits || !r->tag_ids || !r->tag_mask || !r->inputs)
            status = at_fail(err, AT_E_OUT_OF_MEMORY,
                             "no memory for captions of %zu images with %zu beams", s->max_batch,
                             r->beams);
    }
    if (status == AT_OK)
        status = at_session_keep_tokens(s, r->shape.token_rows, r->shape.token_dim, err);
    if (status != AT_OK) at_caption_room_close(s);
    return status;
}

/* --- a batch ----------------------------------------------------------------------------------------- */

static at_status keep_wishes(at_captions *c, const at_caption_options *o, at_error *err)
{
    for (size_t k = 0; k < o->n_require + o->n_forbid; k++) {
        const char *word = k < o->n_require ? o->require[k] : o->forbid[k - o->n_require];
        const size_t size = strlen(word) + 1;
        if (!(c->wishes[k] = at_alloc(c->al, size)))
            return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for captions");
        memcpy(c->wishes[k], word, size);
        c->n_wishes = k + 1;
    }
    c->n_required = o->n_require;
    return AT_OK;
}

/* Whether the wishes came true is read off the text itself. */
static void check_wishes(at_captions *c)
{
    for (size_t i = 0; i < c->count; i++) {
        at_caption *t = &c->list[i];
        for (size_t k = 0; k < c->n_wishes; k++) {
            const bool there = at_text_has_word(t->text, c->wishes[k]);
            t->met |= (uint32_t)(k < c->n_required ? there : !there) << k;
        }
    }
    for (size_t i = 0; c->count && i < c->n_guides; i++)
        c->guide_used[i] = at_text_has_word(c->list[0].text, c->guides[i]);
}

static at_status one_batch(at_session *s, const at_caption_plan *p, const at_pixels *const *pixels,
                           size_t count, at_captions **captions, at_error *err)
{
    const at_allocator *al = s->model->al;
    at_status status = at_session_forward(s, pixels, count, err);
    for (size_t i = 0; i < count && status == AT_OK; i++) {
        at_captions *c = captions[i] = at_new(al, at_captions);
        if (!c || !(c->list = at_calloc(c->al = al, p->num, sizeof *c->list))) {
            status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for captions");
            break;
        }
        status = at_tags_choose(s, s->logits + i * s->choice.labels.count, &p->tags, &c->tags, err);
        if (status == AT_OK) status = keep_wishes(c, &p->o, err);
        if (status == AT_OK) status = at_caption_guide(s, p, i, c, err);
        if (status != AT_OK) break;
        c->guide_used = at_calloc(al, c->n_guides + 1, sizeof *c->guide_used);
        if (!c->guide_used) status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for captions");
    }
    if (status == AT_OK) status = at_caption_decode(s, p, count, captions, err);
    for (size_t i = 0; i < count; i++) {
        if (status == AT_OK) {
            check_wishes(captions[i]);
        } else {
            at_captions_free(captions[i]);
            captions[i] = NULL;
        }
    }
    return status;
}

at_status at_session_caption_pixels(at_session *s, const at_pixels *const *pixels, size_t count,
                                    const at_caption_options *options, at_captions **captions,
                                    at_error *errs)
{
    if (!s || !pixels || !captions)
        return at_fail(errs, AT_E_INVALID_PARAMETER,
                       "at_session_caption_pixels: no array may be NULL");
    at_caption_plan p = {0};
    for (size_t i = 0; i < count; i++)
        captions[i] = NULL;
    at_status status = make_plan(s->model, options, &p, errs);
    if (status == AT_OK) status = open_room(s, &p, errs);
    for (size_t i = 0; i < count && status == AT_OK; i++) {
        if (!pixels[i] || (size_t)pixels[i]->size != s->model->net->config.image_size)
            status = at_fail(errs ? &errs[i] : NULL, AT_E_INVALID_PARAMETER,
                             "pixels %zu were prepared for another model", i);
    }
    at_status worst = status;
    for (size_t first = 0; first < count && status == AT_OK; first += s->max_batch) {
        const size_t n = at_min_size(s->max_batch, count - first);
        at_error e = {0};
        p.first = first;
        const at_status one = one_batch(s, &p, pixels + first, n, captions + first, &e);
        if (one == AT_OK) continue;
        worst = one;
        for (size_t i = 0; errs && i < n; i++)
            errs[first + i] = e;
    }
    at_wishes_close(p.wishes);
    return worst == AT_OK || count == 1 || status != AT_OK ? worst : AT_E_PARTIAL;
}

at_status at_session_caption(at_session *s, const at_image *image,
                             const at_caption_options *options, at_captions **captions,
                             at_error *err)
{
    if (!s || !image || !captions)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_session_caption: session, image and captions must not be NULL");
    *captions = NULL;
    at_pixels *pixels = NULL;
    at_status status = at_pixels_prepare(s->model, image, &pixels, err);
    const at_pixels *one = pixels;
    if (status == AT_OK) status = at_session_caption_pixels(s, &one, 1, options, captions, err);
    at_pixels_free(pixels);
    return status;
}

/* --- what came out ----------------------------------------------------------------------------------- */

size_t at_captions_count(const at_captions *c)
{
    return c->count;
}
const char *at_captions_text(const at_captions *c, size_t i)
{
    return i < c->count ? c->list[i].text : "";
}
float at_captions_log_prob(const at_captions *c, size_t i)
{
    return c->list[i].log_prob;
}
double at_captions_score(const at_captions *c, size_t i)
{
    return c->list[i].score;
}
const int32_t *at_captions_ids(const at_captions *c, size_t i, size_t *n)
{
    *n = c->list[i].n;
    return c->list[i].ids;
}
size_t at_captions_guides(const at_captions *c)
{
    return c->n_guides;
}
const char *at_captions_guide(const at_captions *c, size_t i)
{
    return c->guides[i];
}
int at_captions_guide_used(const at_captions *c, size_t i)
{
    return c->guide_used[i];
}
size_t at_captions_wishes(const at_captions *c)
{
    return c->n_wishes;
}
const char *at_captions_wish(const at_captions *c, size_t k, int *forbidden)
{
    *forbidden = k >= c->n_required;
    return c->wishes[k];
}
int at_captions_wish_met(const at_captions *c, size_t i, size_t k)
{
    return (int)(c->list[i].met >> k & 1);
}
const at_tags *at_captions_tags(const at_captions *c)
{
    return c->tags;
}

void at_captions_free(at_captions *c)
{
    if (!c) return;
    for (size_t i = 0; c->list && i < c->count; i++) {
        at_free(c->al, c->list[i].text);
        at_free(c->al, c->list[i].ids);
    }
    for (size_t i = 0; i < c->n_guides; i++)
        at_free(c->al, c->guides[i]);
    for (size_t k = 0; k < c->n_wishes; k++)
        at_free(c->al, c->wishes[k]);
    at_free(c->al, c->list);
    at_free(c->al, c->guides);
    at_free(c->al, c->guide_used);
    at_tags_free(c->tags);
    at_free(c->al, c);
}

size_t at_caption_from_tags(const at_tags *tags, char *text, size_t size)
{
    if (!size) return 0;
    text[0] = 0;
    const size_t n = at_tags_count(tags);
    if (n == 0) {
        (void)snprintf(text, size, "a picture without a recognised tag");
        return strlen(text);
    }
    size_t len = (size_t)snprintf(text, size, "a picture tagged");
    if (len >= size) return size - 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = at_tags_name(tags, i, "en"), *join = i == 0       ? " "
                                                                : i + 1 == n ? " and "
                                                                             : ", ";
        if (len + strlen(join) + strlen(name) + 1 > size) break;
        len += (size_t)snprintf(text + len, size - len, "%s%s", join, name);
    }
    return len;
}
