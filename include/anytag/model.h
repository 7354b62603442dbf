/* anytag/model.h - a loaded model: weights, tag list, thresholds. Read-only after opening and
 * shared by any number of threads and sessions; close it after them. */
#ifndef ANYTAG_MODEL_H
#define ANYTAG_MODEL_H

#include "anytag/base.h"

AT_C_BEGIN

typedef struct at_model at_model;

/* What products of matrices are made in. */
typedef enum at_compute {
    AT_COMPUTE_AUTO = 0, /* as f32: answers never change by themselves */
    AT_COMPUTE_F32 = 1,  /* the official code's answers */
    AT_COMPUTE_BF16 =
        2 /* weights and activations rounded to bfloat16, sums in f32: quicker where the
                            processor has AMX; the last bits are those of its instruction */
} at_compute;

typedef struct at_model_options {
    size_t struct_size;            /* sizeof(at_model_options) */
    int threads;                   /* for preparing the weights; 0: at_cpu_count() */
    const at_allocator *allocator; /* keeps; NULL: malloc */
    at_log_fn log;                 /* NULL: nobody listens */
    void *log_user;
    at_compute compute; /* of matrices in f32, f16 and bf16; those of int8 are W8A8 all the same */
} at_model_options;

/* Opens a GGUF file made by at_convert().   path  borrows; NULL: the model in the box (built in)
 *   options borrows   model returns, at_model_close()
 * AT_E_MODEL_NOT_FOUND, _MODEL_DAMAGED, _MODEL_UNSUPPORTED, _MODEL_MISMATCH, _OUT_OF_MEMORY;
 * _DEVICE_NOT_AVAILABLE: AT_COMPUTE_BF16 on a processor without AMX and AVX512-BF16. */
AT_API at_status at_model_open(const char *path, const at_model_options *options, at_model **model,
                               at_error *err);
AT_API void at_model_close(at_model *model); /* NULL is fine */

/* Facts; strings live as long as the model. */
AT_API const char *at_model_name(const at_model *model);         /* "ram_plus_swin_large_14m" */
AT_API const char *at_model_architecture(const at_model *model); /* "ram", "ram_plus", "ram_lite" */
AT_API const char *at_model_precision(
    const at_model *model); /* "f32", "f16", "bf16", "int8" of matrices */
/* How the file's matrices lie, if they are as a processor's kernels read them (at_convert_options.packed); "". */
AT_API const char *at_model_packed(const at_model *model);
AT_API at_compute at_model_compute(const at_model *model); /* as it was opened */
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
/* Every id that a name in either language stands for: the one of an English name as above, else all
 * whose Chinese name it is (in the official list 195 Chinese names stand for two tags or more). Returns
 * how many there are; at most `count` are written. */
AT_API size_t at_model_find_tags(const at_model *model, const char *name, size_t *ids,
                                 size_t count);
/* The ids of the `count` names nearest to a mistyped one, nearest first; none that is more than half of
 * its bytes (2 of a short name, at most 15) away. Returns how many were written. */
AT_API size_t at_model_nearest_tags(const at_model *model, const char *name, size_t *ids,
                                    size_t count);

AT_C_END
#endif
