/* describe.h - sentences about a label, for models that weigh descriptions (RAM++, arXiv 2310.15200, 3.3). */
#ifndef AT_TEXT_DESCRIBE_H
#define AT_TEXT_DESCRIBE_H

#include "text/wordnet.h"

/* Appends `count` sentences, each with its NUL; no two are equal, and the same ones come each time.
 *   sense  of the name; NULL: sentences around the name alone, and w may be NULL
 *   count  1..AT_LABEL_ROWS_MOST */
at_status at_describe(const at_wordnet *w, const char *name, const at_sense *sense, size_t count,
                      at_buf *out, at_error *err);

#endif
