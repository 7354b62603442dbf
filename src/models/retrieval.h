/* retrieval.h - pictures and texts as vectors of one space, and a closer look at a pair (Tag2Text, arXiv
 * 2303.05657, 3.3; BLIP, arXiv 2201.12086, 3.2). The paper's code and weights were never released:
 * keys and shapes are BLIP's blip_retrieval.py, with "alignment_encoder." for its "text_encoder.". */
#ifndef AT_MODELS_RETRIEVAL_H
#define AT_MODELS_RETRIEVAL_H

#include "models/bert.h"

typedef struct at_retrieval {
    at_bert encoder;          // the alignment encoder: cross-attention in every layer
    at_linear vision, text;   // [dim, memory_dim], [dim, hidden]
    at_linear match;          // [2, hidden]: no, yes
    const float *temperature; // [1] of the contrastive loss; cosines are divided by it in training
    size_t dim, most;         // of a vector; tokens of a text
    size_t token_rows;        // of an image, memory_dim wide
} at_retrieval;

/* memory_dim: width of the image tokens. */
at_status at_retrieval_open(at_retrieval *r, const at_config *c, size_t memory_dim,
                            const at_allocator *al, at_error *err);
void at_retrieval_params(at_retrieval *r, at_params *p);
void at_retrieval_close(at_retrieval *r, const at_backend *backend, const at_allocator *al);

/* Vectors [B, dim] of length 1 of image tokens [B, rows, memory_dim]: the first token, projected. */
void at_retrieval_images(at_exec *x, const at_retrieval *r, at_tensor tokens, at_tensor vectors);
/* Vectors [n, dim] of length 1 of n texts of `length` tokens, ids [n, length], each from [CLS] to
 * [SEP]: the first row of the stack run on the words alone, projected. */
void at_retrieval_texts(at_exec *x, const at_retrieval *r, const int32_t *ids, size_t n,
                        size_t length, at_tensor vectors);
/* Keys and values of one image's tokens [1, rows, memory_dim] for every layer, of the arena. */
void at_retrieval_memory(at_exec *x, const at_retrieval *r, at_tensor tokens, at_head_keys *keys);
/* Logits [n, 2], no and yes, of n texts beside that image; ids as above with [ENC] for [CLS]. */
void at_retrieval_pairs(at_exec *x, const at_retrieval *r, const at_head_keys *keys,
                        const int32_t *ids, size_t n, size_t length, at_tensor logits);

#endif
