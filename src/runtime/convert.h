/* convert.h - the parts of a conversion: where the weights come from, what network they are, which
 * labels belong to them. */
#ifndef AT_RUNTIME_CONVERT_H
#define AT_RUNTIME_CONVERT_H

#include "anytag/convert.h"
#include "base/file.h"
#include "models/network.h"

#include <jansson.h>

/* What quantising asks of a conversion. */
typedef struct at_convert_hooks {
    void *user;
    at_dtype (*type)(void *user, const char *name,
                     at_dtype proposed); // of a tensor in the new file
    bool (*stopped)(void *user);         // asked before each tensor
} at_convert_hooks;
at_status at_convert_hooked(const char *in, const char *out, const at_convert_options *options,
                            const at_convert_hooks *hooks,
                            at_error *err); // hooks NULL: at_convert()
/* AT_E_INVALID_PARAMETER: `out` is `in`, which would be lost; or a model of this name (NULL is fine) could not be read
 * again, for it is not UTF-8. */
at_status at_convert_check(const char *in, const char *out, const char *name, at_error *err);

/* convert_packed.c: the model file `in` once more, its matrices in panels. */
at_status at_convert_packed(const char *in, const char *out, const at_convert_options *o,
                            at_error *err);
/* AT_E_MODEL_UNSUPPORTED for such a file: for what reads rows of weights. */
at_status at_refuse_packed(const at_weights *w, at_error *err);

/* convert_types.c: the type of a parameter where matrices are to have `type`. */
at_dtype at_stored_type(const at_param *p, at_weight_type type, at_dtype source);
/* The same of a vector (bias, norm, depthwise convolution, table of position biases): half as wide beside
 * quantised matrices, where no number moves by more than 2^-11 of the largest. */
at_dtype at_vector_type(at_weight_type type, const at_weight *t);
/* Rows of k floats as whole numbers of their own step, max / 127, to nearest even; the steps to `scales`. */
void at_bytes_encode(size_t rows, size_t k, const float *v, float *scales, int8_t *q);

typedef struct at_source {
    const char *path;                 // as the user gave it
    char *weights_path, *config_path; // of a folder; config_path NULL: none
    at_weights *weights;
    at_weights *captions; // of a folder with caption_config.json; NULL: none
    char *captions_path, *captions_config;
    bool ours; // a model file of this program: our names, our layout
} at_source;

/* Lists as they will stand in the model; text owned by `owned` or by the source. */
typedef struct at_lists {
    const char *const *tags;
    const char *const *tags_zh; // NULL: none
    const float *thresholds;    // NULL: 0.68 for all
    const uint32_t *deleted;
    size_t n_tags, n_tags_zh, n_thresholds, n_deleted;
    const char *const *vocab; // of the text part; NULL: none
    size_t n_vocab;
    const char *const *merges; // of CLIP's tokenizer; NULL: none
    size_t n_merges;
    const char *const *templates; // the official sentences around a new label; NULL: none
    size_t n_templates;
    const char *tags_from; // the file's name, for messages
    void *owned[8];
    size_t n_owned;
} at_lists;

at_status at_source_open(at_source *s, const char *in, at_error *err);
void at_source_close(at_source *s);
/* A tensor by its official key, whatever prefix an older file gave it. */
const at_weight *at_source_find(const at_source *s, const char *official);
/* The same where the official model has one tensor under two names: that which PyTorch's load would
 * leave in it, and the one it would overwrite (NULL: the file has one name only). */
const at_weight *at_source_find_tied(const at_source *s, const char *official,
                                     const at_weight **lost);
bool at_weight_equal(const at_weight *a, const at_weight *b); // type, shape and every bit

/* A JSON file, to be released with json_decref(); an error names the line. */
at_status at_json_read(const char *path, json_t **root, at_error *err);
/* By its keys. */
bool at_is_tag2text(const at_source *s);
/* Rows of a CLIP's token embedding. */
uint32_t at_clip_vocab(const at_source *s);
/* Size i of a tensor; 0: it has none. */
uint32_t at_source_dim(const at_source *s, const char *official, int i);
/* A positive number of a JSON object; 0: none. */
uint32_t at_json_u32(const json_t *object, const char *key);
/* Which text encoder the keys are of; NULL: none. */
const char *at_source_encodes(const at_source *s);
/* A CLIP in the Hugging Face layout: the tensor that has `official`'s place, or three whose rows follow
 * each other. `turned`: stored as it is used, not as the official one. False: there is none. */
bool at_source_find_clip(const at_source *s, const char *official, const at_weight *parts[3],
                         bool *turned);
/* The numbers of a text encoder, from the folder's config.json and the shapes. */
at_status at_encoder_config(at_config *c, const at_source *s, const at_lists *l,
                            const at_convert_options *o, at_error *err);
/* Lists first: RAM++ cannot tell tags from descriptions without them. */
at_status at_lists_read(at_lists *l, const at_source *s, const at_convert_options *o,
                        at_error *err);
void at_lists_free(at_lists *l);
/* Numbers from options->model_config, the folder's config.json, or the shapes of the tensors. */
at_status at_config_find(at_config *c, const at_source *s, const at_lists *l,
                         const at_convert_options *o, at_error *err);

#endif
