/* html.c - see html.h; the names are html_entities.h's. */
#include "text/html.h"

#include "text/html_entities.h"

#include <string.h>
#include <utf8proc.h>

enum { LONGEST_NAME = 32 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* The characters of a name, *n bytes; NULL: there is no such name, or none without a semicolon. */
static const char *find(const char *name, size_t len, bool semicolon, size_t *n)
{
    if (len < 2 || !(is_upper(name[0]) || is_lower(name[0]))) return NULL;
    const char *at = html_entities[is_upper(name[0]) ? name[0] - 'A' : name[0] - 'a' + 26];
    for (const char *end; *at; at = end + 1) {
        end = strchr(at, ' ');
        if ((size_t)(end - at) <= len || memcmp(at, name + 1, len - 1) != 0) continue;
        const char mark = at[len - 1];
        if (mark != ',' && !(mark == ';' && semicolon)) continue;
        *n = (size_t)(end - at) - len;
        return at + len;
    }
    return NULL;
}

/* &NTILDE; where only &ntilde; is a name: the small one's character, which lower case makes it anyway. */
static const char *find_capitals(const char *name, size_t len, size_t *n)
{
    char small[LONGEST_NAME];
    for (size_t i = 0; i < len; i++) {
        if (is_lower(name[i])) return NULL;
        small[i] = is_upper(name[i]) ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    return find(small, len, true, n);
}

static size_t named(const char *text, size_t len, bool whole_only, at_buf *out)
{
    size_t n = 0, value_len;
    while (n < len && n < LONGEST_NAME && !strchr("\t\n\f <&#;", text[n]))
        n++;
    const bool semicolon = n < len && text[n] == ';';
    const char *value = semicolon ? find(text, n, true, &value_len) : NULL;
    if (!value && semicolon && whole_only) value = find_capitals(text, n, &value_len);
    if (value) {
        at_buf_add(out, value, value_len);
        return n + 1;
    }
    for (size_t k = n; k > 1 && !whole_only; k--) {
        value = find(text, k, false, &value_len);
        if (!value) continue;
        at_buf_add(out, value, value_len);
        return k;
    }
    return 0;
}

/* What the standard makes of numbers that are no characters: Windows' for 128 to 159, else nothing. */
static int32_t meant(uint64_t v)
{
    static const uint16_t windows[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020,
                                         0x2021, 0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,
                                         0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d,
                                         0x2022, 0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a,
                                         0x153,  0x9d,   0x17e,  0x178};
    if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return 0xfffd;
    if (v >= 128 && v < 160) return windows[v - 128];
    if ((v < 32 && v != '\t' && v != '\n' && v != '\f' && v != '\r') || v == 127 ||
        (v >= 0xfdd0 && v <= 0xfdef) || (v & 0xfffe) == 0xfffe)
        return -1;
    return (int32_t)v;
}

static size_t numbered(const char *text, size_t len, bool whole_only, at_buf *out)
{
    size_t n = 1; // behind '#'
    const bool hex = n < len && (text[n] == 'x' || text[n] == 'X');
    n += hex;
    const size_t first = n;
    uint64_t v = 0;
    for (; n < len; n++) {
        const char c = text[n], small = is_upper(c) ? (char)(c - 'A' + 'a') : c;
        const bool letter = hex && small >= 'a' && small <= 'f';
        if (!is_digit(c) && !letter) break;
        v = v * (hex ? 16 : 10) + (uint64_t)(letter ? small - 'a' + 10 : c - '0');
        if (v > 0x10ffff) v = 0x110000;
    }
    const bool semicolon = n < len && text[n] == ';';
    if (n == first || (whole_only && !semicolon)) return 0;
    const int32_t c = meant(v);
    utf8proc_uint8_t bytes[4];
    if (c >= 0) at_buf_add(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
    return n + semicolon;
}

void at_html_unescape(const char *text, size_t len, bool whole_only, at_buf *out)
{
    for (size_t i = 0; i < len;) {
        const char *mark = memchr(text + i, '&', len - i);
        const size_t before = mark ? (size_t)(mark - text) - i : len - i;
        at_buf_add(out, text + i, before);
        i += before;
        if (!mark) break;
        const size_t left = len - i - 1;
        const size_t used = left == 0        ? 0
                            : mark[1] == '#' ? numbered(mark + 1, left, whole_only, out)
                                             : named(mark + 1, left, whole_only, out);
        if (!used) at_buf_char(out, '&');
        i += 1 + used;
    }
}
