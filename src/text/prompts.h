/* prompts.h - sentences around a label's name, from which its embedding is made (Radford et al., arXiv
 * 2103.00020, section 3.1.4; the official open-set code's openset_utils.py). */
#ifndef AT_TEXT_PROMPTS_H
#define AT_TEXT_PROMPTS_H

#include "base/buf.h"

/* Appends `format` with every {} replaced by the name and every {article} by its article.
 *   cleaned  the official way: '_' becomes a blank, '/' " or ", ASCII letters small, dots at the end
 *            gone; "an" where the name as given begins with one of aeiou; and a sentence that begins
 *            with "a" or "the" gets "This is " in front. Else the name stands as it is */
void at_prompt(at_buf *out, const char *format, const char *name, bool cleaned);

#endif
