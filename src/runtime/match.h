/* match.h - the parts of matching: pictures' features, texts, and passes beside the session's own. */
#ifndef AT_RUNTIME_MATCH_H
#define AT_RUNTIME_MATCH_H

#include "anytag/match.h"
#include "runtime/caption.h"

struct at_features {
    const at_allocator *al;
    const at_model *model;
    float *vector; // [dim]
    float *tokens; // [token_rows, token_dim]
    at_tags *tags;
};

typedef struct at_text_line {
    char *text;
    int32_t *ids; // [CLS] ... [SEP]
    size_t n, cut;
    size_t first_tag, n_tags; // in at_texts.tags
} at_text_line;

struct at_texts {
    const at_allocator *al;
    const at_model *model;
    const at_retrieval *r; // the model's
    size_t n;
    at_text_line *lines; // [n]
    uint32_t *order;     // [n]: by length, then as given
    float *vectors;      // [n, dim]
    at_buf tags;         // uint32_t
};

struct at_matches {
    const at_allocator *al;
    const at_model *model;
    const at_features **features; // [n_images]
    const at_texts *texts;
    size_t n_images, queries, candidates;
    at_match_facts facts;
    at_match *pairs; // [queries, candidates]
};

/* The part of the network; NULL: this model has none. */
static inline const at_retrieval *at_match_part(const at_model *m)
{
    return at_network_retrieval(m->net);
}
at_status at_match_unsupported(const at_model *m, at_error *err);

/* A pass on the session's threads and memory of its own: run dry to tell how much, then for real. */
typedef void (*at_pass_fn)(at_exec *x, void *user);
at_status at_session_pass(at_session *s, at_arena *arena, at_pass_fn pass, void *user,
                          at_error *err);
/* Lines from `order` that one batch takes: equally long, and not too many. */
size_t at_text_batch(const at_texts *t, const uint32_t *order, size_t n);
/* Their ids side by side, the first of each replaced by `first`. */
void at_text_batch_ids(const at_texts *t, const uint32_t *order, size_t n, int32_t first,
                       int32_t *ids);
enum { AT_TEXT_BATCH = 2048 }; // tokens, enough to use the weights many times

#endif
