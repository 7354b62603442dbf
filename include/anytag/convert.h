/* anytag/convert.h - official checkpoints (.pth), .safetensors, a folder with config.json, or GGUF
 * to the one GGUF file that at_model_open() reads. */
#ifndef ANYTAG_CONVERT_H
#define ANYTAG_CONVERT_H

#include "anytag/base.h"

AT_C_BEGIN

typedef enum at_weight_type {
    AT_WEIGHTS_KEEP = 0,
    AT_WEIGHTS_F32 = 1,
    AT_WEIGHTS_F16 = 2,
    AT_WEIGHTS_BF16 = 3,
    AT_WEIGHTS_INT8 =
        4, /* a scale an output, computed in int8 (W8A8); tables that are read by rows q8_0 */
    AT_WEIGHTS_Q8_0 =
        5,              /* blocks of 32 in 34 bytes, computed in f32; rows of no whole blocks f16 */
    AT_WEIGHTS_Q4_0 = 6 /* the same in 18 bytes; tables that are read by rows q8_0 */
} at_weight_type;

typedef struct at_convert_options {
    size_t struct_size; /* sizeof(at_convert_options) */
    /* Of matrices; norms, biases and tables stay f32. KEEP: as stored. */
    at_weight_type type;
    const char *arch; /* "ram", "ram_plus", "tag2text"; NULL or "auto": by the keys found */
    /* Tag lists and thresholds: a checkout of the official repository, or a folder like it. */
    const char *official_dir;
    const char *model_config; /* JSON with the official field names, for other sizes */
    const char *tags;         /* English tags, one a line; overrides official_dir */
    const char *tags_zh;      /* Chinese tags, one a line */
    const char *thresholds;   /* one number a line */
    const char *vocab;        /* of Tag2Text: bert-base-uncased's, one token a line */
    const char *name;         /* general.name; NULL: the input's stem */
    int skip_sha256;          /* 1: the source's SHA-256 is not computed */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes); /* may be NULL */
    void *progress_user;
    at_log_fn log; /* hears what was ignored */
    void *log_user;
    const char *merges; /* of CLIP's tokenizer: bpe_simple_vocab_16e6.txt.gz, or its text */
    /* 1: a model file is written once more, its matrices as this processor's kernels read them: it is opened
     * without a copy of them, and processes share its pages. Other processors may refuse it. Type, name and
     * lists are the model's: they must not be given. */
    int packed;
} at_convert_options;

/* Writes `out`, which must not be `in`, whole or not at all (out.part, renamed).   in, out, options borrow
 * AT_E_MODEL_MISMATCH names the key, the shape found and the shape expected; _UNSAFE_PICKLE,
 * _MODEL_DAMAGED, _MODEL_UNSUPPORTED, _NOT_FOUND, _OUTPUT_FAILED, _DISK_FULL, _OUT_OF_MEMORY. */
AT_API at_status at_convert(const char *in, const char *out, const at_convert_options *options,
                            at_error *err);

AT_C_END
#endif
