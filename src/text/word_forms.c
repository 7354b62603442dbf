/* word_forms.c - regular spelling only (Quirk et al., A Comprehensive Grammar of the English Language,
 * 3.5 and 5.78): -s, -es, y to ies; doubled or dropped last letters before -ing and -ed. */
#include "text/word_forms.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool ends(const char *w, const char *end)
{
    const size_t n = strlen(w), k = strlen(end);
    return n > k && strcmp(w + n - k, end) == 0;
}
static bool vowel(char c)
{
    return c && strchr("aeiou", c) != NULL;
}

static void put(at_form *forms, size_t *n, const char *stem, size_t keep, const char *end)
{
    if (*n == AT_FORMS || keep + strlen(end) >= AT_FORM_BYTES) return;
    (void)snprintf(forms[*n], sizeof forms[*n], "%.*s%s", (int)keep, stem, end);
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(forms[i], forms[*n]) == 0) return;
    }
    (*n)++;
}

size_t at_word_forms(const char *word, at_form forms[AT_FORMS])
{
    char w[AT_FORM_BYTES];
    size_t n = 0, len = 0;
    for (; *word; word++) {
        const bool blank = *word == ' ' || *word == '\t';
        if (blank && (len == 0 || w[len - 1] == ' ')) continue;
        if (len + 1 >= sizeof w) return 0;
        w[len++] = blank ? ' ' : (char)tolower((unsigned char)*word);
    }
    while (len && w[len - 1] == ' ')
        len--;
    w[len] = 0;
    if (len == 0) return 0;
    put(forms, &n, w, len, "");
    const char last = w[len - 1], before = len > 1 ? w[len - 2] : 0;
    if (!isalpha((unsigned char)last)) return n;
    const bool hisses = ends(w, "s") || ends(w, "x") || ends(w, "z") || ends(w, "ch") ||
                        ends(w, "sh");
    if (last == 'y' && !vowel(before)) {
        put(forms, &n, w, len - 1, "ies");
        put(forms, &n, w, len - 1, "ied");
    } else {
        put(forms, &n, w, len, hisses ? "es" : "s");
    }
    if (ends(w, "man")) put(forms, &n, w, len - 2, "en"); // man, woman, fireman
    if (last == 'e') {
        put(forms, &n, w, len - 1, "ing");
        put(forms, &n, w, len, "d");
    } else {
        put(forms, &n, w, len, "ing");
        if (last != 'y' || vowel(before)) put(forms, &n, w, len, "ed");
        if (len > 2 && !vowel(last) && vowel(before) && !vowel(w[len - 3]) &&
            !strchr("wxy", last)) {
            char twice[2] = {last, 0}, end[8];
            (void)snprintf(end, sizeof end, "%sing", twice);
            put(forms, &n, w, len, end);
            (void)snprintf(end, sizeof end, "%sed", twice);
            put(forms, &n, w, len, end);
        }
    }
    if (ends(w, "ies") && len > 4)
        put(forms, &n, w, len - 3, "y");
    else if (last == 's' && !ends(w, "ss") && !ends(w, "us") && !ends(w, "is"))
        put(forms, &n, w, len - 1, "");
    return n;
}
