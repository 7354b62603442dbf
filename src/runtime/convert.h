/* convert.h - the parts of a conversion: where the weights come from, what network they are, which
 * labels belong to them. */
#ifndef AT_RUNTIME_CONVERT_H
#define AT_RUNTIME_CONVERT_H

#include "anytag/convert.h"
#include "base/file.h"
#include "models/network.h"

#include <jansson.h>

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
    const char *tags_from; // the file's name, for messages
    void *owned[8];
    size_t n_owned;
} at_lists;

at_status at_source_open(at_source *s, const char *in, at_error *err);
void at_source_close(at_source *s);
/* A tensor by its official key, whatever prefix an older file gave it. */
const at_weight *at_source_find(const at_source *s, const char *official);

/* A JSON file, to be released with json_decref(); an error names the line. */
at_status at_json_read(const char *path, json_t **root, at_error *err);
/* By its keys. */
bool at_is_tag2text(const at_source *s);
/* Lists first: RAM++ cannot tell tags from descriptions without them. */
at_status at_lists_read(at_lists *l, const at_source *s, const at_convert_options *o,
                        at_error *err);
void at_lists_free(at_lists *l);
/* Numbers from options->model_config, the folder's config.json, or the shapes of the tensors. */
at_status at_config_find(at_config *c, const at_source *s, const at_lists *l,
                         const at_convert_options *o, at_error *err);

#endif
