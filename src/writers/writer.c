/* writer.c - the writer itself: which format, which of the tags, what was written. Machine formats have a
 * fixed field order and six significant digits with a point in every locale. */
#include "writers/writers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const at_format *const formats[] = {
    &at_format_text, &at_format_json,   &at_format_jsonl,    &at_format_csv,  &at_format_csv_wide,
    &at_format_txt,  &at_format_hydrus, &at_format_official, &at_format_html,
};

bool at_chinese(const at_writer *w)
{
    return w->o.lang && strcmp(w->o.lang, "zh") == 0;
}
bool at_both(const at_writer *w)
{
    return w->o.lang && strchr(w->o.lang, ',');
}

/* The user's own name of hit i; NULL: it has none. */
static const char *renamed(const at_writer *w, const at_tags *t, size_t i, const char *lang)
{
    const char *const *own = lang[0] == 'z' ? w->o.names_zh : w->o.names_en;
    return own && !at_tags_custom(t, i) ? own[at_tags_id(t, i)] : NULL;
}
const char *at_shown_name(const at_writer *w, const at_tags *t, size_t i, const char *lang)
{
    const char *own = renamed(w, t, i, lang);
    return own ? own : at_tags_name(t, i, lang);
}
size_t at_shown_count(const at_writer *w)
{
    return w->shown.len / sizeof(size_t);
}
size_t at_shown(const at_writer *w, size_t k)
{
    return ((const size_t *)(const void *)w->shown.data)[k];
}
/* All tags; of those that a new name made equal the first, which has the best score. */
static void choose(at_writer *w, const at_tags *t)
{
    at_buf_clear(&w->shown);
    const size_t n = t ? at_tags_count(t) : 0;
    for (size_t i = 0; i < n; i++) {
        const bool own = renamed(w, t, i, "en") != NULL;
        const char *name = at_shown_name(w, t, i, "en");
        bool twice = own && !*name; // renamed to nothing
        for (size_t k = 0; w->o.names_en && k < at_shown_count(w) && !twice; k++) {
            const size_t other = at_shown(w, k);
            if (own || renamed(w, t, other, "en"))
                twice = strcmp(at_shown_name(w, t, other, "en"), name) == 0;
        }
        if (!twice) at_buf_add(&w->shown, &i, sizeof i);
    }
}

void at_shown_names(const at_writer *w, const at_tags *t, size_t i, char *out, size_t cap)
{
    const char *en = at_shown_name(w, t, i, "en"), *zh = at_shown_name(w, t, i, "zh");
    if (at_both(w))
        (void)snprintf(out, cap, "%s %s", en, zh);
    else
        (void)snprintf(out, cap, "%s", at_chinese(w) && *zh ? zh : en);
}

const at_sense *at_shown_sense(const at_writer *w, const at_tags *t, size_t i)
{
    const size_t id = at_tags_id(t, i);
    return w->o.senses && id < w->o.n_senses ? w->o.senses[id] : NULL;
}

const char *const *at_writer_formats(void)
{
    static const char *const list[] = {"text", "json",   "jsonl",    "csv",  "csv-wide",
                                       "txt",  "hydrus", "official", "html", NULL};
    _Static_assert(AT_COUNT(list) == AT_COUNT(formats) + 1, "a format has no name here");
    return list;
}

const char *at_writer_about(const char *format)
{
    for (size_t i = 0; i < AT_COUNT(formats); i++) {
        if (strcmp(formats[i]->name, format) == 0) return formats[i]->about;
    }
    return NULL;
}

static at_status flush(at_writer *w, at_error *err)
{
    at_status status = w->out.status;
    if (status != AT_OK)
        (void)at_fail(err, status, "no memory for the result");
    else if (w->out.len)
        status = w->write(w->user, w->out.data, w->out.len, err);
    at_buf_clear(&w->out);
    return status;
}

at_status at_writer_open(const char *format, const at_writer_options *options, at_write_fn write,
                         void *user, at_writer **out, at_error *err)
{
    if (!format || !write || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_writer_open: format, write and writer must not be NULL");
    *out = NULL;
    const at_format *f = NULL;
    for (size_t i = 0; i < AT_COUNT(formats); i++) {
        if (strcmp(formats[i]->name, format) == 0) f = formats[i];
    }
    if (!f)
        return at_fail(
            err, AT_E_INVALID_PARAMETER,
            "--format: \"%s\" is none of text, json, jsonl, csv, csv-wide, txt, hydrus, official, html",
            format);
    at_writer_options o;
    const at_status known = AT_OPTIONS(at_writer_options, &o, options, err);
    if (known != AT_OK) return known;
    at_writer *w = at_new(NULL, at_writer);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a writer");
    w->o = o;
    w->format = f;
    w->write = write;
    w->user = user;
    at_buf_init(&w->out, NULL, (size_t)1 << 30);
    at_buf_init(&w->shown, NULL, (size_t)1 << 30);
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        (void)strftime(w->started, sizeof w->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (f->begin) f->begin(w);
    if (w->out.status != AT_OK) { // a document without its beginning would be none
        at_writer_close(w);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a writer");
    }
    *out = w;
    return AT_OK;
}

at_status at_writer_add(at_writer *w, const at_record *record, at_error *err)
{
    at_record r;
    const at_status known = AT_OPTIONS(at_record, &r, record, err);
    if (known != AT_OK) return known;
    choose(w, r.error ? NULL : r.tags);
    if (w->shown.status != AT_OK) return at_fail(err, w->shown.status, "no memory for the result");
    w->format->add(w, &r);
    const at_status status = flush(w, err);
    if (status == AT_OK) ++*(r.error ? &w->failed : &w->ok); // what was not written does not count
    return status;
}

at_status at_writer_finish(at_writer *w, at_error *err)
{
    if (w->format->end) w->format->end(w);
    return flush(w, err);
}

void at_writer_close(at_writer *w)
{
    if (!w) return;
    at_buf_reset(&w->out);
    at_buf_reset(&w->shown);
    at_free(NULL, w);
}
