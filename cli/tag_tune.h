/* tag_tune.h - how many lines of work, and pictures a pass, found by trying them on the run's own pictures. */
#ifndef ANYTAG_CLI_TAG_TUNE_H
#define ANYTAG_CLI_TAG_TUNE_H

#include <stdbool.h>
#include <stddef.h>

/* `lanes` sessions, each with its share of the threads; one lane: decoding threads beside it, more: each
 * decodes what it tags. `batch` pictures in a pass. */
typedef struct tag_plan {
    int lanes, batch;
} tag_plan;

typedef struct tag_tuner {
    tag_plan best, now;
    double best_s, now_s;           // seconds a picture, the least of its slices; 0: not measured
    int threads, batch_max, slices; // slices of `now` that have run, the first to warm up
    bool climbing;                  // larger batches are tried
    bool settled;
} tag_tuner;

/* `start` is what experience says; `fixed`: and it is not asked. */
void tag_tune_begin(tag_tuner *t, tag_plan start, int threads, bool fixed);
/* The plan of the next slice, of `left` pictures, and in *n how many it takes. */
tag_plan tag_tune_next(tag_tuner *t, size_t left, size_t *n);
/* The slice's `n` pictures took so long, and a pass of the plan `memory` bytes a lane. */
void tag_tune_told(tag_tuner *t, size_t n, double seconds, size_t memory);

#endif
