/* metrics.c - /metrics in Prometheus' text form. Labels are routes, methods and codes of our tables, never a
 * path, a tag or a name. */
#include "serve/internal.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ROUTES = 64, STATUSES = 24, METHODS = 8, BOUNDS = 13 };
static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                      1,     2.5,  5,     10,   30,  60};
static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64};
enum { BATCH_BOUNDS = sizeof batch_bounds / sizeof batch_bounds[0] };
static const char *const methods[METHODS] = {"GET",    "HEAD",    "POST",  "PUT",
                                             "DELETE", "OPTIONS", "PATCH", "OTHER"};
static const char *const stages[STAGES] = {"decode", "tag", "caption", "embed"};
static const char *const rejections[REJECTIONS] = {"queue-full", "memory", "jobs"};
static const char *const outcomes[] = {"ok", "failed", "dropped"};
static const char *const task_names[] = {"embed", "tag", "caption", "tag,caption"};

typedef struct histogram {
    uint64_t counts[BOUNDS + 1], n;
    double sum;
} histogram;

struct metrics {
    pthread_mutex_t lock;
    int statuses[STATUSES], n_statuses;
    uint64_t requests[ROUTES][METHODS][STATUSES];
    histogram duration[ROUTES], stage[STAGES], batch;
    uint64_t images[4][3], bytes, hits, misses, rejected[REJECTIONS];
    double started;
};

metrics *metrics_open(void)
{
    metrics *m = calloc(1, sizeof *m);
    if (m) {
        pthread_mutex_init(&m->lock, NULL);
        m->started = (double)time(NULL);
    }
    return m;
}

void metrics_close(metrics *m)
{
    free(m);
}

static void observe(histogram *h, const double *edges, int n, double value)
{
    int i = 0;
    while (i < n && value > edges[i])
        i++;
    h->counts[i]++;
    h->n++;
    h->sum += value;
}

static int route_index(const route *r) // the last is every path that is none
{
    return r ? (int)(r - routes) : ROUTES - 1;
}

void metrics_request(metrics *m, const request *r, double seconds)
{
    int status = r->status ? r->status : 499, method = 0, k = 0;
    while (method < METHODS - 1 && (!r->method || strcmp(methods[method], r->method) != 0))
        method++;
    pthread_mutex_lock(&m->lock);
    while (k < m->n_statuses && m->statuses[k] != status)
        k++;
    if (k == m->n_statuses && k < STATUSES) m->statuses[m->n_statuses++] = status;
    if (k < STATUSES) m->requests[route_index(r->route)][method][k]++;
    observe(&m->duration[route_index(r->route)], bounds, BOUNDS, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_image(metrics *m, unsigned tasks, int outcome, uint64_t bytes)
{
    pthread_mutex_lock(&m->lock);
    m->images[tasks & 3][outcome]++;
    m->bytes += bytes;
    pthread_mutex_unlock(&m->lock);
}

void metrics_stage(metrics *m, int stage, double seconds)
{
    pthread_mutex_lock(&m->lock);
    observe(&m->stage[stage], bounds, BOUNDS, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_batch(metrics *m, size_t n)
{
    pthread_mutex_lock(&m->lock);
    observe(&m->batch, batch_bounds, BATCH_BOUNDS, (double)n);
    pthread_mutex_unlock(&m->lock);
}

void metrics_cache(metrics *m, bool hit)
{
    pthread_mutex_lock(&m->lock);
    hit ? m->hits++ : m->misses++;
    pthread_mutex_unlock(&m->lock);
}

void metrics_rejected(metrics *m, int why)
{
    pthread_mutex_lock(&m->lock);
    m->rejected[why]++;
    pthread_mutex_unlock(&m->lock);
}

/* --- the text -------------------------------------------------------------------------------------------- */

static void head(FILE *f, const char *name, const char *type, const char *about)
{
    fprintf(f, "# HELP anytag_%s %s\n# TYPE anytag_%s %s\n", name, about, name, type);
}

static void one(FILE *f, const char *name, const char *type, const char *about, double value)
{
    head(f, name, type, about);
    fprintf(f, "anytag_%s %.17g\n", name, value);
}

static void put_histogram(FILE *f, const char *name, const char *label, const double *edges, int n,
                          const histogram *h)
{
    uint64_t sum = 0;
    for (int i = 0; i <= n; i++) {
        sum += h->counts[i];
        fprintf(f, "anytag_%s_bucket{%s%sle=\"", name, label, *label ? "," : "");
        if (i < n)
            fprintf(f, "%g\"} %llu\n", edges[i], (unsigned long long)sum);
        else
            fprintf(f, "+Inf\"} %llu\n", (unsigned long long)sum);
    }
    fprintf(f, "anytag_%s_sum%s%s%s %.9g\n", name, *label ? "{" : "", label, *label ? "}" : "",
            h->sum);
    fprintf(f, "anytag_%s_count%s%s%s %llu\n", name, *label ? "{" : "", label, *label ? "}" : "",
            (unsigned long long)h->n);
}

static const char *route_name(int i)
{
    return i == ROUTES - 1 ? "-" : routes[i].path;
}

static void put_requests(FILE *f, const metrics *m)
{
    head(f, "http_requests_total", "counter", "Requests answered.");
    for (int i = 0; i < ROUTES; i++)
        for (int k = 0; k < METHODS; k++)
            for (int s = 0; s < m->n_statuses; s++)
                if (m->requests[i][k][s])
                    fprintf(
                        f,
                        "anytag_http_requests_total{route=\"%s\",method=\"%s\",code=\"%d\"} %llu\n",
                        route_name(i), methods[k], m->statuses[s],
                        (unsigned long long)m->requests[i][k][s]);
    head(f, "http_request_duration_seconds", "histogram",
         "From the request line to the last byte.");
    for (int i = 0; i < ROUTES; i++) {
        char label[64];
        if (!m->duration[i].n) continue;
        (void)snprintf(label, sizeof label, "route=\"%s\"", route_name(i));
        put_histogram(f, "http_request_duration_seconds", label, bounds, BOUNDS, &m->duration[i]);
    }
}

static void put_work(FILE *f, const metrics *m)
{
    head(f, "images_total", "counter", "Pictures by task and outcome.");
    for (int t = 0; t < 4; t++)
        for (int k = 0; k < 3; k++)
            fprintf(f, "anytag_images_total{task=\"%s\",result=\"%s\"} %llu\n", task_names[t],
                    outcomes[k], (unsigned long long)m->images[t][k]);
    one(f, "image_bytes_total", "counter", "Encoded bytes of pictures.", (double)m->bytes);
    head(f, "stage_duration_seconds", "histogram",
         "Time of a stage; of a batch for tag and caption.");
    for (int i = 0; i < STAGES; i++) {
        char label[64];
        (void)snprintf(label, sizeof label, "stage=\"%s\"", stages[i]);
        put_histogram(f, "stage_duration_seconds", label, bounds, BOUNDS, &m->stage[i]);
    }
    head(f, "batch_size", "histogram", "Pictures of a forward pass.");
    put_histogram(f, "batch_size", "", batch_bounds, BATCH_BOUNDS, &m->batch);
    one(f, "cache_hits_total", "counter", "Results found in the cache.", (double)m->hits);
    one(f, "cache_misses_total", "counter", "Results not found there.", (double)m->misses);
    head(f, "queue_rejected_total", "counter", "Requests refused.");
    for (int i = 0; i < REJECTIONS; i++)
        fprintf(f, "anytag_queue_rejected_total{reason=\"%s\"} %llu\n", rejections[i],
                (unsigned long long)m->rejected[i]);
}

static void put_models(FILE *f, const at_server *s)
{
    const at_model *const models[] = {s->tag, s->caption};
    head(f, "model_loaded", "gauge", "1 for each model and task.");
    for (int i = 0; i < 2; i++)
        if (models[i]) // names are of files: no quotes may get through
            fprintf(f, "anytag_model_loaded{task=\"%s\",model=\"%.16s\"} 1\n", task_names[i + 1],
                    at_model_sha256(models[i]));
}

static void put_process(FILE *f, double started)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    long pages = 0, files = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm && fscanf(statm, "%*s %ld", &pages) != 1) pages = 0;
    if (statm) (void)fclose(statm);
    DIR *d = opendir("/proc/self/fd");
    for (; d && readdir(d); files++) {}
    if (d) (void)closedir(d);
    const double cpu = (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
                       1e-6 * ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec);
    fprintf(f,
            "# HELP process_cpu_seconds_total Time of processors.\n"
            "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n"
            "# HELP process_resident_memory_bytes Memory.\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %.0f\n"
            "# HELP process_open_fds Open files.\n"
            "# TYPE process_open_fds gauge\nprocess_open_fds %ld\n"
            "# HELP process_start_time_seconds Since 1970.\n"
            "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.0f\n",
            cpu, (double)pages * (double)sysconf(_SC_PAGESIZE), files > 3 ? files - 3 : 0, started);
}

void metrics_text(request *r)
{
    at_server *s = r->s;
    metrics *m = s->metrics;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
        return;
    }
    head(f, "build_info", "gauge", "The version.");
    fprintf(f, "anytag_build_info{version=\"%s\",backend=\"cpu\"} 1\n", at_version());
    pthread_mutex_lock(&s->lock);
    const double connections = (double)s->n_connections, pending = (double)s->pending;
    pthread_mutex_unlock(&s->lock);
    one(f, "http_connections", "gauge", "Open connections.", connections);
    one(f, "body_bytes", "gauge", "Bodies that are being read or worked on.",
        (double)atomic_load(&s->held));
    one(f, "queue_depth", "gauge", "Pictures waiting or at work.", pending);
    put_models(f, s);
    size_t jobs[3];
    static const char *const states[] = {"running", "finished", "cancelled"};
    jobs_count(s, jobs);
    head(f, "jobs", "gauge", "Jobs that are known, by state.");
    for (int i = 0; i < 3; i++)
        fprintf(f, "anytag_jobs{state=\"%s\"} %zu\n", states[i], jobs[i]);
    one(f, "jobs_bytes", "gauge", "Pictures that jobs have still to do, and their records.",
        (double)atomic_load(&s->job_bytes));
    pthread_mutex_lock(&m->lock);
    put_requests(f, m);
    put_work(f, m);
    pthread_mutex_unlock(&m->lock);
    put_process(f, m->started);
    if (fclose(f) == 0)
        answer(r, 200, "text/plain; version=0.0.4", text, size);
    else
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}
