/* jobs.c - many pictures in one request, worked on behind the answer: a job has a request of its own without a
 * connection, whose pictures go the way of all others, a few at a time. What is done of it is kept as text, in
 * the order in which it was done; readers of its events (stream.c) are at a place in that order. */
#include "serve/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { JOBS_MOST = 64, KEPT_S = 3600, BETWEEN = 4 };

static const char *const states[] = {"running", "finished", "cancelled"};

/* --- life ------------------------------------------------------------------------------------------------ */

static job *job_keep(job *j)
{
    atomic_fetch_add(&j->owners, 1);
    return j;
}

void job_free(job *j)
{
    if (!j || atomic_fetch_sub(&j->owners, 1) != 1) return;
    for (size_t i = 0; j->records && i < j->total; i++)
        for (int f = 0; f < JOB_FORMATS; f++)
            free(j->records[i].text[f]);
    free(j->records);
    free(j->order);
    atomic_fetch_sub(&j->s->job_bytes, j->bytes);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

static job *job_open(request *r)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[16];
    job *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->s = r->s;
    j->owners = 1;
    j->key = r->key;
    j->total = r->n_pictures;
    j->began = now_s();
    make_id(r->s, j->id);
    pthread_mutex_init(&j->lock, NULL);
    j->records = calloc(j->total, sizeof *j->records);
    j->order = calloc(j->total, sizeof *j->order);
    const bool ok = getrandom(random, sizeof random, 0) == (ssize_t)sizeof random;
    for (size_t i = 0; i < sizeof random; i++) {
        j->token[2 * i] = digits[random[i] >> 4];
        j->token[2 * i + 1] = digits[random[i] & 15];
    }
    if (ok && j->records && j->order) return j;
    job_free(j);
    return NULL;
}

/* Takes the oldest that has ended out of the table; false: there is none. */
static bool leave_oldest(at_server *s)
{
    pthread_mutex_lock(&s->jobs_lock);
    job **at = &s->jobs; // newest last
    while (*at && atomic_load(&(*at)->state) == JOB_RUNNING)
        at = &(*at)->next;
    job *gone = *at;
    if (gone) *at = gone->next;
    pthread_mutex_unlock(&s->jobs_lock);
    job_free(gone); // its bytes, unless somebody reads it
    return gone != NULL;
}

static bool table_add(at_server *s, job *j)
{
    job **at = &s->jobs;
    size_t n = 0;
    pthread_mutex_lock(&s->jobs_lock);
    for (; *at; at = &(*at)->next)
        n++;
    if (n < JOBS_MOST) *at = job_keep(j);
    pthread_mutex_unlock(&s->jobs_lock);
    return n < JOBS_MOST;
}

/* Counts bytes of a job; jobs that have ended leave for them, the oldest first. False: those that run fill the
 * memory. Not with a job's lock. */
static bool take_bytes(job *j, uint64_t bytes)
{
    at_server *s = j->s;
    while (atomic_fetch_add(&s->job_bytes, bytes) + bytes > s->o.max_jobs) {
        atomic_fetch_sub(&s->job_bytes, bytes);
        if (!leave_oldest(s)) return false;
    }
    return true;
}

/* The job is known from now on, or r->problem says why not. */
static bool admit(request *r, job *j, request *own)
{
    const uint64_t bytes = own->held, most = r->s->o.max_jobs;
    if (bytes > most) {
        r->problem.extra = json_pack("{sI}", "limit_bytes", (json_int_t)most);
        return fail(&r->problem, AT_E_BODY_TOO_LARGE,
                    "%llu bytes of pictures; all jobs together have %llu (--max-jobs)",
                    (unsigned long long)bytes, (unsigned long long)most);
    }
    if (!take_bytes(j, bytes)) {
        metrics_rejected(r->s->metrics, REJECTED_JOBS);
        return fail(&r->problem, P_QUEUE_FULL,
                    "the jobs that run fill the %llu bytes that all have (--max-jobs)",
                    (unsigned long long)most);
    }
    j->bytes = bytes; // given back with it, whatever comes now
    while (!table_add(r->s, j)) {
        if (leave_oldest(r->s)) continue;
        metrics_rejected(r->s->metrics, REJECTED_JOBS);
        return fail(&r->problem, P_QUEUE_FULL, "%d jobs run already", JOBS_MOST);
    }
    return true;
}

void jobs_tick(at_server *s)
{
    job *gone = NULL;
    const double now = now_s();
    pthread_mutex_lock(&s->jobs_lock);
    for (job **at = &s->jobs; *at;) {
        job *j = *at;
        const bool old = atomic_load(&j->state) != JOB_RUNNING && now - j->ended > KEPT_S;
        if (old) {
            *at = j->next;
            j->next = gone;
            gone = j;
        } else {
            streams_wake(j, now - STREAM_QUIET_S);
            at = &j->next;
        }
    }
    pthread_mutex_unlock(&s->jobs_lock);
    for (job *j = gone, *next; j; j = next) {
        next = j->next;
        job_free(j);
    }
}

/* No more of it is begun; what is done stays. */
static void drop(job *j, int why)
{
    pthread_mutex_lock(&j->lock);
    if (j->r) atomic_store(&j->r->drop, why);
    pthread_mutex_unlock(&j->lock);
}

void jobs_stop(at_server *s)
{
    const struct timespec tick = {.tv_nsec = 5000000};
    pthread_mutex_lock(&s->jobs_lock);
    for (job *j = s->jobs; j; j = j->next)
        drop(j, DROP_STOPPING);
    pthread_mutex_unlock(&s->jobs_lock);
    for (bool runs = true; runs; (void)nanosleep(&tick, NULL)) {
        runs = false;
        pthread_mutex_lock(&s->jobs_lock);
        for (job *j = s->jobs; j; j = j->next) {
            runs |= atomic_load(&j->state) == JOB_RUNNING;
            streams_wake(j, now_s()); // they say so, and end
        }
        pthread_mutex_unlock(&s->jobs_lock);
    }
}

void jobs_close(at_server *s)
{
    for (job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        job_free(j);
    }
    s->jobs = NULL;
}

void jobs_count(at_server *s, size_t counts[JOB_STATES])
{
    memset(counts, 0, JOB_STATES * sizeof *counts);
    pthread_mutex_lock(&s->jobs_lock);
    for (const job *j = s->jobs; j; j = j->next)
        counts[atomic_load(&j->state)]++;
    pthread_mutex_unlock(&s->jobs_lock);
}

const char *job_state(int state)
{
    return states[state];
}

/* --- what is done ---------------------------------------------------------------------------------------- */

static void record_free(struct job_record *x)
{
    for (int f = 0; f < JOB_FORMATS; f++)
        free(x->text[f]);
    *x = (struct job_record){0};
}

/* A picture's record in each format. *bytes: of the texts. */
static bool put_texts(picture *p, struct job_record *x, uint64_t *bytes)
{
    static const char *const formats[JOB_FORMATS] = {"jsonl", "csv", "csv"};
    bool ok = true;
    *x = (struct job_record){.failed = p->error.status != AT_OK};
    *bytes = 0;
    for (int f = 0; ok && f < JOB_FORMATS; f++) {
        size_t size = 0;
        FILE *to = open_memstream(&x->text[f], &size);
        ok = to && put_record(p->r, p, formats[f], f == JOB_EXCEL, to);
        if (to && fclose(to) != 0) ok = false;
        if (ok && f == JOB_EXCEL && strcmp(x->text[f], x->text[JOB_CSV]) == 0) {
            free(x->text[f]);
            x->text[f] = NULL;
        } else {
            *bytes += size + 1;
        }
    }
    if (!ok) record_free(x);
    return ok;
}

void job_picture(picture *p)
{
    request *r = p->r;
    job *j = r->job;
    struct job_record done = {0};
    uint64_t bytes = 0;
    // what the picture held is another's now
    pthread_mutex_lock(&j->lock);
    const uint64_t held = p->cap <= r->held ? p->cap : r->held,
                   mine = held < j->bytes ? held : j->bytes;
    r->held -= held;
    j->bytes -= mine;
    pthread_mutex_unlock(&j->lock);
    atomic_fetch_sub(&r->s->held, held);
    atomic_fetch_sub(&r->s->job_bytes, mine);
    bool ok = !p->dropped && put_texts(p, &done, &bytes);
    if (ok && !take_bytes(j, bytes)) { // its failure is short, and kept in any case
        record_free(&done);
        metrics_rejected(r->s->metrics, REJECTED_JOBS);
        p->error.status = AT_E_OUT_OF_MEMORY;
        (void)snprintf(p->error.text, sizeof p->error.text,
                       "the records of the jobs that run fill --max-jobs");
        ok = put_texts(p, &done, &bytes);
        if (ok) atomic_fetch_add(&r->s->job_bytes, bytes);
    }
    pthread_mutex_lock(&j->lock);
    if (ok) {
        j->records[p->index] = done;
        j->order[j->done++] = p->index;
        j->failed += done.failed;
        j->bytes += bytes;
    } else {
        j->lost += !p->dropped;
    }
    pthread_mutex_unlock(&j->lock);
    free(p->bytes);
    p->bytes = NULL;
    result_free(p->result);
    p->result = NULL;
    streams_wake(j, now_s());
}

void job_end(request *r)
{
    job *j = r->job;
    const bool whole = j->done + j->lost == j->total;
    pthread_mutex_lock(&j->lock);
    const uint64_t rest = r->held < j->bytes ? r->held
                                             : j->bytes; // of the body beside its pictures
    j->bytes -= rest;
    atomic_fetch_sub(&r->s->job_bytes, rest);
    j->ended = now_s();
    j->r = NULL;
    atomic_store(&j->state, whole ? JOB_FINISHED : JOB_CANCELLED);
    pthread_mutex_unlock(&j->lock);
    streams_wake(j, now_s());
    request_free(r);
    job_free(j);
}

json_t *job_progress(const job *j)
{
    const double now = j->ended > 0 ? j->ended : now_s(), took = now - j->began;
    const double rate = took > 0 ? (double)j->done / took : 0;
    json_t *o = json_pack("{sI sI sI sf}", "done", (json_int_t)j->done, "total",
                          (json_int_t)j->total, "failed", (json_int_t)j->failed, "rate", rate);
    if (rate > 0)
        (void)json_object_set_new(o, "eta_s", json_real((double)(j->total - j->done) / rate));
    return o;
}

/* --- routes ---------------------------------------------------------------------------------------------- */

static json_t *job_json(job *j)
{
    char token[48] = "", link[4][160];
    static const char *const what[] = {"", "/events", "/results"};
    if (j->s->o.n_keys) (void)snprintf(token, sizeof token, "?token=%s", j->token);
    for (int i = 0; i < 3; i++)
        (void)snprintf(link[i], sizeof link[i], "%.64s/v1/jobs/%s%s%s",
                       j->s->o.prefix ? j->s->o.prefix : "", j->id, what[i], token);
    pthread_mutex_lock(&j->lock);
    json_t *o = job_progress(j);
    (void)json_object_update_new(o, json_pack("{ss ss s{ss ss ss}}", "id", j->id, "state",
                                              states[atomic_load(&j->state)], "links", "self",
                                              link[0], "events", link[1], "results", link[2]));
    pthread_mutex_unlock(&j->lock);
    return o;
}

/* The job of the path, one more owner; NULL: r->problem. */
job *job_find(request *r)
{
    job *found = NULL;
    pthread_mutex_lock(&r->s->jobs_lock);
    for (job *j = r->s->jobs; j && !found; j = j->next)
        if (strcmp(j->id, r->job_id) == 0 && (j->key == r->key || r->by_token)) found = job_keep(j);
    pthread_mutex_unlock(&r->s->jobs_lock);
    if (!found)
        (void)fail(&r->problem, P_JOB_NOT_FOUND, "no job %.20s; an hour after its end it is gone",
                   r->job_id);
    return found;
}

/* A request of the job's own, with the pictures, values and bytes of the one that came. */
static request *take_over(request *r, job *j)
{
    request *own = calloc(1, sizeof *own);
    if (!own) return NULL;
    own->s = r->s;
    own->route = r->route;
    own->key = r->key;
    own->began = r->began;
    own->job = j;
    own->held = r->held;
    own->pictures = r->pictures;
    own->n_pictures = r->n_pictures;
    memcpy(own->values, r->values, sizeof own->values);
    memcpy(own->sizes, r->sizes, sizeof own->sizes);
    memset(r->values, 0, sizeof r->values);
    r->held = 0;
    r->pictures = NULL;
    r->n_pictures = 0;
    for (size_t i = 0; i < own->n_pictures; i++)
        own->pictures[i]->r = own;
    return own;
}

void jobs_post(request *r)
{
    if (!r->n_pictures) {
        (void)fail(&r->problem, AT_E_NO_INPUT, "no pictures; send parts named image, or paths");
        return;
    }
    if (!r->values[Q_TASKS] && r->s->tag && !param_set(r, "tasks", "tag", 3)) return;
    job *j = job_open(r);
    request *own = j ? take_over(r, j) : NULL;
    if (!own) {
        job_free(j);
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the job");
        return;
    }
    j->r = own;
    bool ok = wants_read(own);
    if (!ok) {
        r->problem = own->problem;
        own->problem = (problem){0};
    }
    ok = ok && admit(r, j, own);
    if (!ok) {
        request_free(own);
        job_free(j);
        return;
    }
    json_t *told = job_json(j);
    const char *self = json_string_value(json_object_get(json_object_get(told, "links"), "self"));
    (void)snprintf(r->location, sizeof r->location, "%s", self);
    answer_json(r, told);
    if (r->status == 200) r->status = 202;
    own->window = (size_t)r->s->o.batch + BETWEEN;
    work_pictures(own); // its end takes the job that is held here
}

void jobs_get(request *r)
{
    job *j = job_find(r);
    if (!j) return;
    answer_json(r, job_json(j));
    job_free(j);
}

/* Out of the table; its readers keep it until they are done. */
static void forget(at_server *s, job *j)
{
    bool found = false;
    pthread_mutex_lock(&s->jobs_lock);
    for (job **at = &s->jobs; *at; at = &(*at)->next) {
        if (*at != j) continue;
        *at = j->next;
        found = true;
        break;
    }
    pthread_mutex_unlock(&s->jobs_lock);
    if (found) job_free(j);
}

void jobs_delete(request *r)
{
    job *j = job_find(r);
    if (!j) return;
    const bool ended = atomic_load(&j->state) != JOB_RUNNING;
    drop(j, DROP_GONE);
    answer_json(r, job_json(j));
    if (ended) forget(r->s, j);
    job_free(j);
}

/* Records in the order of the pictures; a table has its heading once. */
void jobs_results(request *r)
{
    const char *format = r->values[Q_FORMAT] ? r->values[Q_FORMAT] : "jsonl";
    const bool table = strcmp(format, "csv") == 0, excel = param_flag(r, Q_EXCEL),
               list = strcmp(format, "json") == 0;
    if (excel && !table) {
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "excel: is for format=csv");
        problem_point(&r->problem, "excel");
        return;
    }
    job *j = job_find(r);
    if (!j) return;
    char *text = NULL;
    size_t size = 0, n = 0;
    FILE *to = open_memstream(&text, &size);
    if (to && list) fputs("[\n", to);
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; to && i < j->total; i++) {
        char *const *texts = j->records[i].text;
        const char *said = excel && texts[JOB_EXCEL] ? texts[JOB_EXCEL]
                                                     : texts[table ? JOB_CSV : JOB_JSONL];
        if (!said) continue;
        const char *second = table && n ? strchr(said, '\n') : NULL;
        if (list && n) fputc(',', to);
        fputs(second ? second + 1 : said, to);
        n++;
    }
    pthread_mutex_unlock(&j->lock);
    if (to && list) fputs("]\n", to);
    const bool ok = to && fclose(to) == 0;
    if (ok)
        answer(r, 200,
               table  ? "text/csv; charset=utf-8"
               : list ? "application/json"
                      : "application/x-ndjson",
               text, size);
    else
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the results");
    job_free(j);
}

bool job_token_ok(const request *r)
{
    const char *token = r->raw ? strstr(r->raw, "token=") : NULL;
    bool ok = false;
    if (!token || !r->job_id[0] || strlen(token + 6) < JOB_TOKEN) return false;
    pthread_mutex_lock(&r->s->jobs_lock);
    for (const job *j = r->s->jobs; j; j = j->next)
        if (strcmp(j->id, r->job_id) == 0 && same_secret(j->token, token + 6, JOB_TOKEN)) ok = true;
    pthread_mutex_unlock(&r->s->jobs_lock);
    return ok;
}
