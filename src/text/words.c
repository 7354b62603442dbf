/* words.c - in the official order: special tokens out; lower case; controls dropped, white space to
 * blanks, blanks around CJK ideographs; NFD without its non-spacing marks; punctuation split off.
 * ASCII, nearly all there is, takes a table; the rest goes through utf8proc. */
#include "text/words.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

typedef struct splitter {
    const at_words_sink *sink;
    at_buf word;
    size_t chars;
} splitter;

static void flush(splitter *s)
{
    if (s->word.status != AT_OK) return; // clearing would hide it
    if (s->word.len) s->sink->word(s->sink->user, s->word.data, s->word.len, s->chars);
    at_buf_clear(&s->word);
    s->chars = 0;
}

static bool is_ideograph(int32_t c)
{
    static const int32_t ranges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                        {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < AT_COUNT(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    }
    return false;
}

static bool is_punctuation(int32_t c, utf8proc_category_t k)
{
    if (c < 128)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

/* One code point after lower-casing and decomposition. */
static void put(splitter *s, int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    if (k == UTF8PROC_CATEGORY_MN) return;
    utf8proc_uint8_t bytes[4];
    const size_t n = (size_t)utf8proc_encode_char(c, bytes);
    if (is_punctuation(c, k)) {
        flush(s);
        s->sink->word(s->sink->user, (const char *)bytes, n, 1);
        return;
    }
    at_buf_add(&s->word, bytes, n);
    s->chars++;
}

/* Cased and case-ignorable, as far as the rule of the final sigma asks. */
static bool cased(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}
static bool case_ignorable(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' ||
           c == ':' || c == 0xB7 || c == 0x2019;
}

bool at_sigma_is_final(const char *text, size_t len, size_t at, size_t size)
{
    utf8proc_int32_t c;
    bool before = false;
    for (size_t i = at; i > 0;) {
        do
            i--;
        while (i > 0 && at_utf8_inside(text[i]));
        (void)at_utf8_next(text + i, at - i, &c);
        if (case_ignorable(c)) continue;
        before = cased(c);
        break;
    }
    if (!before) return false;
    for (size_t i = at + size; i < len;) {
        const size_t n = at_utf8_next(text + i, len - i, &c);
        if (!n) return true;
        i += n;
        if (!case_ignorable(c)) return !cased(c);
    }
    return true;
}

static void put_wide(splitter *s, const char *text, size_t len, size_t at, size_t size, int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    if (k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP) {
        flush(s);
        return;
    }
    // controls, formats, private use, unassigned; the replacement character
    if (c == 0xFFFD || k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
        k == UTF8PROC_CATEGORY_CO || k == UTF8PROC_CATEGORY_CS || k == UTF8PROC_CATEGORY_CN)
        return;
    const bool alone = is_ideograph(c);
    if (alone) flush(s);
    c = c == 0x3A3 && at_sigma_is_final(text, len, at, size) ? 0x3C2 : utf8proc_tolower(c);
    utf8proc_int32_t parts[32];
    const utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, 32, UTF8PROC_DECOMPOSE, NULL);
    for (utf8proc_ssize_t i = 0; i < n && i < 32; i++)
        put(s, parts[i]);
    if (alone) flush(s);
}

at_status at_words_split(const char *text, size_t len, const at_words_sink *sink,
                         const at_allocator *al, at_error *err)
{
    splitter s = {.sink = sink};
    at_buf_init(&s.word, al, (size_t)1 << 30);
    at_status status = AT_OK;
    for (size_t i = 0; i < len && status == AT_OK;) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 128) {
            const size_t special = c == '[' && sink->special_at
                                       ? sink->special_at(sink->user, text + i, len - i)
                                       : 0;
            if (special) {
                flush(&s);
                sink->special(sink->user, text + i, special);
                i += special;
                continue;
            }
            i++;
            if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
                flush(&s);
            else if (c < 32 || c == 127)
                continue;
            else if (is_punctuation(c, UTF8PROC_CATEGORY_CN)) {
                flush(&s);
                sink->word(sink->user, text + i - 1, 1, 1);
            } else {
                at_buf_char(&s.word, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
                s.chars++;
            }
            continue;
        }
        utf8proc_int32_t wide;
        const size_t n = at_utf8_next(text + i, len - i, &wide);
        if (!n) {
            status = at_fail(err, AT_E_INVALID_TEXT, "the text is not UTF-8 (byte %zu)", i);
            break;
        }
        put_wide(&s, text, len, i, n, wide);
        i += n;
    }
    if (status == AT_OK) flush(&s);
    if (status == AT_OK && s.word.status != AT_OK)
        status = at_fail(err, s.word.status, "no memory for a word");
    at_buf_reset(&s.word);
    return status;
}
