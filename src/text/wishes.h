/* wishes.h - words that a text must have and words it must not have, for a search over tokens.
 *
 * A word stands for its usual forms (dog: dogs; run: runs, running; city: cities). A requirement is
 * met when one form stands in the text as whole words; a forbidden form may not. */
#ifndef AT_TEXT_WISHES_H
#define AT_TEXT_WISHES_H

#include "text/wordpiece.h"

enum {
    AT_WISHES = 16,      // requirements, and forbidden words, at most
    AT_WISH_FORMS = 10,  // of one word
    AT_WISH_PIECES = 12, // tokens of a form
    AT_WISH_WINDOW = 48, // tokens behind which nothing is looked at
    AT_WISH_TOKENS = AT_WISHES * AT_WISH_FORMS,
};

typedef struct at_wishes at_wishes;

/* How far a beam has come. */
typedef struct at_wish_state {
    uint32_t met;      // bit i: requirement i stands in the text
    uint32_t progress; // tokens at its end that begin an unmet one
    bool closed;       // the last token ended a required word: no ## may follow
} at_wish_state;

/* AT_E_INVALID_PARAMETER: too many, an empty one, one that the vocabulary cannot write, a word
 * that is both required and forbidden. `w` must outlive the result. */
at_status at_wishes_open(at_wishes **out, const at_wordpiece *w, const char *const *require,
                         size_t n_require, const char *const *forbid, size_t n_forbid,
                         const at_allocator *al, at_error *err);
void at_wishes_close(at_wishes *w); // NULL is fine

/* `ids` are a beam's tokens (or its last AT_WISH_WINDOW), n of them. */
void at_wishes_mask(const at_wishes *w, const at_wish_state *s, const int32_t *ids, size_t n,
                    int32_t eos, float *lp);
size_t at_wishes_next(const at_wishes *w, const at_wish_state *s, const int32_t *ids, size_t n,
                      int32_t next[AT_WISH_TOKENS]);
void at_wishes_advance(const at_wishes *w, at_wish_state *s, const int32_t *ids, size_t n);
size_t at_wishes_bank(const at_wishes *w, const at_wish_state *s);
int at_wishes_count_met(const at_wishes *w, const at_wish_state *s);
/* How many requirements are met; 0 without wishes (NULL). */
int at_wishes_required(const at_wishes *w);
/* AT_E_OUT_OF_MEMORY if a step could not be looked at; asked once, at the end. */
at_status at_wishes_status(const at_wishes *w);

/* Whether a form of `word` stands in `text` (lower case, blanks between words) as whole words. */
bool at_text_has_word(const char *text, const char *word);

#endif
