/* text.c - text: for people on a terminal, PATH<tab>TAG, ... in a pipe; official: as the official scripts
 * print it. */
#include "writers/writers.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static size_t columns(const char *s)
{
    size_t n = 0;
    const char *const end = s + strlen(s);
    int32_t c;
    for (size_t k; (k = at_utf8_next(s, (size_t)(end - s), &c)) > 0; s += k)
        n += (size_t)utf8proc_charwidth(c);
    return n;
}

/* The tag's names, with its heading where it was asked for: dog (animal). */
static void names(const at_writer *w, const at_tags *t, size_t i, char *out, size_t cap)
{
    at_shown_names(w, t, i, out, cap);
    const at_sense *s = w->o.parents ? at_shown_sense(w, t, i) : NULL;
    if (s && *at_sense_group(s))
        (void)snprintf(out + strlen(out), cap - strlen(out), " (%s)", at_sense_group(s));
}

static void text_screen(at_writer *w, const at_record *r)
{
    at_buf *b = &w->out;
    const size_t n = at_shown_count(w);
    char name[256];
    size_t widest = 0;
    for (size_t k = 0; k < n; k++) {
        names(w, r->tags, at_shown(w, k), name, sizeof name);
        widest = at_max_size(widest, columns(name));
    }
    at_buf_str(b, w->o.color ? "\033[1m" : "");
    at_put_path_text(b, r->path ? r->path : r->name, false);
    at_buf_fmt(b, "%s  %dx%d\n", w->o.color ? "\033[0m" : "", at_image_full_width(r->image),
               at_image_full_height(r->image));
    const int room = w->o.terminal_width - (int)widest - 12, bar = room > 20 ? 20 : room;
    for (size_t j = 0; j < n; j++) {
        const size_t i = at_shown(w, j);
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
    for (size_t k = 0; k < at_shown_count(w); k++) {
        const size_t i = at_shown(w, k);
        names(w, r->tags, i, name, sizeof name);
        at_buf_fmt(b, "%s%s", k ? ", " : "", name);
        if (w->o.scores) at_buf_fmt(b, ":%.2f", (double)at_tags_score(r->tags, i));
    }
    at_buf_char(b, w->o.null_ends ? 0 : '\n');
}

/* What the official script prints behind "Image Tags: ": index order, Chinese with its blanks. */
void at_put_official_tags(at_writer *w, const at_record *r, const char *lang)
{
    const size_t n = at_tags_count(r->tags);
    bool first = true;
    for (size_t id = 0, end = 1; id < end; id++) {
        for (size_t i = 0; i < n; i++) {
            end = at_max_size(end, at_tags_id(r->tags, i) + 1);
            if (at_tags_id(r->tags, i) != id) continue;
            at_buf_fmt(&w->out, "%s%s", first ? "" : " | ",
                       at_tags_custom(r->tags, i) ? at_tags_name(r->tags, i, lang)
                                                  : at_model_tag_verbatim(r->model, id, lang));
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
    if (!at_chinese(w)) official_line(w, r, "en");
    if (at_chinese(w) || at_both(w)) official_line(w, r, "zh");
}

const at_format at_format_text = {"text", "for people; in a pipe PATH<tab>TAG, TAG, ...", NULL,
                                  text_add, NULL};

const at_format at_format_official = {"official",
                                      "as inference_ram.py and inference_tag2text.py print them",
                                      NULL, official_add, NULL};
