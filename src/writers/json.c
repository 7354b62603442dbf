/* json.c - json: one document; jsonl: a record a line. The order of the fields is fixed. */
#include "writers/writers.h"

#include "base/utf8.h"

#include <string.h>

static void json_source(at_buf *b, const at_record *r)
{
    at_buf_str(b, "{\"schema\":\"anytag.result/1\",\"source\":{\"name\":");
    at_put_quoted(b, r->name ? r->name : "");
    if (r->path) {
        at_buf_str(b, ",\"path\":");
        at_put_quoted(b, r->path);
        if (r->path[at_utf8_valid(r->path, strlen(r->path))]) {
            at_buf_str(b, ",\"path_base64\":\"");
            at_put_base64(b, r->path, strlen(r->path));
            at_buf_char(b, '"');
        }
    }
    if (r->image)
        at_buf_fmt(
            b,
            ",\"sha256\":\"%s\",\"bytes\":%llu,\"format\":\"%s\",\"width\":%d,\"height\":%d,\"exif_orientation\":%d",
            at_image_sha256(r->image), (unsigned long long)at_image_bytes(r->image),
            at_image_format(r->image), at_image_full_width(r->image),
            at_image_full_height(r->image), at_image_orientation(r->image));
    at_buf_char(b, '}');
}

/* ,"parents":["canine",...] */
static void json_words(at_buf *b, const char *field, const at_sense *s, size_t n,
                       const char *(*word)(const at_sense *s, size_t i))
{
    at_buf_fmt(b, ",\"%s\":[", field);
    for (size_t i = 0; i < n; i++) {
        if (i) at_buf_char(b, ',');
        at_put_quoted(b, word(s, i));
    }
    at_buf_char(b, ']');
}

static void json_model(at_buf *b, const char *task, const at_model *m)
{
    at_buf_fmt(b, "{\"task\":\"%s\",\"name\":", task);
    at_put_quoted(b, at_model_name(m));
    at_buf_fmt(b, ",\"sha256\":\"%s\",\"precision\":\"%s\",", at_model_sha256(m),
               at_model_precision(m));
    if (at_model_compute(m) == AT_COMPUTE_BF16) at_buf_fmt(b, "\"compute\":\"bf16\",");
    at_buf_fmt(b, "\"vocabulary\":\"%s\"}", at_model_vocabulary(m));
}

/* A tag's key in its vocabulary; its place in a set is nobody's key. */
static void json_id(at_buf *b, const at_tags *t, size_t i)
{
    if (at_tags_custom(t, i))
        at_buf_str(b, "null");
    else
        at_buf_fmt(b, "%zu", at_tags_id(t, i));
}

static void json_objects(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    bool any = false;
    at_buf_str(b, ",\"objects\":[");
    for (size_t k = 0; k < at_shown_count(w); k++) {
        const size_t i = at_shown(w, k);
        for (size_t n = 0; n < r->n_boxes; n++) {
            const at_record_box *o = &r->boxes[n];
            if (o->tag != i) continue;
            at_buf_str(b, any ? ",{\"label\":" : "{\"label\":");
            at_put_quoted(b, at_shown_name(w, r->tags, i, "en"));
            at_buf_str(b, ",\"tag_id\":");
            json_id(b, r->tags, i);
            at_buf_str(b, ",\"score\":");
            at_put_number(b, (double)at_tags_score(r->tags, i));
            at_buf_fmt(b, ",\"box\":[%d,%d,%d,%d],\"from\":\"heatmap\",\"heat\":", o->box[0],
                       o->box[1], o->box[2], o->box[3]);
            at_put_number(b, (double)o->heat);
            at_buf_char(b, '}');
            any = true;
        }
    }
    at_buf_char(b, ']');
}

static void json_record(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    json_source(b, r);
    if (r->error) {
        at_buf_fmt(b, ",\"error\":{\"code\":\"%s\",\"detail\":", at_status_code(r->error->status));
        at_put_quoted(b, r->error->text);
        at_buf_str(b, "}}");
        return;
    }
    at_buf_str(b, ",\"model\":[");
    const bool two = r->captions && r->caption_model;
    json_model(b, r->captions && !two ? "caption" : "tag", r->model);
    if (two) at_buf_char(b, ',');
    if (two) json_model(b, "caption", r->caption_model);
    at_buf_str(b, "],\"tags\":[");
    for (size_t k = 0; k < at_shown_count(w); k++) {
        const size_t i = at_shown(w, k);
        at_buf_str(b, k ? ",{\"id\":" : "{\"id\":");
        json_id(b, r->tags, i);
        at_buf_str(b, ",\"name\":");
        at_put_quoted(b, at_shown_name(w, r->tags, i, "en"));
        if (at_shown_name(w, r->tags, i, "zh")[0]) {
            at_buf_str(b, ",\"name_zh\":");
            at_put_quoted(b, at_shown_name(w, r->tags, i, "zh"));
        }
        at_buf_str(b, ",\"score\":");
        at_put_number(b, (double)at_tags_score(r->tags, i));
        if (at_tags_threshold(r->tags, i) >= 0) {
            at_buf_str(b, ",\"threshold\":");
            at_put_number(b, (double)at_tags_threshold(r->tags, i));
        }
        at_buf_fmt(b, ",\"origin\":\"%s\"", at_tags_custom(r->tags, i) ? "custom" : "vocabulary");
        const at_sense *s = at_shown_sense(w, r->tags, i);
        if (w->o.parents) json_words(b, "parents", s, s ? at_sense_parents(s) : 0, at_sense_parent);
        if (w->o.aliases) json_words(b, "aliases", s, s ? at_sense_aliases(s) : 0, at_sense_alias);
        at_buf_char(b, '}');
    }
    at_buf_char(b, ']');
    if (w->o.all_scores) {
        at_buf_str(b, ",\"scores\":\"");
        at_put_base64(b, at_tags_scores(r->tags), at_tags_scores_count(r->tags) * sizeof(float));
        at_buf_char(b, '"');
    }
    if (r->captions || w->o.from_tags) at_captions_json(w, r);
    if (r->seen) json_objects(w, r);
    at_buf_str(b, ",\"timing_ms\":{\"decode\":");
    at_put_number(b, r->decode_ms);
    at_buf_str(b, ",\"total\":");
    at_put_number(b, r->total_ms);
    at_buf_str(b, "}");
    for (size_t i = 0; i < r->n_warnings; i++) {
        at_buf_str(b, i ? "," : ",\"warnings\":[");
        at_put_quoted(b, r->warnings[i]);
    }
    if (r->n_warnings) at_buf_char(b, ']');
    if (w->o.options_hash) at_buf_fmt(b, ",\"options_hash\":\"%.64s\"", w->o.options_hash);
    at_buf_char(b, '}');
}

static void jsonl_add(at_writer *w, const at_record *r)
{
    json_record(w, r);
    at_buf_char(&w->out, '\n');
}
static void json_begin(at_writer *w)
{
    at_buf_fmt(
        &w->out,
        "{\"schema\":\"anytag.run/1\",\"version\":\"%s\",\"started\":\"%s\",\"options\":%s,\"results\":[",
        at_version(), w->started, w->o.options_json ? w->o.options_json : "{}");
}
static void json_add(at_writer *w, const at_record *r)
{
    at_buf_str(&w->out, w->ok + w->failed ? ",\n" : "\n");
    json_record(w, r);
}
static void json_end(at_writer *w)
{
    at_buf_fmt(&w->out, "\n],\"summary\":{\"ok\":%zu,\"failed\":%zu,\"skipped\":0}}\n", w->ok,
               w->failed);
}

const at_format at_format_json = {"json", "one document with all results", json_begin, json_add,
                                  json_end};

const at_format at_format_jsonl = {"jsonl", "one JSON record a line, errors included", NULL,
                                   jsonl_add, NULL};
