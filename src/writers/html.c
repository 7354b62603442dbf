/* html.c - a contact sheet that needs nothing beside it. */
#include "writers/writers.h"

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
        at_put_base64(b, jpeg, size);
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
    for (size_t k = 0; k < at_shown_count(w); k++) {
        const size_t i = at_shown(w, k);
        at_buf_str(b, "<li><b>");
        at_put_escaped(b, at_shown_name(w, r->tags, i, "en"));
        at_buf_str(b, "<span lang=\"zh\">");
        at_put_escaped(b, at_shown_name(w, r->tags, i, "zh"));
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

const at_format at_format_html = {"html", "a contact sheet in one file", html_begin, html_add,
                                  html_end};
