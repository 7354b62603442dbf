/* matches.c - pictures beside texts in four formats; every format has both parts of a score. */
#include "writers/writers.h"

#include "anytag/match.h"

#include <stdio.h>
#include <string.h>

typedef struct sheet {
    at_writer w; // its buffer and options for cells
    const at_matches *m;
    const at_match_facts *facts;
    const at_texts *texts;
    const at_model *model;
    const char *const *names;
    size_t top; // candidates of a query
    bool color;
} sheet;

static const char *query_name(const sheet *s, size_t q)
{
    return s->facts->by == AT_BY_TEXT ? at_texts_text(s->texts, q) : s->names[q];
}
static const char *candidate_name(const sheet *s, const at_match *p)
{
    return s->facts->by == AT_BY_TEXT ? s->names[p->image] : at_texts_text(s->texts, p->text);
}

/* Names of tags with something between. */
static void tags(sheet *s, const uint32_t *ids, size_t n, const char *between, bool quoted)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = at_model_tag(s->model, ids[i], "en");
        if (i) at_buf_str(&s->w.out, between);
        if (quoted)
            at_put_quoted(&s->w.out, name);
        else
            at_buf_str(&s->w.out, name);
    }
}

enum { SHARED = 256 }; // shown of a pair; a text of 35 tokens has fewer

static size_t shared(const sheet *s, const at_match *p, uint32_t ids[SHARED])
{
    return at_min_size(at_matches_shared(s->m, p, ids, SHARED), SHARED);
}

/* --- text ---------------------------------------------------------------------------------------------- */

static void text_query(sheet *s, size_t q)
{
    at_buf *b = &s->w.out;
    uint32_t ids[SHARED];
    at_buf_str(b, s->color ? "\033[1m" : "");
    at_put_path_text(b, query_name(s, q), false);
    at_buf_str(b, s->color ? "\033[0m\n" : "\n");
    for (size_t i = 0; i < s->top; i++) {
        const at_match *p = at_matches_at(s->m, q, i);
        const size_t n = shared(s, p, ids);
        at_buf_fmt(b, "%4zu  ", i + 1);
        at_put_path_text(b, candidate_name(s, p), false);
        at_buf_fmt(b, "  cosine %.3f, tags %.2f", (double)p->cosine, (double)p->tags);
        at_buf_str(b, n ? " (" : "");
        tags(s, ids, n, ", ", false);
        at_buf_str(b, n ? ")" : "");
        if (p->looked) at_buf_fmt(b, ", match %.3f", (double)p->itm);
        at_buf_char(b, '\n');
    }
}

/* --- json ---------------------------------------------------------------------------------------------- */

static void number(at_buf *b, const char *key, float v)
{
    at_buf_fmt(b, ",\"%s\":", key);
    at_put_number(b, (double)v);
}

static void json_pair(sheet *s, const at_match *p, size_t rank)
{
    at_buf *b = &s->w.out;
    uint32_t ids[SHARED];
    at_buf_fmt(b, "{\"rank\":%zu,\"%s\":%zu,\"%s\":", rank + 1,
               s->facts->by == AT_BY_TEXT ? "image" : "text",
               s->facts->by == AT_BY_TEXT ? p->image : p->text,
               s->facts->by == AT_BY_TEXT ? "path" : "words");
    at_put_quoted(b, candidate_name(s, p));
    number(b, "score", p->score);
    number(b, "cosine", p->cosine);
    number(b, "tags", p->tags);
    at_buf_str(b, ",\"shared\":[");
    tags(s, ids, shared(s, p, ids), ",", true);
    at_buf_char(b, ']');
    if (p->looked) {
        number(b, "match", p->itm);
        at_buf_str(b, ",\"logits\":[");
        at_put_number(b, (double)p->logits[0]);
        at_buf_char(b, ',');
        at_put_number(b, (double)p->logits[1]);
        at_buf_char(b, ']');
    }
    at_buf_char(b, '}');
}

static void json_query(sheet *s, size_t q)
{
    at_buf *b = &s->w.out;
    const bool by_text = s->facts->by == AT_BY_TEXT;
    at_buf_fmt(b, "{\"%s\":", by_text ? "words" : "path");
    at_put_quoted(b, query_name(s, q));
    if (by_text) {
        size_t n;
        const uint32_t *ids = at_texts_tags(s->texts, q, &n);
        at_buf_str(b, ",\"text_tags\":[");
        tags(s, ids, n, ",", true);
        at_buf_fmt(b, "],\"cut\":%zu", at_texts_cut(s->texts, q));
    }
    at_buf_str(b, ",\"results\":[");
    for (size_t i = 0; i < s->top; i++) {
        if (i) at_buf_char(b, ',');
        json_pair(s, at_matches_at(s->m, q, i), i);
    }
    at_buf_str(b, "]}");
}

static void json_head(sheet *s)
{
    at_buf *b = &s->w.out;
    at_buf_fmt(
        b, "\"schema\":\"anytag.match/1\",\"version\":\"%s\",\"model\":{\"name\":", at_version());
    at_put_quoted(b, at_model_name(s->model));
    at_buf_fmt(b, ",\"sha256\":\"%s\",\"precision\":\"%s\"},\"by\":\"%s\",\"idf\":\"%s\"",
               at_model_sha256(s->model), at_model_precision(s->model),
               s->facts->by == AT_BY_TEXT ? "text" : "image",
               s->facts->corpus ? "corpus" : "uniform");
    number(b, "lambda", s->facts->lambda);
}

static void json_begin(sheet *s)
{
    at_buf_char(&s->w.out, '{');
    json_head(s);
    at_buf_str(&s->w.out, ",\"queries\":[");
}
static void json_one(sheet *s, size_t q)
{
    at_buf_str(&s->w.out, q ? ",\n" : "\n");
    json_query(s, q);
}
static void json_end(sheet *s)
{
    at_buf_str(&s->w.out, "\n]}\n");
}
static void jsonl_one(sheet *s, size_t q)
{
    at_buf_char(&s->w.out, '{');
    json_head(s);
    at_buf_str(&s->w.out, ",\"query\":");
    json_query(s, q);
    at_buf_str(&s->w.out, "}\n");
}

/* --- csv ----------------------------------------------------------------------------------------------- */

static void csv_begin(sheet *s)
{
    at_buf_fmt(&s->w.out, "%squery,rank,path,text,score,cosine,tags,shared,match\r\n",
               s->w.o.bom ? "\xef\xbb\xbf" : "");
}

static void csv_query(sheet *s, size_t q)
{
    at_buf *b = &s->w.out;
    for (size_t i = 0; i < s->top; i++) {
        const at_match *p = at_matches_at(s->m, q, i);
        uint32_t ids[SHARED];
        at_buf_fmt(b, "%zu,%zu,", q, i + 1);
        at_put_cell(&s->w, s->names[p->image]);
        at_buf_char(b, ',');
        at_put_cell(&s->w, at_texts_text(s->texts, p->text));
        const float values[] = {p->score, p->cosine, p->tags};
        for (size_t k = 0; k < AT_COUNT(values); k++) {
            at_buf_char(b, ',');
            at_put_number(b, (double)values[k]);
        }
        at_buf_char(b, ',');
        tags(s, ids, shared(s, p, ids), ";", false);
        at_buf_char(b, ',');
        if (p->looked) at_put_number(b, (double)p->itm);
        at_buf_str(b, "\r\n");
    }
}

/* --- all ----------------------------------------------------------------------------------------------- */

static const struct match_format {
    const char *name;
    void (*begin)(sheet *s);
    void (*query)(sheet *s, size_t q);
    void (*end)(sheet *s);
} formats[] = {
    {"text", NULL, text_query, NULL},
    {"json", json_begin, json_one, json_end},
    {"jsonl", NULL, jsonl_one, NULL},
    {"csv", csv_begin, csv_query, NULL},
};

static at_status flush(sheet *s, at_write_fn write, void *user, at_error *err)
{
    at_buf *b = &s->w.out;
    if (b->status != AT_OK) return at_fail(err, b->status, "no memory for the result");
    const at_status status = b->len ? write(user, b->data, b->len, err) : AT_OK;
    at_buf_clear(b);
    return status;
}

at_status at_matches_write(const at_matches *m, const char *format, const char *const *names,
                           const at_match_writer_options *options, at_write_fn write, void *user,
                           at_error *err)
{
    if (!m || !format || !names || !write)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_matches_write: matches, format, names and write must not be NULL");
    at_match_writer_options o;
    const at_status known = AT_OPTIONS(at_match_writer_options, &o, options, err);
    if (known != AT_OK) return known;
    const struct match_format *f = NULL;
    for (size_t i = 0; i < AT_COUNT(formats); i++) {
        if (strcmp(formats[i].name, format) == 0) f = &formats[i];
    }
    if (!f)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "format: \"%s\" is none of text, json, jsonl, csv", format);
    sheet s = {.w = {.o = {.excel = o.excel, .bom = o.bom}},
               .m = m,
               .facts = at_matches_facts(m),
               .texts = at_matches_texts(m),
               .model = at_matches_model(m),
               .names = names,
               .color = o.color != 0};
    s.top = at_matches_candidates(m);
    if (o.top && o.top < s.top) s.top = o.top;
    at_buf_init(&s.w.out, NULL, (size_t)1 << 30);
    if (f->begin) f->begin(&s);
    at_status status = flush(&s, write, user, err);
    for (size_t q = 0; q < at_matches_queries(m) && status == AT_OK; q++) {
        f->query(&s, q);
        status = flush(&s, write, user, err);
    }
    if (f->end && status == AT_OK) {
        f->end(&s);
        status = flush(&s, write, user, err);
    }
    at_buf_reset(&s.w.out);
    return status;
}
