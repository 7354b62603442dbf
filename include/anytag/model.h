/* anytag/model.h - a loaded model: weights, tag list, thresholds. Read-only after opening and
 * shared by any number of threads and sessions; close it after them. */
#ifndef ANYTAG_MODEL_H
#define ANYTAG_MODEL_H

#include "anytag/base.h"

AT_C_BEGIN

typedef struct at_model at_model;

typedef struct at_model_options {
    size_t struct_size;            /* sizeof(at_model_options) */
    int threads;                   /* for preparing the weights; 0: at_cpu_count() */
    const at_allocator *allocator; /* keeps; NULL: malloc */
    at_log_fn log;                 /* NULL: nobody listens */
    void *log_user;
} at_model_options;

/* Opens a GGUF file made by at_convert().   path  borrows; NULL: the model in the box (built in)
 *   options borrows   model returns, at_model_close()
 * AT_E_MODEL_NOT_FOUND, _MODEL_DAMAGED, _MODEL_UNSUPPORTED, _MODEL_MISMATCH, _OUT_OF_MEMORY. */
AT_API at_status at_model_open(const char *path, const at_model_options *options, at_model **model,
                               at_error *err);
AT_API void at_model_close(at_model *model); /* NULL is fine */

/* Facts; strings live as long as the model. */
AT_API const char *at_model_name(const at_model *model);         /* "ram_plus_swin_large_14m" */
AT_API const char *at_model_architecture(const at_model *model); /* "ram", "ram_plus", "ram_lite" */
AT_API const char *at_model_precision(const at_model *model); /* "f32", "f16", "bf16" of matrices */
AT_API const char *at_model_licence(const at_model *model);
AT_API const char *at_model_description(const at_model *model);
AT_API const char *at_model_source_sha256(const at_model *model); /* of the converted checkpoint */
AT_API const char *at_model_sha256(
    const at_model *model); /* identity of this file: its tag "anytag.id" */
AT_API const char *at_model_vocabulary(const at_model *model); /* "ram-4585": ids belong to it */
AT_API int at_model_image_size(const at_model *model);         /* px, side of the square */
AT_API uint64_t at_model_parameters(const at_model *model);
AT_API uint64_t at_model_bytes(const at_model *model); /* of the file */
AT_API int at_model_is_builtin(const at_model *model); /* 1: the model in the box */

/* The tag list: ids 0 .. at_model_tags()-1.   lang "en" or "zh"; "" where a name is missing.
 * Chinese names are trimmed; at_model_tag_verbatim() gives them as the official list has them. */
AT_API size_t at_model_tags(const at_model *model);
AT_API const char *at_model_tag(const at_model *model, size_t id, const char *lang);
AT_API const char *at_model_tag_verbatim(const at_model *model, size_t id, const char *lang);
AT_API float at_model_threshold(const at_model *model, size_t id);
AT_API int at_model_tag_deleted(const at_model *model, size_t id); /* 1: never reported */
/* Id of an English name, exact first and then without regard to case; -1 if there is none. */
AT_API long at_model_find_tag(const at_model *model, const char *name);
/* The ids of the `count` names nearest to a mistyped one; returns how many were written. */
AT_API size_t at_model_nearest_tags(const at_model *model, const char *name, size_t *ids,
                                    size_t count);

AT_C_END
#endif
