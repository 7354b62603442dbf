/* calibrate.h - the parts of anytag calibrate: scores of pictures, what came of them. */
#ifndef ANYTAG_CLI_CALIBRATE_H
#define ANYTAG_CLI_CALIBRATE_H

#include "annotations.h"
#include "tag.h"

/* Pictures with a score for each label, and what is known of them. */
typedef struct calibrate_data {
    size_t n, labels;
    float *scores;  // [n, labels]
    int8_t *truths; // likewise; NULL: nothing is known
    size_t *file;   // [n] of cli_files
    size_t n_fit;   // the first are those that thresholds are chosen on, the rest was left out
} calibrate_data;

/* --- calibrate_scores.c ---------------------------------------------------------------------------------- */

/* Tags the pictures. Those that fail are told and left out; the exit code is then 1. */
int calibrate_tag(const cli_options *o, at_model *model, cli_files *files, const tag_setup *setup,
                  calibrate_data *d);
/* Scores and paths of an earlier run; `files` gets the paths. */
int calibrate_read(const cli_options *o, const at_model *model, cli_files *files,
                   calibrate_data *d);

/* --- calibrate_report.c ---------------------------------------------------------------------------------- */

typedef struct calibrate_result {
    const cli_options *o;
    const cli_names *names;
    const calibrate_data *data;
    const char *target;
    const float *before, *after;      // [labels]
    const uint8_t *how;               // [labels] at_calibrated
    const at_label_quality *was, *is; // [labels] before and after; NULL: no truths
    double said_before, said_after;   // labels a picture
    size_t measured;                  // pictures that the figures are of
    long min_positives;
} calibrate_result;

/* Where FILE of -o says, or CSV on `out`. */
int calibrate_write(const calibrate_result *r);
int calibrate_print_json(const calibrate_result *r);
void calibrate_print_text(const calibrate_result *r, FILE *to);

#endif
