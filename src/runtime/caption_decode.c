/* caption_decode.c - from memory to words: the prompt once, then a token a step for every beam of every
 * image together, until all are done. */
#include "base/utf8.h"
#include "runtime/caption.h"
#include "text/sample.h"

#include <math.h>
#include <string.h>

static const char prompt_text[] =
    "a picture of "; // Tag2Text's; its 13 characters are cut off again

static bool has_prompt(const at_model *m)
{
    return at_caption_type_of(m)->tags_are == AT_TAGS_WORDS;
}

size_t at_caption_prompt(const at_model *m, int32_t prompt[AT_PROMPT])
{
    prompt[0] = at_wordpiece_id(m->words, has_prompt(m) ? "[DEC]" : "[BOS]");
    if (!has_prompt(m)) return 1;
    int32_t *ids = NULL;
    size_t n = 0;
    if (at_wordpiece_encode(m->words, prompt_text, strlen(prompt_text), &ids, &n, NULL) != AT_OK)
        n = 0;
    n = at_min_size(n, AT_PROMPT - 1);
    for (size_t i = 0; i < n; i++)
        prompt[1 + i] = ids[i];
    at_free(m->al, ids);
    return 1 + n;
}

int32_t at_caption_end(const at_model *m)
{
    return at_wordpiece_id(m->words, has_prompt(m) ? "[SEP]" : "[EOS]");
}

/* Text of tokens without the prompt. */
static void text_of(const at_model *m, const int32_t *ids, size_t n, at_buf *text)
{
    at_wordpiece_decode(m->words, ids, n, text);
    if (!has_prompt(m) || text->status != AT_OK) return;
    size_t cut = 0; // 13 characters, whatever they are: "a picture of\u03c1" has 14 bytes
    for (size_t i = 0; cut < text->len && i < sizeof prompt_text - 1; i++)
        do
            cut++;
        while (cut < text->len && at_utf8_inside(text->data[cut]));
    if (text->data) memmove(text->data, text->data + cut, text->len - cut + 1);
    text->len -= cut;
}

/* Caption k of an image. */
static at_status put(const at_model *m, at_captions *c, size_t k, const int32_t *ids, size_t n,
                     bool ended, float log_prob, double score, at_error *err)
{
    at_caption *to = &c->list[k];
    at_buf text;
    at_buf_init(&text, c->al, 1 << 20);
    text_of(m, ids, n, &text);
    to->ids = at_alloc(c->al, (n + 1) * sizeof *ids);
    to->text = at_alloc(c->al, text.len + 1);
    if (!to->ids || !to->text || text.status != AT_OK) {
        at_buf_reset(&text);
        at_free(c->al, to->ids);
        at_free(c->al, to->text);
        *to = (at_caption){0};
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a caption");
    }
    memcpy(to->text, at_buf_text(&text), text.len + 1);
    at_buf_reset(&text);
    memcpy(to->ids, ids, n * sizeof *ids);
    to->ids[n] = at_caption_end(m);
    to->n = n + ended;
    to->log_prob = log_prob;
    to->score = score;
    if (k == c->count) c->count++;
    return AT_OK;
}

/* --- telling pieces as they become certain ----------------------------------------------------------- */

typedef struct teller {
    size_t told; // bytes
} teller;

static void tell(const at_session *s, const at_caption_plan *p, teller *t, size_t image,
                 const int32_t *ids, size_t n, bool all)
{
    if (!p->o.piece) return;
    at_buf text;
    at_buf_init(&text, s->model->al, 1 << 20);
    text_of(s->model, ids, n, &text);
    // the last word may go on, and its blank may be taken back by a comma
    size_t certain = text.len;
    while (!all && certain && text.data[certain - 1] != ' ')
        certain--;
    if (!all && certain) certain--;
    if (text.status == AT_OK && certain > t->told) {
        text.data[certain] = 0;
        p->o.piece(p->o.piece_user, p->first + image, text.data + t->told);
        t->told = certain;
    }
    at_buf_reset(&text);
}

/* --- who goes on -------------------------------------------------------------------------------------- */

/* The images that are still written about lie side by side in the decoder's state: row r is image of[r]. */
typedef struct live {
    size_t *of;
    size_t n;
} live;

static bool live_open(live *l, size_t count, const at_allocator *al)
{
    l->n = count;
    l->of = at_calloc(al, count, sizeof *l->of);
    for (size_t i = 0; l->of && i < count; i++)
        l->of[i] = i;
    return l->of != NULL;
}

/* Row r is done: the last takes its place, so that nothing more is computed for it. */
static void live_drop(live *l, struct at_caption_room *room, size_t r)
{
    at_text_state_drop(&room->state, room->shape.decoder, r);
    l->of[r] = l->of[--l->n];
    memmove(room->inputs + r * room->beams, room->inputs + l->n * room->beams,
            room->beams * sizeof *room->inputs);
}

/* --- search ------------------------------------------------------------------------------------------ */

static const char *const never_small[] = {"[PAD]", "[BOS]", "[UNK]"};

typedef struct searching {
    at_session *s;
    const at_caption_plan *p;
    at_captions *const *captions;
    size_t count, ld;
    live live;
    at_search **searches;
    teller *tellers;
    int32_t never[AT_COUNT(never_small)];
} searching;

static at_status open_searches(searching *g, const int32_t *prompt, size_t n_prompt, at_error *err)
{
    const at_model *m = g->s->model;
    const at_caption_plan *p = g->p;
    at_search_rules rules = {
        .beams = p->beams,
        .vocab = m->net->config.text_vocab,
        .eos = at_caption_end(m),
        .min_length = p->min_length,
        .max_length = p->max_length,
        .counted = has_prompt(m) ? n_prompt : 0,
        .length_penalty = (double)m->net->config.text_length_penalty,
        .repetition_penalty = p->repetition_penalty,
        .plain = !has_prompt(m),
        .wishes = p->wishes,
    };
    if (rules.plain) {
        for (size_t i = 0; i < AT_COUNT(never_small); i++)
            g->never[i] = at_wordpiece_id(m->words, never_small[i]);
        rules.never = g->never;
        rules.n_never = AT_COUNT(never_small);
    }
    at_status status = AT_OK;
    for (size_t i = 0; i < g->count && status == AT_OK; i++)
        status = at_search_open(&g->searches[i], &rules, prompt, n_prompt, m->al, err);
    return status;
}

/* One step of every search on the logits; true: some go on. The first step has one row an image. */
static bool step_searches(searching *g, bool first)
{
    struct at_caption_room *room = g->s->caption;
    const size_t beams = g->p->beams, rows = first ? 1 : beams;
    for (size_t r = 0; r < g->live.n; r++) {
        const size_t i = g->live.of[r];
        at_search *search = g->searches[i];
        at_search_step(search, room->logits + r * rows * g->ld, g->ld);
        size_t n;
        const at_slot_copy *copies = at_search_copies(search, &n);
        for (size_t k = 0; k < n; k++)
            at_text_state_copy(&room->state, room->shape.decoder, r * beams + copies[k].to,
                               r * beams + copies[k].from);
        at_search_inputs(search, room->inputs + r * beams);
        if (!g->p->o.piece) continue;
        const int32_t *ids;
        const size_t settled = at_search_settled(search, &ids);
        tell(g->s, g->p, &g->tellers[i], i, ids, settled, at_search_done(search));
    }
    for (size_t r = g->live.n; r-- > 0;) {
        if (at_search_done(g->searches[g->live.of[r]])) live_drop(&g->live, room, r);
    }
    return g->live.n > 0;
}

static at_status take_results(searching *g, at_error *err)
{
    at_status status = AT_OK;
    for (size_t i = 0; i < g->count; i++) {
        at_hypothesis h;
        for (size_t k = 0;
             k < g->p->num && status == AT_OK && at_search_best(g->searches[i], k, &h); k++)
            status = put(g->s->model, g->captions[i], k, h.ids, h.n, h.ended, h.score, h.value,
                         err);
    }
    return status;
}

/* --- sampling ---------------------------------------------------------------------------------------- */

typedef struct drawn {
    int32_t *ids;
    size_t n;
    float log_prob;
    uint64_t random;
    bool ended;
} drawn;

typedef struct sampling {
    at_session *s;
    const at_caption_plan *p;
    size_t ld;
    live live;
    drawn *all; // [images, num]
    teller *tellers;
    float *log_p;
} sampling;

/* The next token of one sample, from its logits. True: it goes on. */
static bool step_sample(sampling *g, size_t n_prompt, drawn *d, const float *logits, int32_t *input)
{
    const at_model *m = g->s->model;
    const at_caption_options *o = &g->p->o;
    const at_sample_rules rules = {.vocab = g->ld,
                                   .top_k = o->top_k ? (size_t)o->top_k : 50,
                                   .top_p = o->top_p > 0 ? o->top_p : 0.9f,
                                   .temperature = o->temperature > 0 ? o->temperature : 1.0f,
                                   .repetition_penalty = g->p->repetition_penalty};
    const int32_t end = at_caption_end(m);
    const size_t counted = has_prompt(m) ? n_prompt : 0;
    float *row = g->log_p, *scratch = g->log_p + g->ld;
    *input = end;
    if (d->ended || d->n - n_prompt + counted >= g->p->max_length) return false;
    memcpy(row, logits, g->ld * sizeof *row);
    at_log_softmax(g->ld, row, scratch); // what is told is the model's own probability
    if (d->n - n_prompt + counted < g->p->min_length) row[end] = -INFINITY;
    for (size_t k = 0; !has_prompt(m) && k < AT_COUNT(never_small); k++)
        row[at_wordpiece_id(m->words, never_small[k])] = -INFINITY;
    const int32_t token = at_sample(row, d->ids, d->n, &rules, &d->random, g->log_p + 2 * g->ld);
    d->log_prob += scratch[token];
    d->ended = token == end;
    if (!d->ended) d->ids[d->n++] = token;
    *input = token;
    return !d->ended && d->n - n_prompt + counted < g->p->max_length;
}

/* One step of every sample; true: some go on. The first step has one row an image. */
static bool step_samples(sampling *g, size_t n_prompt, bool first)
{
    struct at_caption_room *room = g->s->caption;
    const size_t num = g->p->num;
    for (size_t r = g->live.n; r-- > 0;) {
        const size_t image = g->live.of[r];
        bool more = false;
        for (size_t k = 0; k < num; k++) {
            drawn *d = &g->all[image * num + k];
            const size_t before = d->n + d->ended;
            const bool on = step_sample(g, n_prompt, d,
                                        room->logits + (first ? r : r * num + k) * g->ld,
                                        &room->inputs[r * num + k]);
            more = more || on;
            if (k == 0 && d->n + d->ended > before)
                tell(g->s, g->p, &g->tellers[image], image, d->ids, d->n, !on);
        }
        if (!more) live_drop(&g->live, room, r);
    }
    return g->live.n > 0;
}

/* --- both -------------------------------------------------------------------------------------------- */

/* Runs one pass of the decoder: the prompt for n_prompt > 0, else a token for every slot. */
static at_status pass(at_session *s, size_t n_prompt)
{
    struct at_caption_room *room = s->caption;
    at_exec *x = &s->exec;
    at_arena_rewind(&x->arena, 0);
    if (n_prompt)
        at_text_prompt(x, room->shape.decoder, &room->state, room->inputs, n_prompt, room->logits);
    else
        at_text_step(x, room->shape.decoder, &room->state, room->inputs, room->logits);
    return x->status;
}

static at_status prompt_pass(at_session *s, size_t count, const int32_t *prompt, size_t n_prompt)
{
    for (size_t i = 0; i < count; i++)
        memcpy(s->caption->inputs + i * n_prompt, prompt, n_prompt * sizeof *prompt);
    return pass(s, n_prompt);
}

static at_status decode_search(at_session *s, const at_caption_plan *p, size_t count,
                               at_captions *const *captions, at_error *err)
{
    const at_allocator *al = s->model->al;
    searching g = {.s = s,
                   .p = p,
                   .captions = captions,
                   .count = count,
                   .ld = s->model->net->config.text_vocab,
                   .searches = at_calloc(al, count, sizeof(at_search *)),
                   .tellers = at_calloc(al, count, sizeof(teller))};
    int32_t prompt[AT_PROMPT];
    const size_t n_prompt = at_caption_prompt(s->model, prompt);
    at_status status = live_open(&g.live, count, al) && g.searches && g.tellers
                           ? open_searches(&g, prompt, n_prompt, err)
                           : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the searches");
    if (status == AT_OK) status = prompt_pass(s, count, prompt, n_prompt);
    for (bool first = true; status == AT_OK && step_searches(&g, first); first = false)
        status = pass(s, 0);
    if (status == AT_OK && at_wishes_status(p->wishes) != AT_OK)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the wishes");
    if (status == AT_OK) status = take_results(&g, err);
    for (size_t i = 0; g.searches && i < count; i++)
        at_search_close(g.searches[i]);
    at_free(al, g.live.of);
    at_free(al, g.searches);
    at_free(al, g.tellers);
    return status;
}

static at_status decode_samples(at_session *s, const at_caption_plan *p, size_t count,
                                at_captions *const *captions, at_error *err)
{
    const at_allocator *al = s->model->al;
    int32_t prompt[AT_PROMPT];
    const size_t n_prompt = at_caption_prompt(s->model, prompt),
                 vocab = s->model->net->config.text_vocab;
    const size_t length = n_prompt + p->max_length + 1, rows = count * p->num;
    sampling g = {.s = s,
                  .p = p,
                  .ld = vocab,
                  .all = at_calloc(al, rows, sizeof(drawn)),
                  .tellers = at_calloc(al, count, sizeof(teller)),
                  .log_p = at_calloc(al, 3 * vocab, sizeof(float))};
    int32_t *ids = at_calloc(al, rows * length, sizeof *ids);
    at_status status = live_open(&g.live, count, al) && g.all && g.tellers && g.log_p && ids
                           ? AT_OK
                           : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the samples");
    for (size_t i = 0; status == AT_OK && i < rows; i++) { // a sample depends on its number alone
        g.all[i] = (drawn){.ids = ids + i * length,
                           .n = n_prompt,
                           .random = p->o.seed + i % p->num * 0x632be59bd9b4e019ull};
        memcpy(g.all[i].ids, prompt, n_prompt * sizeof *prompt);
    }
    if (status == AT_OK) status = prompt_pass(s, count, prompt, n_prompt);
    for (size_t i = 0; status == AT_OK && i < rows; i++)
        if (i % p->num)
            at_text_state_copy(&s->caption->state, s->caption->shape.decoder, i,
                               i / p->num * p->num);
    for (bool first = true; status == AT_OK && step_samples(&g, n_prompt, first); first = false)
        status = pass(s, 0);
    for (size_t i = 0; status == AT_OK && i < rows; i++) {
        const drawn *d = &g.all[i];
        const size_t tokens = d->n - n_prompt + d->ended;
        status = put(s->model, captions[i / p->num], i % p->num, d->ids, d->n, d->ended,
                     d->log_prob, (double)d->log_prob / (double)(tokens ? tokens : 1), err);
    }
    at_free(al, g.live.of);
    at_free(al, g.all);
    at_free(al, g.tellers);
    at_free(al, g.log_p);
    at_free(al, ids);
    return status;
}

at_status at_caption_decode(at_session *s, const at_caption_plan *p, size_t count,
                            at_captions *const *captions, at_error *err)
{
    struct at_caption_room *room = s->caption;
    const at_network *net = s->model->net;
    at_exec *x = &s->exec;
    const at_arena before = x->arena;
    x->arena = room->arena;
    x->status = AT_OK;
    x->err = err;
    at_arena_rewind(&x->arena, 0);
    at_text_state_reset(&room->state, room->shape.decoder, count);
    const size_t dims[3] = {count, room->shape.token_rows, room->shape.token_dim};
    at_caption_type_of(s->model)->memory(
        net, x,
        &(at_caption_input){.tokens = at_tensor_of(s->tokens, 3, dims),
                            .ids = room->tag_ids,
                            .mask = room->tag_mask},
        &room->state);
    at_status status = x->status;
    if (status == AT_OK)
        status = (p->o.sample ? decode_samples : decode_search)(s, p, count, captions, err);
    x->err = NULL;
    x->arena = before;
    return status;
}
