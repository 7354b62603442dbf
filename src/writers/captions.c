/* captions.c - captions in every format: the text, what guided it, which wishes came true. */
#include "writers/writers.h"

#include <string.h>

static void guides(at_buf *b, const at_captions *c, bool unused)
{
    bool first = true;
    for (size_t i = 0; i < at_captions_guides(c); i++) {
        if (unused && at_captions_guide_used(c, i)) continue;
        if (!first) at_buf_char(b, ',');
        at_put_quoted(b, at_captions_guide(c, i));
        first = false;
    }
}

enum { SENTENCE = 2048 };

void at_captions_json(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    const at_captions *c = r->captions;
    if (!c) { // no model wrote it: no log_prob, and said so
        char text[SENTENCE];
        (void)at_caption_from_tags(r->tags, text, sizeof text);
        at_buf_str(b, ",\"captions\":[{\"text\":");
        at_put_quoted(b, text);
        at_buf_str(b, ",\"lang\":\"en\",\"origin\":\"tags\"}]");
        return;
    }
    at_buf_str(b, ",\"captions\":[");
    for (size_t i = 0; i < at_captions_count(c); i++) {
        at_buf_str(b, i ? ",{\"text\":" : "{\"text\":");
        at_put_quoted(b, at_captions_text(c, i));
        at_buf_str(b, ",\"lang\":\"en\",\"log_prob\":");
        at_put_number(b, (double)at_captions_log_prob(c, i));
        at_buf_str(b, ",\"score\":");
        at_put_number(b, at_captions_score(c, i));
        if (i == 0) {
            at_buf_str(b, ",\"guide\":[");
            guides(b, c, false);
            at_buf_str(b, "],\"unused_guide\":[");
            guides(b, c, true);
            at_buf_char(b, ']');
        }
        for (size_t k = 0; k < at_captions_wishes(c); k++) {
            int forbidden;
            at_buf_str(b, k ? ",{\"word\":" : ",\"wishes\":[{\"word\":");
            at_put_quoted(b, at_captions_wish(c, k, &forbidden));
            at_buf_fmt(b, ",\"kind\":\"%s\",\"met\":%s}", forbidden ? "forbid" : "require",
                       at_captions_wish_met(c, i, k) ? "true" : "false");
        }
        at_buf_str(b, at_captions_wishes(c) ? "]}" : "}");
    }
    at_buf_char(b, ']');
}

/* "not used: sky; required and missing: dog" */
static void remarks(at_buf *b, const at_captions *c)
{
    size_t n = 0;
    for (size_t i = 0; i < at_captions_guides(c); i++)
        if (!at_captions_guide_used(c, i))
            at_buf_fmt(b, "%s%s", n++ ? ", " : "  not used: ", at_captions_guide(c, i));
    if (n) at_buf_char(b, '\n');
    for (size_t k = 0; k < at_captions_wishes(c); k++) {
        int forbidden;
        const char *word = at_captions_wish(c, k, &forbidden);
        if (!at_captions_wish_met(c, 0, k))
            at_buf_fmt(b, "  %s: %s\n", forbidden ? "forbidden and there" : "required and missing",
                       word);
    }
}

/* The first caption, or the sentence made of the tags. */
static void sentence(at_buf *b, const at_record *r)
{
    char text[SENTENCE];
    if (!r->captions) (void)at_caption_from_tags(r->tags, text, sizeof text);
    at_buf_str(b, r->captions ? at_captions_text(r->captions, 0) : text);
}

void at_captions_txt(at_writer *w, const at_record *r)
{
    sentence(&w->out, r);
    at_buf_char(&w->out, '\n');
}

void at_captions_lines(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    const at_captions *c = r->captions;
    if (!c) {
        at_put_path_text(b, r->path ? r->path : r->name, w->o.null_ends);
        at_buf_char(b, '\t');
        sentence(b, r);
        at_buf_char(b, w->o.null_ends ? 0 : '\n');
        return;
    }
    if (w->o.terminal_width > 0) {
        at_buf_str(b, w->o.color ? "\033[1m" : "");
        at_put_path_text(b, r->path ? r->path : r->name, false);
        at_buf_str(b, w->o.color ? "\033[0m\n" : "\n");
        for (size_t i = 0; i < at_captions_count(c); i++)
            at_buf_fmt(b, "  %s\n", at_captions_text(c, i));
        remarks(b, c);
        return;
    }
    for (size_t i = 0; i < at_captions_count(c); i++) {
        at_put_path_text(b, r->path ? r->path : r->name, w->o.null_ends);
        at_buf_fmt(b, "\t%s", at_captions_text(c, i));
        at_buf_char(b, w->o.null_ends ? 0 : '\n');
    }
}

/* What inference_tag2text.py prints, with the two blanks of Python's print(). */
void at_captions_official(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    at_buf_str(b, "Model Identified Tags:  ");
    at_put_official_tags(w, r, "en");
    at_buf_str(b, "\nUser Specified Tags:  ");
    const char *given = w->o.guide;
    if (!given || !*given || strcmp(given, "none") == 0 || strcmp(given, "None") == 0)
        at_buf_str(b, "None");
    else
        for (; *given; given++) {
            if (*given == ',')
                at_buf_str(b, " | ");
            else
                at_buf_char(b, *given);
        }
    at_buf_fmt(b, "\nImage Caption:  %s\n", at_captions_text(r->captions, 0));
}

void at_captions_csv_begin(at_writer *w)
{
    at_buf_fmt(&w->out, "%spath,rank,caption,log_prob,guide,unused_guide\r\n",
               w->o.bom ? "\xef\xbb\xbf" : "");
}

/* Guide tags in one cell, with ; between. */
static void guide_cell(at_writer *w, const at_captions *c, bool unused)
{
    at_buf all;
    at_buf_init(&all, w->out.al, 1 << 20);
    for (size_t i = 0; i < at_captions_guides(c); i++)
        if (!unused || !at_captions_guide_used(c, i))
            at_buf_fmt(&all, "%s%s", all.len ? ";" : "", at_captions_guide(c, i));
    if (all.status != AT_OK) w->out.status = all.status;
    at_put_cell(w, at_buf_text(&all));
    at_buf_reset(&all);
}

void at_captions_csv(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    for (size_t i = 0; i < at_captions_count(r->captions); i++) {
        at_put_cell(w, r->path ? r->path : r->name);
        at_buf_fmt(b, ",%zu,", i);
        at_put_cell(w, at_captions_text(r->captions, i));
        at_buf_char(b, ',');
        at_put_number(b, (double)at_captions_log_prob(r->captions, i));
        at_buf_char(b, ',');
        guide_cell(w, r->captions, false);
        at_buf_char(b, ',');
        guide_cell(w, r->captions, true);
        at_buf_str(b, "\r\n");
    }
}

void at_captions_html(at_writer *w, const at_record *r)
{
    for (size_t i = 0; i < at_captions_count(r->captions); i++) {
        at_buf_str(&w->out, "<p class=\"caption\">");
        at_put_escaped(&w->out, at_captions_text(r->captions, i));
        at_buf_str(&w->out, "</p>");
    }
}
