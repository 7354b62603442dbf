/* network.h - what every network, tagger or text encoder, offers to the runtime; list.c has all of them. */
#ifndef AT_MODELS_NETWORK_H
#define AT_MODELS_NETWORK_H

#include "models/params.h"
#include "models/retrieval.h"
#include "models/tag_head.h"
#include "models/text_decoder.h"

typedef struct at_network at_network;

/* Labels of one kind: rows of the network's own matrix, or of a set that came from outside. */
typedef struct at_label_part {
    size_t count;
    const int32_t *ids;       // [count] of the network's own, or NULL: all in order
    at_label_queries queries; // of networks whose queries do not depend on the image
    const float *rows; // [count * per_label, label_dim] from outside; NULL: the network's own
    size_t per_label;  // of rows
} at_label_part;

/* The labels a session asks for. */
typedef struct at_label_choice {
    size_t count; // of all parts; their logits follow each other
    size_t n_parts;
    const at_label_part *parts;
} at_label_choice;

/* What a pass leaves behind. */
typedef struct at_forward_out {
    float *logits; // [B, labels->count], or NULL
    float *tokens; // [B, token_rows, token_dim] for captions and heat, or NULL
} at_forward_out;

/* A network that writes captions: what its decoder is and what it reads. */
typedef struct at_caption_shape {
    const at_text_decoder *decoder;
    size_t token_rows, token_dim; // of an image's tokens, left by forward()
    size_t memory_rows;           // that the decoder attends to
    bool masked;                  // some of them may be absent: at_text_state.mask
} at_caption_shape;

typedef struct at_caption_input {
    at_tensor tokens;   // [B, token_rows, token_dim]
    const int32_t *ids; // [B, config.text_tags]: words of the tags' text, or labels, -1 where none
    const float *mask;  // [B, config.text_tags]: -10000 where a word is padding; of words only
} at_caption_input;

typedef struct at_caption_type {
    enum { AT_TAGS_WORDS, AT_TAGS_LABELS } tags_are; // how the decoder is told of tags
    at_caption_shape (*shape)(const at_network *n);
    /* Fills state->memory (and mask) for the images. */
    void (*memory)(const at_network *n, at_exec *x, const at_caption_input *in,
                   at_text_state *state);
} at_caption_type;

/* Where labels were seen: what is needed of an image, and the maps made of it. */
typedef struct at_heat_shape {
    size_t token_rows, token_dim; // of the tokens left by forward()
    size_t side;                  // token_rows = 1 + side * side
} at_heat_shape;
typedef struct at_heat_type {
    at_heat_shape (*shape)(const at_network *n);
    /* maps [labels->count, side * side] of an image's tokens [1, token_rows, token_dim]. */
    void (*maps)(const at_network *n, at_exec *x, at_tensor tokens, const at_label_choice *labels,
                 float *maps);
} at_heat_type;

/* How words that were in nobody's list become labels. */
typedef struct at_open_set {
    float threshold;   // of a label that has none
    bool descriptions; // a label is many rows, weighed for each picture; else one, their mean
    /* Sentences around a name, NULL-terminated; NULL: those of the text encoder. */
    const char *const *templates;
    /* Queries [2, n, hidden], input and first layer's, of rows [n, label_dim]; NULL: each picture
     * makes its own. */
    void (*queries)(const at_network *n, at_exec *x, at_tensor rows, float *queries);
} at_open_set;

/* A network that makes a vector of a text. */
typedef struct at_encode_type {
    /* Vectors [n, label_dim], not normalised, of n texts of `length` tokens each, ids [n, length]. */
    void (*forward)(const at_network *n, at_exec *x, const int32_t *ids, size_t count,
                    size_t length, at_tensor out);
    const char *first, *last; // tokens around a text
    bool byte_pairs;          // its tokens are CLIP's (clip_bpe.h), and so are first and last
} at_encode_type;

typedef struct at_network_type {
    const char *arch;                                // general.architecture
    const char *about;                               // one line for people
    size_t size;                                     // of the struct that begins with at_network
    at_status (*open)(at_network *n, at_error *err); // memory of the structure, by n->config
    void (*params)(at_network *n, at_params *p); // tells the parameters of tags, or of an encoder
    /* Those of captions and matching, which most runs never ask for; NULL if there are none. They may be told
     * again while other threads tag: telling writes into the part it is of and nowhere else. */
    void (*text_params)(at_network *n, at_params *p);
    /* After loading: what follows from the parameters alone. */
    at_status (*prepare)(at_network *n, at_error *err);
    /* The labels' work that no picture changes; NULL if there is none. Planned, then run. */
    void (*constants)(at_network *n, at_exec *x);
    /* pixels [B, S, S, 3] to `out`. */
    void (*forward)(const at_network *n, at_exec *x, at_tensor pixels,
                    const at_label_choice *labels, const at_forward_out *out);
    void (*close)(at_network *n);
    const at_heat_type *heat;       // of every tagger
    const at_caption_type *caption; // NULL: no network of this kind writes captions
    /* What compares pictures with texts; NULL: no network of this kind has it. */
    const at_retrieval *(*retrieval)(const at_network *n);
    const at_encode_type *encode; // not NULL: a text encoder, which has nothing of the above
    const at_open_set *open_set;  // NULL: labels have weights of their own, which no word can have
} at_network_type;

struct at_network {
    const at_network_type *type;
    at_config config;
    const at_backend *backend;
    const at_allocator *al;
    at_label_queries queries; // of all labels, filled by constants(); input NULL if there are none
};

/* How this network writes captions; NULL: it does not. */
static inline const at_caption_type *at_network_caption(const at_network *n)
{
    return n->config.text_layers ? n->type->caption : NULL;
}

/* How this network compares pictures with texts; NULL: it does not. */
static inline const at_retrieval *at_network_retrieval(const at_network *n)
{
    return n->config.retrieval_layers ? n->type->retrieval(n) : NULL;
}

/* Logits of every part's labels for every image; of networks whose queries no image changes. */
void at_network_logits(at_exec *x, const at_tag_head *head, const at_label_choice *labels,
                       at_tensor tokens, float *logits);
/* Heat of every part's labels for one image, of such networks; tokens as the head reads them. */
void at_network_heat(at_exec *x, const at_tag_head *head, const at_label_choice *labels,
                     at_tensor tokens, size_t side, float *maps);

const at_network_type *at_network_type_find(const char *arch); // NULL: not of this family
const at_network_type *const *at_network_types(void);          // NULL-terminated

/* Both lists of its parameters, the text part's last. */
void at_network_params(at_network *n, at_params *p);

/* A closed network of the given numbers, its parameters still to be visited. */
at_status at_network_open(at_network **out, const at_config *c, const at_backend *backend,
                          const at_allocator *al, at_error *err);
void at_network_close(at_network *n); // NULL is fine

#endif
