/* tag_head.h - the tagging head of RAM (arXiv 2306.03514, section 3; Query2Label, 2107.10834): label
 * queries attend to image tokens, feed forward, one logit a label. Labels never see each other, so
 * any subset in any order gives the same scores and costs its share. */
#ifndef AT_MODELS_TAG_HEAD_H
#define AT_MODELS_TAG_HEAD_H

#include "models/params.h"

typedef struct at_head_layer {
    at_linear query, key, value, out, ffn_in, ffn_out;
    at_norm cross_norm, ffn_norm;
} at_head_layer;

/* Official names of a layer's parts differ between the files of RAM and of ram_lite. */
typedef struct at_head_names {
    const char *layer; // with one %d
    const char *query, *key, *value, *out, *cross_norm, *ffn_in, *ffn_out, *ffn_norm;
} at_head_names;
extern const at_head_names at_head_names_bert; // "tagging_head.encoder.layer.%d."
extern const at_head_names at_head_names_lite; // "layer.%d."

typedef struct at_tag_head {
    size_t n_layers, hidden, heads, ffn, token_dim, label_dim;
    float eps;
    at_head_layer *layers; // [n_layers]
    at_linear wordvec, fc; // [hidden, label_dim] with ReLU; [1, hidden]
} at_tag_head;

/* The labels of one session: rows of one matrix, whatever they come from. */
typedef struct at_label_queries {
    size_t count;
    const float *input; // [count, hidden]: ReLU(wordvec(embedding)), what the first layer adds to
    const float *query; // [count, hidden]: the first layer's query projection of it, or NULL
} at_label_queries;

at_status at_tag_head_open(at_tag_head *h, const at_config *c, const at_allocator *al,
                           at_error *err);
void at_tag_head_params(at_tag_head *h, at_params *p, const at_head_names *names);
void at_tag_head_close(at_tag_head *h, const at_backend *backend, const at_allocator *al);

/* input [n, hidden] of label embeddings [n, label_dim]. */
void at_tag_head_input(at_exec *x, const at_tag_head *h, at_tensor embeddings, at_tensor input);
/* Labels whose queries no picture changes: their embeddings, and the queries made of them once. */
typedef struct at_fixed_labels {
    at_rows_view embed; // [count, label_dim]
    size_t count;
    float *queries; // [2, count, hidden], owned: input, first query
} at_fixed_labels;
at_status at_fixed_labels_open(at_fixed_labels *l, const at_config *c, const at_allocator *al,
                               at_error *err);
void at_fixed_labels_params(at_fixed_labels *l, at_params *p, size_t label_dim);
/* Makes the queries; they live as long as `l`. */
at_label_queries at_fixed_labels_queries(at_exec *x, const at_tag_head *h, at_fixed_labels *l);

/* Keys and values of the image tokens for every layer. */
typedef struct at_head_memory {
    size_t batch, tokens;
    at_tensor keys[64], values[64]; // [n_layers] of [B, tokens, hidden]
} at_head_memory;
void at_tag_head_memory(at_exec *x, const at_tag_head *h, at_tensor tokens, at_head_memory *memory);

/* Logits [count] of image b for these labels, in blocks that keep activations in cache. */
void at_tag_head_forward(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                         const at_head_memory *memory, size_t b, float *logits);

#endif
