/* clip_clean.c - ASCII without '&' and controls, nearly all there is, goes straight to the last step. The
 * rest: ftfy's steps (version 6: HTML characters, controls of Windows-1252, ligatures, wide and narrow
 * forms, curled quotes, controls, NFC) until nothing changes, html.unescape twice, the last step. */
#include "text/clip_clean.h"

#include "base/utf8.h"
#include "text/html.h"
#include "text/words.h"

#include <string.h>
#include <utf8proc.h>

enum { ROUNDS = 16 };

static bool plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool blank = c == '\t' || c == '\n' || c == '\f' || c == '\r';
        if (c == '&' || c > 126 || (c < 32 && !blank)) return false;
    }
    return true;
}

static at_status check_utf8(const char *text, size_t len, at_error *err)
{
    const size_t good = at_utf8_valid(text, len);
    return good == len ? AT_OK
                       : at_fail(err, AT_E_INVALID_TEXT, "the text is not UTF-8 (byte %zu)", good);
}

static void put_char(at_buf *out, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    at_buf_add(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

static bool is_dropped(int32_t c)
{
    return c < 9 || c == 0x0b || (c >= 0x0e && c < 32) || c == 127 || (c >= 0x206a && c < 0x2070) ||
           c == 0xfeff || (c >= 0xfff9 && c < 0xfffd);
}

/* Characters that become others, in order. */
static const struct plain_form {
    int32_t c;
    const char *text;
} plain_forms[] = {
    {0x80, "\u20ac"},   {0x82, "\u201a"},   {0x83, "\u0192"},    {0x84, "\u201e"}, {0x85, "\u2026"},
    {0x86, "\u2020"},   {0x87, "\u2021"},   {0x88, "\u02c6"},    {0x89, "\u2030"}, {0x8a, "\u0160"},
    {0x8b, "\u2039"},   {0x8c, "\u0152"},   {0x8e, "\u017d"},    {0x91, "'"},      {0x92, "'"},
    {0x93, "\""},       {0x94, "\""},       {0x95, "\u2022"},    {0x96, "\u2013"}, {0x97, "\u2014"},
    {0x98, "\u02dc"},   {0x99, "\u2122"},   {0x9a, "\u0161"},    {0x9b, "\u203a"}, {0x9c, "\u0153"},
    {0x9e, "\u017e"},   {0x9f, "\u0178"},   {0x132, "IJ"},       {0x133, "ij"},    {0x149, "'n"},
    {0x1c4, "D\u017d"}, {0x1c5, "D\u017e"}, {0x1c6, "d\u017e"},  {0x1c7, "LJ"},    {0x1c8, "Lj"},
    {0x1c9, "lj"},      {0x1ca, "NJ"},      {0x1cb, "Nj"},       {0x1cc, "nj"},    {0x1f1, "DZ"},
    {0x1f2, "Dz"},      {0x1f3, "dz"},      {0x2bc, "'"},        {0x2018, "'"},    {0x2019, "'"},
    {0x201a, "'"},      {0x201b, "'"},      {0x201c, "\""},      {0x201d, "\""},   {0x201e, "\""},
    {0x201f, "\""},     {0x3000, " "},      {0xfb00, "ff"},      {0xfb01, "fi"},   {0xfb02, "fl"},
    {0xfb03, "ffi"},    {0xfb04, "ffl"},    {0xfb05, "\u017ft"}, {0xfb06, "st"},
};

static const char *plain_form(int32_t c)
{
    size_t low = 0, high = AT_COUNT(plain_forms);
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (plain_forms[mid].c == c) return plain_forms[mid].text;
        if (plain_forms[mid].c < c)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Bytes of a terminal's escape sequence, as far as ftfy knows them: ESC [ numbers letter. */
static size_t escape_at(const char *text, size_t len)
{
    if (len < 3 || text[0] != 27 || text[1] != '[') return 0;
    size_t n = 2;
    while (n < len && ((text[n] >= '0' && text[n] <= '9') || text[n] == ';'))
        n++;
    const char small = n < len ? (char)(text[n] | 32) : 0;
    return small >= 'a' && small <= 'z' ? n + 1 : 0;
}

/* One character after the other. True: some result may not be in NFC yet. */
static bool make_plain(const char *text, size_t len, at_buf *out)
{
    bool compose = false;
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c;
        const size_t escape = escape_at(text + i, len - i);
        if (escape) {
            i += escape;
            continue;
        }
        i += at_utf8_next(text + i, len - i, &c);
        if (is_dropped(c)) continue;
        const char *form = c > 127 ? plain_form(c) : NULL;
        compose = compose || c >= 0x300;
        if (form) {
            at_buf_str(out, form);
        } else if (c > 0xff00 && c < 0xfff0) {
            utf8proc_int32_t parts[32];
            const utf8proc_ssize_t n = utf8proc_decompose_char(
                c, parts, 32, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, NULL);
            for (utf8proc_ssize_t k = 0; k < n && k < 32; k++)
                put_char(out, parts[k]);
        } else {
            put_char(out, c);
        }
    }
    return compose;
}

static void compose_all(at_buf *text)
{
    const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)at_buf_text(text);
    const utf8proc_ssize_t len = (utf8proc_ssize_t)text->len,
                           n = utf8proc_decompose(from, len, NULL, 0, nfc);
    size_t bytes;
    utf8proc_int32_t *parts = n > 0 && at_mul((size_t)n + 1, sizeof *parts, &bytes)
                                  ? at_alloc(text->al, bytes)
                                  : NULL;
    if (!parts) {
        if (n != 0) text->status = AT_E_OUT_OF_MEMORY;
        return;
    }
    (void)utf8proc_decompose(from, len, parts, n, nfc);
    const utf8proc_ssize_t size = utf8proc_reencode(parts, n, nfc);
    at_buf_clear(text);
    at_buf_add(text, parts, size > 0 ? (size_t)size : 0);
    at_free(text->al, parts);
}

static bool is_blank(int32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* White space to single blanks, none at the ends; lower case as Python's str.lower(). */
static void finish(const char *text, size_t len, at_buf *out)
{
    const size_t start = out->len;
    bool blank = false;
    for (size_t i = 0; i < len;) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte > 32 && byte < 127) { // a run of these at once
            char run[64];
            size_t n = 0;
            if (blank && out->len > start) run[n++] = ' ';
            for (; n < sizeof run && i < len && text[i] > 32 && text[i] < 127; i++)
                run[n++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
            at_buf_add(out, run, n);
            blank = false;
            continue;
        }
        utf8proc_int32_t c;
        const size_t n = at_utf8_next(text + i, len - i, &c);
        if (is_blank(c)) {
            blank = true;
        } else {
            if (blank && out->len > start) at_buf_char(out, ' ');
            blank = false;
            if (c == 0x130) // the one letter whose small form is two characters
                at_buf_str(out, "i\u0307");
            else if (c == 0x3a3)
                put_char(out, at_sigma_is_final(text, len, i, n) ? 0x3c2 : 0x3c3);
            else
                put_char(out, utf8proc_tolower(c));
        }
        i += n;
    }
}

static void swap(at_buf *a, at_buf *b)
{
    const at_buf c = *a;
    *a = *b;
    *b = c;
}

/* ftfy's steps on `text`, `other` being room for the next version. */
static void fix(at_buf *text, at_buf *other, at_buf *before)
{
    for (int round = 0; round < ROUNDS; round++) {
        at_buf_clear(before);
        at_buf_add(before, at_buf_text(text), text->len);
        const char *t = at_buf_text(text);
        if (memchr(t, '&', text->len) && !memchr(t, '<', text->len)) {
            at_buf_clear(other);
            at_html_unescape(t, text->len, true, other);
            swap(text, other);
        }
        at_buf_clear(other);
        const bool compose = make_plain(at_buf_text(text), text->len, other);
        swap(text, other);
        if (compose && text->status == AT_OK) compose_all(text);
        if (text->status != AT_OK || other->status != AT_OK || before->status != AT_OK) return;
        if (text->len == before->len &&
            memcmp(at_buf_text(text), at_buf_text(before), text->len) == 0)
            return;
    }
}

at_status at_clip_clean(const char *text, size_t len, at_buf *out, at_error *err)
{
    if (plain(text, len)) {
        finish(text, len, out);
        return out->status == AT_OK ? AT_OK : at_fail(err, out->status, "no memory for a text");
    }
    const at_status status = check_utf8(text, len, err);
    if (status != AT_OK) return status;
    at_buf b[3];
    for (size_t i = 0; i < 3; i++)
        at_buf_init(&b[i], out->al, out->limit_bytes);
    at_buf_add(&b[0], text, len);
    fix(&b[0], &b[1], &b[2]);
    for (int twice = 0; twice < 2 && memchr(at_buf_text(&b[0]), '&', b[0].len); twice++) {
        at_buf_clear(&b[1]);
        at_html_unescape(at_buf_text(&b[0]), b[0].len, false, &b[1]);
        swap(&b[0], &b[1]);
    }
    finish(at_buf_text(&b[0]), b[0].len, out);
    for (size_t i = 0; i < 3; i++) {
        if (out->status == AT_OK) out->status = b[i].status;
        at_buf_reset(&b[i]);
    }
    return out->status == AT_OK ? AT_OK : at_fail(err, out->status, "no memory for a text");
}
