/* tag_finder.h - which tags of a list a text names: whole words in any regular form (word_forms.h), the
 * longest name first; the words of a tag that was found are not looked at again. */
#ifndef AT_TEXT_TAG_FINDER_H
#define AT_TEXT_TAG_FINDER_H

#include "base/buf.h"

typedef struct at_tag_finder at_tag_finder;

/* `names` [n], UTF-8, borrowed during the call; NULL is a tag that is never found. Of two tags with one
 * spelling the one whose own name it is wins, then the earlier. */
at_status at_tag_finder_open(at_tag_finder **out, const char *const *names, size_t n,
                             const at_allocator *al, at_error *err);
void at_tag_finder_close(at_tag_finder *f); // NULL is fine

/* Adds uint32_t indices of `names`, each once, in the text's order. AT_E_INVALID_TEXT: not UTF-8. */
at_status at_tag_finder_find(const at_tag_finder *f, const char *text, size_t len, at_buf *ids,
                             at_error *err);

#endif
