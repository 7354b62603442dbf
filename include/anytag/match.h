/* anytag/match.h - which picture does this text describe, which text this picture (Tag2Text, arXiv
 * 2303.05657, 3.3 and 3.4; the recipe is BLIP's, arXiv 2201.12086).
 *
 *     at_features *f[2] = {0};                       // pictures, each looked at once
 *     at_texts *texts = NULL;
 *     at_matches *m = NULL;
 *     const char *const words[] = {"a dog on the beach"};
 *     at_session_features(session, image_0, NULL, &f[0], &err);
 *     at_session_features(session, image_1, NULL, &f[1], &err);
 *     at_session_texts(session, words, 1, &texts, &err);
 *     at_session_match(session, (const at_features *const *)f, 2, texts, NULL, &m, &err);
 *     printf("picture %zu\n", at_matches_at(m, 0, 0)->image);
 *
 * Three things are compared, and each is told beside their sum:
 *   cosine  of the picture's vector v and the text's t, in -1..1
 *   tags    sum of idf over the tags that both have / sum of idf over the text's tags, in 0..1;
 *           0 where the text names no tag of the model's list. Words are found as whole words in any
 *           regular form (dogs: dog), the longest name first
 *   itm     of the best few: softmax(logits)[1] of the matching head, which reads the words beside the
 *           picture's tokens
 * score = cosine + lambda tags orders the candidates of a query; the best of them are then ordered by
 * logits[1] + score, as BLIP orders its own by logits[1] + cosine.
 *
 * A model needs weights for it, which come from training: neither the model in the box nor an official
 * Tag2Text checkpoint has them. */
#ifndef ANYTAG_MATCH_H
#define ANYTAG_MATCH_H

#include "anytag/encoder.h"
#include "anytag/writer.h"

AT_C_BEGIN

/* Width of the vectors; 0: this model does not compare pictures with texts. */
AT_API size_t at_model_match_width(const at_model *model);
/* The most tokens of a text, [CLS] and [SEP] included; a longer one is cut. 0 as above. */
AT_API size_t at_model_match_tokens(const at_model *model);

/* --- pictures ------------------------------------------------------------------------------------- */

typedef struct at_features at_features; /* what one picture is compared by */

/* One forward pass.   session, image borrow   tags borrows: how tags are chosen, NULL: as the model says
 *   features returns, at_features_free(); 0.6 MB at full size, for the closer look
 * AT_E_MODEL_UNSUPPORTED (no weights for it), AT_E_INVALID_PARAMETER, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_session_features(at_session *session, const at_image *image,
                                     const at_tag_options *tags, at_features **features,
                                     at_error *err);
/* `count` pictures, at most max_batch in one pass; as at_session_tag_pixels(). */
AT_API at_status at_session_features_pixels(at_session *session, const at_pixels *const *pixels,
                                            size_t count, const at_tag_options *tags,
                                            at_features **features, at_error *errs);
AT_API const float *at_features_vector(const at_features *features); /* of length 1 */
AT_API const at_tags *at_features_tags(const at_features *features); /* lives as long */
AT_API void at_features_free(at_features *features);                 /* NULL is fine */

/* --- texts ---------------------------------------------------------------------------------------- */

typedef struct at_texts at_texts;

/* The most texts of a set, bytes of a text. */
#define AT_TEXTS_MOST      100000
#define AT_TEXT_BYTES_MOST 65536

/*   texts borrows [n], UTF-8   set returns, at_texts_free()
 * AT_E_INVALID_TEXT names a text that is empty, too long or not UTF-8; else as above. */
AT_API at_status at_session_texts(at_session *session, const char *const *texts, size_t n,
                                  at_texts **set, at_error *err);
AT_API size_t at_texts_count(const at_texts *set);
AT_API const char *at_texts_text(const at_texts *set, size_t i);
AT_API const float *at_texts_vector(const at_texts *set, size_t i); /* of length 1 */
AT_API size_t at_texts_cut(const at_texts *set,
                           size_t i); /* tokens that were left out at its end */
/* Ids of the model's tags that the text names, in its order. *n: how many. */
AT_API const uint32_t *at_texts_tags(const at_texts *set, size_t i, size_t *n);
AT_API void at_texts_free(at_texts *set); /* NULL is fine */

/* --- both ----------------------------------------------------------------------------------------- */

typedef enum at_match_by {
    AT_BY_TEXT = 0, /* a text is the query, pictures are ranked */
    AT_BY_IMAGE = 1 /* a picture is the query, texts are ranked */
} at_match_by;

/* Zero is the default of every field. */
typedef struct at_match_options {
    size_t struct_size; /* sizeof(at_match_options) */
    int by;             /* at_match_by */
    int top_k;          /* candidates of a query that are looked at closer; 0: 10 */
    int no_itm;         /* 1: none are */
    float lambda;       /* weight of the tags, 0..10; 0: 0.1 */
    int no_tags;        /* 1: without tags, lambda is 0 */
    /* [at_model_tags()] weights of the tags, log(pictures / pictures with the tag) of a corpus, at least
     * 0; borrows. NULL: no corpus is known, every tag counts 1. */
    const float *idf;
    at_encode_progress progress; /* done and all count the closer looks */
    void *progress_user;
} at_match_options;

/* One picture beside one text. Newer fields are added at the end. */
typedef struct at_match {
    size_t image, text; /* index in the call */
    float cosine, tags; /* the two parts */
    float score;        /* cosine + lambda tags */
    int looked;         /* 1: the matching head looked at it, and the fields below say something */
    float logits[2];    /* no, yes */
    float itm;          /* probability of yes */
} at_match;

typedef struct at_matches at_matches;

/* Every picture beside every text.
 *   features  keeps [count], each of this session's model
 *   texts     keeps
 *   matches   returns, at_matches_free()
 * The bits depend neither on the number of threads nor on the pictures and texts beside a pair.
 * AT_E_INVALID_PARAMETER (a field out of range, an idf below 0), AT_E_MODEL_MISMATCH (features or texts
 * of another model), AT_E_CANCELLED, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_session_match(at_session *session, const at_features *const *features,
                                  size_t count, const at_texts *texts,
                                  const at_match_options *options, at_matches **matches,
                                  at_error *err);
AT_API size_t at_matches_queries(const at_matches *matches);    /* texts, or pictures */
AT_API size_t at_matches_candidates(const at_matches *matches); /* of each */
/* What they were made of and with. */
typedef struct at_match_facts {
    int by;       /* at_match_by */
    float lambda; /* 0: without tags */
    int corpus;   /* 1: an idf was given; 0: every tag counts 1 */
} at_match_facts;
AT_API const at_match_facts *at_matches_facts(const at_matches *matches);
AT_API const at_texts *at_matches_texts(const at_matches *matches);
AT_API const at_model *at_matches_model(const at_matches *matches);
/* Candidate number `rank` of a query, best first. */
AT_API const at_match *at_matches_at(const at_matches *matches, size_t query, size_t rank);
/* Ids of the tags that both have, in the text's order, the first `count` of them; returns how many there
 * are. */
AT_API size_t at_matches_shared(const at_matches *matches, const at_match *match, uint32_t *ids,
                                size_t count);
AT_API void at_matches_free(at_matches *matches); /* NULL is fine */

typedef struct at_match_writer_options {
    size_t struct_size; /* sizeof(at_match_writer_options) */
    size_t top;         /* candidates of a query that are written; 0: all */
    int color;          /* text: 1: may use colour */
    int bom, excel;     /* csv: as at_writer_options */
} at_match_writer_options;

/* The matches as text (for people), json, jsonl (a line a query) or csv (a line a pair).
 *   names  borrows: of the pictures, [count]   AT_E_INVALID_PARAMETER lists the formats */
AT_API at_status at_matches_write(const at_matches *matches, const char *format,
                                  const char *const *names, const at_match_writer_options *options,
                                  at_write_fn write, void *user, at_error *err);

AT_C_END
#endif
