/* runtime.h - what stands behind the public objects. */
#ifndef AT_RUNTIME_RUNTIME_H
#define AT_RUNTIME_RUNTIME_H

#include "anytag/convert.h"
#include "anytag/encoder.h"
#include "anytag/heat.h"
#include "anytag/inspect.h"
#include "anytag/labels.h"
#include "anytag/profile.h"
#include "anytag/tag.h"
#include "models/network.h"
#include "text/clip_bpe.h"
#include "text/tag_finder.h"
#include "text/wordpiece.h"

#include <pthread.h>
#include <stdatomic.h>

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
    at_compute compute;
    at_weights *weights; // stays open: strings and rows are read where they lie
    bool builtin;
    bool packed; // its matrices are used where they lie in the file
    at_network *net;
    void **vectors; // [n_vectors] copies of the f32 parameters
    size_t n_vectors, cap_vectors;
    pthread_mutex_t lock; // of loading the text part, by whichever session needs it first
    bool texts;           // it is there
    size_t n_tags;
    at_tag_entry *tags;   // [n_tags]
    char *zh_text;        // the trimmed names
    uint32_t *tags_by_en; // [n_tags] ids sorted by English name
    at_wordpiece *words;  // of the text part; NULL: none
    at_clip_bpe *pairs;   // the same of a CLIP; NULL: none
    uint64_t parameters;
    char precision[8];
    char sha256[65];
};

struct at_labels {
    const at_allocator *al; // NULL or &own_allocator
    at_allocator own_allocator;
    atomic_size_t owners;
    size_t n, dim;
    const char **names, **names_zh; // [n] in `text`; zh "" where there is none
    char *text;
    float *thresholds; // [n]
    uint32_t *first;   // [n + 1]: rows of label i are first[i] .. first[i + 1]
    float *rows;       // [first[n], dim]
    char model[64], encoder[64];
    char model_id[65]; // at_model_identity()
};

/* The labels a session computes and what they need: the model's, or some of them, then a set's. */
typedef struct at_choice {
    at_label_choice labels;
    at_label_part *parts;
    size_t n_own; // of the model's
    int32_t *ids; // [n_own] which; NULL: all in order
    float *own_queries, *set_queries;
    at_labels *set; // held; NULL: none
} at_choice;

struct at_session {
    at_model *model;
    at_exec exec;
    size_t max_batch;
    size_t *only; // the tags chosen when it was opened; NULL: all
    size_t n_only;
    at_choice choice;
    pthread_mutex_t lock; // of the fields below: the set asked for since the last call
    at_labels *next;      // held
    bool next_only, changed;
    float *pixels; // [max_batch, S, S, 3]
    float *logits; // [max_batch, labels.count]
    float *tokens; // [max_batch, token_rows, token_dim] of the last batch, once they are wanted
    size_t arena_bytes;
    struct at_caption_room *caption; // caption.h; NULL until the first caption
    at_tag_finder *finder;           // of the model's tags in texts; NULL until the first text
};

struct at_pixels {
    const at_allocator *al;
    int size;    // px
    float *data; // [S, S, 3], normalised
};

struct at_tags {
    const at_allocator *al;
    const at_model *model;
    at_labels *set; // held, of ids from n_tags on; NULL: none
    size_t count, n_scores;
    struct at_tag_hit {
        size_t id;
        float score, threshold;
    } * hits;      // [count]
    float *scores; // [n_scores], then logits [n_scores]
    size_t n_heat; // maps; heat.c
    size_t heat_side;
    size_t *heat_ids; // [n_heat]
    float *heat;      // [n_heat, heat_side, heat_side]
};

/* A file whose matrices are panels says how they lie in this key (at_backend.layout); a matrix NAME is then
 * the tensor NAME.panels, as at_backend.panels has it, and has its scales within. */
#define AT_PANELS_KEY  "anytag.panels"
#define AT_PANELS_NAME "%s.panels"

/* Checks every parameter of model->net in model->weights and loads those that tagging needs (load.c). */
at_status at_load_params(at_model *m, at_pool *pool, at_error *err);
/* Loads the others, once; before any op of the text part, planned or run. */
at_status at_model_need_texts(at_model *m, at_pool *pool, at_error *err);
/* Tag lists and thresholds of model->weights (tag_list.c). */
at_status at_tag_list_read(at_model *m, at_error *err);
void at_tag_list_free(at_model *m);

/* What a set is bound to: the checkpoint that the model was converted from, so that its f16 and f32
 * files share their sets; without one the file itself. */
const char *at_model_identity(const at_model *m);

/* choice.c: what `only` of the model's labels and a set need, the set's queries made on x's device.
 * On failure *c is empty. */
at_status at_choice_open(at_choice *c, const at_session *s, at_labels *set, bool set_only,
                         at_error *err);
void at_choice_close(at_choice *c, const at_allocator *al);
/* session.c: takes the set asked for since the last call. */
at_status at_session_refresh(at_session *s, at_error *err);

/* From here on every pass leaves its image tokens in s->tokens. */
at_status at_session_keep_tokens(at_session *s, size_t rows, size_t dim, at_error *err);

enum { AT_HEAT_MOST = 256 }; // maps of a picture
/* heat.c: o->heat says which maps. Before the pass: it will leave its tokens. */
at_status at_heat_begin(at_session *s, const at_tag_options *o, at_error *err);
/* Behind it: the maps of image i of the batch, into t. `arena` is kept from image to image, its memory the
 * caller's to free. */
at_status at_heat_add(at_session *s, size_t i, const at_tag_options *o, at_arena *arena, at_tags *t,
                      at_error *err);

/* Frees what captions needed (caption.c). */
void at_caption_room_close(at_session *s);

/* A file of ours with its network: a model, or a text encoder (model.c). */
at_status at_network_file_open(const char *path, const at_model_options *options, bool encoder,
                               at_model **out, at_error *err);

/* The model in the box; size 0: none was linked in. */
const void *at_builtin_model(size_t *size);

#endif
