/* bench.h - the parts of anytag bench: what was measured, and how it is told. */
#ifndef ANYTAG_CLI_BENCH_H
#define ANYTAG_CLI_BENCH_H

#include "cli.h"

enum { BENCH_STAGES = 24 };

typedef struct bench_stage {
    const char *name;
    double seconds; // of all pictures
    double flop, bytes;
    double calls;
    int peak;   // at_profile_peak
    bool image; // of the picture, before the network
} bench_stage;

typedef struct bench {
    const at_model *model;
    int threads, parallel, batch;
    const char *pictures; // what they are, for people
    double *ms;           // of each picture from file to tags, sorted
    size_t n;
    double open_ms, wall_s; // opening the model; all measured passes
    double cpu_s;           // of all threads, in those passes: other programs hardly move it
    at_machine machine;
    bench_stage stages[BENCH_STAGES];
    size_t n_stages;
} bench;

double bench_percentile(const bench *b, double share);
double bench_images_s(const bench *b);
/* What keeps a stage from being faster. A static word; "" where nothing can be said. */
const char *bench_bound(const bench *b, const bench_stage *s);
void bench_print(const bench *b);
json_t *bench_json(const bench *b);
/* An earlier -f json, freed by json_decref(); 0 or an exit code. Told before anything is measured. */
int bench_earlier(const char *path, json_t **then);
/* Beside it, on stderr. */
void bench_compare(const json_t *then, const bench *b);

#endif
