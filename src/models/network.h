/* network.h - what every tagging network offers to the runtime; list.c has all of them. */
#ifndef AT_MODELS_NETWORK_H
#define AT_MODELS_NETWORK_H

#include "models/params.h"
#include "models/tag_head.h"
#include "models/text_decoder.h"

typedef struct at_network at_network;

/* The labels a session asks for: rows of the network's matrix. */
typedef struct at_labels {
    size_t count;
    const int32_t *ids;       // [count], or NULL: all in order
    at_label_queries queries; // of networks whose queries do not depend on the image
} at_labels;

/* What a pass leaves behind. */
typedef struct at_forward_out {
    float *logits; // [B, labels->count]
    float *tokens; // [B, token_rows, token_dim] for captions, or NULL
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

typedef struct at_network_type {
    const char *arch;                                // general.architecture
    const char *about;                               // one line for people
    size_t size;                                     // of the struct that begins with at_network
    at_status (*open)(at_network *n, at_error *err); // memory of the structure, by n->config
    void (*params)(at_network *n, at_params *p);     // tells every parameter
    /* After loading: what follows from the parameters alone. */
    at_status (*prepare)(at_network *n, at_error *err);
    /* The labels' work that no picture changes; NULL if there is none. Planned, then run. */
    void (*constants)(at_network *n, at_exec *x);
    /* pixels [B, S, S, 3] to `out`. */
    void (*forward)(const at_network *n, at_exec *x, at_tensor pixels, const at_labels *labels,
                    const at_forward_out *out);
    void (*close)(at_network *n);
    const at_caption_type *caption; // NULL: no network of this kind writes captions
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

const at_network_type *at_network_type_find(const char *arch); // NULL: not of this family
const at_network_type *const *at_network_types(void);          // NULL-terminated

/* A closed network of the given numbers, its parameters still to be visited. */
at_status at_network_open(at_network **out, const at_config *c, const at_backend *backend,
                          const at_allocator *al, at_error *err);
void at_network_close(at_network *n); // NULL is fine

#endif
