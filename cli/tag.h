/* tag.h - the parts of anytag tag: what is asked for, the run over the pictures, where results go. */
#ifndef ANYTAG_CLI_TAG_H
#define ANYTAG_CLI_TAG_H

#include "cli.h"
#include "progress.h"

/* --- tag_options.c, tag_lists.c --------------------------------------------------------------------------------------- */

typedef struct tag_setup {
    at_tag_options tags;
    at_image_options image;
    at_writer_options writer;
    float *thresholds;
    int crop[4];          // x0, y0, x1, y1; all 0: the whole picture
    size_t *only, n_only; // ids to compute; NULL: all
    const char **names;   // [2][tags] of --rename, English and Chinese
    char *rename_text;
    at_labels *labels; // of --tags; NULL: none
    bool only_custom;
    cli_kin kin; // of --parents and --aliases
} tag_setup;

void tag_tell_idle(const cli_options *o); // options that do nothing with the format, on stderr
int tag_setup_open(tag_setup *t, const cli_options *o, const at_model *model);
void tag_setup_free(tag_setup *t);
int tag_read_thresholds(const cli_options *o, const at_model *m, float **own);
int tag_read_idf(const cli_options *o, const at_model *m, float **own); // the others are 1
int tag_read_names(tag_setup *t, const cli_options *o, const at_model *m);
/* The tags to compute: --only without --exclude-tags. *ids NULL: all. */
int tag_wanted(const cli_options *o, const at_model *m, size_t **ids, size_t *n);

/* --- where results go: document.c, beside.c --------------------------------------------------------------- */

typedef struct tag_sink tag_sink;
struct tag_sink {
    /* Picture i: 1 it is done already, 0 it is to be tagged, -1 its result cannot be written (err).
     * Called from decoding threads. */
    int (*before)(tag_sink *s, size_t i, at_error *err);
    /* In the order of the inputs, from one thread. */
    at_status (*add)(tag_sink *s, size_t i, const at_record *record, at_error *err);
    at_status (*skip)(tag_sink *s, size_t i, at_error *err);
    /* `code`: how the run ended. Returns it, or what went wrong here. */
    int (*finish)(tag_sink *s, int code);
    void (*free)(tag_sink *s);
    bool resumable;
};

typedef struct tag_place { // what a sink must know of the run
    const char *command;
    const cli_options *o;
    const at_model *model;
    const cli_files *files;
    const at_writer_options *writer;
} tag_place;

/* One document on stdout or in FILE. */
int tag_document_open(const tag_place *p, tag_sink **sink);
/* A file for each picture, beside it or under -o DIR. */
bool tag_is_beside(const cli_options *o);
/* Is -o x.txt to be a folder? Hardly. 0 or an exit code. */
int tag_beside_check(const cli_options *o);
int tag_beside_open(const tag_place *p, tag_sink **sink);
void tag_beside_list(const tag_place *p); // --dry-run

/* --- tag_run.c ------------------------------------------------------------------------------------------- */

typedef struct tag_job {
    const cli_options *o;
    at_model *model;
    cli_files *files;
    const tag_setup *setup;
    tag_sink *sink;
    cli_progress *progress;
    const at_caption_options *caption; // NULL: tags only
    struct tag_heat *heat;             // heatmap.h; NULL: no maps
} tag_job;

/* What a command does once pictures, model and options are there; the exit code. */
typedef int (*tag_work)(const cli_options *o, at_model *model, cli_files *files, tag_setup *setup);
/* Opens all that, works, closes it: the frame of tag and caption. cmd_tag.c */
int tag_command(const cli_options *o, char **inputs, size_t n, const char *task, tag_work work);
/* Runs a command over all pictures and says what came of it; the exit code. cmd_tag.c */
int tag_run_all(const char *command, const char *done, const cli_options *o, at_model *model,
                cli_files *files, tag_setup *setup, const at_caption_options *caption);

/* Tags all pictures; 0, or the exit code that stopped it. */
int tag_run(const tag_job *job);

#endif
