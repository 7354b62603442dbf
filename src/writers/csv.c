/* csv.c - csv: a row a tag; csv-wide: a row a picture. RFC 4180. */
#include "writers/writers.h"

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
    for (size_t k = 0; k < at_shown_count(w); k++) {
        const size_t i = at_shown(w, k);
        at_put_cell(w, r->path ? r->path : r->name);
        if (at_tags_custom(r->tags, i))
            at_buf_str(&w->out, ",,");
        else
            at_buf_fmt(&w->out, ",%zu,", at_tags_id(r->tags, i));
        at_put_cell(w, at_shown_name(w, r->tags, i, "en"));
        at_buf_char(&w->out, ',');
        at_put_cell(w, at_shown_name(w, r->tags, i, "zh"));
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
    at_buf names;
    at_buf_init(&names, w->out.al, 1 << 24);
    for (size_t k = 0; k < at_shown_count(w); k++)
        at_buf_fmt(&names, "%s%s", k ? ";" : "", at_shown_name(w, r->tags, at_shown(w, k), "en"));
    if (names.status != AT_OK) w->out.status = names.status;
    at_put_cell(w, r->path ? r->path : r->name);
    at_buf_char(&w->out, ',');
    at_put_cell(w, at_buf_text(&names)); // a name of one's own may hold anything
    at_buf_reset(&names);
    at_buf_char(&w->out, ',');
    for (size_t k = 0; k < at_shown_count(w); k++) {
        if (k) at_buf_char(&w->out, ';');
        at_put_number(&w->out, (double)at_tags_score(r->tags, at_shown(w, k)));
    }
    at_buf_char(&w->out, ',');
    if (r->captions) at_put_cell(w, at_captions_text(r->captions, 0));
    at_buf_str(&w->out, "\r\n");
}

const at_format at_format_csv = {"csv", "one row a tag, RFC 4180", csv_begin, csv_add, NULL};

const at_format at_format_csv_wide = {"csv-wide", "one row a picture", wide_begin, wide_add, NULL};
