/* utf8.c - see utf8.h. */
#include "base/utf8.h"

#include <string.h>

size_t at_utf8_next(const char *text, size_t len, int32_t *c)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; // of a character of n bytes
    *c = -1;
    if (!len) return 0;
    const unsigned char first = (unsigned char)text[0];
    const size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (!n || n > len || first > 0xf4) return 0;
    int32_t value = n == 1 ? first : first & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if (!at_utf8_inside(text[i])) return 0;
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
    *c = value;
    return n;
}

size_t at_utf8_valid(const char *text, size_t len)
{
    size_t at = 0;
    int32_t c;
    for (size_t n; at < len && (n = at_utf8_next(text + at, len - at, &c)) > 0;)
        at += n;
    return at;
}

void at_utf8_printable(char *text)
{
    while (*text) {
        int32_t c;
        const size_t n = at_utf8_next(text, strnlen(text, 4), &c);
        if (!n || c < 32 || (c >= 127 && c < 160))
            *text++ = '?';
        else
            text += n;
    }
}
