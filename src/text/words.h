/* words.h - text to lower-case words without accents, as BERT's BasicTokenizer makes them. */
#ifndef AT_TEXT_WORDS_H
#define AT_TEXT_WORDS_H

#include "base/base.h"

typedef struct at_words_sink {
    void *user;
    /* One word or punctuation mark: UTF-8, no NUL behind it, `chars` code points. */
    void (*word)(void *user, const char *word, size_t len, size_t chars);
    void (*special)(void *user, const char *token, size_t len);
    /* How many bytes of a special token stand at the beginning of `text`; 0: none. */
    size_t (*special_at)(void *user, const char *text, size_t len);
} at_words_sink;

/* Whether the capital sigma at `at`, `size` bytes, ends its word and becomes the final small one, as in
 * Python's str.lower(). */
bool at_sigma_is_final(const char *text, size_t len, size_t at, size_t size);

/* AT_E_INVALID_TEXT names the byte that is not UTF-8. */
at_status at_words_split(const char *text, size_t len, const at_words_sink *sink,
                         const at_allocator *al, at_error *err);

#endif
