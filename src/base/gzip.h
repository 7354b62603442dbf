/* gzip.h - unpacks a gzip file that was read whole (RFC 1952), through zlib. */
#ifndef AT_BASE_GZIP_H
#define AT_BASE_GZIP_H

#include "base/base.h"

static inline bool at_is_gzip(const void *data, size_t size)
{
    const unsigned char *p = data;
    return size > 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* Its bytes and a NUL behind them, freed by at_free. AT_E_INVALID_PARAMETER: damaged or cut;
 * AT_E_BODY_TOO_LARGE over `limit`. The text begins with `name`. */
at_status at_gunzip(const char *name, const void *data, size_t size, size_t limit, char **out,
                    size_t *n, const at_allocator *al, at_error *err);

#endif
