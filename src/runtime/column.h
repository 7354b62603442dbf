/* column.h - one label's scores where its truth is known, best first: what calibrate.c and measure.c
 * look at. */
#ifndef AT_RUNTIME_COLUMN_H
#define AT_RUNTIME_COLUMN_H

#include "anytag/calibrate.h"
#include "base/base.h"

typedef struct at_column_cell {
    float score; // -1 for what is not a number: it never passes
    uint32_t picture;
    bool positive;
} at_column_cell;

typedef struct at_scores { // both [pictures, labels]
    const float *scores;
    const int8_t *truths;
    size_t pictures, labels;
} at_scores;

/* Scores in 0..1 or not a number, truths of -1, 0, 1, thresholds in 0..1. */
at_status at_scores_check(const at_scores *s, const float *thresholds, at_error *err);

/* The known cells of a label, falling; equal scores: the later picture first, which is the official
 * evaluation's order made stable. Returns how many; `cells` holds `pictures`. */
size_t at_column_read(const at_scores *s, size_t label, at_column_cell *cells, size_t *positives);

#endif
