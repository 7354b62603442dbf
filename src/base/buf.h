/* buf.h - a growing byte buffer with a ceiling (after curl's dynbuf: nothing grows without one).
 *
 * The first failure sticks: later calls do nothing and `status` says why, so that a writer can be
 * written straight and checked once at its end. */
#ifndef AT_BASE_BUF_H
#define AT_BASE_BUF_H

#include "base/base.h"

typedef struct at_buf {
    char *data; // always NUL-terminated once anything was added
    size_t len;
    size_t cap;
    size_t limit_bytes;
    at_status status; // AT_OK, AT_E_OUT_OF_MEMORY, AT_E_BODY_TOO_LARGE (over the ceiling)
    const at_allocator *al;
} at_buf;

void at_buf_init(at_buf *b, const at_allocator *al, size_t limit_bytes);
void at_buf_reset(at_buf *b); // frees; the buffer may be used again
void at_buf_clear(at_buf *b); // empties, keeps the memory
void at_buf_add(at_buf *b, const void *data, size_t size);
void at_buf_str(at_buf *b, const char *text);
void at_buf_char(at_buf *b, char c);
void at_buf_fmt(at_buf *b, const char *format, ...) AT_PRINTF(2, 3);
const char *at_buf_text(const at_buf *b); // "" when empty

#endif
