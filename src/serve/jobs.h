/* jobs.h - a job and the readers of its events: jobs.c, stream.c. */
#ifndef ANYTAG_SERVE_JOBS_H
#define ANYTAG_SERVE_JOBS_H

#include "serve/internal.h"

enum { JOB_RUNNING, JOB_FINISHED, JOB_CANCELLED, JOB_STATES };
enum { JOB_JSONL, JOB_CSV, JOB_EXCEL, JOB_FORMATS }; // the last: for spreadsheets
enum { JOB_TOKEN = 32, STREAM_QUIET_S = 15 };

struct job {
    at_server *s;
    atomic_int owners; // the table, the work, each reader
    char id[16], token[JOB_TOKEN + 1];
    size_t key;
    atomic_int state;
    job *next; // in the table
    pthread_mutex_t lock;
    request *r; // at work; NULL: ended
    size_t total, done, failed, lost;
    double began, ended;
    // of its pictures that are still to be done, and of its records; counted in the server's too
    uint64_t bytes;
    struct job_record {
        // NULL: not done; JOB_EXCEL also where it is as JOB_CSV, which is almost always
        char *text[JOB_FORMATS];
        bool failed;
    } * records;   // [total], by picture
    size_t *order; // [done], as they were done
    stream *streams;
};

job *job_find(request *r);
void job_free(job *j);
const char *job_state(int state);
json_t *job_progress(const job *j); // with the lock; owned
/* Readers that wait and have sent nothing since `before`, or have gone, go on. */
void streams_wake(job *j, double before);

#endif
