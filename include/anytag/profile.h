/* anytag/profile.h - where the time of a forward pass goes. */
#ifndef ANYTAG_PROFILE_H
#define ANYTAG_PROFILE_H

#include "anytag/session.h"

AT_C_BEGIN

typedef enum at_profile_peak {
    AT_PEAK_F32 = 0,
    AT_PEAK_BF16 = 1, /* where the processor has such products, else of f32 */
    AT_PEAK_INT8 = 2  /* without VNNI: pairs of widened bytes */
} at_profile_peak;

typedef struct at_profile_row {
    const char *op; /* "linear", "attention", "layer_norm", ... static */
    double seconds; /* summed over the calls since at_session_profile() */
    double flop;    /* nominal, 2 per multiply-add */
    double bytes;   /* operands and result, each once; what comes from caches counts too */
    int peak;       /* what its arithmetic is held against: at_profile_peak */
    uint64_t calls;
} at_profile_row;

/* Starts (1) or stops (0) counting; starting forgets earlier counts. */
AT_API void at_session_profile(at_session *session, int on);
/* Rows by falling time; returns how many there are, writes at most `count`. */
AT_API size_t at_session_profile_rows(const at_session *session, at_profile_row *rows,
                                      size_t count);

/* What the machine can do at most, measured in some 100 ms with 256 MiB; 0: not known for this processor. */
typedef struct at_machine {
    double flop_s;  /* multiply-adds of float32 in registers, each two */
    double bf16_s;  /* the same of bfloat16 */
    double int8_s;  /* and of bytes */
    double bytes_s; /* read from memory */
    int threads;
} at_machine;
/*   threads 0: at_cpu_count()   machine filled on success.   AT_E_OUT_OF_MEMORY. Safe from any thread. */
AT_API at_status at_machine_measure(int threads, at_machine *machine, at_error *err);

AT_C_END
#endif
