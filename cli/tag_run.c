/* tag_run.c - decoding threads run ahead of inference in a ring of pictures; results keep the order of the
 * inputs; a bad file is reported and the run goes on. With a small model each thread also tags what it
 * decoded, on a session of its own: a pass is too short to be shared well. */
#include "tag.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 32, DECODERS_MAX = 16, SMALL = 20000000 }; // parameters of a small model

typedef struct item {
    enum { EMPTY, CLAIMED, READY } state;
    at_image *image;
    at_pixels *pixels;
    at_tags *tags;         // of a small model
    at_captions *captions; // likewise
    at_error error;
    bool skipped; // done by an earlier run
    double decode_ms, tag_ms;
} item;

typedef struct run {
    const tag_job *job;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n, next_decode, next_tag; // indices of files
    bool stop;
    at_session *own[DECODERS_MAX]; // one a thread; NULL: one session for all
    int n_threads;                 // that have begun
    item ring[RING];
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

static at_status read_stdin(const at_image_options *io, at_image **image, at_error *err)
{
    size_t n = 0, cap = 1 << 16;
    char *data = malloc(cap);
    for (size_t k; data && (k = fread(data + n, 1, cap - n, stdin)) > 0;) {
        n += k;
        if (n < cap) continue;
        char *more = cap < ((size_t)1 << 30) ? realloc(data, cap *= 2) : NULL;
        if (!more) break;
        data = more;
    }
    const at_status status = at_image_decode(data ? data : "", data ? n : 0, "stdin", io, image,
                                             err);
    free(data);
    return status;
}

/* The part of a picture that --crop asks for; `image` itself goes into the record. */
static at_status crop(const int box[4], const char *path, const at_image *image, at_image **part,
                      at_error *err)
{
    const int width = at_image_width(image), height = at_image_height(image);
    if (box[2] > width || box[3] > height) {
        err->status = AT_E_INVALID_PARAMETER;
        (void)snprintf(err->text, sizeof err->text, "%s: --crop ends outside the picture (%d x %d)",
                       path, width, height);
        return err->status;
    }
    const size_t stride = 3 * (size_t)width;
    return at_image_from_rgb(at_image_rgb(image) + (size_t)box[1] * stride + 3 * (size_t)box[0],
                             box[2] - box[0], box[3] - box[1], stride, NULL, part, err);
}

static void decode(run *r, size_t i, at_session *own)
{
    const tag_job *j = r->job;
    const at_image_options *io = &j->setup->image;
    item *it = &r->ring[i % RING];
    const double start = cli_seconds();
    const char *path = j->files->paths[i];
    const int before = j->sink->before(j->sink, i, &it->error);
    it->skipped = before > 0;
    if (before) return;
    const at_status status = strcmp(path, "-") == 0
                                 ? read_stdin(io, &it->image, &it->error)
                                 : at_image_read(path, io, &it->image, &it->error);
    if (status == AT_E_NOT_FOUND) cli_suggest_path(&it->error, path);
    const int *box = j->setup->crop;
    at_image *part = NULL;
    if (status == AT_OK && box[2]) (void)crop(box, path, it->image, &part, &it->error);
    if (status == AT_OK && (part || !box[2]))
        (void)at_pixels_prepare(j->model, part ? part : it->image, &it->pixels, &it->error);
    at_image_free(part);
    it->decode_ms = (cli_seconds() - start) * 1e3;
    if (!own || !it->pixels) return;
    const at_pixels *one = it->pixels;
    work(j, own, &one, 1, &it->tags, &it->captions, &it->error);
    it->tag_ms = (cli_seconds() - start) * 1e3 - it->decode_ms;
}

static void *decoder(void *user)
{
    run *r = user;
    pthread_mutex_lock(&r->lock);
    at_session *own = r->own[r->n_threads++];
    while (!r->stop && r->next_decode < r->n) {
        const size_t i = r->next_decode;
        if (i >= r->next_tag + RING) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        r->next_decode++;
        r->ring[i % RING].state = CLAIMED;
        pthread_mutex_unlock(&r->lock);
        decode(r, i, own);
        pthread_mutex_lock(&r->lock);
        r->ring[i % RING].state = READY;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void wait_for(run *r, size_t i)
{
    pthread_mutex_lock(&r->lock);
    while (r->ring[i % RING].state != READY)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void release(run *r, size_t first, size_t n)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = first; i < first + n; i++) {
        item *it = &r->ring[i % RING];
        at_image_free(it->image);
        at_pixels_free(it->pixels);
        at_tags_free(it->tags);
        at_captions_free(it->captions);
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

/* One result to the sink; `got` NULL: its error. 0 or an exit code that stops the run. */
static int deliver(run *r, size_t i, const item *it, const at_tags *got,
                   const at_captions *captions, double total_ms)
{
    const tag_job *j = r->job;
    const char *path = j->files->paths[i], *slash = strrchr(path, '/');
    const bool stream = strcmp(path, "-") == 0;
    char warning[1200];
    const char *const warnings[] = {warning};
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
                           .total_ms = total_ms,
                           .warnings = warnings,
                           .n_warnings = warn};
    if (warn) {
        cli_progress_clear(j->progress);
        cli_warn("%s", warning);
    }
    at_error err = {0};
    const at_status status = it->skipped ? j->sink->skip(j->sink, i, &err)
                                         : j->sink->add(j->sink, i, &rec, &err);
    if (it->skipped)
        j->progress->skipped++;
    else if (!got)
        cli_progress_failed(j->progress, path, &it->error);
    else
        j->progress->ok++;
    if (status == AT_OK) return 0;
    return errno == EPIPE ? 141 : cli_fail(&err);
}

/* `s` NULL: the decoding threads tag. */
static int tag_all(run *r, at_session *s)
{
    const tag_job *j = r->job;
    const size_t batch = j->o->batch ? (size_t)(j->o->batch < RING / 2 ? j->o->batch : RING / 2)
                                     : 1;
    for (size_t i = 0; i < r->n && !cli_stopped();) {
        const at_pixels *pixels[RING];
        size_t which[RING], n = 0, end = i;
        cli_stop_at_hand(r->n - i < batch ? r->n - i : batch);
        for (; end < r->n && end - i < batch; end++) {
            wait_for(r, end);
            if (!r->ring[end % RING].pixels || !s) continue;
            which[n] = end;
            pixels[n++] = r->ring[end % RING].pixels;
        }
        at_tags *tags[RING] = {0};
        at_captions *captions[RING] = {0};
        at_error errors[RING] = {0};
        const double start = cli_seconds();
        if (n) work(j, s, pixels, n, tags, captions, errors);
        const double ms = n ? (cli_seconds() - start) * 1e3 / (double)n : 0;
        for (size_t k = 0; k < n; k++) {
            if (!tags[k] && !captions[k]) r->ring[which[k] % RING].error = errors[k];
        }
        int code = 0;
        for (size_t f = i, k = 0; f < end; f++) {
            const item *it = &r->ring[f % RING];
            const bool mine = k < n && which[k] == f;
            at_tags *const one = mine ? tags[k] : NULL;
            at_captions *const text = mine ? captions[k] : NULL;
            k += mine;
            const at_captions *c = s ? text : it->captions;
            const at_tags *t = c ? at_captions_tags(c) : s ? one : it->tags;
            if (code == 0) code = deliver(r, f, it, t, c, it->decode_ms + it->tag_ms + ms);
            at_tags_free(one);
            at_captions_free(text);
        }
        release(r, i, end - i);
        if (code) return code;
        i = end;
        cli_progress_show(j->progress, false);
    }
    return 0;
}

/* Starts the decoding threads, tags, and stops them. */
static int run_threads(run *r, int wanted, at_session *s)
{
    pthread_t threads[DECODERS_MAX];
    int started = 0;
    while (started < wanted && pthread_create(&threads[started], NULL, decoder, r) == 0)
        started++;
    const int code = started ? tag_all(r, s)
                             : cli_error(AT_E_OUT_OF_MEMORY, "no thread could be made");
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    release(r, 0, RING); // what was decoded and not used
    return code;
}

int tag_run(const tag_job *job)
{
    const cli_options *o = job->o;
    run r = {.job = job,
             .n = job->files->n,
             .lock = PTHREAD_MUTEX_INITIALIZER,
             .changed = PTHREAD_COND_INITIALIZER};
    int wanted = (int)(o->threads ? o->threads : at_cpu_count()), code = 0;
    if (wanted > DECODERS_MAX) wanted = DECODERS_MAX;
    const bool small = at_model_parameters(job->model) < SMALL && r.n > 1 && !o->batch;
    const at_session_options so = {.struct_size = sizeof so,
                                   .threads = small ? 1 : (int)o->threads,
                                   .max_batch = (int)o->batch,
                                   .only = job->setup->only,
                                   .n_only = job->setup->n_only};
    at_session *session = NULL;
    at_error err = {0};
    for (int i = 0; i < (small ? wanted : 1) && code == 0; i++) {
        if (at_session_open(job->model, &so, small ? &r.own[i] : &session, &err) != AT_OK)
            code = cli_fail(&err);
    }
    if (code == 0) code = run_threads(&r, wanted, session);
    at_session_close(session);
    for (int i = 0; i < DECODERS_MAX; i++)
        at_session_close(r.own[i]);
    return code;
}
