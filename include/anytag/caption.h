/* anytag/caption.h - a sentence about this picture, guided by tags (Tag2Text, arXiv 2303.05657).
 *
 *     at_captions *c = NULL;
 *     at_caption_options o = {.struct_size = sizeof o, .guide = "dog,street"};
 *     if (at_session_caption(session, image, &o, &c, &err) != AT_OK)
 *         return complain(err.text);
 *     puts(at_captions_text(c, 0));
 *     at_captions_free(c);
 */
#ifndef ANYTAG_CAPTION_H
#define ANYTAG_CAPTION_H

#include "anytag/tag.h"

AT_C_BEGIN

typedef struct at_captions at_captions; /* of one image, best first */

/* A piece of the caption that nothing can change any more; called in order during decoding.
 * image: index in the call. Only for the best caption. */
typedef void (*at_caption_piece_fn)(void *user, size_t image, const char *piece);

/* Zero is the default of every field; numbers come from the model (at_model_caption_*()). */
typedef struct at_caption_options {
    size_t struct_size; /* sizeof(at_caption_options) */
    /* Tags to write about, separated by commas: any words for Tag2Text, tags of its list for the
     * small model. NULL, "", "none", "None": the tags that are recognised. */
    const char *guide;
    int no_guide;   /* 1: write without any tag */
    int beams;      /* 1..64; 1: greedy */
    int min_length; /* least and most tokens; Tag2Text counts the 4 of its prompt */
    int max_length;
    int num;                  /* captions returned, at most `beams`; 0: 1 */
    float repetition_penalty; /* above 1: says less twice; 0: 1, or 1.1 when sampling */
    /* Words that must and that must not stand in the caption, in any regular form ("dog": dogs). */
    const char *const *require; /* at most 16 */
    size_t n_require;
    const char *const *forbid; /* at most 16 */
    size_t n_forbid;
    int sample;                /* 1: drawn at random instead of searched; `num` of them */
    int top_k;                 /* of sampling; 0: 50 */
    float top_p;               /* 0: 0.9 */
    float temperature;         /* 0: 1 */
    uint64_t seed;             /* the same seed gives the same captions, whatever the batch */
    at_caption_piece_fn piece; /* may be NULL */
    void *piece_user;
    const at_tag_options *tags; /* how the tags are recognised; NULL: as the model says */
} at_caption_options;

/* Whether this model writes captions, and its own numbers. */
AT_API int at_model_captions(const at_model *model);
AT_API int at_model_caption_beams(const at_model *model);
AT_API int at_model_caption_min_length(const at_model *model);
AT_API int at_model_caption_max_length(const at_model *model);

/* Whether these options can be used with this model: what at_session_caption() would say first. */
AT_API at_status at_caption_options_check(const at_model *model, const at_caption_options *options,
                                          at_error *err);

/* Captions of one image.   session, image, options borrow   captions returns, at_captions_free()
 *
 * Beam search as transformers 4.25.1 does it; the words do not depend on the batch nor on threads.
 * AT_E_MODEL_UNSUPPORTED (the model writes no captions), AT_E_INVALID_PARAMETER (a field out of
 * range, a guide tag the small model does not know, a word both required and forbidden),
 * AT_E_INVALID_TEXT (not UTF-8), AT_E_OUT_OF_MEMORY. */
AT_API at_status at_session_caption(at_session *session, const at_image *image,
                                    const at_caption_options *options, at_captions **captions,
                                    at_error *err);
/* `count` images, at most max_batch decoded together; as at_session_tag_pixels(). */
AT_API at_status at_session_caption_pixels(at_session *session, const at_pixels *const *pixels,
                                           size_t count, const at_caption_options *options,
                                           at_captions **captions, at_error *errs);

AT_API size_t at_captions_count(const at_captions *captions);
AT_API const char *at_captions_text(const at_captions *captions, size_t i); /* UTF-8 */
/* Sum of the tokens' log-probabilities, the end's included. */
AT_API float at_captions_log_prob(const at_captions *captions, size_t i);
/* What captions are ranked by: log_prob / length^penalty; of a sample log_prob / tokens. */
AT_API double at_captions_score(const at_captions *captions, size_t i);
/* Token ids with the prompt and, where it was written, the end. *n: how many. */
AT_API const int32_t *at_captions_ids(const at_captions *captions, size_t i, size_t *n);
/* The tags that guided it, and whether caption 0 uses them, in any regular form. */
AT_API size_t at_captions_guides(const at_captions *captions);
AT_API const char *at_captions_guide(const at_captions *captions, size_t i);
AT_API int at_captions_guide_used(const at_captions *captions, size_t i);
/* The words required, then those forbidden; whether caption `i` has it, or is free of it. */
AT_API size_t at_captions_wishes(const at_captions *captions);
AT_API const char *at_captions_wish(const at_captions *captions, size_t k, int *forbidden);
AT_API int at_captions_wish_met(const at_captions *captions, size_t i, size_t k);
/* What was recognised; lives as long as the captions. */
AT_API const at_tags *at_captions_tags(const at_captions *captions);
AT_API void at_captions_free(at_captions *captions); /* NULL is fine */

/* "a picture of a dog, a street and 3 more": an honest sentence from tags alone, no model needed.
 *   text  [size], cut at a whole tag   returns strlen(text) */
AT_API size_t at_caption_from_tags(const at_tags *tags, char *text, size_t size);

AT_C_END
#endif
