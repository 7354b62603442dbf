/* annotations.h - what pictures really show, read from the files people keep it in: CSV, COCO, the
 * annotation JSON of the official data sets. */
#ifndef ANYTAG_CLI_ANNOTATIONS_H
#define ANYTAG_CLI_ANNOTATIONS_H

#include "cli.h"

/* The labels that annotations may name: a set's, or without one a model's. */
typedef struct cli_names {
    const at_model *model;
    const at_labels *set;
    size_t n;
    json_t *first; // name -> the first label of that name
    long *same;    // [n] the next of the same name, -1: none
} cli_names;

int cli_names_open(cli_names *names, const at_model *model, const at_labels *set);
void cli_names_free(cli_names *names);
const char *cli_names_of(const cli_names *names, size_t label);
/* The first label of a name, exactly, then without regard to case; -1: none. */
long cli_names_find(const cli_names *names, const char *name);
/* "; nearest: a, b, c", or nothing. */
void cli_names_near(const cli_names *names, const char *name, char *out, size_t size);

typedef struct cli_fact {
    uint32_t picture, label;
    bool there;
} cli_fact;

typedef struct cli_annotations {
    const cli_names *names;
    const char *file;
    bool ignore_unknown;
    bool explicit; // only what is said is known; else what is not said of a picture is not there
    json_t *by_path, *unknown; // path -> picture; names that are no label
    char **paths;
    cli_fact *facts; // by picture
    size_t *first;   // [n_pictures + 1] in facts
    bool *named;     // [labels] somewhere in the file: a label that it never names is unknown
    size_t n_pictures, cap_pictures, n_facts, cap_facts;
} cli_annotations;

/* 0, or an exit code after one sentence. */
int cli_annotations_read(cli_annotations *a, const char *file, const cli_names *names,
                         bool ignore_unknown);
void cli_annotations_free(cli_annotations *a);
/* The annotated picture whose path is the end of `path`, whole names, the longest one; a path annotated
 * without its ending counts too. -1: none. */
long cli_annotations_find(const cli_annotations *a, const char *path);
/* [labels]: 1 there, 0 not there, -1 unknown */
void cli_annotations_truths(const cli_annotations *a, size_t picture, int8_t *truths);

/* --- for the readers: annotations_csv.c, annotations_json.c ----------------------------------------------- */

/* The picture of a path, a new one if need be; -1: no memory. */
long cli_annotations_picture(cli_annotations *a, const char *path);
/* A fact about every label of that name. `where` is for the message. 0 or an exit code. */
int cli_annotations_say(cli_annotations *a, long picture, const char *name, bool there,
                        const char *where);
int cli_annotations_say_label(cli_annotations *a, long picture, size_t label, bool there);
int cli_annotations_csv(cli_annotations *a, char *text);
int cli_annotations_json(cli_annotations *a, const char *text);

#endif
