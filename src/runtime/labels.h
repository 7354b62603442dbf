/* labels.h - how a set of labels is made and kept in a file. */
#ifndef AT_RUNTIME_LABELS_H
#define AT_RUNTIME_LABELS_H

#include "runtime/runtime.h"

/* What a set is made of; everything is copied, and checked. */
typedef struct at_labels_plan {
    const at_allocator *al;
    const at_label *labels; // [n]
    size_t n, dim;
    const float *rows;    // [sum of n_rows, dim]
    const size_t *n_rows; // [n] or NULL: one each
    float threshold;      // of labels that have none
    const char *model, *model_id, *encoder;
} at_labels_plan;

/* Official templates that were given when the encoder was converted; NULL: none. */
const char *const *at_encoder_templates(const at_encoder *encoder, size_t *n);

/* Shows the stages of every later call (docs/models/stages.md); for tests. */
void at_encoder_observe(at_encoder *encoder, at_observe_fn observe, void *user);

/* AT_E_MODEL_MISMATCH: the model knows its own labels only. */
at_status at_labels_possible(const at_model *m, at_error *err);
at_status at_labels_check_names(const at_label *labels, size_t n, const at_allocator *al,
                                at_error *err);
/* A list that holds copies of these labels; out  returns, at_label_list_free() */
at_status at_label_list_of(const at_label *labels, size_t n, at_label_list **out, at_error *err);
at_status at_labels_make(const at_labels_plan *p, at_labels **out, at_error *err);

#endif
