/* anytag/writer.h - results in the formats people and programs read.
 *
 *     at_writer *w = NULL;
 *     at_writer_open("jsonl", NULL, to_stdout, NULL, &w, &err);
 *     at_record r = {.struct_size = sizeof r, .name = "a.jpg", .path = "a.jpg", .model = model,
 *                    .image = image, .tags = tags};
 *     at_writer_add(w, &r, &err);
 *     at_writer_finish(w, &err);
 *     at_writer_close(w);
 *
 * Formats: text json jsonl csv csv-wide txt hydrus official html; txt and hydrus are the content of one
 * file a picture, so open a writer for each. Machine formats are stable (schema
 * anytag.result/1); text is for people. */
#ifndef ANYTAG_WRITER_H
#define ANYTAG_WRITER_H

#include "anytag/caption.h"
#include "anytag/wordnet.h"

AT_C_BEGIN

typedef struct at_writer at_writer;

/* Takes the bytes; returns AT_OK or the reason (AT_E_OUTPUT_FAILED, AT_E_DISK_FULL). */
typedef at_status (*at_write_fn)(void *user, const void *data, size_t size, at_error *err);

typedef struct at_writer_options {
    size_t struct_size;       /* sizeof(at_writer_options) */
    const char *lang;         /* "en" (default), "zh", "en,zh" */
    int terminal_width;       /* 0: not a terminal, the pipe form; else columns of the terminal */
    int color;                /* 1: may use colour (terminal form) */
    int unicode;              /* 1: bars of block characters may be used */
    int scores;               /* text: append ":0.97" */
    int all_scores;           /* json, jsonl: every score, base64 float32 */
    int null_ends;            /* text: a record ends with NUL, paths raw */
    int bom;                  /* csv: UTF-8 byte order mark */
    int excel;                /* csv: ' before texts that begin with = + - @ tab CR */
    const char *options_json; /* json: the run's options as a JSON object; NULL: {} */
    /* The user's own names of tags, [at_model_tags()], NULL where the model's holds; keeps. Of tags
     * that get the same English name the best is shown; "" hides a tag. NULL: the model's names. */
    const char *const *names_en, *const *names_zh;
    const char *options_hash;  /* json, jsonl: goes into each record; keeps; NULL: none */
    int underscore;            /* txt: fire_hydrant */
    const char *tag_namespace; /* hydrus: "auto" gives auto:dog; keeps; NULL: none */
    const char *guide;         /* official: what the user specified; keeps; NULL: nothing */
    int captions;              /* 1: the records have captions; csv has a row for each */
    int from_tags; /* 1: text, txt, json, jsonl: also a sentence made of the tags, marked as such */
    /* Meanings of tags, [n_senses] by at_tags_id(), NULL where there is none; keeps; NULL: none. */
    const at_sense *const *senses;
    size_t n_senses;
    int parents; /* json, jsonl: what a tag is a kind of; text: its heading, dog (animal) */
    int aliases; /* json, jsonl: other words for it */
} at_writer_options;

/* A box for json and jsonl, as an object marked "from": "heatmap" (heat.h). */
typedef struct at_record_box {
    size_t tag; /* index in the record's tags */
    int box[4]; /* x0, y0, x1, y1 in px of the upright picture */
    float heat; /* the hottest place inside, as a share of the tag's hottest, (0, 1] */
} at_record_box;

/* The boxes of what has a map (at_tag_options.heat), hottest first within a tag, tags in their order.
 *   area   x0, y0, x1, y1 in px: where the maps lie in the picture, as at_heat_boxes() has it
 *   boxes  [most], written; AT_RECORD_BOXES for each tag are always enough
 * Returns how many were written. Safe from any thread. */
enum { AT_RECORD_BOXES = 8 };
AT_API size_t at_record_boxes(const at_tags *tags, const int area[4], at_record_box *boxes,
                              size_t most);

/* One picture's result. `error` non-NULL makes an error record. All borrowed. */
typedef struct at_record {
    size_t struct_size; /* sizeof(at_record) */
    const char *name;   /* base name */
    const char *path;   /* as given by the user; NULL for a stream */
    const at_model *model;
    const at_image *image; /* NULL in an error record */
    const at_tags *tags;
    const at_error *error;
    double decode_ms; /* 0: unknown */
    double total_ms;
    const char *const *warnings;
    size_t n_warnings;
    const at_captions *captions; /* NULL: none */
    const at_model
        *caption_model;         /* who wrote them beside `model`'s tags; NULL: `model` did both */
    const at_record_box *boxes; /* in the order of the tags; objects of hidden tags are left out */
    size_t n_boxes;
    int seen; /* 1: boxes were looked for: objects is there even when it is empty */
} at_record;

/* `format` borrows; AT_E_INVALID_PARAMETER lists the known ones.   writer returns, at_writer_close() */
AT_API at_status at_writer_open(const char *format, const at_writer_options *options,
                                at_write_fn write, void *user, at_writer **writer, at_error *err);
AT_API at_status at_writer_add(at_writer *writer, const at_record *record, at_error *err);
AT_API at_status at_writer_finish(at_writer *writer, at_error *err); /* the end of the document */
AT_API void at_writer_close(at_writer *writer);
/* Names of the formats, NULL-terminated. */
AT_API const char *const *at_writer_formats(void);
/* One line about a format; NULL: there is none of that name. */
AT_API const char *at_writer_about(const char *format);

AT_C_END
#endif
