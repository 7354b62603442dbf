/* search.h - beam search over the next-token scores of a text decoder, exactly as transformers 4.25.1
 * does it (generation/utils.py beam_search, beam_search.py; SPEC 5.4), and the simpler rule of the
 * small model. One at_search an image; scores come from outside, so that a batch is decoded together.
 *
 * A beam lives in a slot of the decoder's cache. When a parent has several children, the first keeps
 * its slot and the others take free ones: `copies` says from where. */
#ifndef AT_TEXT_SEARCH_H
#define AT_TEXT_SEARCH_H

#include "text/wishes.h"

typedef struct at_search_rules {
    size_t beams; // 1..64
    size_t vocab;
    int32_t eos;
    size_t min_length, max_length; // tokens; the first `counted` of the prompt count
    size_t counted;
    double length_penalty;    // a hypothesis is worth score / length^penalty
    float repetition_penalty; // 1: none
    const int32_t *never;     // tokens that are never written
    size_t n_never;
    /* The small model: the end may rank anywhere, counts as a token, and nothing stops the search
     * before max_length. False: as transformers. */
    bool plain;
    const at_wishes *wishes; // or NULL
} at_search_rules;

typedef struct at_hypothesis {
    const int32_t *ids; // with the prompt, without the end
    size_t n;
    float score;  // sum of log-probabilities, that of the end included
    double value; // what they are ranked by
    bool ended;   // by the end token, not by max_length
} at_hypothesis;

typedef struct at_slot_copy {
    uint32_t to, from;
} at_slot_copy;

typedef struct at_search at_search;

/* `rules` are copied, what they point to is borrowed. `prompt` lies in slot 0. */
at_status at_search_open(at_search **out, const at_search_rules *rules, const int32_t *prompt,
                         size_t n_prompt, const at_allocator *al, at_error *err);
void at_search_close(at_search *s); // NULL is fine

/* One step: logits of slot i at logits + i * ld. Nothing when done. */
void at_search_step(at_search *s, const float *logits, size_t ld);
bool at_search_done(const at_search *s);
/* What the decoder does next: copies first, in order, then ids [beams] (0 in a slot without a beam). */
const at_slot_copy *at_search_copies(const at_search *s, size_t *n);
void at_search_inputs(const at_search *s, int32_t *ids);
/* Tokens, prompt included, that no later step can change. */
size_t at_search_settled(const at_search *s, const int32_t **ids);
/* Rank 0 is the caption; false: there are not so many. */
bool at_search_best(const at_search *s, size_t rank, at_hypothesis *out);

/* y[n] = log_softmax(x[n]) */
void at_log_softmax(size_t n, const float *x, float *y);
/* x < 0 ? x p : x / p for every token of ids, once each. */
void at_repetition_penalty(float *x, const int32_t *ids, size_t n, float p);

#endif
