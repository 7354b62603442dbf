/* beside.c - txt and hydrus: files that lie beside pictures. */
#include "writers/writers.h"

static void txt_add(at_writer *w, const at_record *r)
{
    if (r->error) return;
    if (r->captions || w->o.from_tags) { // what trainers of image generators read beside a picture
        at_captions_txt(w, r);
        return;
    }
    char name[256];
    for (size_t k = 0; k < at_shown_count(w); k++) {
        at_shown_names(w, r->tags, at_shown(w, k), name, sizeof name);
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
    for (size_t k = 0; k < at_shown_count(w); k++) {
        at_shown_names(w, r->tags, at_shown(w, k), name, sizeof name);
        at_buf_fmt(&w->out, "%s%s%s\n", space, *space ? ":" : "", name);
    }
}

const at_format at_format_txt = {"txt", "TAG, TAG, ... on one line: a picture's .txt file", NULL,
                                 txt_add, NULL};

const at_format at_format_hydrus = {"hydrus", "one tag a line: a picture's sidecar for hydrus",
                                    NULL, hydrus_add, NULL};
