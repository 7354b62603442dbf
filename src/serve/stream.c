/* stream.c - the events of a job as a stream of server-sent events (WHATWG HTML, 9.2). Event 2k-1 is the k-th
 * record, 2k the progress behind it, the last the end; so a reader that comes back with Last-Event-ID misses
 * none. A reader who has all that there is waits: its connection is suspended. */
#include "serve/jobs.h"

#include <stdlib.h>
#include <string.h>

struct stream {
    job *job;
    struct MHD_Connection *c;
    stream *next;
    size_t sent; // events
    int fd;      // the connection's, which lives longer
    bool waits, ended;
    double last;
    char *text; // that is being sent
    size_t size, at;
};

/* With the lock. */
static void put_event(stream *t, const char *what, size_t id, char *data)
{
    FILE *to = open_memstream(&t->text, &t->size);
    t->at = 0;
    if (to) {
        if (id == 1) fputs("retry: 2000\n", to);
        fprintf(to, "event: %s\nid: %zu\ndata: %s\n\n", what, id, data ? data : "{}");
        if (fclose(to) != 0) t->size = 0;
    }
    free(data);
}

static char *record_data(const job *j, size_t k)
{
    char *data = NULL;
    size_t size = 0;
    const char *line = j->records[j->order[k]].text[JOB_JSONL];
    FILE *to = open_memstream(&data, &size);
    if (!to) return NULL;
    fprintf(to, "{\"index\":%zu,\"record\":%.*s}", j->order[k], (int)strcspn(line, "\n"), line);
    (void)fclose(to);
    return data;
}

static char *packed(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(4));
    json_decref(o);
    return text;
}

/* The next event, if there is one; with the lock. */
static void next_event(stream *t, double now)
{
    const job *j = t->job;
    const int state = atomic_load(&j->state);
    if (t->sent < 2 * j->done) {
        const size_t k = t->sent / 2, id = ++t->sent;
        if (id % 2)
            put_event(t, "result", id, record_data(j, k));
        else
            put_event(t, "progress", id, packed(job_progress(j)));
    } else if (state != JOB_RUNNING) {
        char link[128];
        (void)snprintf(link, sizeof link, "%.64s/v1/jobs/%s/results",
                       j->s->o.prefix ? j->s->o.prefix : "", j->id);
        put_event(t, "done", ++t->sent,
                  packed(json_pack("{ss sI sI ss}", "state", job_state(state), "ok",
                                   (json_int_t)(j->done - j->failed), "failed",
                                   (json_int_t)j->failed, "results", link)));
        t->ended = true;
    } else if (now - t->last > STREAM_QUIET_S) {
        t->text = strdup(":\n\n");
        t->size = 3;
        t->at = 0;
    }
}

static ssize_t stream_read(void *user, uint64_t pos, char *to, size_t most)
{
    stream *t = user;
    ssize_t n = 0;
    const double now = now_s();
    (void)pos;
    pthread_mutex_lock(&t->job->lock);
    if (!t->text && t->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (has_gone(t->fd)) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else {
        if (!t->text) next_event(t, now);
        if (t->text) {
            const size_t left = t->size - t->at, take = left < most ? left : most;
            memcpy(to, t->text + t->at, take);
            t->at += take;
            n = (ssize_t)take;
            t->last = now;
            if (t->at == t->size) {
                free(t->text);
                t->text = NULL;
            }
        } else {
            t->waits = true;
            MHD_suspend_connection(t->c);
        }
    }
    pthread_mutex_unlock(&t->job->lock);
    return n;
}

void streams_wake(job *j, double before)
{
    pthread_mutex_lock(&j->lock);
    for (stream *t = j->streams; t; t = t->next) {
        // nobody else sees that a reader has gone: its connection is suspended
        if (!t->waits || (t->last > before && !has_gone(t->fd))) continue;
        t->waits = false;
        MHD_resume_connection(t->c);
    }
    pthread_mutex_unlock(&j->lock);
}

static void stream_free(void *user)
{
    stream *t = user;
    job *j = t->job;
    pthread_mutex_lock(&j->lock);
    for (stream **at = &j->streams; *at; at = &(*at)->next) {
        if (*at != t) continue;
        *at = t->next;
        break;
    }
    pthread_mutex_unlock(&j->lock);
    job_free(j);
    free(t->text);
    free(t);
}

void jobs_events(request *r)
{
    const char *last = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Last-Event-ID");
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(r->c,
                                                                 MHD_CONNECTION_INFO_CONNECTION_FD);
    job *j = job_find(r);
    if (!j) return;
    stream *t = fd ? calloc(1, sizeof *t) : NULL;
    if (!t) {
        job_free(j);
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the events");
        return;
    }
    t->job = j;
    t->c = r->c;
    t->fd = fd->connect_fd;
    t->last = now_s();
    const unsigned long long heard = last ? strtoull(last, NULL, 10) : 0;
    pthread_mutex_lock(&j->lock);
    // a reader that has heard more than there is has not
    t->sent = heard <= 2 * j->done ? (size_t)heard : heard == 2 * j->done + 1 ? 2 * j->done : 0;
    t->next = j->streams;
    j->streams = t;
    pthread_mutex_unlock(&j->lock);
    r->stream = t;
    answer(r, 200, "text/event-stream", NULL, 0);
}

struct MHD_Response *stream_response(stream *t)
{
    struct MHD_Response *a = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read,
                                                               t, stream_free);
    if (!a) stream_free(t);
    return a;
}
