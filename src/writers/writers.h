/* writers.h - what the formats share: the writer, the pieces of text, the captions' part of each. */
#ifndef AT_WRITERS_WRITERS_H
#define AT_WRITERS_WRITERS_H

#include "anytag/writer.h"
#include "base/buf.h"

typedef struct at_format {
    const char *name, *about;
    void (*begin)(at_writer *w);
    void (*add)(at_writer *w, const at_record *r);
    void (*end)(at_writer *w);
} at_format;

struct at_writer {
    at_writer_options o;
    const at_format *format;
    at_write_fn write;
    void *user;
    at_buf out;
    at_buf shown; // size_t: which of the record's tags, names once each
    size_t ok, failed;
    char started[32];
};

/* Six significant digits with a point in every locale; a JSON string; a CSV cell; a path without
 * control characters (or raw); HTML text. */
void at_put_number(at_buf *b, double v);
void at_put_quoted(at_buf *b, const char *s);
void at_put_cell(at_writer *w, const char *s);
void at_put_path_text(at_buf *b, const char *path, bool raw);
void at_put_escaped(at_buf *b, const char *s);
/* The tags in the order of the list, " | " between. */
void at_put_official_tags(at_writer *w, const at_record *r, const char *lang);

/* captions.c: what the formats write where a record has captions. */
void at_captions_json(at_writer *w, const at_record *r); // ,"captions":[...]
void at_captions_lines(at_writer *w, const at_record *r);
void at_captions_txt(at_writer *w, const at_record *r);
void at_captions_official(at_writer *w, const at_record *r);
void at_captions_csv_begin(at_writer *w);
void at_captions_csv(at_writer *w, const at_record *r);
void at_captions_html(at_writer *w, const at_record *r);

#endif
