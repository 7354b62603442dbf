/* clip_clean.h - text as CLIP's tokenizer sees it (openai/CLIP simple_tokenizer.py: basic_clean,
 * whitespace_clean, lower). */
#ifndef AT_TEXT_CLIP_CLEAN_H
#define AT_TEXT_CLIP_CLEAN_H

#include "base/buf.h"

/* Appends the cleaned text: typography made plain as ftfy's fix_text does it, HTML characters resolved,
 * white space to single blanks, lower case.
 * Of ftfy one thing is left out: repairing text that was decoded with the wrong character set
 * ("cafÃ©"), which is a guess.
 * AT_E_INVALID_TEXT names the byte that is not UTF-8. */
at_status at_clip_clean(const char *text, size_t len, at_buf *out, at_error *err);

#endif
