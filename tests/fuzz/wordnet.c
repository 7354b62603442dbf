/* wordnet.c - fuzz target of WordNet's files: a word, then index.noun, data.noun, noun.exc, index.verb, data.verb, each
 * behind a NUL. The word has a sense that is whole, the same twice, or one sentence says why not. */
#include "text/wordnet.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; // so that the reads stay

static void read_text(const char *text)
{
    if (!text) abort();
    for (; *text; text++)
        sink ^= (uint8_t)*text;
}

static void check_error(at_status status, const at_error *err)
{
    const size_t n = strlen(err->text);
    if (err->status != status || !n || strchr(err->text, '\n')) abort();
    if (at_utf8_valid(err->text, n) != n) abort();
    if (status != AT_E_MODEL_DAMAGED && status != AT_E_UNKNOWN_TAG && status != AT_E_NOT_FOUND &&
        status != AT_E_INVALID_TEXT && status != AT_E_INVALID_PARAMETER)
        abort();
}

static void check_sense(const at_sense *s)
{
    const char *definition;
    read_text(at_sense_word(s));
    read_text(at_sense_key(s));
    read_text(at_sense_definition(s));
    read_text(at_sense_group(s));
    for (size_t i = 0; i < at_sense_parents(s); i++)
        read_text(at_sense_parent(s, i));
    for (size_t i = 0; i < at_sense_aliases(s); i++)
        read_text(at_sense_alias(s, i));
    for (size_t i = 0; i < at_sense_others(s); i++) {
        read_text(at_sense_other(s, i, &definition));
        read_text(definition);
    }
    if (!at_sense_is_a(s, s)) abort();
}

/* The bytes up to a NUL, in memory of just their size: a sanitizer sees the first too far. */
static at_map take(const uint8_t **data, size_t *size)
{
    const uint8_t *nul = *size ? memchr(*data, 0, *size) : NULL;
    at_map map = {.size = nul ? (size_t)(nul - *data) : *size};
    uint8_t *copy = map.size ? malloc(map.size) : NULL;
    if (copy) memcpy(copy, *data, map.size);
    if (!copy) map.size = 0;
    map.data = copy;
    *data += map.size + (nul != NULL);
    *size -= map.size + (nul != NULL);
    return map;
}

static void look_up(const at_wordnet *w, const char *word)
{
    at_sense *a = NULL, *b = NULL;
    at_error err = {0};
    const at_status status = at_sense_find(w, word, &a, &err);
    if ((status == AT_OK) != (a != NULL) || at_sense_find(w, word, &b, NULL) != status) abort();
    if (a && strcmp(at_sense_key(a), at_sense_key(b)) != 0) abort();
    if (a)
        check_sense(a);
    else
        check_error(status, &err);
    at_sense_free(a);
    at_sense_free(b);
}

static void describe(const at_wordnet *w, const char *word)
{
    at_label_list *list = NULL, *described = NULL;
    at_error err = {0};
    if (at_label_list_parse(word, &list, &err) != AT_OK) return;
    const at_status status = at_label_list_describe(w, list, NULL, &described, &err);
    if ((status == AT_OK) != (described != NULL)) abort();
    if (status != AT_OK) check_error(status, &err);
    for (size_t i = 0; described && i < at_label_list_count(described); i++) {
        const at_label *l = &at_label_list_labels(described)[i];
        for (size_t k = 0; k < l->n_descriptions; k++)
            read_text(l->descriptions[k]);
    }
    at_label_list_free(list);
    at_label_list_free(described);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const at_map word = take(&data, &size);
    at_wordnet w = {0}; // as at_wordnet_open() makes it of a folder
    at_map *const files[] = {&w.parts[AT_WN_NOUN].index, &w.parts[AT_WN_NOUN].data,
                             &w.parts[AT_WN_NOUN].exceptions, &w.parts[AT_WN_VERB].index,
                             &w.parts[AT_WN_VERB].data};
    for (size_t i = 0; i < AT_COUNT(files); i++)
        *files[i] = take(&data, &size);
    at_buf_init(&w.text, NULL, 1 << 20);
    at_buf_init(&w.choices, NULL, 1 << 20);
    char *text = malloc(word.size + 1);
    if (text) {
        if (word.size) memcpy(text, word.data, word.size);
        text[word.size] = 0;
        look_up(&w, text);
        describe(&w, text);
    }
    free(text);
    free((void *)(uintptr_t)word.data);
    for (size_t i = 0; i < AT_COUNT(files); i++)
        free((void *)(uintptr_t)files[i]->data);
    return 0;
}
