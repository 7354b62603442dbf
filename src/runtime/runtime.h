/* runtime.h - what stands behind the public objects. */
#ifndef AT_RUNTIME_RUNTIME_H
#define AT_RUNTIME_RUNTIME_H

#include "anytag/convert.h"
#include "anytag/inspect.h"
#include "anytag/profile.h"
#include "anytag/tag.h"
#include "models/network.h"
#include "text/wordpiece.h"

typedef struct at_tag_entry {
    const char *en, *zh; // zh trimmed; "" where there is none
    const char *zh_verbatim;
    float threshold;
    bool deleted; // never reported
} at_tag_entry;

struct at_model {
    const at_allocator *al; // NULL or &own_allocator
    at_allocator own_allocator;
    at_log_fn log;
    void *log_user;
    at_weights *weights; // stays open: strings and rows are read where they lie
    bool builtin;
    at_network *net;
    void **vectors; // [n_vectors] copies of the f32 parameters
    size_t n_vectors, cap_vectors;
    size_t n_tags;
    at_tag_entry *tags;   // [n_tags]
    char *zh_text;        // the trimmed names
    uint32_t *tags_by_en; // [n_tags] ids sorted by English name
    at_wordpiece *words;  // of the text part; NULL: none
    uint64_t parameters;
    char precision[8];
    char sha256[65];
};

struct at_session {
    at_model *model;
    at_exec exec;
    size_t max_batch;
    at_labels labels;
    int32_t *ids;     // owned when the session has a choice of labels
    float *own_query; // their rows of the queries, owned
    float *pixels;    // [max_batch, S, S, 3]
    float *logits;    // [max_batch, labels.count]
    float *tokens; // [max_batch, token_rows, token_dim] of the last batch, once captions are wanted
    size_t arena_bytes;
    struct at_caption_room *caption; // caption.h; NULL until the first caption
};

struct at_pixels {
    const at_allocator *al;
    int size;    // px
    float *data; // [S, S, 3], normalised
};

struct at_tags {
    const at_allocator *al;
    const at_model *model;
    size_t count, n_scores;
    struct at_tag_hit {
        size_t id;
        float score, threshold;
    } * hits;      // [count]
    float *scores; // [n_scores], then logits [n_scores]
};

/* Loads every parameter of model->net from model->weights (load.c). */
at_status at_load_params(at_model *m, at_pool *pool, at_error *err);
/* Tag lists and thresholds of model->weights (labels.c). */
at_status at_labels_read(at_model *m, at_error *err);
void at_labels_free(at_model *m);

/* Frees what captions needed (caption.c). */
void at_caption_room_close(at_session *s);

/* The model in the box; size 0: none was linked in. */
const void *at_builtin_model(size_t *size);

#endif
