/* tag_finder.c - every form of every tag in one sorted table; a text is looked up in it window by
 * window, from as many words as the longest tag has down to one. */
#include "text/tag_finder.h"

#include "text/word_forms.h"
#include "text/words.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *text;
    uint32_t at;   // of the text in finder.text, until all are there
    uint32_t id;   // of the tag
    uint32_t form; // 0: the tag's own name
} entry;

struct at_tag_finder {
    const at_allocator *al;
    at_buf text;    // NUL behind each form
    at_buf entries; // entry, sorted, each spelling once
    size_t n;
    size_t longest; // words of a tag
};

/* Words as the tokeniser sees them, one blank between; where each begins. */
typedef struct words {
    at_buf text;   // "a t - shirt"
    at_buf starts; // uint32_t
    size_t n;
} words;

static void add_word(void *user, const char *word, size_t len, size_t chars)
{
    (void)chars;
    words *w = user;
    const uint32_t start = (uint32_t)(w->text.len + (w->n > 0));
    if (w->n) at_buf_char(&w->text, ' ');
    at_buf_add(&w->text, word, len);
    at_buf_add(&w->starts, &start, sizeof start);
    w->n++;
}

static void words_open(words *w, const at_allocator *al)
{
    *w = (words){0};
    at_buf_init(&w->text, al, (size_t)1 << 30);
    at_buf_init(&w->starts, al, (size_t)1 << 30);
}

static void words_close(words *w)
{
    at_buf_reset(&w->text);
    at_buf_reset(&w->starts);
}

static at_status split(words *w, const char *text, size_t len, at_error *err)
{
    at_buf_clear(&w->text);
    at_buf_clear(&w->starts);
    w->n = 0;
    const at_words_sink sink = {.user = w, .word = add_word};
    const at_status status = at_words_split(text, len, &sink, w->text.al, err);
    if (status != AT_OK) return status;
    if (w->text.status == AT_OK && w->starts.status == AT_OK) return AT_OK;
    return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a text's words");
}

static int by_spelling(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    if (order) return order;
    if (x->form != y->form) return x->form < y->form ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static at_status add_tag(at_tag_finder *f, words *w, uint32_t id, const char *name, at_error *err)
{
    at_form forms[AT_FORMS];
    const at_status status = split(w, name, strlen(name), err);
    if (status != AT_OK || !w->n) return status;
    const size_t n = at_word_forms(at_buf_text(&w->text), forms);
    f->longest = at_max_size(f->longest, w->n);
    for (size_t i = 0; i < n; i++) {
        const entry e = {.at = (uint32_t)f->text.len, .id = id, .form = (uint32_t)i};
        at_buf_add(&f->text, forms[i], strlen(forms[i]) + 1);
        at_buf_add(&f->entries, &e, sizeof e);
    }
    return AT_OK;
}

/* Sorts the entries and leaves the best of each spelling. */
static void sort(at_tag_finder *f)
{
    entry *e = (entry *)(void *)f->entries.data;
    const size_t n = f->entries.len / sizeof *e;
    for (size_t i = 0; i < n; i++)
        e[i].text = f->text.data + e[i].at;
    if (n) qsort(e, n, sizeof *e, by_spelling);
    for (size_t i = 0; i < n; i++) {
        if (!f->n || strcmp(e[f->n - 1].text, e[i].text) != 0) e[f->n++] = e[i];
    }
}

at_status at_tag_finder_open(at_tag_finder **out, const char *const *names, size_t n,
                             const at_allocator *al, at_error *err)
{
    *out = NULL;
    at_tag_finder *f = at_new(al, at_tag_finder);
    if (!f) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags' spellings");
    f->al = al;
    at_buf_init(&f->text, al, (size_t)1 << 30);
    at_buf_init(&f->entries, al, (size_t)1 << 30);
    words w;
    words_open(&w, al);
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        if (names[i]) status = add_tag(f, &w, (uint32_t)i, names[i], err);
    }
    words_close(&w);
    if (status == AT_OK && (f->text.status != AT_OK || f->entries.status != AT_OK))
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tags' spellings");
    if (status != AT_OK) {
        at_tag_finder_close(f);
        return status;
    }
    sort(f);
    *out = f;
    return AT_OK;
}

void at_tag_finder_close(at_tag_finder *f)
{
    if (!f) return;
    at_buf_reset(&f->text);
    at_buf_reset(&f->entries);
    at_free(f->al, f);
}

/* The tag spelled by `len` bytes; NULL: none. */
static const entry *find(const at_tag_finder *f, const char *text, size_t len)
{
    const entry *e = (const entry *)(const void *)f->entries.data;
    size_t low = 0, high = f->n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = strncmp(e[mid].text, text, len);
        if (order == 0 && e[mid].text[len] == 0) return &e[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void add_once(at_buf *ids, size_t first, uint32_t id)
{
    for (size_t i = first; i < ids->len; i += sizeof id) {
        if (memcmp(ids->data + i, &id, sizeof id) == 0) return;
    }
    at_buf_add(ids, &id, sizeof id);
}

at_status at_tag_finder_find(const at_tag_finder *f, const char *text, size_t len, at_buf *ids,
                             at_error *err)
{
    words w;
    words_open(&w, f->al);
    const at_status status = split(&w, text, len, err);
    const uint32_t *starts = (const uint32_t *)(const void *)w.starts.data;
    const size_t first = ids->len;
    for (size_t i = 0, k; status == AT_OK && i < w.n; i += k ? k : 1) {
        for (k = at_min_size(f->longest, w.n - i); k > 0; k--) {
            const size_t end = i + k < w.n ? starts[i + k] - 1 : w.text.len;
            const entry *e = find(f, w.text.data + starts[i], end - starts[i]);
            if (!e) continue;
            add_once(ids, first, e->id);
            break;
        }
    }
    words_close(&w);
    if (status == AT_OK && ids->status != AT_OK)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a text's tags");
    return status;
}
