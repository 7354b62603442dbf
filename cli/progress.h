/* progress.h - how far a run is, and what it came to. */
#ifndef ANYTAG_CLI_PROGRESS_H
#define ANYTAG_CLI_PROGRESS_H

#include "cli.h"

typedef struct cli_failure {
    at_status status;
    char *path, *detail;
} cli_failure;

typedef struct cli_progress {
    const char *verb, *past; // "tag", "tagged"
    const char *unit;        // "img/s"
    size_t total, ok, failed, skipped;
    size_t unwritten; // of those that failed: maps could not be written
    bool total_known; // false: more may be found
    bool quiet, bar, plain, json, unicode;
    double start, shown;
    cli_failure *failures;
    size_t kept, failures_cap;
} cli_progress;

void cli_progress_begin(cli_progress *p, const cli_options *o, const char *verb, const char *past,
                        size_t total);
/* Says the error and keeps it for the summary. */
void cli_progress_failed(cli_progress *p, const char *path, const at_error *err);
/* Before another line goes to stderr. */
void cli_progress_clear(cli_progress *p);
/* Now and then; cheap to call after every picture. */
void cli_progress_show(cli_progress *p, bool last);
/* Says what was done, and the failures by kind; frees. */
void cli_progress_end(cli_progress *p, bool say);

#endif
