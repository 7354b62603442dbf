/* buf.c - see buf.h */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void at_buf_init(at_buf *b, const at_allocator *al, size_t limit_bytes)
{
    memset(b, 0, sizeof *b);
    b->al = al;
    b->limit_bytes = limit_bytes;
}

void at_buf_reset(at_buf *b)
{
    at_free(b->al, b->data);
    at_buf_init(b, b->al, b->limit_bytes);
}

void at_buf_clear(at_buf *b)
{
    b->len = 0;
    b->status = AT_OK;
    if (b->data) b->data[0] = '\0';
}

/* Room for `more` bytes and a NUL. */
static bool reserve(at_buf *b, size_t more)
{
    if (b->status) return false;
    size_t need;
    if (!at_add(b->len, more, &need) || need > b->limit_bytes) {
        b->status = AT_E_BODY_TOO_LARGE;
        return false;
    }
    if (need < b->cap) return true;
    size_t cap = at_max_size(64, at_max_size(need + 1, b->cap + b->cap / 2));
    char *data = at_realloc(b->al, b->data, b->len, cap);
    if (!data) {
        b->status = AT_E_OUT_OF_MEMORY;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void at_buf_add(at_buf *b, const void *data, size_t size)
{
    if (!reserve(b, size)) return;
    if (size) memcpy(b->data + b->len, data, size);
    b->len += size;
    b->data[b->len] = '\0';
}

void at_buf_str(at_buf *b, const char *text)
{
    at_buf_add(b, text, strlen(text));
}
void at_buf_char(at_buf *b, char c)
{
    at_buf_add(b, &c, 1);
}

void at_buf_fmt(at_buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need >= 0 && reserve(b, (size_t)need)) {
        vsnprintf(b->data + b->len, (size_t)need + 1, format, again);
        b->len += (size_t)need;
    }
    va_end(again);
}

const char *at_buf_text(const at_buf *b)
{
    return b->data ? b->data : "";
}
