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

extern const at_format at_format_text, at_format_official; // text.c
extern const at_format at_format_json, at_format_jsonl;    // json.c
extern const at_format at_format_csv, at_format_csv_wide;  // csv.c
extern const at_format at_format_txt, at_format_hydrus;    // beside.c
extern const at_format at_format_html;                     // html.c

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

/* The languages that the user asked for. */
bool at_chinese(const at_writer *w);
bool at_both(const at_writer *w);
/* Tags of the record that are to be written: how many, the k-th's index, its name as the user renamed
 * it, its name or names in the languages asked for. */
size_t at_shown_count(const at_writer *w);
size_t at_shown(const at_writer *w, size_t k);
const char *at_shown_name(const at_writer *w, const at_tags *t, size_t i, const char *lang);
void at_shown_names(const at_writer *w, const at_tags *t, size_t i, char *out, size_t cap);

/* What the tag means; NULL: nobody said. */
const at_sense *at_shown_sense(const at_writer *w, const at_tags *t, size_t i);

/* Six significant digits with a point in every locale; a JSON string; a CSV cell; a path without
 * control characters (or raw); HTML text. */
void at_put_number(at_buf *b, double v);
void at_put_quoted(at_buf *b, const char *s);
void at_put_cell(at_writer *w, const char *s);
void at_put_path_text(at_buf *b, const char *path, bool raw);
void at_put_escaped(at_buf *b, const char *s);
void at_put_base64(at_buf *b, const void *data, size_t n);
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
