/* anytag/inspect.h - looking inside: the stages of a forward pass, the tensors of a weight file. */
#ifndef ANYTAG_INSPECT_H
#define ANYTAG_INSPECT_H

#include "anytag/caption.h"

AT_C_BEGIN

/* One stage of a forward pass; names as in docs/models/stages.md ("swin.stage0.block1.out").
 *   data  [dims[0], ..] float32, C order, valid during the call.   dims  borrows, n_dims <= 4
 * A status other than AT_OK stops the pass with it. */
typedef at_status (*at_stage_fn)(void *user, const char *stage, const float *data,
                                 const size_t *dims, int n_dims);

/* Tags one image, captions it if the model does (`caption` borrows; NULL: its defaults), and shows
 * every stage. Slower than at_session_tag(), same bits. Token ids (caption.ids, caption.tag_ids,
 * caption.tag_mask) are whole numbers, exact in float32. */
AT_API at_status at_session_inspect(at_session *session, const at_image *image,
                                    const at_caption_options *caption, at_stage_fn stage,
                                    void *user, at_tags **tags, at_error *err);

/* A weight file as it is on disk: GGUF, .pth (never executed), safetensors; found by content. */
typedef struct at_weight_file at_weight_file;
typedef struct at_tensor_info {
    const char *name;     /* lives as long as the file */
    const char *type;     /* "f32", "f16", "bf16", "i64", ... */
    const uint64_t *dims; /* PyTorch order */
    int n_dims;
    uint64_t offset; /* bytes from the start of the file */
    uint64_t bytes;
} at_tensor_info;
AT_API at_status at_weight_file_open(const char *path, at_weight_file **file,
                                     at_error *err); /* returns */
AT_API void at_weight_file_close(at_weight_file *file);
AT_API const char *at_weight_file_format(
    const at_weight_file *file); /* "gguf", "pth", "safetensors" */
AT_API size_t at_weight_file_tensors(const at_weight_file *file);
AT_API at_tensor_info at_weight_file_tensor(const at_weight_file *file, size_t i);
/* Minimum, maximum, mean and number of NaN or infinite values, in double. */
typedef struct at_tensor_stats {
    double min, max, mean, l2;
    uint64_t not_finite;
} at_tensor_stats;
AT_API at_status at_weight_file_stats(const at_weight_file *file, size_t i, at_tensor_stats *stats,
                                      at_error *err);
/* Metadata as text: key, type ("string", "u32", "f32[]", ...), value (long arrays shortened). */
AT_API size_t at_weight_file_keys(const at_weight_file *file);
AT_API const char *at_weight_file_key(const at_weight_file *file, size_t i, const char **type,
                                      const char **value);

AT_C_END
#endif
