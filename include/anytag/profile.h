/* anytag/profile.h - where the time of a forward pass goes. */
#ifndef ANYTAG_PROFILE_H
#define ANYTAG_PROFILE_H

#include "anytag/session.h"

AT_C_BEGIN

typedef struct at_profile_row {
    const char *op; /* "linear", "attention", "layer_norm", ... static */
    double seconds; /* summed over the calls since at_session_profile() */
    double flop;    /* nominal, 2 per multiply-add */
    uint64_t calls;
} at_profile_row;

/* Starts (1) or stops (0) counting; starting forgets earlier counts. */
AT_API void at_session_profile(at_session *session, int on);
/* Rows by falling time; returns how many there are, writes at most `count`. */
AT_API size_t at_session_profile_rows(const at_session *session, at_profile_row *rows,
                                      size_t count);

AT_C_END
#endif
