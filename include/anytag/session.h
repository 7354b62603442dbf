/* anytag/session.h - one line of work on a model: its threads, its memory. One call at a time per
 * session; sessions do not disturb each other. Close it before its model. */
#ifndef ANYTAG_SESSION_H
#define ANYTAG_SESSION_H

#include "anytag/model.h"

AT_C_BEGIN

typedef struct at_session at_session;

typedef struct at_session_options {
    size_t struct_size; /* sizeof(at_session_options) */
    int threads;        /* 0: at_cpu_count(); more than 512 are not made */
    int max_batch;      /* images in one forward pass, 0: 1. Memory grows with it */
    /* Only these tags are computed (a subset costs only its share of the head): ids, strictly
     * below at_model_tags(), borrowed during open. NULL: all. */
    const size_t *only;
    size_t n_only;
} at_session_options;

/*   model keeps   options borrows   session returns, at_session_close()
 * AT_E_INVALID_PARAMETER, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_session_open(at_model *model, const at_session_options *options,
                                 at_session **session, at_error *err);
AT_API void at_session_close(at_session *session); /* NULL is fine */
AT_API size_t at_session_arena_bytes(const at_session *session);

AT_C_END
#endif
