/* text_decoder.h - a decoder that writes one token after another: a BERT stack over its own words and
 * an image's memory, and a head that shares the word embeddings. What persists between two tokens
 * lies in an at_text_state, so that a token costs one row whatever the length so far. */
#ifndef AT_MODELS_TEXT_DECODER_H
#define AT_MODELS_TEXT_DECODER_H

#include "models/bert.h"

typedef struct at_text_decoder {
    at_bert bert;
    at_linear transform;
    at_norm transform_norm;
    at_linear words; // the embeddings again, packed for the product; with the bias of the logits
} at_text_decoder;

/* Official names of the head. */
typedef struct at_text_head_names {
    const char *transform, *transform_norm, *words, *bias;
} at_text_head_names;

void at_text_head_params(at_text_decoder *d, at_params *p, const at_text_head_names *names);
void at_text_decoder_close(at_text_decoder *d, const at_backend *backend, const at_allocator *al);

/* One decode: `images` of `beams` sequences, each of at most `positions` tokens. Slot s belongs to
 * image s / beams. */
typedef struct at_text_state {
    size_t images, beams, positions, memory_rows;
    size_t past;                       // tokens in the cache of every slot
    float *memory;                     // [n_layers, 2, images, memory_rows, hidden]
    float *mask;                       // [images, memory_rows], or NULL; added to scores
    at_bert_cache cache;               // [images * beams] sequences
    at_head_keys keys[AT_BERT_LAYERS]; // views of `memory`
} at_text_state;

at_status at_text_state_open(at_text_state *s, const at_text_decoder *d, size_t images,
                             size_t beams, size_t positions, size_t memory_rows, bool masked,
                             const at_allocator *al, at_error *err);
void at_text_state_close(at_text_state *s, const at_allocator *al);
/* Starts anew for `images`, at most as many as were opened; memory is to be filled. */
void at_text_state_reset(at_text_state *s, const at_text_decoder *d, size_t images);
/* Slot `to` takes over what slot `from` remembers. */
void at_text_state_copy(at_text_state *s, const at_text_decoder *d, size_t to, size_t from);

/* `image` needs no more tokens: the last image takes its place, and there is one less. */
void at_text_state_drop(at_text_state *s, const at_text_decoder *d, size_t image);

/* Keys and values of the memory rows [images, memory_rows, memory_dim], once for an image. */
void at_text_memory(at_exec *x, const at_text_decoder *d, at_tensor rows, at_text_state *s);
/* The prompt, ids [images, n], into every image's first slot; logits [images, vocab]. */
void at_text_prompt(at_exec *x, const at_text_decoder *d, at_text_state *s, const int32_t *ids,
                    size_t n, float *logits);
/* One token for every slot, ids [images * beams]; logits [images * beams, vocab]. */
void at_text_step(at_exec *x, const at_text_decoder *d, at_text_state *s, const int32_t *ids,
                  float *logits);

#endif
