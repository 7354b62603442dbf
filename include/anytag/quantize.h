/* anytag/quantize.h - a model file of ours in fewer bytes, and what that costs: the error of each layer,
 * the tags that change on pictures of yours.
 *
 *     at_quantize_options o = {.struct_size = sizeof o, .type = AT_WEIGHTS_INT8};
 *     at_quantized *report;
 *     at_status status = at_quantize("ram.gguf", "ram-int8.gguf", &o, &report, &err);
 */
#ifndef ANYTAG_QUANTIZE_H
#define ANYTAG_QUANTIZE_H

#include "anytag/convert.h"

AT_C_BEGIN

typedef enum at_quantize_step {
    AT_QUANTIZE_WEIGHTS = 0, /* measuring the weights: layers */
    AT_QUANTIZE_OUTPUTS = 1, /* measuring what layers give: pictures */
    AT_QUANTIZE_WRITE = 2,   /* bytes */
    AT_QUANTIZE_TAGS = 3     /* comparing tags: pictures */
} at_quantize_step;

typedef struct at_quantize_options {
    size_t struct_size;  /* sizeof(at_quantize_options) */
    at_weight_type type; /* KEEP (0): INT8 */
    /* Tensors that stay 16-bit floats: names with * and ?, as `anytag inspect` shows them. One that names no
     * matrix is told to `log`; if none does, AT_E_INVALID_PARAMETER. */
    const char *const *keep; /* [n_keep] */
    size_t n_keep;
    /* A layer whose error is above it stays 16-bit floats; 0: 0.1 of INT8 and Q8_0, 0.2 of Q4_0. The error is
     * that of its output if it was measured, else of its weights. */
    double keep_above;
    const char *const *pictures; /* [n_pictures] paths; those that cannot be read are left out */
    size_t n_pictures;
    size_t measured;  /* of them, for the layers' outputs, spread evenly; 0: 16 */
    int threads;      /* 0: as many as processors may be used */
    const char *name; /* general.name; NULL: the input's */
    /* Called now and then from the calling thread; not 0 stops with AT_E_CANCELLED. May be NULL. */
    int (*progress)(void *user, at_quantize_step step, uint64_t done, uint64_t total);
    void *progress_user;
    at_log_fn log; /* hears of pictures that cannot be read */
    void *log_user;
    /* Matrices and tables that become q4_0, whatever their error and the type of the others; names as in keep, which
     * goes before it. What cannot have blocks of 32 is as if it were not named; idle names as in keep. */
    const char *const *narrow; /* [n_narrow] */
    size_t n_narrow;
} at_quantize_options;

typedef struct at_quantized at_quantized; /* the report */

/* Writes `out` whole or not at all (out.part, renamed). The input must be a model file of ours in f32, f16
 * or bf16; one that is quantised already is refused, as errors would add up.
 *   in, out, options borrow   report returns, at_quantized_free(); NULL: not wanted; NULL on failure
 * AT_E_CANCELLED, _MODEL_UNSUPPORTED, _MODEL_DAMAGED, _MODEL_NOT_FOUND, _INVALID_PARAMETER, _OUTPUT_FAILED,
 * _DISK_FULL, _OUT_OF_MEMORY, _NO_INPUT: none of the pictures that
 * layers are measured on can be read. If comparing tags fails or is cancelled, `out` is there already. */
AT_API at_status at_quantize(const char *in, const char *out, const at_quantize_options *options,
                             at_quantized **report, at_error *err);
AT_API void at_quantized_free(at_quantized *report); /* NULL is fine */

typedef enum at_quantized_why {
    AT_QUANTIZED = 0,       /* it has the type asked for (tables: q8_0) */
    AT_QUANTIZED_KEEP = 1,  /* options.keep names it */
    AT_QUANTIZED_ERROR = 2, /* its error is above options.keep_above */
    AT_QUANTIZED_SHAPE = 3, /* the type cannot have its shape or its use */
} at_quantized_why;

/* A matrix. Errors are relative: |given - exact| / |exact|, Euclidean over all elements. */
typedef struct at_quantized_layer {
    const char *name, *type; /* "f16", "int8", ...; live as long as the report */
    uint64_t rows, columns;  /* outputs, inputs */
    uint64_t bytes_before, bytes_after;
    double weight_error; /* of the type asked for, also where it was not taken */
    double output_error; /* the same of its products on pictures; below 0: not measured */
    at_quantized_why why;
} at_quantized_layer;
AT_API size_t at_quantized_layers(const at_quantized *report);
AT_API at_quantized_layer at_quantized_layer_at(const at_quantized *report, size_t i);

/* A tag that one file reports of a picture and the other does not. */
typedef struct at_quantized_change {
    const char *picture, *tag; /* live as long as the report; tag in English */
    size_t id;
    float before, after, threshold; /* scores */
} at_quantized_change;
AT_API size_t at_quantized_changes(const at_quantized *report);
AT_API at_quantized_change at_quantized_change_at(const at_quantized *report, size_t i);

typedef struct at_quantized_totals {
    size_t struct_size;                 /* sizeof(at_quantized_totals), set by the caller */
    uint64_t bytes_before, bytes_after; /* of the files */
    size_t pictures, unreadable;        /* whose tags were compared; that could not be read */
    size_t pictures_alike;              /* with the same tags */
    uint64_t tags_before, tags_after;   /* reported of all pictures */
    uint64_t decisions, changed;        /* pictures times tags; those that came out otherwise */
    double score_mean, score_max;       /* difference of scores */
    double keep_above;                  /* as it was used */
} at_quantized_totals;
AT_API void at_quantized_total(const at_quantized *report, at_quantized_totals *totals);

AT_C_END
#endif
