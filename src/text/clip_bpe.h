/* clip_bpe.h - CLIP's tokenizer: byte-level byte pairs of cleaned, lower-case words (Sennrich et al.,
 * arXiv 1508.07909; openai/CLIP simple_tokenizer.py). Ids: 256 bytes, 256 bytes that end a word, a token
 * a merge in the list's order, start and end of text. Read-only after opening. */
#ifndef AT_TEXT_CLIP_BPE_H
#define AT_TEXT_CLIP_BPE_H

#include "base/buf.h"

typedef struct at_clip_bpe at_clip_bpe;

enum { AT_CLIP_OTHER_TOKENS = 514 }; // that no merge makes

/* `merges`: "left right" as in bpe_simple_vocab_16e6.txt from its second line on, read during the call
 * only. AT_E_MODEL_MISMATCH names the line that is no merge of such a list. */
at_status at_clip_bpe_open(at_clip_bpe **out, const char *const *merges, size_t n,
                           const at_allocator *al, at_error *err);
void at_clip_bpe_close(at_clip_bpe *b); // NULL is fine

/* Ids of `text` (UTF-8, `len` bytes) without start and end; *n of them, taken with at_alloc, freed by
 * the caller (NULL for none). AT_E_INVALID_TEXT: not UTF-8. */
at_status at_clip_bpe_encode(const at_clip_bpe *b, const char *text, size_t len, int32_t **ids,
                             size_t *n, at_error *err);

int32_t at_clip_bpe_first(const at_clip_bpe *b); // <|startoftext|>
int32_t at_clip_bpe_last(const at_clip_bpe *b);  // <|endoftext|>

#endif
