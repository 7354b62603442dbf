/* search.c - beams, candidates, finished hypotheses. Names and order of work follow SPEC 5.4. */
#include "text/search.h"

#include <math.h>
#include <string.h>

enum { MAX_BEAMS = 64, MAX_PICKED = 4 * MAX_BEAMS };

typedef struct beam {
    float score;
    uint32_t slot;
    at_wish_state wish;
    int32_t *ids; // [n of the search]
} beam;

typedef struct finished {
    float score;
    double value;
    size_t n, added; // the how-manieth
    int met;
    bool ended;
    int32_t *ids;
} finished;

typedef struct candidate {
    float score;
    uint32_t beam;
    int32_t token;
} candidate;

struct at_search {
    const at_allocator *al;
    at_search_rules r;
    size_t n, n_prompt; // tokens of every beam
    size_t n_beams;
    beam beams[MAX_BEAMS], next[MAX_BEAMS];
    finished done[MAX_BEAMS];
    size_t n_done, n_added;
    double worst;
    bool stopped;
    at_slot_copy copies[MAX_BEAMS];
    size_t n_copies;
    float *lp;    // [vocab] of one beam
    int32_t *ids; // of all beams and hypotheses
};

/* --- scores ------------------------------------------------------------------------------------------ */

void at_log_softmax(size_t n, const float *x, float *y)
{
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - max);
    const float log_sum = (float)log(sum);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] - max - log_sum;
}

void at_repetition_penalty(float *x, const int32_t *ids, size_t n, float p)
{
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = ids[j] == ids[i];
        if (!seen) x[ids[i]] = x[ids[i]] < 0 ? x[ids[i]] * p : x[ids[i]] / p;
    }
}

/* Log-probabilities of beam b's next token, what is not allowed at -inf. */
static void score_beam(at_search *s, const beam *b, const float *logits)
{
    const at_search_rules *r = &s->r;
    at_log_softmax(r->vocab, logits, s->lp);
    if (r->repetition_penalty != 1.0f)
        at_repetition_penalty(s->lp, b->ids, s->n, r->repetition_penalty);
    if (s->n - s->n_prompt + r->counted < r->min_length) s->lp[r->eos] = -INFINITY;
    for (size_t i = 0; i < r->n_never; i++)
        s->lp[r->never[i]] = -INFINITY;
    if (r->wishes) at_wishes_mask(r->wishes, &b->wish, b->ids, s->n, r->eos, s->lp);
}

static bool better(const candidate *a, const candidate *b)
{
    if (a->score != b->score) return a->score > b->score;
    return a->beam != b->beam ? a->beam < b->beam : a->token < b->token;
}

/* Into a list of at most `most`, best first. */
static void insert(candidate *list, size_t *n, size_t most, candidate c)
{
    if (*n == most && !better(&c, &list[*n - 1])) return;
    size_t i = *n < most ? (*n)++ : most - 1;
    for (; i > 0 && better(&c, &list[i - 1]); i--)
        list[i] = list[i - 1];
    list[i] = c;
}

/* The `most` best of all beams, and what goes on with a wish. */
static size_t candidates(at_search *s, const float *logits, size_t ld, candidate *list, size_t most)
{
    size_t n = 0, n_wished = 0;
    candidate wished[MAX_PICKED];
    for (size_t b = 0; b < s->n_beams; b++) {
        const beam *bm = &s->beams[b];
        score_beam(s, bm, logits + bm->slot * ld);
        for (size_t v = 0; v < s->r.vocab; v++) {
            const float score = bm->score + s->lp[v];
            if (score == -INFINITY || (n == most && score <= list[n - 1].score)) continue;
            insert(list, &n, most, (candidate){score, (uint32_t)b, (int32_t)v});
        }
        int32_t next[AT_WISH_TOKENS];
        const size_t n_next = s->r.wishes
                                  ? at_wishes_next(s->r.wishes, &bm->wish, bm->ids, s->n, next)
                                  : 0;
        for (size_t i = 0; i < n_next; i++) {
            const float score = bm->score + s->lp[next[i]];
            if (score != -INFINITY)
                insert(wished, &n_wished, MAX_PICKED / 2, (candidate){score, (uint32_t)b, next[i]});
        }
    }
    for (size_t i = 0; i < n_wished; i++) { // behind the others, once each
        size_t have = 0;
        while (have < n &&
               (list[have].beam != wished[i].beam || list[have].token != wished[i].token))
            have++;
        if (have == n && n < MAX_PICKED) list[n++] = wished[i];
    }
    return n;
}

/* --- hypotheses -------------------------------------------------------------------------------------- */

static bool worse(const finished *a, const finished *b)
{
    if (a->met != b->met) return a->met < b->met;
    if (a->value != b->value) return a->value < b->value;
    return a->added < b->added;
}

static size_t worst_of(const at_search *s)
{
    size_t w = 0;
    for (size_t i = 1; i < s->n_done; i++) {
        if (worse(&s->done[i], &s->done[w])) w = i;
    }
    return w;
}

static double value_of(const at_search *s, float score, size_t length)
{
    return (double)score / pow((double)length, s->r.length_penalty);
}

/* Beam b ends here with this score. */
static void finish(at_search *s, const beam *b, float score, bool ended)
{
    const bool end_counts = s->r.plain && ended;
    const size_t length = s->n - s->n_prompt + s->r.counted + end_counts;
    finished f = {.score = score,
                  .value = value_of(s, score, length ? length : 1),
                  .n = s->n,
                  .added = s->n_added++,
                  .met = at_wishes_count_met(s->r.wishes, &b->wish),
                  .ended = ended};
    size_t at = s->n_done;
    if (at == s->r.beams) {
        at = worst_of(s);
        f.ids = s->done[at].ids;
        const finished *w = &s->done[at];
        if (f.met < w->met || (f.met == w->met && f.value <= w->value)) return;
    } else {
        f.ids = s->done[at].ids;
        s->n_done++;
    }
    memcpy(f.ids, b->ids, s->n * sizeof *f.ids);
    s->done[at] = f;
    s->worst = s->done[worst_of(s)].value;
}

/* --- a step ------------------------------------------------------------------------------------------ */

static void grow(at_search *s, const candidate *c)
{
    const beam *from = &s->beams[c->beam];
    beam *to = &s->next[s->n_beams]; // n_beams counts anew here
    to->score = c->score;
    to->slot = c->beam; // the parent, until slots are given
    memcpy(to->ids, from->ids, s->n * sizeof *to->ids);
    to->ids[s->n] = c->token;
    to->wish = from->wish;
    if (s->r.wishes) at_wishes_advance(s->r.wishes, &to->wish, to->ids, s->n + 1);
    s->n_beams++;
}

/* With wishes the beams are shared out among those that have come equally far (dynamic beam
 * allocation, Post and Vilar, arXiv 1804.06609): the best of each bank in turn, fullest bank first. */
static void pick_by_bank(at_search *s, const candidate *list, size_t n)
{
    size_t banks[MAX_PICKED], top = 0;
    int32_t ids[AT_WISH_WINDOW];
    bool taken[MAX_PICKED] = {false};
    for (size_t i = 0; i < n; i++) {
        const beam *b = &s->beams[list[i].beam];
        const size_t keep = at_min_size(s->n, AT_WISH_WINDOW - 1);
        memcpy(ids, b->ids + s->n - keep, keep * sizeof *ids);
        ids[keep] = list[i].token;
        at_wish_state w = b->wish;
        at_wishes_advance(s->r.wishes, &w, ids, keep + 1);
        banks[i] = at_wishes_bank(s->r.wishes, &w);
        if (banks[i] > top) top = banks[i];
        taken[i] = list[i].token == s->r.eos;
    }
    for (bool any = true; any && s->n_beams < s->r.beams;) {
        any = false;
        for (size_t bank = top + 1; bank-- > 0 && s->n_beams < s->r.beams;) {
            size_t best = n; // looked for: the list's wished tail is not sorted in
            for (size_t i = 0; i < n; i++) {
                if (!taken[i] && banks[i] == bank && (best == n || better(&list[i], &list[best])))
                    best = i;
            }
            if (best == n) continue;
            taken[best] = any = true;
            grow(s, &list[best]);
        }
    }
}

static void give_slots(at_search *s, size_t n_parents)
{
    bool used[MAX_BEAMS] = {false}, kept[MAX_BEAMS] = {false};
    uint32_t parent_slot[MAX_BEAMS];
    for (size_t b = 0; b < n_parents; b++)
        parent_slot[b] = s->beams[b].slot;
    for (size_t b = 0; b < s->n_beams; b++)
        used[parent_slot[s->next[b].slot]] = true;
    s->n_copies = 0;
    for (size_t b = 0; b < s->n_beams; b++) {
        const uint32_t parent = s->next[b].slot, from = parent_slot[parent];
        uint32_t to = from;
        if (kept[parent]) {
            for (to = 0; used[to];)
                to++;
            used[to] = true;
            s->copies[s->n_copies++] = (at_slot_copy){.to = to, .from = from};
        }
        kept[parent] = true;
        s->next[b].slot = to;
    }
}

/* No later hypothesis can be better than the worst that is kept. */
static bool nothing_better(const at_search *s, float best)
{
    if (s->r.plain || s->n_done < s->r.beams) return false;
    if (s->r.wishes && s->done[worst_of(s)].met < at_wishes_required(s->r.wishes)) return false;
    return s->worst >= value_of(s, best, s->n - s->n_prompt + s->r.counted);
}

void at_search_step(at_search *s, const float *logits, size_t ld)
{
    if (s->stopped) return;
    const at_search_rules *r = &s->r;
    candidate list[MAX_PICKED];
    const size_t most = 2 * r->beams, n = candidates(s, logits, ld, list, most);
    const size_t parents = s->n_beams;
    for (size_t i = 0; i < n; i++) {
        if (list[i].token == r->eos && (r->plain || i < r->beams))
            finish(s, &s->beams[list[i].beam], list[i].score, true);
    }
    const bool done = n && nothing_better(s, list[0].score);
    s->n_beams = 0;
    if (r->wishes)
        pick_by_bank(s, list, n);
    else
        for (size_t i = 0; i < n && s->n_beams < r->beams; i++) {
            if (list[i].token != r->eos) grow(s, &list[i]);
        }
    give_slots(s, parents);
    for (size_t b = 0; b < s->n_beams; b++) { // new beams take the place of the old
        const beam old = s->beams[b];
        s->beams[b] = s->next[b];
        s->next[b].ids = old.ids;
    }
    s->n++;
    const bool full = s->n - s->n_prompt + r->counted >= r->max_length;
    s->stopped = done || full || s->n_beams == 0;
    if (done || !s->stopped || (r->plain && s->n_done)) return;
    for (size_t b = 0; b < s->n_beams; b++) // what is still under way counts too
        finish(s, &s->beams[b], s->beams[b].score, false);
}

/* --- the outside ------------------------------------------------------------------------------------- */

at_status at_search_open(at_search **out, const at_search_rules *rules, const int32_t *prompt,
                         size_t n_prompt, const at_allocator *al, at_error *err)
{
    *out = NULL;
    at_search *s = at_new(al, at_search);
    if (!s) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a search");
    *s = (at_search){
        .al = al, .r = *rules, .n = n_prompt, .n_prompt = n_prompt, .n_beams = 1, .worst = 1e9};
    const size_t length = n_prompt + rules->max_length + 1;
    s->lp = at_calloc(al, rules->vocab, sizeof *s->lp);
    s->ids = at_calloc(al, 3 * rules->beams * length, sizeof *s->ids);
    if (!s->lp || !s->ids) {
        at_search_close(s);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a search of %zu beams",
                       rules->beams);
    }
    for (size_t b = 0; b < rules->beams; b++) {
        s->beams[b].ids = s->ids + 3 * b * length;
        s->next[b].ids = s->ids + (3 * b + 1) * length;
        s->done[b].ids = s->ids + (3 * b + 2) * length;
    }
    memcpy(s->beams[0].ids, prompt, n_prompt * sizeof *prompt);
    *out = s;
    return AT_OK;
}

void at_search_close(at_search *s)
{
    if (!s) return;
    at_free(s->al, s->lp);
    at_free(s->al, s->ids);
    at_free(s->al, s);
}

bool at_search_done(const at_search *s)
{
    return s->stopped;
}

const at_slot_copy *at_search_copies(const at_search *s, size_t *n)
{
    *n = s->stopped ? 0 : s->n_copies;
    return s->copies;
}

void at_search_inputs(const at_search *s, int32_t *ids)
{
    memset(ids, 0, s->r.beams * sizeof *ids);
    for (size_t b = 0; b < s->n_beams && !s->stopped; b++)
        ids[s->beams[b].slot] = s->beams[b].ids[s->n - 1];
}

static size_t common(const int32_t *a, const int32_t *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

size_t at_search_settled(const at_search *s, const int32_t **ids)
{
    at_hypothesis best;
    if (s->stopped && at_search_best(s, 0, &best)) {
        *ids = best.ids;
        return best.n;
    }
    *ids = s->beams[0].ids;
    size_t n = s->n;
    for (size_t b = 1; b < s->n_beams; b++)
        n = common(*ids, s->beams[b].ids, n);
    for (size_t i = 0; i < s->n_done; i++)
        n = common(*ids, s->done[i].ids, at_min_size(n, s->done[i].n));
    return n;
}

bool at_search_best(const at_search *s, size_t rank, at_hypothesis *out)
{
    if (rank >= s->n_done) return false;
    for (size_t i = 0; i < s->n_done; i++) {
        size_t above = 0;
        for (size_t j = 0; j < s->n_done; j++)
            above += worse(&s->done[i], &s->done[j]);
        if (above != rank) continue;
        const finished *f = &s->done[i];
        *out = (at_hypothesis){
            .ids = f->ids, .n = f->n, .score = f->score, .value = f->value, .ended = f->ended};
        return true;
    }
    return false;
}
