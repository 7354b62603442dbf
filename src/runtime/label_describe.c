/* label_describe.c - a list of labels gets the descriptions that a dictionary gives. */
#include "anytag/wordnet.h"
#include "runtime/labels.h"
#include "text/describe.h"

#include <stdlib.h>
#include <string.h>

enum { OFFICIAL_COUNT = 51 };

typedef struct made { // of each label; places in the text
    at_sense *sense;  // NULL: the dictionary has it not, or is not asked
    const char *name;
    size_t first;
    bool described;
} made;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const made *const *)a)->name, (*(const made *const *)b)->name);
}

/* Names without notation, but as written where two would be equal (crane#4, crane#5). */
static at_status name_all(made *all, const at_label *labels, size_t n, at_error *err)
{
    made **sorted = at_calloc(NULL, n + 1, sizeof *sorted);
    if (!sorted) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    for (size_t i = 0; i < n; i++) {
        const bool given = all[i].sense && at_sense_chosen(all[i].sense) == AT_SENSE_GIVEN;
        all[i].name = given ? at_sense_word(all[i].sense) : labels[i].name;
        sorted[i] = &all[i];
    }
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && by_name(&sorted[i], &sorted[end]) == 0;)
            end++;
        for (size_t k = i; k < end && end - i > 1; k++)
            sorted[k]->name = NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!all[i].name) all[i].name = labels[i].name;
    }
    at_free(NULL, sorted);
    return AT_OK;
}

static at_status describe_all(const at_wordnet *w, made *all, const at_label *labels, size_t n,
                              const at_describe_options *o, size_t count, at_buf *text,
                              at_error *err)
{
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        all[i].first = text->len;
        if (labels[i].n_descriptions) continue;
        if (o->marked_only && !at_sense_is_marked(labels[i].name)) continue;
        all[i].described = true;
        at_error why = {0}; // a word that is not there is no failure
        if (!o->templates_only) status = at_sense_find(w, labels[i].name, &all[i].sense, &why);
        if (status == AT_E_NOT_FOUND) status = AT_OK;
        if (status != AT_OK && err) *err = why;
        const at_sense *s = all[i].sense;
        if (status == AT_OK)
            status = at_describe(w, s ? at_sense_word(s) : labels[i].name, s, count, text, err);
    }
    return status;
}

at_status at_label_list_describe(const at_wordnet *w, const at_label_list *list,
                                 const at_describe_options *options, at_label_list **out,
                                 at_error *err)
{
    at_describe_options o;
    at_status status = AT_OPTIONS(at_describe_options, &o, options, err);
    if (status != AT_OK) return status;
    if (!list || !out || (!w && !o.templates_only))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_label_list_describe: wordnet, list and described must not be NULL");
    *out = NULL;
    const size_t count = o.count ? o.count : OFFICIAL_COUNT, n = at_label_list_count(list);
    if (count > AT_LABEL_ROWS_MOST)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%zu descriptions of a label; at most %d",
                       count, AT_LABEL_ROWS_MOST);
    const at_label *labels = at_label_list_labels(list);
    status = at_labels_check_names(labels, n, NULL, err);
    if (status != AT_OK) return status;
    at_buf text;
    at_buf_init(&text, NULL, (size_t)1 << 30);
    made *all = at_calloc(NULL, n, sizeof *all);
    at_label *described = at_calloc(NULL, n, sizeof *described);
    const char **sentences = at_calloc(NULL, n, count * sizeof *sentences);
    if (!all || !described || !sentences)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for descriptions of %zu labels", n);
    if (status == AT_OK) status = describe_all(w, all, labels, n, &o, count, &text, err);
    if (status == AT_OK) status = name_all(all, labels, n, err);
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        described[i] = labels[i];
        described[i].name = all[i].name;
        if (!all[i].described) continue;
        const char *at = text.data + all[i].first;
        for (size_t k = 0; k < count; k++, at += strlen(at) + 1)
            sentences[i * count + k] = at;
        described[i].descriptions = sentences + i * count;
        described[i].n_descriptions = count;
    }
    if (status == AT_OK) status = at_label_list_of(described, n, out, err);
    for (size_t i = 0; i < n && all; i++)
        at_sense_free(all[i].sense);
    at_free(NULL, all);
    at_free(NULL, described);
    at_free(NULL, (void *)sentences);
    at_buf_reset(&text);
    return status;
}
