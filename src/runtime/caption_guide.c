/* caption_guide.c - tags to what the decoder reads: their words as 40 tokens (Tag2Text), or the ids of
 * up to 12 labels (the small model). */
#include "runtime/caption.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static at_status keep(at_captions *c, const char *text, size_t len, at_error *err)
{
    char **grown = at_realloc(c->al, c->guides, c->n_guides * sizeof *grown,
                              (c->n_guides + 1) * sizeof *grown);
    if (grown) c->guides = grown;
    char *copy = grown ? at_alloc(c->al, len + 1) : NULL;
    if (!copy) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the guide");
    memcpy(copy, text, len);
    copy[len] = 0;
    c->guides[c->n_guides++] = copy;
    return AT_OK;
}

/* The parts of "cloud, sky" without blanks around them. */
static at_status split(at_captions *c, const char *guide, at_error *err)
{
    at_status status = AT_OK;
    for (const char *at = guide; status == AT_OK && *at;) {
        size_t len = strcspn(at, ",");
        const char *next = at[len] ? at + len + 1 : at + len;
        while (len && (*at == ' ' || *at == '\t'))
            at++, len--;
        while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
            len--;
        if (len) status = keep(c, at, len, err);
        at = next;
    }
    return status;
}

static int by_number(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The recognised tags in the order of the list, as officially. */
static at_status recognised(const at_session *s, at_captions *c, at_error *err)
{
    const size_t n = at_tags_count(c->tags);
    size_t *ids = at_calloc(c->al, n + 1, sizeof *ids);
    if (!ids) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the guide");
    for (size_t i = 0; i < n; i++)
        ids[i] = at_tags_id(c->tags, i);
    qsort(ids, n, sizeof *ids, by_number);
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        if (ids[i] >= s->model->n_tags) break; // labels of a set: the decoder never heard of them
        const char *name = at_model_tag(s->model, ids[i], "en");
        status = keep(c, name, strlen(name), err);
    }
    at_free(c->al, ids);
    return status;
}

/* "[ENC] tattoo | ceremony ... [SEP] [PAD] ..." of `tags` tokens. */
static at_status words_row(at_session *s, const at_caption_plan *p, size_t row, at_captions *c,
                           at_error *err)
{
    const at_model *m = s->model;
    const size_t tags = m->net->config.text_tags;
    at_buf text;
    at_buf_init(&text, c->al, 1 << 20);
    if (p->guided) { // every comma becomes " | ", as the official script does it
        for (const char *at = p->o.guide; *at; at++) {
            if (*at == ',')
                at_buf_str(&text, " | ");
            else
                at_buf_char(&text, *at);
        }
    } else {
        for (size_t i = 0; i < c->n_guides; i++)
            at_buf_fmt(&text, "%s%s", i ? " | " : "", c->guides[i]);
    }
    int32_t *ids = NULL;
    size_t n = 0;
    at_status status = text.status == AT_OK
                           ? at_wordpiece_encode(m->words, at_buf_text(&text), text.len, &ids, &n,
                                                 err)
                           : at_fail(err, AT_E_INVALID_PARAMETER, "guide: longer than 1 MB");
    at_buf_reset(&text);
    if (status != AT_OK) return status;
    int32_t *to = s->caption->tag_ids + row * tags;
    float *mask = s->caption->tag_mask + row * tags;
    n = at_min_size(n, tags - 2);
    const int32_t pad = at_wordpiece_id(m->words, "[PAD]");
    for (size_t i = 0; i < tags; i++) {
        to[i] = i >= 1 && i <= n ? ids[i - 1] : pad;
        mask[i] = i < n + 2 ? 0.0f : -10000.0f;
    }
    to[0] = at_wordpiece_id(m->words, "[ENC]");
    to[n + 1] = at_wordpiece_id(m->words, "[SEP]");
    at_free(m->al, ids);
    return AT_OK;
}

typedef struct margin {
    float by;
    int32_t id;
} margin;

static int by_margin(const void *a, const void *b)
{
    const margin *x = a, *y = b;
    if (x->by != y->by) return x->by < y->by ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The user's labels, or those furthest above their thresholds. */
static at_status labels_row(at_session *s, const at_caption_plan *p, size_t row, at_captions *c,
                            at_error *err)
{
    const at_model *m = s->model;
    const size_t tags = m->net->config.text_tags,
                 n = p->guided ? c->n_guides : at_tags_count(c->tags);
    int32_t *to = s->caption->tag_ids + row * tags;
    for (size_t i = 0; i < tags; i++)
        to[i] = -1;
    margin *all = at_calloc(c->al, n + 1, sizeof *all);
    if (!all) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the guide");
    at_status status = AT_OK;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        const bool custom = !p->guided && at_tags_custom(c->tags, i); // unknown to the decoder
        const long id = p->guided ? at_model_find_tag(m, c->guides[i])
                        : custom  ? -1
                                  : (long)at_tags_id(c->tags, i);
        size_t near = 0;
        if (id < 0 && !custom) {
            const bool hint = at_model_nearest_tags(m, c->guides[i], &near, 1) == 1;
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "guide: \"%.60s\" is no tag of this model, which can be guided by its "
                             "own tags only%s%s%s",
                             c->guides[i], hint ? "; the nearest is \"" : "",
                             hint ? at_model_tag(m, near, "en") : "", hint ? "\"" : "");
        }
        all[i] = (margin){.id = (int32_t)id,
                          .by = custom ? -INFINITY
                                : p->guided
                                    ? -(float)i
                                    : at_tags_score(c->tags, i) - at_tags_threshold(c->tags, i)};
    }
    qsort(all, n, sizeof *all, by_margin);
    for (size_t i = 0; i < at_min_size(n, tags); i++)
        to[i] = all[i].id;
    at_free(c->al, all);
    return status;
}

at_status at_caption_guide(at_session *s, const at_caption_plan *p, size_t row, at_captions *c,
                           at_error *err)
{
    at_status status = p->o.no_guide ? AT_OK
                       : p->guided   ? split(c, p->o.guide, err)
                                     : recognised(s, c, err);
    if (status != AT_OK) return status;
    if (at_caption_type_of(s->model)->tags_are == AT_TAGS_WORDS)
        return words_row(s, p, row, c, err);
    if (!p->o.no_guide) return labels_row(s, p, row, c, err);
    for (size_t i = 0; i < s->model->net->config.text_tags; i++)
        s->caption->tag_ids[row * s->model->net->config.text_tags + i] = -1;
    return AT_OK;
}
