/* quantize.h - the parts of quantising: the list of layers, what their outputs lose, which tags change. */
#ifndef AT_RUNTIME_QUANTIZE_H
#define AT_RUNTIME_QUANTIZE_H

#include "anytag/quantize.h"
#include "runtime/runtime.h"

typedef struct at_quantize_layer {
    char name[64];
    at_param_kind kind;
    size_t rows, columns;
    at_dtype from, wanted, type; // in the source, asked for, taken
    bool narrow;                 // asked for by name
    double weight_error;
    double lost, whole; // sums of squares of the products' differences, of the products
    at_quantized_why why;
    const at_matrix *matrix; // of the model that is measured; NULL: none
    at_matrix quantised;     // owned while outputs are measured
} at_quantize_layer;

typedef struct at_quantize_change {
    size_t picture, id;
    float before, after, threshold;
} at_quantize_change;

struct at_quantized {
    at_quantize_options o;
    at_quantize_layer *layers;
    size_t n_layers, cap_layers;
    at_quantize_change *changes;
    size_t n_changes, cap_changes;
    at_quantized_totals totals;
    double score_sum;
    char **pictures; // [o.n_pictures] copies
    char **tags;     // [n_tags] copies, of English names
    size_t n_tags;
};

/* Tells the progress; AT_E_CANCELLED if the caller wants to stop. */
at_status at_quantize_tell(const at_quantized *q, at_quantize_step step, uint64_t done,
                           uint64_t total, at_error *err);
/* Floats [first, first + rows) of a stored matrix, rows of `columns`. */
void at_quantize_rows(const at_weight *t, size_t first, size_t rows, size_t columns, float *out);
/* A picture, prepared for the model; NULL: it cannot be read, which was told. Fails for want of memory only. */
at_status at_quantize_picture(const at_quantized *q, const at_model *m, const char *path,
                              at_pixels **pixels, at_error *err);
/* quantize_outputs.c: lost and whole of every layer that pictures reach. */
at_status at_quantize_outputs(at_quantized *q, at_session *s, at_error *err);
/* quantize_tags.c: the same pictures by the session of the source and by the new file. */
at_status at_quantize_tags(at_quantized *q, at_session *s, const char *out, at_error *err);

#endif
