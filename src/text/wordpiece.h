/* wordpiece.h - BERT's uncased WordPiece, as transformers' BertTokenizer does it (Wu et al., arXiv
 * 1609.08144; the cleaning of google-research/bert tokenization.py). Read-only after opening. */
#ifndef AT_TEXT_WORDPIECE_H
#define AT_TEXT_WORDPIECE_H

#include "base/buf.h"

typedef struct at_wordpiece at_wordpiece;

/* `vocab`: one token an id, borrowed until closing; "[UNK]" and "[PAD]" must be among
 * them, and "[CLS]" and "[SEP]" (BERT) or "[BOS]" and "[EOS]" (the small model's whole words); tokens in square brackets that BERT or the added list name are special. */
at_status at_wordpiece_open(at_wordpiece **out, const char *const *vocab, size_t n,
                            const at_allocator *al, at_error *err);
void at_wordpiece_close(at_wordpiece *w);

/* Ids of `text` (UTF-8, `len` bytes) without [CLS] and [SEP]; *n of them, taken with at_alloc, freed
 * by the caller. AT_E_INVALID_TEXT: not UTF-8. */
at_status at_wordpiece_encode(const at_wordpiece *w, const char *text, size_t len, int32_t **ids,
                              size_t *n, at_error *err);
/* Text of ids without special tokens, with the official clean-up of blanks before marks. */
void at_wordpiece_decode(const at_wordpiece *w, const int32_t *ids, size_t n, at_buf *out);

int32_t at_wordpiece_id(const at_wordpiece *w, const char *token); // -1: none
size_t at_wordpiece_size(const at_wordpiece *w);
const char *at_wordpiece_token(const at_wordpiece *w, int32_t id); // as in the vocabulary, "##ing"
bool at_wordpiece_special(const at_wordpiece *w, int32_t id);

#endif
