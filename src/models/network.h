/* network.h - what every tagging network offers to the runtime; list.c has all of them. */
#ifndef AT_MODELS_NETWORK_H
#define AT_MODELS_NETWORK_H

#include "models/params.h"
#include "models/tag_head.h"

typedef struct at_network at_network;

/* The labels a session asks for: rows of the network's matrix. */
typedef struct at_labels {
    size_t count;
    const int32_t *ids;       // [count], or NULL: all in order
    at_label_queries queries; // of networks whose queries do not depend on the image
} at_labels;

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
    /* pixels [B, S, S, 3] to logits [B, labels->count]. `ids` are the labels' rows. */
    void (*forward)(const at_network *n, at_exec *x, at_tensor pixels, const at_labels *labels,
                    float *logits);
    void (*close)(at_network *n);
} at_network_type;

struct at_network {
    const at_network_type *type;
    at_config config;
    const at_backend *backend;
    const at_allocator *al;
    at_label_queries queries; // of all labels, filled by constants(); input NULL if there are none
};

const at_network_type *at_network_type_find(const char *arch); // NULL: not of this family
const at_network_type *const *at_network_types(void);          // NULL-terminated

/* A closed network of the given numbers, its parameters still to be visited. */
at_status at_network_open(at_network **out, const at_config *c, const at_backend *backend,
                          const at_allocator *al, at_error *err);
void at_network_close(at_network *n); // NULL is fine

#endif
