/* tag_head.h - the tagging head of RAM (arXiv 2306.03514, section 3; Query2Label, 2107.10834): label
 * queries attend to image tokens, feed forward, one logit a label. Labels never see each other, so
 * any subset in any order gives the same scores and costs its share. */
#ifndef AT_MODELS_TAG_HEAD_H
#define AT_MODELS_TAG_HEAD_H

#include "models/params.h"

/* Cross-attention and feed-forward, both post-norm. The text encoder and decoder (bert.h) are built
 * of the same layers, in Tag2Text partly of the very same weights. */
typedef struct at_head_layer {
    at_linear query, key, value, out, ffn_in, ffn_out;
    at_norm cross_norm, ffn_norm;
} at_head_layer;

/* What queries attend to: keys and values [images, n, hidden], and what is added to their scores. */
typedef struct at_head_keys {
    at_tensor k, v;
    const float *mask; // [images, n] or NULL
    size_t variants;   // one image's under so many masks, [variants, n]; 0: see above
    bool kept;         // for many calls: see at_attention_args
} at_head_keys;

/* Official names of a layer's parts differ between the files of RAM and of ram_lite. */
typedef struct at_head_names {
    const char *layer; // with one %d
    const char *query, *key, *value, *out, *cross_norm, *ffn_in, *ffn_out, *ffn_norm;
} at_head_names;
extern const at_head_names at_head_names_bert; // "tagging_head.encoder.layer.%d."
extern const at_head_names at_head_names_lite; // "layer.%d."

typedef struct at_tag_head {
    size_t n_layers, hidden, heads, ffn, token_dim, label_dim, classes;
    float eps;
    at_head_layer *layers; // [n_layers]
    at_linear wordvec, fc; // [hidden, label_dim] with ReLU; [1, hidden]
    bool own_classifier;   // Tag2Text: the embedding is the query, and every label has its own fc
    const float *fc_rows;  // then [classes, hidden]
    const float *fc_bias;  // and [classes]
} at_tag_head;

/* The labels of one session: rows of one matrix, whatever they come from. */
typedef struct at_label_queries {
    size_t count;
    const float *input; // [count, hidden]: ReLU(wordvec(embedding)), what the first layer adds to
    const float *query; // [count, hidden]: the first layer's query projection of it, or NULL
    const int32_t *ids; // [count]: which labels they are, or NULL: all in order
} at_label_queries;

at_status at_tag_head_open(at_tag_head *h, const at_config *c, const at_allocator *al,
                           at_error *err);
void at_tag_head_params(at_tag_head *h, at_params *p, const at_head_names *names);
void at_tag_head_close(at_tag_head *h, const at_backend *backend, const at_allocator *al);

/* The parts of a layer, for whoever builds on them. */
void at_head_layer_params(at_params *p, at_head_layer *l, const at_head_names *names, size_t hidden,
                          size_t token_dim, size_t ffn, float eps);
void at_head_layer_close(at_head_layer *l, const at_backend *backend, const at_allocator *al);
/* y = LN(attention(q, keys) Wo + in); q, in and y [images (or variants) * n, hidden]. */
void at_head_layer_cross(at_exec *x, const at_head_layer *l, size_t heads, const at_head_keys *keys,
                         at_tensor q, at_tensor in, at_tensor y);
/* y = LN(W2 GELU(W1 y) + y) */
void at_head_layer_ffn(at_exec *x, const at_head_layer *l, at_tensor y);

/* queries [2, n, hidden], input and first layer's, of label embeddings [n, label_dim]. */
void at_tag_head_queries(at_exec *x, const at_tag_head *h, at_tensor embeddings, float *queries);
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
/* `official`: the embeddings' key. */
void at_fixed_labels_params(at_fixed_labels *l, at_params *p, const char *official,
                            size_t label_dim);
/* Makes the queries; they live as long as `l`. */
at_label_queries at_fixed_labels_queries(at_exec *x, const at_tag_head *h, at_fixed_labels *l);

/* Keys and values of the image tokens for every layer. */
typedef struct at_head_memory {
    at_head_keys layers[64]; // [n_layers]
} at_head_memory;
void at_tag_head_memory(at_exec *x, const at_tag_head *h, at_tensor tokens, at_head_memory *memory);

/* Logits [count] of image b for these labels, in blocks that keep activations in cache. */
void at_tag_head_forward(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                         const at_head_memory *memory, size_t b, float *logits);
/* One logit a label from the last layer's rows y [n, hidden] of labels [first, first + n). */
void at_tag_head_classify(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                          size_t first, at_tensor y, float *logits);

/* tag_head_heat.c: maps [count, side * side] of these labels for the one image in `memory`, whose tokens
 * are a mean and side * side cells: how far a label's logit falls without a cell and those around it. */
void at_tag_head_heat(at_exec *x, const at_tag_head *h, const at_label_queries *labels,
                      const at_head_memory *memory, size_t side, float *maps);

#endif
