/* tag_list.c - the tag list of a model: ids, English and Chinese names, thresholds, look-up by name. */
#include "runtime/runtime.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const float FLAT_THRESHOLD = 0.68f; // the official constructor's, where no list is given

static at_status wrong_count(const at_model *m, const char *what, size_t found, at_error *err)
{
    return at_fail(err, AT_E_MODEL_DAMAGED, "%s: %zu %s for %zu tags; convert it again",
                   at_weights_path(m->weights), found, what, m->n_tags);
}

static int by_name(const void *a, const void *b, void *tags)
{
    const at_tag_entry *t = tags;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const int order = strcmp(t[i].en, t[j].en);
    return order ? order : (i > j) - (i < j);
}

/* Names without the blanks at their ends that are part of the official list's lines. */
static at_status trim_chinese(at_model *m, const char *const *zh, at_error *err)
{
    size_t total = 1;
    for (size_t i = 0; i < m->n_tags; i++)
        total += strlen(zh[i]) + 1;
    char *at = m->zh_text = at_alloc(m->al, total);
    if (!at) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tag names");
    for (size_t i = 0; i < m->n_tags; i++) {
        const char *from = zh[i] + strspn(zh[i], " \t\r");
        size_t len = strlen(from);
        while (len && strchr(" \t\r", from[len - 1]))
            len--;
        memcpy(at, from, len);
        at[len] = 0;
        m->tags[i].zh = at;
        m->tags[i].zh_verbatim = zh[i];
        at += len + 1;
    }
    return AT_OK;
}

at_status at_tag_list_read(at_model *m, at_error *err)
{
    size_t n_en, n_zh, n_thresholds, n_deleted;
    const char *const *en = at_weights_strings(m->weights, "anytag.tags", &n_en);
    const char *const *zh = at_weights_strings(m->weights, "anytag.tags_zh", &n_zh);
    const float *thresholds = at_weights_floats(m->weights, "anytag.thresholds", &n_thresholds);
    const uint64_t *deleted = at_weights_ints(m->weights, "anytag.delete_indices", &n_deleted);
    m->n_tags = m->net->config.classes;
    if (!en || n_en != m->n_tags) return wrong_count(m, "tag names", en ? n_en : 0, err);
    if (zh && n_zh != m->n_tags) return wrong_count(m, "Chinese tag names", n_zh, err);
    if (thresholds && n_thresholds != m->n_tags)
        return wrong_count(m, "thresholds", n_thresholds, err);
    m->tags = at_calloc(m->al, m->n_tags, sizeof *m->tags);
    m->tags_by_en = at_calloc(m->al, m->n_tags, sizeof *m->tags_by_en);
    if (!m->tags || !m->tags_by_en)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tag names");
    for (size_t i = 0; i < m->n_tags; i++) {
        m->tags[i] = (at_tag_entry){.en = en[i],
                                    .zh = "",
                                    .zh_verbatim = "",
                                    .threshold = thresholds ? thresholds[i] : FLAT_THRESHOLD};
        m->tags_by_en[i] = (uint32_t)i;
    }
    for (size_t i = 0; deleted && i < n_deleted; i++) {
        if (deleted[i] >= m->n_tags) return wrong_count(m, "deleted tags", n_deleted, err);
        m->tags[deleted[i]].deleted = true;
    }
    qsort_r(m->tags_by_en, m->n_tags, sizeof *m->tags_by_en, by_name, m->tags);
    return zh ? trim_chinese(m, zh, err) : AT_OK;
}

void at_tag_list_free(at_model *m)
{
    at_free(m->al, m->tags);
    at_free(m->al, m->tags_by_en);
    at_free(m->al, m->zh_text);
}

size_t at_model_tags(const at_model *m)
{
    return m->n_tags;
}

const char *at_model_tag(const at_model *m, size_t id, const char *lang)
{
    if (id >= m->n_tags) return "";
    return lang && strcmp(lang, "zh") == 0 ? m->tags[id].zh : m->tags[id].en;
}

const char *at_model_tag_verbatim(const at_model *m, size_t id, const char *lang)
{
    if (id >= m->n_tags) return "";
    return lang && strcmp(lang, "zh") == 0 ? m->tags[id].zh_verbatim : m->tags[id].en;
}

float at_model_threshold(const at_model *m, size_t id)
{
    return id < m->n_tags ? m->tags[id].threshold : 1.0f;
}
int at_model_tag_deleted(const at_model *m, size_t id)
{
    return id < m->n_tags && m->tags[id].deleted;
}

long at_model_find_tag(const at_model *m, const char *name)
{
    size_t low = 0, high = m->n_tags;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (strcmp(m->tags[m->tags_by_en[mid]].en, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < m->n_tags && strcmp(m->tags[m->tags_by_en[low]].en, name) == 0)
        return m->tags_by_en[low];
    for (size_t i = 0; i < m->n_tags; i++) {
        if (strcasecmp(m->tags[i].en, name) == 0) return (long)i;
    }
    return -1;
}

size_t at_model_find_tags(const at_model *m, const char *name, size_t *ids, size_t count)
{
    const long id = at_model_find_tag(m, name);
    size_t n = 0;
    if (id >= 0) {
        if (count) ids[0] = (size_t)id;
        return 1;
    }
    for (size_t i = 0; i < m->n_tags && *name; i++) {
        if (strcmp(m->tags[i].zh, name) != 0) continue;
        if (n < count) ids[n] = i;
        n++;
    }
    return n;
}

/* Edits from a to b, letters without regard to case; `cap` where they are that many or more. */
static size_t edit_distance(const char *a, const char *b, size_t cap)
{
    enum { MOST = 64 };
    const size_t n = strlen(a), k = strlen(b);
    if (n >= MOST || k >= MOST) return cap;
    size_t row[MOST];
    for (size_t j = 0; j <= k; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= k; j++) {
            const bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            const size_t up = row[j], best = at_min_size(up, row[j - 1]) + 1;
            row[j] = at_min_size(best, diagonal + !same);
            diagonal = up;
        }
    }
    return at_min_size(row[k], cap);
}

size_t at_model_nearest_tags(const at_model *m, const char *name, size_t *ids, size_t count)
{
    enum { CAP = 16 };
    // of what differs by more than half, "couch" for "nosuchtag", nobody has mistyped anything
    const size_t half = strlen(name) / 2, most = half < 2 ? 2 : at_min_size(half, CAP - 1);
    size_t n = 0;
    for (size_t d = 0; d <= most && n < count; d++) { // seldom asked: nearest first, by rounds
        for (size_t i = 0; i < m->n_tags && n < count; i++) {
            if (edit_distance(name, m->tags[i].en, CAP) == d) ids[n++] = i;
        }
    }
    return n;
}
