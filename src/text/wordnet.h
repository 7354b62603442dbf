/* wordnet.h - WordNet's files as they lie (wndb(5WN), wninput(5WN)): index lines found by binary search,
 * data lines by their offset. Nothing in them is trusted: each line that is used is checked whole, and
 * what is wrong is AT_E_MODEL_DAMAGED with file and byte. */
#ifndef AT_TEXT_WORDNET_H
#define AT_TEXT_WORDNET_H

#include "anytag/wordnet.h"
#include "base/buf.h"
#include "base/map.h"

enum {
    AT_WN_NOUN,
    AT_WN_VERB,
    AT_WN_ADJECTIVE,
    AT_WN_ADVERB,
    AT_WN_PARTS,       // of speech
    AT_WN_SENSES = 80, // of a word; WordNet 3.0 has at most 59 (break, verb)
    AT_WN_CHAIN = 128, // ancestors of a synset
    AT_WN_WORD = 200,  // bytes of a word looked up
};

/* Part of speech and byte of the data line; 0 is none: a data file begins with its licence. */
typedef uint64_t at_synset;

typedef struct at_wn_choice { // places in at_wordnet.text
    size_t word, sense;
} at_wn_choice;

struct at_wordnet {
    struct at_wn_part {
        at_map index, data, exceptions;
    } parts[AT_WN_PARTS];
    at_buf text;    // the user's choices
    at_buf choices; // at_wn_choice
};

typedef struct at_wn_text { // of a mapped file, no NUL behind it
    const char *at;
    size_t len;
} at_wn_text;

typedef struct at_wn_line { // one data line
    int part;
    unsigned lexfile; // lexicographer's file: 5 animals, 13 food, ...; lexnames(5WN)
    char type;        // n v a s r
    size_t n_words, n_pointers;
    at_wn_text words, pointers; // walked by the functions below
    at_wn_text gloss;
} at_wn_line;

at_status at_wn_read(const at_wordnet *w, at_synset s, at_wn_line *line, at_error *err);
/* The next word ("fire_hydrant"), the next pointer ("@", a synset); `rest` begins as line->words or
 * line->pointers. */
at_wn_text at_wn_next_word(at_wn_text *rest);
at_wn_text at_wn_next_pointer(at_wn_text *rest, at_synset *to);

/* Senses of a word in one part of speech, most frequent first; a plural or an inflected form finds its base.
 * `word` is small letters with _ for blanks; `found` gets the form that the index has. */
at_status at_wn_senses(const at_wordnet *w, int part, const char *word, char found[AT_WN_WORD],
                       at_synset senses[AT_WN_SENSES], size_t *n, at_error *err);

/* The synset and what it is a kind of, nearest first, each once. */
at_status at_wn_chain(const at_wordnet *w, at_synset s, at_synset chain[AT_WN_CHAIN], size_t *n,
                      at_error *err);
/* Does a synset have this word? */
at_status at_wn_has_word(const at_wordnet *w, at_synset s, const char *word, bool *has,
                         at_error *err);

/* sense_table.c: the sense of a tag where the first one is not what pictures show; NULL: the first is. */
const char *at_wn_usual_sense(const char *word);
bool at_wn_usual_row(size_t i, const char **word, const char **sense); // false: there are fewer

/* the synset that an at_sense stands for. */
at_synset at_sense_synset(const at_sense *sense);
/* "fire hydrant" of "fire_hydrant". */
void at_wn_plain(at_buf *out, at_wn_text word);
/* The definition without examples. */
at_wn_text at_wn_definition(const at_wn_line *line);

#endif
