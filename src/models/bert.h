/* bert.h - a stack of transformer layers that read words and attend to memory (Devlin et al.,
 * arXiv 1810.04805; cross-attention as BLIP's, arXiv 2201.12086): Tag2Text's tag encoder, text
 * decoder and alignment encoder, and the small model's decoder. Post-norm; exact GELU. A layer is self-attention, then the
 * tag head's layer (tag_head.h), in Tag2Text's first layers with the tag head's own weights. */
#ifndef AT_MODELS_BERT_H
#define AT_MODELS_BERT_H

#include "models/tag_head.h"

enum { AT_BERT_LAYERS = 64 }; // at most

typedef struct at_bert_layer {
    at_linear query, key, value, out; // of self-attention
    at_norm self_norm;
    at_head_layer own;
    const at_head_layer *cross; // &own, or the tag head's
} at_bert_layer;

/* Official names of the parts. */
typedef struct at_bert_names {
    const char *words, *positions, *embed_norm;
    const char *layer; // with one %d
    const char *query, *key, *value, *out, *self_norm;
    const at_head_names *cross; // .layer is not used
} at_bert_names;
extern const at_bert_names at_bert_names_official; // below "tag_encoder." or "text_decoder.bert."
extern const at_bert_names at_bert_names_lite;

typedef struct at_bert {
    size_t n_layers, hidden, heads, ffn, vocab, positions;
    size_t memory_dim; // of what cross-attention reads; 0: there is none
    float eps;
    at_rows_view words;    // [vocab, hidden]
    const float *position; // [positions, hidden]
    at_norm embed_norm;
    at_bert_layer *layers; // [n_layers]
} at_bert;

/* Layers [0, lent->n_layers) use the cross-attention and feed-forward of `lent` (NULL: none). */
at_status at_bert_open(at_bert *b, const at_config *c, size_t memory_dim, const at_tag_head *lent,
                       const at_allocator *al, at_error *err);
/* Ours begin with the scope the caller entered. */
void at_bert_params(at_bert *b, at_params *p, const at_bert_names *names);
void at_bert_close(at_bert *b, const at_backend *backend, const at_allocator *al);

/* Keys and values of earlier positions: of layer i, of sequence s, row t at
 *   data + ((2 i + (0 keys, 1 values)) sequences + s) positions hidden + t hidden. */
typedef struct at_bert_cache {
    float *data;
    size_t sequences, positions;
} at_bert_cache;
static inline size_t at_bert_cache_floats(const at_bert *b, size_t sequences, size_t positions)
{
    return 2 * b->n_layers * sequences * positions * b->hidden;
}

typedef struct at_bert_pass {
    size_t sequences, n;        // n new words of each
    const int32_t *ids;         // [sequences, n]
    const float *key_mask;      // [sequences, n], added to the scores of self-attention; or NULL
    const at_bert_cache *cache; // NULL: every word sees all n. Else a word sees those before it
    size_t past;                // positions that the cache holds already
    size_t slot_step;           // sequence s of the pass is sequence s * slot_step of the cache
    const at_head_keys *memory; // [n_layers]; sequences of one image lie side by side. NULL: words
                                // alone, cross-attention is left out with its norm
    const char *stage;          // "tag_encoder", "decoder"
} at_bert_pass;

/* The last layer's rows [sequences * n, hidden]. */
at_tensor at_bert_forward(at_exec *x, const at_bert *b, const at_bert_pass *pass);
/* Keys and values of memory tokens [images, n, memory_dim] for layer i, into k and v. */
void at_bert_memory(at_exec *x, const at_bert *b, size_t i, at_tensor tokens, at_head_keys *keys);

#endif
