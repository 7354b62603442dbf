/* writer.c - results as text, json, jsonl, csv, csv-wide, txt, hydrus, official, html. One row of `formats` each. Machine
 * formats have a fixed field order and six significant digits with a point in every locale. */
#include "writers/writers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

static bool chinese(const at_writer *w)
{
    return w->o.lang && strcmp(w->o.lang, "zh") == 0;
}
static bool both(const at_writer *w)
{
    return w->o.lang && strchr(w->o.lang, ',');
}

/* The user's own name of a tag; NULL: it has none. */
static const char *renamed(const at_writer *w, size_t id, const char *lang)
{
    const char *const *own = lang[0] == 'z' ? w->o.names_zh : w->o.names_en;
    return own ? own[id] : NULL;
}
static const char *tag_name(const at_writer *w, const at_tags *t, size_t i, const char *lang)
{
    const char *own = renamed(w, at_tags_id(t, i), lang);
    return own ? own : at_tags_name(t, i, lang);
}
static size_t shown_count(const at_writer *w)
{
    return w->shown.len / sizeof(size_t);
}
static size_t shown(const at_writer *w, size_t k)
{
    return ((const size_t *)(const void *)w->shown.data)[k];
}
/* All tags; of those that a new name made equal the first, which has the best score. */
static void choose(at_writer *w, const at_tags *t)
{
    at_buf_clear(&w->shown);
    const size_t n = t ? at_tags_count(t) : 0;
    for (size_t i = 0; i < n; i++) {
        const bool own = renamed(w, at_tags_id(t, i), "en") != NULL;
        const char *name = tag_name(w, t, i, "en");
        bool twice = own && !*name; // renamed to nothing
        for (size_t k = 0; w->o.names_en && k < shown_count(w) && !twice; k++) {
            const size_t other = shown(w, k);
            if (own || renamed(w, at_tags_id(t, other), "en"))
                twice = strcmp(tag_name(w, t, other, "en"), name) == 0;
        }
        if (!twice) at_buf_add(&w->shown, &i, sizeof i);
    }
}

/* Six significant digits; a comma of the host's locale becomes a point. */
void at_put_number(at_buf *b, double v)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.6g", v);
    for (char *c = text; *c; c++) {
        if (*c == ',') *c = '.';
    }
    at_buf_str(b, isfinite(v) ? text : "null");
}

static bool is_utf8(const char *s)
{
    const size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s + i,
                                                    (utf8proc_ssize_t)(n - i), &c);
        if (k <= 0) return false;
        i += (size_t)k;
    }
    return true;
}

/* Text through `put`, a character at a time; bytes that are not UTF-8 become U+FFFD. */
static void each_character(at_buf *b, const char *s,
                           void (*put)(at_buf *b, utf8proc_int32_t c, const char *bytes, size_t n))
{
    const char *const end = s + strlen(s);
    while (s < end) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, end - s, &c);
        if (n > 0)
            put(b, c, s, (size_t)n);
        else
            at_buf_str(b, "\xef\xbf\xbd");
        s += n > 0 ? n : 1;
    }
}

static void put_json(at_buf *b, utf8proc_int32_t c, const char *bytes, size_t n)
{
    if (c == '"' || c == '\\')
        at_buf_fmt(b, "\\%c", (char)c);
    else if (c == '\n')
        at_buf_str(b, "\\n");
    else if (c == '\t')
        at_buf_str(b, "\\t");
    else if (c < 32)
        at_buf_fmt(b, "\\u%04x", (unsigned)c);
    else
        at_buf_add(b, bytes, n);
}
void at_put_quoted(at_buf *b, const char *s)
{
    at_buf_char(b, '"');
    each_character(b, s, put_json);
    at_buf_char(b, '"');
}

static void base64(at_buf *b, const void *data, size_t n)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *d = data;
    for (size_t i = 0; i < n; i += 3) {
        const unsigned v = (unsigned)d[i] << 16 | (i + 1 < n ? (unsigned)d[i + 1] << 8 : 0) |
                           (i + 2 < n ? d[i + 2] : 0);
        at_buf_char(b, set[v >> 18]);
        at_buf_char(b, set[v >> 12 & 63]);
        at_buf_char(b, i + 1 < n ? set[v >> 6 & 63] : '=');
        at_buf_char(b, i + 2 < n ? set[v & 63] : '=');
    }
}

/* --- json ---------------------------------------------------------------------------------------------- */

static void json_source(at_buf *b, const at_record *r)
{
    at_buf_str(b, "{\"schema\":\"anytag.result/1\",\"source\":{\"name\":");
    at_put_quoted(b, r->name ? r->name : "");
    if (r->path) {
        at_buf_str(b, ",\"path\":");
        at_put_quoted(b, r->path);
        if (!is_utf8(r->path)) {
            at_buf_str(b, ",\"path_base64\":\"");
            base64(b, r->path, strlen(r->path));
            at_buf_char(b, '"');
        }
    }
    if (r->image)
        at_buf_fmt(
            b,
            ",\"sha256\":\"%s\",\"bytes\":%llu,\"format\":\"%s\",\"width\":%d,\"height\":%d,\"exif_orientation\":%d",
            at_image_sha256(r->image), (unsigned long long)at_image_bytes(r->image),
            at_image_format(r->image), at_image_width(r->image), at_image_height(r->image),
            at_image_orientation(r->image));
    at_buf_char(b, '}');
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
    at_buf_str(b, ",\"model\":[{\"task\":\"");
    at_buf_str(b, r->captions ? "caption" : "tag");
    at_buf_str(b, "\",\"name\":");
    at_put_quoted(b, at_model_name(r->model));
    at_buf_fmt(b, ",\"sha256\":\"%s\",\"precision\":\"%s\",\"vocabulary\":\"%s\"}],\"tags\":[",
               at_model_sha256(r->model), at_model_precision(r->model),
               at_model_vocabulary(r->model));
    for (size_t k = 0; k < shown_count(w); k++) {
        const size_t i = shown(w, k);
        at_buf_fmt(b, "%s{\"id\":%zu,\"name\":", k ? "," : "", at_tags_id(r->tags, i));
        at_put_quoted(b, tag_name(w, r->tags, i, "en"));
        if (tag_name(w, r->tags, i, "zh")[0]) {
            at_buf_str(b, ",\"name_zh\":");
            at_put_quoted(b, tag_name(w, r->tags, i, "zh"));
        }
        at_buf_str(b, ",\"score\":");
        at_put_number(b, (double)at_tags_score(r->tags, i));
        if (at_tags_threshold(r->tags, i) >= 0) {
            at_buf_str(b, ",\"threshold\":");
            at_put_number(b, (double)at_tags_threshold(r->tags, i));
        }
        at_buf_str(b, ",\"origin\":\"vocabulary\"}");
    }
    at_buf_char(b, ']');
    if (w->o.all_scores) {
        at_buf_str(b, ",\"scores\":\"");
        base64(b, at_tags_scores(r->tags), at_tags_scores_count(r->tags) * sizeof(float));
        at_buf_char(b, '"');
    }
    if (r->captions || w->o.from_tags) at_captions_json(w, r);
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

/* --- text ---------------------------------------------------------------------------------------------- */

void at_put_path_text(at_buf *b, const char *path, bool raw)
{
    for (const char *c = path; *c; c++) {
        if (raw || ((unsigned char)*c >= 32 && *c != '\\' && *c != 127))
            at_buf_char(b, *c);
        else if (*c == '\n')
            at_buf_str(b, "\\n");
        else if (*c == '\t')
            at_buf_str(b, "\\t");
        else if (*c == '\\')
            at_buf_str(b, "\\\\");
        else
            at_buf_fmt(b, "\\x%02X", (unsigned char)*c);
    }
}

static size_t columns(const char *s)
{
    size_t n = 0;
    utf8proc_int32_t c;
    for (utf8proc_ssize_t k; *s && (k = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c)) > 0;
         s += k)
        n += (size_t)utf8proc_charwidth(c);
    return n;
}

static void names(const at_writer *w, const at_tags *t, size_t i, char *out, size_t cap)
{
    const char *en = tag_name(w, t, i, "en"), *zh = tag_name(w, t, i, "zh");
    if (both(w))
        (void)snprintf(out, cap, "%s %s", en, zh);
    else
        (void)snprintf(out, cap, "%s", chinese(w) && *zh ? zh : en);
}

static void text_screen(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    const size_t n = shown_count(w);
    char name[256];
    size_t widest = 0;
    for (size_t k = 0; k < n; k++) {
        names(w, r->tags, shown(w, k), name, sizeof name);
        widest = at_max_size(widest, columns(name));
    }
    at_buf_str(b, w->o.color ? "\033[1m" : "");
    at_put_path_text(b, r->path ? r->path : r->name, false);
    at_buf_fmt(b, "%s  %dx%d\n", w->o.color ? "\033[0m" : "", at_image_width(r->image),
               at_image_height(r->image));
    const int room = w->o.terminal_width - (int)widest - 12, bar = room > 20 ? 20 : room;
    for (size_t j = 0; j < n; j++) {
        const size_t i = shown(w, j);
        names(w, r->tags, i, name, sizeof name);
        at_buf_fmt(b, "  %s%*s %.2f  ", name, (int)(widest - columns(name)), "",
                   (double)at_tags_score(r->tags, i));
        const int eighths = w->o.unicode && bar > 0
                                ? (int)(at_tags_score(r->tags, i) * (float)(8 * bar) + 0.5f)
                                : 0;
        for (int k = 0; k < eighths / 8; k++)
            at_buf_str(b, "\xe2\x96\x88");
        if (eighths % 8) at_buf_fmt(b, "\xe2\x96%c", (char)(0x90 - eighths % 8));
        at_buf_char(b, '\n');
    }
    at_buf_fmt(b, "%zu tag%s \xc2\xb7 %s %s \xc2\xb7 %.2f s\n", n, n == 1 ? "" : "s",
               at_model_name(r->model), at_model_precision(r->model), r->total_ms / 1e3);
}

static void text_add(at_writer *w, const at_record *r)
{
    if (r->error) return; // people read it on stderr
    if (r->captions || w->o.from_tags) {
        at_captions_lines(w, r);
        return;
    }
    if (w->o.terminal_width > 0) {
        text_screen(w, r);
        return;
    }
    at_buf *b = &w->out;
    char name[256];
    at_put_path_text(b, r->path ? r->path : r->name, w->o.null_ends);
    at_buf_char(b, '\t');
    for (size_t k = 0; k < shown_count(w); k++) {
        const size_t i = shown(w, k);
        names(w, r->tags, i, name, sizeof name);
        at_buf_fmt(b, "%s%s", k ? ", " : "", name);
        if (w->o.scores) at_buf_fmt(b, ":%.2f", (double)at_tags_score(r->tags, i));
    }
    at_buf_char(b, w->o.null_ends ? 0 : '\n');
}

/* What the official script prints behind "Image Tags: ": index order, Chinese with its blanks. */
void at_put_official_tags(at_writer *w, const at_record *r, const char *lang)
{
    bool first = true;
    for (size_t id = 0; id < at_model_tags(r->model); id++) {
        for (size_t i = 0; i < at_tags_count(r->tags); i++) {
            if (at_tags_id(r->tags, i) != id) continue;
            at_buf_fmt(&w->out, "%s%s", first ? "" : " | ",
                       at_model_tag_verbatim(r->model, id, lang));
            first = false;
        }
    }
}
static void official_line(at_writer *w, const at_record *r, const char *lang)
{
    at_put_official_tags(w, r, lang);
    at_buf_char(&w->out, '\n');
}
static void official_add(at_writer *w, const at_record *r)
{
    if (r->error) return;
    if (r->captions) {
        at_captions_official(w, r);
        return;
    }
    if (!chinese(w)) official_line(w, r, "en");
    if (chinese(w) || both(w)) official_line(w, r, "zh");
}

/* --- txt, hydrus: the files beside pictures ------------------------------------------------------------- */

static void txt_add(at_writer *w, const at_record *r)
{
    if (r->error) return;
    if (r->captions || w->o.from_tags) { // what trainers of image generators read beside a picture
        at_captions_txt(w, r);
        return;
    }
    char name[256];
    for (size_t k = 0; k < shown_count(w); k++) {
        names(w, r->tags, shown(w, k), name, sizeof name);
        for (char *c = name; w->o.underscore && *c; c++) {
            if (*c == ' ') *c = '_';
        }
        at_buf_fmt(&w->out, "%s%s", k ? ", " : "", name);
    }
    at_buf_char(&w->out, '\n');
}
static void hydrus_add(at_writer *w, const at_record *r)
{
    if (r->error) return;
    const char *space = w->o.tag_namespace ? w->o.tag_namespace : "";
    char name[256];
    for (size_t k = 0; k < shown_count(w); k++) {
        names(w, r->tags, shown(w, k), name, sizeof name);
        at_buf_fmt(&w->out, "%s%s%s\n", space, *space ? ":" : "", name);
    }
}

/* --- csv ----------------------------------------------------------------------------------------------- */

void at_put_cell(at_writer *w, const char *s)
{
    at_buf *b = &w->out;
    const bool formula = w->o.excel && *s && strchr("=+-@", *s);
    const bool quotes = strpbrk(s, ",\"\r\n") != NULL;
    if (quotes) at_buf_char(b, '"');
    if (formula) at_buf_char(b, '\'');
    for (; *s; s++) {
        if (*s == '"') at_buf_char(b, '"');
        at_buf_char(b, *s);
    }
    if (quotes) at_buf_char(b, '"');
}
static void csv_begin(at_writer *w)
{
    if (w->o.captions) {
        at_captions_csv_begin(w);
        return;
    }
    at_buf_fmt(&w->out, "%spath,tag_id,tag,tag_zh,score,threshold\r\n",
               w->o.bom ? "\xef\xbb\xbf" : "");
}
static void csv_add(at_writer *w, const at_record *r)
{
    if (w->o.captions) {
        if (r->captions) at_captions_csv(w, r);
        return;
    }
    for (size_t k = 0; k < shown_count(w); k++) {
        const size_t i = shown(w, k);
        at_put_cell(w, r->path ? r->path : r->name);
        at_buf_fmt(&w->out, ",%zu,", at_tags_id(r->tags, i));
        at_put_cell(w, tag_name(w, r->tags, i, "en"));
        at_buf_char(&w->out, ',');
        at_put_cell(w, tag_name(w, r->tags, i, "zh"));
        at_buf_char(&w->out, ',');
        at_put_number(&w->out, (double)at_tags_score(r->tags, i));
        at_buf_char(&w->out, ',');
        at_put_number(&w->out, (double)at_tags_threshold(r->tags, i));
        at_buf_str(&w->out, "\r\n");
    }
}
static void wide_begin(at_writer *w)
{
    at_buf_fmt(&w->out, "%spath,tags,scores,caption\r\n", w->o.bom ? "\xef\xbb\xbf" : "");
}
static void wide_add(at_writer *w, const at_record *r)
{
    if (r->error) return;
    at_put_cell(w, r->path ? r->path : r->name);
    at_buf_char(&w->out, ',');
    for (size_t k = 0; k < shown_count(w); k++)
        at_buf_fmt(&w->out, "%s%s", k ? ";" : "", tag_name(w, r->tags, shown(w, k), "en"));
    at_buf_char(&w->out, ',');
    for (size_t k = 0; k < shown_count(w); k++) {
        if (k) at_buf_char(&w->out, ';');
        at_put_number(&w->out, (double)at_tags_score(r->tags, shown(w, k)));
    }
    at_buf_char(&w->out, ',');
    if (r->captions) at_put_cell(w, at_captions_text(r->captions, 0));
    at_buf_str(&w->out, "\r\n");
}

/* --- html: a contact sheet that needs nothing beside it ---------------------------------------------------- */

static void put_html(at_buf *b, utf8proc_int32_t c, const char *bytes, size_t n)
{
    if (n == 1 && strchr("<>&\"'", c))
        at_buf_fmt(b, "&#%d;", c);
    else
        at_buf_add(b, bytes, n);
}
void at_put_escaped(at_buf *b, const char *s)
{
    each_character(b, s, put_html);
}
static void html_begin(at_writer *w)
{
    at_buf_str(
        &w->out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>anytag</title><style>"
        ":root{color-scheme:light dark;--line:#8884;--bar:#3b82f6}body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}"
        "h1{font-size:1.4rem;margin:0}header{display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap;margin-bottom:1.2rem}input{font:inherit;padding:.3rem .6rem;"
        "margin-left:auto;border:1px solid var(--line);border-radius:.5rem}main{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1.2rem;align-items:start}"
        "article{border:1px solid var(--line);border-radius:.8rem;overflow:hidden}img{width:100%;height:13rem;object-fit:contain;display:block;background:#8882}"
        "h2{font-size:.95rem;margin:.6rem .8rem .3rem;overflow-wrap:anywhere}ul{list-style:none;margin:0 .8rem .8rem;padding:0}"
        "li{display:grid;grid-template-columns:1fr auto;gap:0 .6rem;padding:.12rem 0}li i{grid-column:1/3;height:3px;border-radius:2px;background:var(--bar)}"
        "li span{opacity:.65;margin-left:.4rem}.caption{margin:.2rem .8rem;font-style:italic}.failed p{margin:.2rem .8rem .8rem;color:#dc2626}</style><header><h1>anytag</h1>"
        "<input type=\"search\" placeholder=\"filter by tag or name\" oninput=\"for(const a of document.querySelectorAll('article'))"
        "a.hidden=!a.textContent.toLowerCase().includes(this.value.toLowerCase())\"></header><main>\n");
}
static void html_add(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    at_buf_fmt(b, "<article%s>", r->error ? " class=\"failed\"" : "");
    void *jpeg = NULL;
    size_t size;
    const at_status small = r->error ? AT_OK
                                     : at_image_thumbnail(r->image, 480, 82, &jpeg, &size, NULL);
    if (small != AT_OK) b->status = small;
    if (jpeg) {
        at_buf_str(b, "<img alt=\"\" src=\"data:image/jpeg;base64,");
        base64(b, jpeg, size);
        at_buf_str(b, "\">");
    }
    at_buffer_free(jpeg);
    at_buf_str(b, "<h2>");
    at_put_escaped(b, r->path ? r->path : r->name);
    at_buf_str(b, "</h2>");
    if (r->error) {
        at_buf_str(b, "<p>");
        at_put_escaped(b, r->error->text);
        at_buf_str(b, "</p></article>\n");
        return;
    }
    if (r->captions) at_captions_html(w, r);
    at_buf_str(b, at_tags_count(r->tags) ? "<ul>" : "<ul><li>no tag is above its threshold</li>");
    for (size_t k = 0; k < shown_count(w); k++) {
        const size_t i = shown(w, k);
        at_buf_str(b, "<li><b>");
        at_put_escaped(b, tag_name(w, r->tags, i, "en"));
        at_buf_str(b, "<span lang=\"zh\">");
        at_put_escaped(b, tag_name(w, r->tags, i, "zh"));
        at_buf_fmt(b, "</span></b>%.2f<i style=\"width:%d%%\"></i></li>",
                   (double)at_tags_score(r->tags, i), (int)(at_tags_score(r->tags, i) * 100));
    }
    at_buf_str(b, "</ul></article>\n");
}
static void html_end(at_writer *w)
{
    at_buf_fmt(&w->out, "</main><footer><p>%zu pictures, %zu failed, %s</p></footer></html>\n",
               w->ok, w->failed, w->started);
}

/* --- the table ------------------------------------------------------------------------------------------- */

static const at_format formats[] = {
    {"text", "for people; in a pipe PATH<tab>TAG, TAG, ...", NULL, text_add, NULL},
    {"json", "one document with all results", json_begin, json_add, json_end},
    {"jsonl", "one JSON record a line, errors included", NULL, jsonl_add, NULL},
    {"csv", "one row a tag, RFC 4180", csv_begin, csv_add, NULL},
    {"csv-wide", "one row a picture", wide_begin, wide_add, NULL},
    {"txt", "TAG, TAG, ... on one line: a picture's .txt file", NULL, txt_add, NULL},
    {"hydrus", "one tag a line: a picture's sidecar for hydrus", NULL, hydrus_add, NULL},
    {"official", "as inference_ram.py and inference_tag2text.py print them", NULL, official_add,
     NULL},
    {"html", "a contact sheet in one file", html_begin, html_add, html_end},
};

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
        if (strcmp(formats[i].name, format) == 0) return formats[i].about;
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
        if (strcmp(formats[i].name, format) == 0) f = &formats[i];
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
