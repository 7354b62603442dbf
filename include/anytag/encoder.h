/* anytag/encoder.h - a text as a vector: the encoders that label embeddings are made with (CLIP's text
 * tower for RAM and RAM++, a sentence encoder for the model in the box). */
#ifndef ANYTAG_ENCODER_H
#define ANYTAG_ENCODER_H

#include "anytag/model.h"

AT_C_BEGIN

typedef struct at_encoder at_encoder;

/* Opens a text encoder's GGUF file made by at_convert().   path, options borrow
 *   encoder returns, at_encoder_close()
 * AT_E_MODEL_NOT_FOUND, _MODEL_DAMAGED, _MODEL_UNSUPPORTED, _MODEL_MISMATCH (it is a model that
 * tags), _OUT_OF_MEMORY. */
AT_API at_status at_encoder_open(const char *path, const at_model_options *options,
                                 at_encoder **encoder, at_error *err);
AT_API void at_encoder_close(at_encoder *encoder); /* NULL is fine */

/* Facts; strings live as long as the encoder. */
AT_API const char *at_encoder_name(const at_encoder *encoder);
AT_API const char *at_encoder_architecture(const at_encoder *encoder); /* "clip_text" */
AT_API size_t at_encoder_width(const at_encoder *encoder);             /* of a vector */
AT_API size_t at_encoder_tokens(const at_encoder *encoder);            /* the most of a text */

/* Called now and then during long work, on the caller's thread; not 0: stop (AT_E_CANCELLED). */
typedef int (*at_encode_progress)(void *user, size_t done, size_t all);

/* Vectors of `n` texts, each of length 1.
 *   texts    borrows [n], UTF-8. A text of more tokens than at_encoder_tokens() is cut there, its
 *            end token kept
 *   vectors  filled [n, at_encoder_width()]
 *   progress may be NULL
 * The bits do not depend on the number of threads nor on the texts beside a text. Safe from any
 * thread; calls wait for each other.
 * AT_E_INVALID_TEXT names a text that is not UTF-8 or empty; AT_E_OUT_OF_MEMORY, AT_E_CANCELLED. */
AT_API at_status at_encoder_encode(at_encoder *encoder, const char *const *texts, size_t n,
                                   float *vectors, at_encode_progress progress, void *user,
                                   at_error *err);

AT_C_END
#endif
