/* tag_run.c - pictures go through a ring: decoding threads run ahead of inference, results keep the order of
 * the inputs, a bad file is reported and the run goes on. Or, with several lanes, each thread also tags what
 * it decoded, on a session of its own: nobody waits for anybody, at the price of memory. Which of the two, and
 * how many pictures a pass, is measured on the way (tag_tune.h): the run is cut into slices, each by one plan. */
#include "heatmap.h"
#include "tag.h"
#include "tag_tune.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS_MAX = 64,
    PASS_MAX = 64,    // pictures in one
    AHEAD_LEAST = 32, // pictures in the ring
    SMALL = 20000000, // parameters: passes too short to be shared well
};

typedef struct item {
    enum { EMPTY, CLAIMED, READY } state;
    bool none; // there is no such file: the inputs end before it
    at_image *image;
    at_pixels *pixels;
    at_tags *tags;         // of a lane
    at_captions *captions; // likewise
    at_error error;
    char *folder;  // of its maps; NULL: none
    at_error heat; // why they could not be written
    bool skipped;  // done by an earlier run
    double decode_ms, tag_ms;
} item;

typedef struct run {
    const tag_job *job;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next_decode, next_tag, end; // indices of files; the slice ends before `end`
    bool stop;
    tag_plan plan;
    at_session *sessions[THREADS_MAX]; // one a lane
    int n_begun;                       // lanes whose thread runs
    item *ring;
    size_t ring_n;
} run;

/* Tags, or captions with their tags, of n pictures. */
static void work(const tag_job *j, at_session *s, const at_pixels *const *pixels, size_t n,
                 at_tags **tags, at_captions **captions, at_error *errors)
{
    if (j->caption)
        (void)at_session_caption_pixels(s, pixels, n, j->caption, captions, errors);
    else
        (void)at_session_tag_pixels(s, pixels, n, &j->setup->tags, tags, errors);
}

/* --- pictures ------------------------------------------------------------------------------------------- */

/* Records and maps need the pixels only where they show them. */
static bool shows_pictures(const cli_options *o)
{
    return (o->format && strcmp(o->format, "html") == 0) || (o->heatmap && !o->heatmap_raw);
}

static void decode(run *r, size_t i)
{
    const tag_job *j = r->job;
    const at_image_options *io = &j->setup->image;
    item *it = &r->ring[i % r->ring_n];
    const char *path = cli_files_path(j->files, i); // may wait for a folder to be read
    it->none = !path;
    if (!path) return;
    const double start = cli_seconds();
    const int before = j->sink->before(j->sink, i, &it->error);
    it->skipped = before > 0;
    if (before) return;
    const at_status status = cli_read_image(path, io, &it->image, &it->error);
    const int *box = j->setup->crop;
    at_image *part = NULL;
    if (status == AT_OK && box[2]) (void)at_image_crop(it->image, box, path, &part, &it->error);
    if (status == AT_OK && (part || !box[2]))
        (void)at_pixels_prepare(j->model, part ? part : it->image, &it->pixels, &it->error);
    at_image_free(part);
    if (!shows_pictures(j->o)) at_image_forget_pixels(it->image);
    it->decode_ms = (cli_seconds() - start) * 1e3;
}

/* A pass over those of the n items from `first` on that have pixels; what comes of it is theirs. */
static void pass(run *r, at_session *s, size_t first, size_t n)
{
    const at_pixels *pixels[PASS_MAX];
    item *which[PASS_MAX];
    at_tags *tags[PASS_MAX] = {0};
    at_captions *captions[PASS_MAX] = {0};
    at_error errors[PASS_MAX] = {0};
    size_t k = 0;
    for (size_t i = first; i < first + n; i++) {
        item *it = &r->ring[i % r->ring_n];
        if (!it->pixels) continue;
        which[k] = it;
        pixels[k++] = it->pixels;
    }
    const double start = cli_seconds();
    if (k) work(r->job, s, pixels, k, tags, captions, errors);
    for (size_t i = 0; i < k; i++) {
        item *it = which[i];
        it->tag_ms = (cli_seconds() - start) * 1e3 / (double)k;
        it->tags = tags[i];
        it->captions = captions[i];
        if (!tags[i] && !captions[i]) it->error = errors[i];
        if (tags[i] && it->folder)
            (void)tag_heat_write(r->job->heat, it->folder, it->image, r->job->model, tags[i],
                                 &it->heat);
        at_pixels_free(it->pixels);
        it->pixels = NULL;
    }
}

/* The next files to decode, at most `most`, when the ring has room for as many; 0: there is no more to do. */
static size_t claim(run *r, size_t most, size_t *first)
{
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->next_decode < r->end && n == 0) {
        const size_t left = r->end - r->next_decode, want = left < most ? left : most;
        if (r->next_decode + want > r->next_tag + r->ring_n) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        *first = r->next_decode;
        n = want;
        r->next_decode += n;
        for (size_t i = *first; i < *first + n; i++)
            r->ring[i % r->ring_n].state = CLAIMED;
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void *worker(void *user)
{
    run *r = user;
    const bool lane = r->plan.lanes > 1;
    pthread_mutex_lock(&r->lock);
    at_session *own = lane ? r->sessions[r->n_begun++] : NULL;
    pthread_mutex_unlock(&r->lock);
    size_t first;
    for (size_t n; (n = claim(r, lane ? (size_t)r->plan.batch : 1, &first)) > 0;) {
        bool none = false;
        for (size_t i = first; i < first + n; i++) // all before a picture is decoded: others wait
            r->ring[i % r->ring_n].folder = tag_heat_folder(r->job->heat, r->job->files, i);
        for (size_t i = first; i < first + n; i++) {
            decode(r, i);
            none = none || r->ring[i % r->ring_n].none;
        }
        if (lane) pass(r, own, first, n);
        pthread_mutex_lock(&r->lock);
        for (size_t i = first; i < first + n; i++)
            r->ring[i % r->ring_n].state = READY;
        r->stop = r->stop || none;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

static item *wait_for(run *r, size_t i)
{
    item *it = &r->ring[i % r->ring_n];
    pthread_mutex_lock(&r->lock);
    const bool early = it->state != READY;
    pthread_mutex_unlock(&r->lock);
    if (early && !r->job->o->output)
        (void)fflush(stdout); // a reader need not wait as long as we do
    pthread_mutex_lock(&r->lock);
    while (it->state != READY)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return it;
}

static void release(run *r, size_t first, size_t n)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = first; i < first + n; i++) {
        item *it = &r->ring[i % r->ring_n];
        at_image_free(it->image);
        at_pixels_free(it->pixels);
        at_tags_free(it->tags);
        at_captions_free(it->captions);
        free(it->folder);
        *it = (item){0};
    }
    r->next_tag = first + n;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* --- results --------------------------------------------------------------------------------------------- */

/* "x.png: JPEG inside": the name's ending promises another kind than the content has. */
static bool wrong_ending(const char *path, const at_image *image, char *text, size_t size)
{
    const char *promised = cli_promised_format(path), *found = at_image_format(image);
    if (!promised || strcmp(promised, found) == 0) return false;
    (void)snprintf(text, size, "%s: the name says %s, the content is %s", path, promised, found);
    return true;
}

/* One result to the sink, its tags or its error. 0 or an exit code that stops the run. */
static int deliver(run *r, size_t i, item *it)
{
    const tag_job *j = r->job;
    const at_captions *captions = it->captions;
    const at_tags *got = captions ? at_captions_tags(captions) : it->tags;
    if (it->error.status == AT_E_CANCELLED) return 0; // stopped while a pipe was read: not done
    const char *path = cli_files_path(j->files, i), *slash = strrchr(path, '/');
    const bool stream = strcmp(path, "-") == 0;
    char warning[1200];
    const char *const warnings[] = {warning};
    at_record_box *boxes = NULL;
    if (it->heat.status) { // without its maps it is not done, and a resumed run takes it again
        j->progress->unwritten++;
        it->error = it->heat;
        got = NULL;
        captions = NULL;
    }
    const size_t n_boxes = got ? tag_heat_boxes(j->heat, it->image, got, &boxes) : 0;
    const bool warn = got && !stream && wrong_ending(path, it->image, warning, sizeof warning);
    const at_record rec = {.struct_size = sizeof rec,
                           .name = stream  ? "stdin"
                                   : slash ? slash + 1
                                           : path,
                           .path = stream ? NULL : path,
                           .model = j->model,
                           .image = got ? it->image : NULL,
                           .tags = got,
                           .captions = captions,
                           .error = got ? NULL : &it->error,
                           .decode_ms = it->decode_ms,
                           .total_ms = it->decode_ms + it->tag_ms,
                           .warnings = warnings,
                           .n_warnings = warn,
                           .boxes = boxes,
                           .n_boxes = n_boxes,
                           .seen = boxes != NULL};
    if (warn) {
        cli_progress_clear(j->progress);
        cli_warn("%s", warning);
    }
    at_error err = {0};
    const at_status status = it->skipped ? j->sink->skip(j->sink, i, &err)
                                         : j->sink->add(j->sink, i, &rec, &err);
    free(boxes);
    if (it->skipped)
        j->progress->skipped++;
    else if (!got)
        cli_progress_failed(j->progress, path, &it->error);
    else
        j->progress->ok++;
    if (status == AT_OK) return 0;
    return errno == EPIPE ? 141 : cli_fail(&err);
}

/* The slice's results from r->next_tag on, in order. *more: the inputs go on behind it. */
static int deliver_all(run *r, bool *more)
{
    const tag_job *j = r->job;
    const bool lanes = r->plan.lanes > 1;
    const size_t batch = (size_t)r->plan.batch;
    for (size_t i = r->next_tag; i < r->end && !cli_stopped();) {
        const size_t left = r->end - i, most = lanes ? 1 : left < batch ? left : batch;
        const size_t hand = lanes ? batch * (size_t)r->plan.lanes : most;
        cli_stop_at_hand(hand < left ? hand : left);
        size_t n = 0;
        while (n < most && !wait_for(r, i + n)->none)
            n++;
        *more = n == most;
        if (!lanes) pass(r, r->sessions[0], i, n);
        int code = 0;
        for (size_t f = i; f < i + n && code == 0; f++)
            code = deliver(r, f, &r->ring[f % r->ring_n]);
        release(r, i, n);
        if (code || !*more) return code;
        i += n;
        j->progress->total = cli_files_found(j->files, &j->progress->total_known);
        cli_progress_show(j->progress, false);
    }
    return 0;
}

/* Starts the threads of a slice, takes what they make, and stops them. */
static int run_slice(run *r, int threads, bool *more)
{
    pthread_t all[THREADS_MAX];
    int started = 0;
    r->stop = false;
    r->n_begun = 0;
    r->next_decode = r->next_tag;
    const int wanted = r->plan.lanes > 1 ? r->plan.lanes : threads;
    while (started < wanted && pthread_create(&all[started], NULL, worker, r) == 0)
        started++;
    const int code = started ? deliver_all(r, more)
                             : cli_error(AT_E_OUT_OF_MEMORY, "no thread could be made");
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    const size_t done = r->next_tag;
    for (int i = 0; i < started; i++)
        (void)pthread_join(all[i], NULL);
    release(r, 0, r->ring_n); // what was decoded and not used
    r->next_tag = done;
    return code;
}

/* --- plans ----------------------------------------------------------------------------------------------- */

static void close_sessions(run *r)
{
    for (int i = 0; i < THREADS_MAX; i++) {
        at_session_close(r->sessions[i]);
        r->sessions[i] = NULL;
    }
    free(r->ring);
    r->ring = NULL;
}

/* Sessions and a ring for a plan; 0 or an exit code. */
static int take_plan(run *r, tag_plan plan, int threads)
{
    const tag_job *j = r->job;
    const at_session_options so = {.struct_size = sizeof so,
                                   .threads = plan.lanes > 1 ? 1 : threads,
                                   .max_batch = plan.batch,
                                   .only = j->setup->only,
                                   .n_only = j->setup->n_only};
    close_sessions(r);
    r->plan = plan;
    const size_t pass = (size_t)plan.lanes * (size_t)plan.batch;
    r->ring_n = 2 * pass > AHEAD_LEAST ? 2 * pass : AHEAD_LEAST;
    r->ring = calloc(r->ring_n, sizeof *r->ring);
    if (!r->ring) return cli_error(AT_E_OUT_OF_MEMORY, "no memory for %zu pictures", r->ring_n);
    at_error err = {0};
    for (int i = 0; i < plan.lanes; i++) {
        if (at_session_open(j->model, &so, &r->sessions[i], &err) != AT_OK ||
            (j->setup->labels && at_session_set_labels(r->sessions[i], j->setup->labels,
                                                       j->setup->only_custom, &err) != AT_OK))
            return cli_fail(&err);
    }
    return 0;
}

static void log_plan(const tag_tuner *t)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%d %s of %d a pass%s", t->best.lanes,
                   t->best.lanes == 1 ? "lane" : "lanes", t->best.batch,
                   t->best_s > 0 ? "" : ", not measured");
    if (t->best_s > 0)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ", %.1f ms a picture",
                       t->best_s * 1e3);
    cli_log(NULL, AT_LOG_DEBUG, text);
}

int tag_run(const tag_job *job)
{
    const cli_options *o = job->o;
    run r = {.job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    const int threads = (int)(o->threads ? o->threads : at_cpu_count());
    const int apart = threads < THREADS_MAX ? threads : THREADS_MAX;
    const bool small = at_model_parameters(job->model) < SMALL;
    bool known, more = true, logged = false;
    const size_t there = cli_files_found(job->files, &known);
    const int lanes = known && there < (size_t)apart ? (int)there : apart; // more would wait
    tag_plan start = {.lanes = small && lanes > 1 ? lanes : 1,
                      .batch = o->batch > PASS_MAX ? PASS_MAX
                               : o->batch          ? (int)o->batch
                                                   : 1};
    tag_tuner tuner;
    tag_tune_begin(&tuner, start, apart, o->batch != 0);
    int code = 0;
    while (more && code == 0 && !cli_stopped()) {
        const size_t found = cli_files_found(job->files, &known);
        size_t n;
        if (known && r.next_tag == found) break;
        const tag_plan plan = tag_tune_next(&tuner, known ? found - r.next_tag : SIZE_MAX, &n);
        if (tuner.settled && !logged) log_plan(&tuner);
        logged = tuner.settled;
        if (!r.ring || plan.lanes != r.plan.lanes || plan.batch != r.plan.batch)
            code = take_plan(&r, plan, threads);
        if (code) break;
        const size_t first = r.next_tag;
        r.end = n < SIZE_MAX - first ? first + n : SIZE_MAX;
        const double begin = cli_seconds();
        code = run_slice(&r, apart, &more);
        tag_tune_told(&tuner, r.next_tag - first, cli_seconds() - begin,
                      at_session_arena_bytes(r.sessions[0]));
    }
    job->progress->total = cli_files_found(job->files, &job->progress->total_known);
    close_sessions(&r);
    return code;
}
