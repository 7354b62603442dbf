/* log.c - see log.h */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void at_log_write(const at_log *log, at_log_level level, const char *format, ...)
{
    if (!log || !log->fn) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->fn(log->user, level, text);
}
