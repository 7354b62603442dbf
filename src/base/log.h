/* log.h - the host's ear. Nothing is formatted when nobody listens. */
#ifndef AT_BASE_LOG_H
#define AT_BASE_LOG_H

#include "base/base.h"

typedef struct at_log {
    at_log_fn fn; // NULL: nobody
    void *user;
} at_log;

void at_log_write(const at_log *log, at_log_level level, const char *format, ...) AT_PRINTF(3, 4);

#endif
