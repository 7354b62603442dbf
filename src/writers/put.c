/* put.c - pieces of text that the formats share. */
#include "writers/writers.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Six significant digits; a comma of the host's locale becomes a point. */
void at_put_number(at_buf *b, double v)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.6g", v);
    for (char *c = text; *c; c++) {
        if (*c == ',') *c = '.';
    }
    at_buf_str(b, isfinite(v) ? text : "null");
}

/* Text through `put`, a character at a time; bytes that are not UTF-8 become U+FFFD. */
static void each_character(at_buf *b, const char *s,
                           void (*put)(at_buf *b, int32_t c, const char *bytes, size_t n))
{
    const char *const end = s + strlen(s);
    while (s < end) {
        int32_t c;
        const size_t n = at_utf8_next(s, (size_t)(end - s), &c);
        if (n)
            put(b, c, s, n);
        else
            at_buf_str(b, "\xef\xbf\xbd");
        s += n ? n : 1;
    }
}

static void put_json(at_buf *b, int32_t c, const char *bytes, size_t n)
{
    if (c == '"' || c == '\\')
        at_buf_fmt(b, "\\%c", (char)c);
    else if (c == '\n')
        at_buf_str(b, "\\n");
    else if (c == '\t')
        at_buf_str(b, "\\t");
    else if (c < 32)
        at_buf_fmt(b, "\\u%04x", (unsigned)c);
    else
        at_buf_add(b, bytes, n);
}
void at_put_quoted(at_buf *b, const char *s)
{
    at_buf_char(b, '"');
    each_character(b, s, put_json);
    at_buf_char(b, '"');
}

void at_put_base64(at_buf *b, const void *data, size_t n)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *d = data;
    for (size_t i = 0; i < n; i += 3) {
        const unsigned v = (unsigned)d[i] << 16 | (i + 1 < n ? (unsigned)d[i + 1] << 8 : 0) |
                           (i + 2 < n ? d[i + 2] : 0);
        at_buf_char(b, set[v >> 18]);
        at_buf_char(b, set[v >> 12 & 63]);
        at_buf_char(b, i + 1 < n ? set[v >> 6 & 63] : '=');
        at_buf_char(b, i + 2 < n ? set[v & 63] : '=');
    }
}

void at_put_path_text(at_buf *b, const char *path, bool raw)
{
    for (const char *c = path; *c; c++) {
        if (raw || ((unsigned char)*c >= 32 && *c != '\\' && *c != 127))
            at_buf_char(b, *c);
        else if (*c == '\n')
            at_buf_str(b, "\\n");
        else if (*c == '\t')
            at_buf_str(b, "\\t");
        else if (*c == '\\')
            at_buf_str(b, "\\\\");
        else
            at_buf_fmt(b, "\\x%02X", (unsigned char)*c);
    }
}

/* What a spreadsheet would compute; and, so that a reader can take the ' away again, text that looks as if it had
 * been given one. */
static bool is_formula(const char *s)
{
    s += strspn(s, "'");
    return *s && strchr("=+-@\t\r", *s);
}

void at_put_cell(at_writer *w, const char *s)
{
    at_buf *b = &w->out;
    const bool formula = w->o.excel && is_formula(s);
    const bool quotes = strpbrk(s, ",\"\r\n") != NULL;
    if (quotes) at_buf_char(b, '"');
    if (formula) at_buf_char(b, '\'');
    for (; *s; s++) {
        if (*s == '"') at_buf_char(b, '"');
        at_buf_char(b, *s);
    }
    if (quotes) at_buf_char(b, '"');
}

static void put_html(at_buf *b, int32_t c, const char *bytes, size_t n)
{
    if (n == 1 && strchr("<>&\"'", c))
        at_buf_fmt(b, "&#%d;", c);
    else
        at_buf_add(b, bytes, n);
}
void at_put_escaped(at_buf *b, const char *s)
{
    each_character(b, s, put_html);
}
