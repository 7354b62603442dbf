/* sense_notation.c - a word as it is written, taken apart. */
#include "text/sense_notation.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

bool at_notation_clean(char out[AT_WN_WORD], const char *from, size_t len, char blank, bool small)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const bool space = from[i] == ' ' || from[i] == '\t' || from[i] == '_';
        if (space && (n == 0 || out[n - 1] == blank)) continue;
        if (n + 1 >= AT_WN_WORD) return false;
        out[n++] = space                                    ? blank
                   : small && (unsigned char)from[i] < 0x80 ? (char)tolower((unsigned char)from[i])
                                                            : from[i];
    }
    while (n && out[n - 1] == blank)
        n--;
    out[n] = 0;
    return true;
}

static bool all_digits(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i])) return false;
    }
    return len > 0 && len < 5;
}

static size_t value(const char *s, size_t len)
{
    size_t v = 0;
    for (size_t i = 0; i < len; i++)
        v = 10 * v + (size_t)(s[i] - '0');
    return v;
}

at_status at_notation_read(const char *text, at_notation *n, at_error *err)
{
    *n = (at_notation){.part = -1};
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    const size_t good = at_utf8_valid(text, len);
    if (good < len)
        return at_fail(err, AT_E_INVALID_TEXT, "a word is not UTF-8 (byte %zu of it)", good);
    const char *hash = memrchr(text, '#', len), *open = memchr(text, '(', len);
    size_t end = len;
    if (hash && hash > text && all_digits(hash + 1, len - (size_t)(hash + 1 - text))) {
        end = (size_t)(hash - text);
        n->number = value(hash + 1, len - end - 1);
        if (n->number == 0) n->number = AT_NOTATION_NONE; // asked for, and there is none
    } else if (open && open > text && text[len - 1] == ')') {
        end = (size_t)(open - text);
        if (!at_notation_clean(n->hint, open + 1, len - end - 2, '_', true)) n->hint[0] = 0;
    } else {
        static const char letters[] = "nvarpgs"; // as in NLTK: s is an adjective too
        const char *dot = memrchr(text, '.', len);
        const size_t at = dot ? (size_t)(dot - text) : 0;
        const char *letter = at > 2 && text[at - 2] == '.' ? strchr(letters, text[at - 1]) : NULL;
        if (letter && *letter && *letter != 'p' && *letter != 'g' &&
            all_digits(dot + 1, len - at - 1)) {
            end = at - 2;
            n->part = *letter == 's' ? AT_WN_ADJECTIVE : (int)(letter - letters);
            n->number = value(dot + 1, len - at - 1);
            if (n->number == 0) n->number = AT_NOTATION_NONE;
        }
    }
    if (!at_notation_clean(n->plain, text, end, ' ', false) ||
        !at_notation_clean(n->word, text, end, '_', true))
        return at_fail(err, AT_E_INVALID_TEXT, "\"%.60s...\" is longer than %d bytes", text,
                       AT_WN_WORD - 1);
    if (!n->word[0]) return at_fail(err, AT_E_INVALID_TEXT, "\"%.60s\" is no word", text);
    return AT_OK;
}

int at_sense_is_marked(const char *word)
{
    at_notation n;
    at_error ignored;
    return at_notation_read(word, &n, &ignored) == AT_OK && n.number;
}
