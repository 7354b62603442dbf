/* anytag/labels.h - any word becomes a tag: sets of labels beside, or instead of, a model's own.
 *
 *     at_encoder *encoder = NULL;
 *     at_labels *labels = NULL;
 *     const at_label words[] = {{.name = "red bicycle"}, {.name = "birthday party"}};
 *     at_encoder_open("clip-vit-b-16.gguf", NULL, &encoder, &err);
 *     at_labels_build(model, encoder, words, 2, NULL, &labels, &err);
 *     at_session_set_labels(session, labels, 0, &err);
 *
 * A set belongs to the model it was made for. It never changes and may be shared by any number of
 * threads and sessions; whoever uses it holds it, so that it can be freed at once by who made it. */
#ifndef ANYTAG_LABELS_H
#define ANYTAG_LABELS_H

#include "anytag/encoder.h"
#include "anytag/session.h"

AT_C_BEGIN

typedef struct at_labels at_labels;

/* One label asked for. Strings are borrowed during the call. */
typedef struct at_label {
    const char *name;    /* UTF-8, 1..200 bytes, once in a set */
    const char *name_zh; /* NULL: none */
    float threshold;     /* (0, 1]; 0: at_model_label_threshold() */
    /* Sentences that describe it; [n_descriptions]; 0: the encoder's templates around the name. */
    const char *const *descriptions;
    size_t n_descriptions;
} at_label;

/* The most labels of a set, rows of a label, bytes of a name. */
#define AT_LABELS_MOST     100000
#define AT_LABEL_ROWS_MOST 1000
#define AT_LABEL_NAME_MOST 200

/* Labels as people write them down. */
typedef struct at_label_list at_label_list;

/* From a file, found by its content:
 *   JSON  {"tag": ["description", ...], ...}, or a list of such objects as the official files are
 *   CSV   with a first line of some of tag, tag_zh, threshold, description; a tag's rows follow each
 *         other, each with one description
 *   text  a name a line, or NAME TAB CHINESE NAME TAB THRESHOLD; lines that begin with # are notes
 * AT_E_NOT_FOUND, AT_E_INVALID_PARAMETER with the line or the tag. */
AT_API at_status at_label_list_read(const char *path, at_label_list **list, at_error *err);
/* From "red bicycle, birthday party". */
AT_API at_status at_label_list_parse(const char *words, at_label_list **list, at_error *err);
AT_API size_t at_label_list_count(const at_label_list *list);
AT_API const at_label *at_label_list_labels(const at_label_list *list); /* borrow */
AT_API void at_label_list_free(at_label_list *list);                    /* NULL is fine */

typedef struct at_labels_options {
    size_t struct_size;          /* sizeof(at_labels_options) */
    at_encode_progress progress; /* done and all count labels */
    void *progress_user;
} at_labels_options;

/* Makes a set of words. Each label's sentences, its descriptions or the templates around its name,
 * become vectors of length 1. A model that weighs descriptions (RAM++) gets the descriptions as they
 * are, and everything else the mean, made length 1 again, as the official open-set code does it.
 *   model, encoder, labels, options  borrow     set  returns, at_labels_free()
 * AT_E_MODEL_MISMATCH (vectors of another width than the model's labels, or no open set),
 * AT_E_INVALID_TEXT, AT_E_INVALID_PARAMETER, AT_E_CANCELLED, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_labels_build(const at_model *model, at_encoder *encoder, const at_label *labels,
                                 size_t n, const at_labels_options *options, at_labels **set,
                                 at_error *err);

/* A set of embeddings that the caller has made.
 *   labels  borrows [n]; `descriptions` are not read
 *   rows    borrows [sum of n_rows, at_model_label_width()]; a label's rows follow each other
 *   n_rows  borrows [n], rows of each label; NULL: one each. RAM++ weighs a label's rows for each
 *           picture (arXiv 2310.15200, 3.3); for other models a label has one row
 *   set     returns, at_labels_free()
 * AT_E_INVALID_PARAMETER (an empty or double name, a threshold out of range, not a number among the
 * rows), AT_E_MODEL_MISMATCH (the model has no open set), AT_E_OUT_OF_MEMORY. */
AT_API at_status at_labels_from_rows(const at_model *model, const at_label *labels, size_t n,
                                     const float *rows, const size_t *n_rows, at_labels **set,
                                     at_error *err);

/* A file that at_labels_save() wrote.   AT_E_NOT_FOUND, _MODEL_DAMAGED, _MODEL_UNSUPPORTED */
AT_API at_status at_labels_open(const char *path, const at_allocator *allocator, at_labels **set,
                                at_error *err);
AT_API at_status at_labels_save(const at_labels *set, const char *path, at_error *err);

/* The same labels with other thresholds [at_labels_count()], each in (0, 1]. */
AT_API at_status at_labels_with_thresholds(const at_labels *set, const float *thresholds,
                                           at_labels **other, at_error *err);

/* AT_OK if the set can be used with the model; AT_E_MODEL_MISMATCH says why not. */
AT_API at_status at_labels_check(const at_labels *set, const at_model *model, at_error *err);

AT_API at_labels *at_labels_keep(at_labels *set); /* one more owner; returns `set` */
AT_API void at_labels_free(at_labels *set);       /* one owner less; NULL is fine */

/* Facts; strings live as long as the set. `lang` "en" or "zh"; "" where a name is missing. */
AT_API size_t at_labels_count(const at_labels *set);
AT_API const char *at_labels_name(const at_labels *set, size_t i, const char *lang);
AT_API float at_labels_threshold(const at_labels *set, size_t i);
AT_API size_t at_labels_rows(const at_labels *set, size_t i);
AT_API const char *at_labels_model(const at_labels *set);   /* name of the model it is for */
AT_API const char *at_labels_encoder(const at_labels *set); /* name of the text encoder, or "" */

/* Width of a label's embedding; 0: the model knows its own labels only. */
AT_API size_t at_model_label_width(const at_model *model);

/* The threshold of a label that has none: 0.5 for RAM and RAM++, as in the official open-set code; 0.65
 * for the model in the box, where one threshold for all words did best (models/README.md). */
AT_API float at_model_label_threshold(const at_model *model);

/* From the session's next call on its model's labels and these are computed, or with `only` these
 * alone; NULL: the model's own again. Safe from any thread, while the session runs too; results
 * keep the set they were made with. What a set needs is prepared at the session's next call, which
 * fails, and goes on with the labels it had, if there is no memory.
 *   set  keeps until another is given
 * AT_E_MODEL_MISMATCH, AT_E_INVALID_PARAMETER. */
AT_API at_status at_session_set_labels(at_session *session, at_labels *set, int only,
                                       at_error *err);

AT_C_END
#endif
