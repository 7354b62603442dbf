/* anytag/tag.h - what is in this picture?
 *
 *     at_tags *tags = NULL;
 *     at_error err = {0};
 *     if (at_session_tag(session, image, NULL, &tags, &err) != AT_OK)
 *         return complain(err.text);
 *     for (size_t i = 0; i < at_tags_count(tags); i++)
 *         printf("%.3f %s\n", at_tags_score(tags, i), at_tags_name(tags, i, "en"));
 *     at_tags_free(tags);
 */
#ifndef ANYTAG_TAG_H
#define ANYTAG_TAG_H

#include "anytag/image.h"
#include "anytag/session.h"

AT_C_BEGIN

typedef struct at_tags at_tags; /* the tags found in one image, best score first */

typedef enum at_threshold_mode {
    AT_THRESHOLD_OWN = 0,   /* each tag's own */
    AT_THRESHOLD_SHIFT = 1, /* each tag's own + threshold */
    AT_THRESHOLD_ONE = 2,   /* threshold for all */
    AT_THRESHOLD_NONE = 3   /* every tag passes */
} at_threshold_mode;

typedef enum at_heat_mode {
    AT_HEAT_NONE = 0,  /* no maps */
    AT_HEAT_FOUND = 1, /* of each tag that is reported */
    AT_HEAT_IDS = 2    /* of heat_ids, found or not */
} at_heat_mode;

/* How tags are chosen: at_tag_options o = {.struct_size = sizeof o, .top = 5};
 * zero is the default of every field, NULL of the whole struct. */
typedef struct at_tag_options {
    size_t struct_size; /* sizeof(at_tag_options); newer fields are added at the end */
    int threshold_mode; /* at_threshold_mode */
    float threshold;    /* the shift, [-1, 1], or the one for all, [0, 1] */
    int top;            /* 0: all that pass; else at most this many */
    /* [at_model_tags()] instead of the model's own; borrows; NULL: the model's. */
    const float *thresholds;
    /* Also where tags were seen (heat.h): at_heat_mode. A tag costs the tag head's work for 1 + 3 * cells
     * labels (148 in the small model, 433 at 384 px), what is not asked for costs nothing. Captions and
     * matches do not look at it. */
    int heat;
    const size_t *heat_ids; /* [n_heat] keys as at_tags_id() has them, at most 256; borrows */
    size_t n_heat;
} at_tag_options;

/* Tags one image.
 *   session  borrows     image  borrows; any size from 1 x 1 px, resized to the model's square
 *   options  borrows; NULL for the defaults       tags  returns, at_tags_free()
 *   err      filled on failure; NULL if the text is not wanted
 *
 * score[t] = sigmoid(z[t]), z: [T] the logits of the tagging head (RAM, arXiv 2306.03514,
 * section 3). A tag is reported when score > threshold, strictly, as the official code does. The
 * bits do not depend on the number of threads nor on the batch.
 *
 * AT_OK also when nothing passes its threshold: the list is then empty.
 * AT_E_INVALID_PARAMETER a field out of range, AT_E_OUT_OF_MEMORY; after either the session is
 * as before. */
AT_API at_status at_session_tag(at_session *session, const at_image *image,
                                const at_tag_options *options, at_tags **tags, at_error *err);

/* Tags `count` images, at most max_batch in one pass; the same bits as one by one, in less time.
 *   tags  returns [count], each at_tags_free(); NULL where that image failed
 *   errs  [count], the reason for each NULL; NULL if not wanted
 * AT_E_PARTIAL when some images failed and the others are good; when all failed, the reason of one. */
AT_API at_status at_session_tag_batch(at_session *session, const at_image *const *images,
                                      size_t count, const at_tag_options *options, at_tags **tags,
                                      at_error *errs);

/* A picture already made into the model's input, for decoding threads that prepare the next
 * pictures while this one is computed. Safe from any thread. */
typedef struct at_pixels at_pixels;
AT_API at_status at_pixels_prepare(const at_model *model, const at_image *image, at_pixels **pixels,
                                   at_error *err); /* returns, at_pixels_free() */
AT_API void at_pixels_free(at_pixels *pixels);     /* NULL is fine */
AT_API at_status at_session_tag_pixels(at_session *session, const at_pixels *const *pixels,
                                       size_t count, const at_tag_options *options, at_tags **tags,
                                       at_error *errs);

/* What was found. All borrow; i < at_tags_count(). The names of the model's tags live as long as
 * the model, the rest as `tags`. at_tags_free(NULL) is fine. */
AT_API size_t at_tags_count(const at_tags *tags);
/* The tag's key, see at_model_tag(); from at_model_tags() on: labels of the session's set in order. */
AT_API size_t at_tags_id(const at_tags *tags, size_t i);
AT_API int at_tags_custom(const at_tags *tags, size_t i); /* 1: a label of the session's set */
AT_API const char *at_tags_name(const at_tags *tags, size_t i, const char *lang); /* UTF-8 */
AT_API float at_tags_score(const at_tags *tags, size_t i);                        /* (0, 1) */
AT_API float at_tags_threshold(const at_tags *tags, size_t i);
/* Scores and logits of every computed tag, in id order (of `only` when the session has one), then of
 * the session's set. */
AT_API size_t at_tags_scores_count(const at_tags *tags);
AT_API const float *at_tags_scores(const at_tags *tags);
AT_API const float *at_tags_logits(const at_tags *tags);
AT_API void at_tags_free(at_tags *tags);

AT_C_END
#endif
