/* status.c - error texts and the names and numbers of errors.def. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

at_status at_fail(at_error *err, at_status status, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

at_status at_fail_prefix(at_error *err, at_status status, const char *prefix)
{
    if (!err) return status;
    char text[sizeof err->text];
    memcpy(text, err->text, sizeof text);
    text[sizeof text - 1] = '\0';
    // the prefix may be cut, the reason behind it should survive: give the prefix half at most
    snprintf(err->text, sizeof err->text, "%.500s: %.500s", prefix, text);
    err->status = status;
    return status;
}

at_status at_status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOMEM: return AT_E_OUT_OF_MEMORY;
    case ENOSPC:
    case EDQUOT: return AT_E_DISK_FULL;
    default: return AT_E_NOT_FOUND;
    }
}

const char *at_status_code(at_status status)
{
    switch (status) {
    case AT_OK: return "ok";
#define E(name, number, code, exit_code, http) \
    case AT_E_##name:                          \
        return code;
#include "anytag/errors.def"
#undef E
    default: return "internal";
    }
}

int at_status_exit_code(at_status status)
{
    switch (status) {
    case AT_OK: return 0;
#define E(name, number, code, exit_code, http) \
    case AT_E_##name:                          \
        return exit_code;
#include "anytag/errors.def"
#undef E
    default: return 7;
    }
}

const char *at_version(void)
{
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
    return TEXT(AT_VERSION_MAJOR) "." TEXT(AT_VERSION_MINOR) "." TEXT(AT_VERSION_PATCH);
}
