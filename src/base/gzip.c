/* gzip.c - see gzip.h. The only file that knows zlib. */
#include "base/gzip.h"

#include <zlib.h>

enum { WINDOW_GZIP = 15 + 16 };

at_status at_gunzip(const char *name, const void *data, size_t size, size_t limit, char **out,
                    size_t *n, const at_allocator *al, at_error *err)
{
    *out = NULL;
    *n = 0;
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)data};
    size_t cap = 0, left = size;
    char *text = NULL;
    at_status status = AT_OK;
    if (inflateInit2(&z, WINDOW_GZIP) != Z_OK)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory to unpack it", name);
    for (int r = Z_OK; r != Z_STREAM_END && status == AT_OK;) {
        if (*n + 1 >= cap) {
            const size_t grown = cap ? 2 * cap : 1 << 16;
            char *more = *n > limit ? NULL : at_realloc(al, text, cap, grown);
            if (!more) {
                status = *n > limit
                             ? at_fail(err, AT_E_BODY_TOO_LARGE, "%s: larger than %zu bytes", name,
                                       limit)
                             : at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for it", name);
                break;
            }
            text = more;
            cap = grown;
        }
        const uInt in = (uInt)at_min_size(left, 1 << 30),
                   room = (uInt)at_min_size(cap - *n - 1, 1 << 30);
        z.avail_in = in;
        z.avail_out = room;
        z.next_out = (Bytef *)text + *n;
        r = inflate(&z, Z_NO_FLUSH);
        left -= in - z.avail_in;
        *n += room - z.avail_out;
        if (r != Z_STREAM_END && (r != Z_OK || (left == 0 && z.avail_out)))
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "%s: a gzip file that is damaged or not whole; get it again", name);
    }
    (void)inflateEnd(&z);
    if (status != AT_OK) {
        at_free(al, text);
        *n = 0;
        return status;
    }
    text[*n] = 0;
    *out = text;
    return AT_OK;
}
