/* The search against all texts of a small language, and wishes that must come true. The toy decoder reads
 * what lies in a slot's cache, so that wrong copies of slots show as wrong texts. */
#include "text/search.h"
#include "text/sample.h"
#include "text/word_forms.h"

#include "tests_cmocka.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 5, EOS = 4, MOST = 6, BEAMS_MAX = 64, WIDE = 24 };

static void toy_logits(const int32_t *ids, size_t n, size_t vocab, uint64_t seed, float *out)
{
    uint64_t h = seed;
    for (size_t i = 0; i < n; i++)
        h = h * 1000003 + (uint64_t)ids[i] + 7;
    for (size_t v = 0; v < vocab; v++) {
        uint64_t r = h + v * 0x9e3779b97f4a7c15ull;
        out[v] = (float)(4 * at_random(&r));
    }
}

typedef struct toy {
    size_t n, beams, vocab;
    uint64_t seed;
    int32_t slots[BEAMS_MAX][64];
    float logits[BEAMS_MAX * WIDE];
} toy;

static void toy_run(toy *t, at_search *s, const int32_t *prompt, size_t n_prompt)
{
    memcpy(t->slots[0], prompt, n_prompt * sizeof *prompt);
    t->n = n_prompt;
    for (bool first = true; !at_search_done(s); first = false) {
        for (size_t i = 0; i < (first ? 1 : t->beams); i++)
            toy_logits(t->slots[i], t->n, t->vocab, t->seed, t->logits + i * t->vocab);
        at_search_step(s, t->logits, t->vocab);
        size_t n;
        const at_slot_copy *c = at_search_copies(s, &n);
        for (size_t k = 0; k < n; k++)
            memcpy(t->slots[c[k].to], t->slots[c[k].from], sizeof t->slots[0]);
        int32_t in[BEAMS_MAX];
        at_search_inputs(s, in);
        for (size_t i = 0; i < t->beams; i++)
            t->slots[i][t->n] = in[i];
        t->n++;
    }
}

typedef struct sentence {
    int32_t ids[MOST + 1];
    size_t n;
    double value;
} sentence;

/* Every text: ended by EOS, or cut at MOST tokens; the prompt is one token. */
static void enumerate(sentence *all, size_t *count, const int32_t *ids, size_t n, float score,
                      size_t least, uint64_t seed)
{
    float x[VOCAB], lp[VOCAB];
    toy_logits(ids, n, VOCAB, seed, x);
    at_log_softmax(VOCAB, x, lp);
    if (n >= least) {
        sentence *t = &all[(*count)++];
        memcpy(t->ids, ids, n * sizeof *ids);
        t->n = n;
        t->value = (double)(score + lp[EOS]) / (double)n;
    }
    for (int32_t v = 0; v < VOCAB; v++) {
        int32_t more[MOST + 1];
        if (v == EOS) continue;
        memcpy(more, ids, n * sizeof *ids);
        more[n] = v;
        if (n + 1 < MOST) {
            enumerate(all, count, more, n + 1, score + lp[v], least, seed);
        } else {
            sentence *t = &all[(*count)++];
            memcpy(t->ids, more, sizeof more);
            t->n = n + 1;
            t->value = (double)(score + lp[v]) / (double)(n + 1);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    const sentence *x = a, *y = b;
    return (x->value < y->value) - (x->value > y->value);
}

/* 4 + 16 + 64 beams would hold all beginnings of up to three tokens; texts of MOST = 4 are all seen. */
static void wide_search_finds_the_best_of_all(void **state)
{
    (void)state;
    static sentence all[8192];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const int32_t prompt[] = {0};
        size_t count = 0;
        enumerate(all, &count, prompt, 1, 0, 2, seed);
        qsort(all, count, sizeof *all, by_value);
        at_search_rules rules = {.beams = BEAMS_MAX,
                                 .vocab = VOCAB,
                                 .eos = EOS,
                                 .min_length = 2,
                                 .max_length = MOST,
                                 .counted = 1,
                                 .length_penalty = 1,
                                 .repetition_penalty = 1};
        at_search *s;
        at_error err = {0};
        assert_int_equal(at_search_open(&s, &rules, prompt, 1, NULL, &err), AT_OK);
        static toy t;
        t = (toy){.beams = BEAMS_MAX, .vocab = VOCAB, .seed = seed};
        toy_run(&t, s, prompt, 1);
        at_hypothesis h;
        assert_true(at_search_best(s, 0, &h));
        assert_float_equal(h.value, all[0].value, 1e-5);
        assert_int_equal(h.n, all[0].n);
        assert_memory_equal(h.ids, all[0].ids, h.n * sizeof *h.ids);
        at_search_close(s);
    }
}

static void one_beam_is_greedy(void **state)
{
    (void)state;
    const int32_t prompt[] = {1, 2};
    at_search_rules rules = {.beams = 1,
                             .vocab = VOCAB,
                             .eos = EOS,
                             .min_length = 12,
                             .max_length = 12,
                             .counted = 2,
                             .length_penalty = 1,
                             .repetition_penalty = 1};
    at_search *s;
    assert_int_equal(at_search_open(&s, &rules, prompt, 2, NULL, NULL), AT_OK);
    static toy t;
    t = (toy){.beams = 1, .vocab = VOCAB, .seed = 3};
    toy_run(&t, s, prompt, 2);
    at_hypothesis h;
    assert_true(at_search_best(s, 0, &h));
    assert_int_equal(h.n, 12);
    for (size_t n = 2; n < h.n; n++) {
        float x[VOCAB];
        toy_logits(h.ids, n, VOCAB, 3, x);
        for (int v = 0; v < VOCAB; v++)
            assert_true(v == EOS || x[v] <= x[h.ids[n]]);
    }
    at_search_close(s);
}

/* By hand, one step: a candidate that ends is kept only among the first `beams` in rank. */
static void an_end_counts_by_its_rank(void **state)
{
    (void)state;
    const int32_t prompt[] = {0};
    for (int plain = 0; plain < 2; plain++) {
        at_search_rules rules = {.beams = 1,
                                 .vocab = VOCAB,
                                 .eos = EOS,
                                 .max_length = 3,
                                 .counted = plain ? 0 : 1,
                                 .length_penalty = 1,
                                 .repetition_penalty = 1,
                                 .plain = plain};
        at_search *s;
        assert_int_equal(at_search_open(&s, &rules, prompt, 1, NULL, NULL), AT_OK);
        const float second_is_end[VOCAB] = {5, 0, 0, 0, 4};
        at_search_step(s, second_is_end, VOCAB);
        at_hypothesis h;
        assert_int_equal(at_search_best(s, 0, &h), plain);
        at_search_close(s);
    }
}

static void repetition_costs(void **state)
{
    (void)state;
    float x[4] = {2, -2, 1, -1};
    const int32_t ids[] = {0, 1, 0};
    at_repetition_penalty(x, ids, 3, 2);
    assert_float_equal(x[0], 1, 0);
    assert_float_equal(x[1], -4, 0);
    assert_float_equal(x[2], 1, 0);
}

/* --- wishes -------------------------------------------------------------------------------------------- */

static const char *const language[WIDE] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog",     "dogs",
                                           "##s",   "cat",   "cats",  "fire",  "hydrant", "##ma",
                                           "a",     "the",   "red",   "runs",  "on",      "gra",
                                           "##ss",  "sky",   "big",   "do",    "##g",     "tree"};

static void wished_words_come_and_forbidden_stay_away(void **state)
{
    (void)state;
    at_wordpiece *wp;
    at_error err = {0};
    assert_int_equal(at_wordpiece_open(&wp, language, WIDE, NULL, &err), AT_OK);
    const char *const require[] = {"fire hydrant", "cat"}, *const forbid[] = {"dog", "grass"};
    at_wishes *w;
    assert_int_equal(at_wishes_open(&w, wp, require, 2, forbid, 2, NULL, &err), AT_OK);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const int32_t prompt[] = {12};
        at_search_rules rules = {.beams = 6,
                                 .vocab = WIDE,
                                 .eos = 3,
                                 .min_length = 3,
                                 .max_length = 16,
                                 .counted = 1,
                                 .length_penalty = 1,
                                 .repetition_penalty = 1,
                                 .wishes = w};
        at_search *s;
        assert_int_equal(at_search_open(&s, &rules, prompt, 1, NULL, &err), AT_OK);
        static toy t;
        t = (toy){.beams = 6, .vocab = WIDE, .seed = seed};
        toy_run(&t, s, prompt, 1);
        at_hypothesis h;
        assert_true(at_search_best(s, 0, &h));
        at_buf text;
        at_buf_init(&text, NULL, 4096);
        at_wordpiece_decode(wp, h.ids, h.n, &text);
        for (size_t i = 0; i < 2; i++) {
            assert_true(at_text_has_word(at_buf_text(&text), require[i]));
            assert_false(at_text_has_word(at_buf_text(&text), forbid[i]));
        }
        at_buf_reset(&text);
        at_search_close(s);
    }
    at_wishes_close(w);
    at_wordpiece_close(wp);
}

static void wishes_that_cannot_be(void **state)
{
    (void)state;
    at_wordpiece *wp;
    at_error err = {0};
    assert_int_equal(at_wordpiece_open(&wp, language, WIDE, NULL, &err), AT_OK);
    const char *const dog[] = {"dog"}, *const dogs[] = {"dogs"}, *const zebra[] = {"zebra"},
                      *const empty[] = {" "}, *const bad[] = {"\xff"};
    at_wishes *w;
    assert_int_equal(at_wishes_open(&w, wp, dog, 1, dogs, 1, NULL, &err), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_wishes_open(&w, wp, zebra, 1, NULL, 0, NULL, &err), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_wishes_open(&w, wp, empty, 1, NULL, 0, NULL, &err), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_wishes_open(&w, wp, bad, 1, NULL, 0, NULL, &err), AT_E_INVALID_TEXT);
    at_wordpiece_close(wp);
}

static void words_have_forms(void **state)
{
    (void)state;
    static const char *const same[][2] = {{"two dogs run", "dog"},
                                          {"a dog", "dogs"},
                                          {"running fast", "run"},
                                          {"big cities", "city"},
                                          {"boxes", "box"},
                                          {"she is dancing", "dance"},
                                          {"a woman", "woman"},
                                          {"three women", "woman"},
                                          {"red fire hydrants", "fire hydrant"},
                                          {"a t-shirt, folded", "fold"}};
    static const char *const other[][2] = {
        {"a dogma", "dog"}, {"hot dogfight", "dog"}, {"grass", "gras"}, {"fire", "fire hydrant"}};
    for (size_t i = 0; i < AT_COUNT(same); i++)
        assert_true(at_text_has_word(same[i][0], same[i][1]));
    for (size_t i = 0; i < AT_COUNT(other); i++)
        assert_false(at_text_has_word(other[i][0], other[i][1]));
}

/* --- sampling ------------------------------------------------------------------------------------------ */

static void samples_have_their_shares(void **state)
{
    (void)state;
    // masses 0.5, 0.3, 0.15, 0.05: top-p 0.9 keeps three, top-k 2 two
    const float logits[] = {logf(0.3f), logf(0.5f), logf(0.05f), logf(0.15f)};
    const struct {
        float p;
        size_t k;
        double share[4];
    } cases[] = {{0.9f, 4, {0.3 / 0.95, 0.5 / 0.95, 0, 0.15 / 0.95}},
                 {1.0f, 2, {0.3 / 0.8, 0.5 / 0.8, 0, 0}},
                 {1.0f, 4, {0.3, 0.5, 0.05, 0.15}}};
    enum { DRAWS = 20000 };
    for (size_t c = 0; c < AT_COUNT(cases); c++) {
        const at_sample_rules r = {.vocab = 4,
                                   .top_k = cases[c].k,
                                   .top_p = cases[c].p,
                                   .temperature = 1,
                                   .repetition_penalty = 1};
        uint64_t random = 1;
        size_t count[4] = {0};
        for (size_t i = 0; i < DRAWS; i++) {
            float x[4], room[4];
            memcpy(x, logits, sizeof x);
            count[at_sample(x, NULL, 0, &r, &random, room)]++;
        }
        for (size_t v = 0; v < 4; v++)
            assert_float_equal((double)count[v] / DRAWS, cases[c].share[v], 0.012);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_search_finds_the_best_of_all),
        cmocka_unit_test(one_beam_is_greedy),
        cmocka_unit_test(an_end_counts_by_its_rank),
        cmocka_unit_test(repetition_costs),
        cmocka_unit_test(wished_words_come_and_forbidden_stay_away),
        cmocka_unit_test(wishes_that_cannot_be),
        cmocka_unit_test(words_have_forms),
        cmocka_unit_test(samples_have_their_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
