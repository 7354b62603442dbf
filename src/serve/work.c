/* work.c - what happens to pictures: decoded by a few threads, then computed by a batcher a model, which takes
 * what waits and is asked the same, up to its batch, after a short wait for those that are being decoded. */
#include "serve/internal.h"

#include <anytag/match.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH_MOST = 64,
    SMALL = 20000000, // parameters: a pass is too short for several threads to share it well
    LANES_MOST = 8,
};

result *result_keep(result *r)
{
    atomic_fetch_add(&r->owners, 1);
    return r;
}

void result_free(result *r)
{
    if (!r || atomic_fetch_sub(&r->owners, 1) != 1) return;
    at_image_free(r->image);
    at_tags_free(r->tags);
    at_captions_free(r->captions);
    free(r->vector);
    free(r);
}

/* --- one picture's way ----------------------------------------------------------------------------------- */

static void picture_start(request *r, size_t i);

static void picture_done(picture *p)
{
    request *r = p->r;
    metrics_image(r->s->metrics, r->want.tasks,
                  p->dropped                 ? IMAGE_DROPPED
                  : p->error.status == AT_OK ? IMAGE_OK
                                             : IMAGE_FAILED,
                  p->size);
    if (r->job) job_picture(p);
    const size_t next = r->window ? atomic_fetch_add(&r->started, 1) : r->n_pictures;
    if (next < r->n_pictures) picture_start(r, next);
    if (atomic_fetch_sub(&r->left, 1) == 1) request_finish(r);
}

/* To the batcher of the next task, or to the end. */
static void picture_next(picture *p)
{
    at_server *s = p->r->s;
    batcher *b = p->error.status != AT_OK || p->dropped ? NULL
                 : p->todo & (TASK_TAG | TASK_EMBED)    ? s->tag_batcher
                 : p->todo & TASK_CAPTION               ? s->caption_batcher
                                                        : NULL;
    if (b) {
        p->queued = now_s();
        pthread_mutex_lock(&b->lock);
        picture_push(&b->queue, p);
        pthread_cond_signal(&b->more);
        pthread_mutex_unlock(&b->lock);
        return;
    }
    at_pixels_free(p->tag_pixels);
    at_pixels_free(p->caption_pixels);
    p->tag_pixels = p->caption_pixels = NULL;
    if (p->error.status == AT_OK && !p->dropped && s->cache && p->todo == 0) {
        char key[4096];
        const int n = snprintf(key, sizeof key, "%s\n%s", p->sha256, p->r->want.key);
        if (n > 0 && n < (int)sizeof key) cache_add(s->cache, key, p->result);
    }
    picture_done(p);
}

static void prepare(picture *p, at_image *image)
{
    const at_server *s = p->r->s;
    const wants *w = &p->r->want;
    at_image *part = NULL;
    at_status status = AT_OK;
    if (w->crop[2]) status = at_image_crop(image, w->crop, p->name, &part, &p->error);
    p->in_crop = status != AT_OK;
    const at_image *seen = part ? part : image;
    if (status == AT_OK && w->tasks & (TASK_TAG | TASK_EMBED))
        status = at_pixels_prepare(s->tag, seen, &p->tag_pixels, &p->error);
    const bool shared = s->tag == s->caption && p->tag_pixels;
    if (status == AT_OK && w->tasks & TASK_CAPTION && !shared)
        (void)at_pixels_prepare(s->caption, seen, &p->caption_pixels, &p->error);
    at_image_free(part);
}

static void hash(picture *p)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(p->bytes, p->size, sum, &n, EVP_sha256(), NULL) != 1) n = 0;
    for (unsigned i = 0; i < n && i < 32; i++) {
        p->sha256[2 * i] = digits[sum[i] >> 4];
        p->sha256[2 * i + 1] = digits[sum[i] & 15];
    }
}

static bool find_cached(picture *p)
{
    char key[4096];
    cache *c = p->r->s->cache;
    hash(p);
    const int n = snprintf(key, sizeof key, "%s\n%s", p->sha256, p->r->want.key);
    if (!c || !p->sha256[0] || n < 0 || n >= (int)sizeof key) return false;
    p->result = cache_find(c, key);
    metrics_cache(p->r->s->metrics, p->result != NULL);
    return p->result != NULL;
}

/* False: its result is there already. */
static bool decode_one(picture *p)
{
    request *r = p->r;
    p->dropped = atomic_load(&r->drop);
    if (p->path && !p->dropped && p->error.status == AT_OK) source_read(p);
    if (p->dropped || p->error.status != AT_OK) return true;
    if (find_cached(p)) return false;
    r->cached = false;
    const double start = now_s();
    p->result = calloc(1, sizeof *p->result);
    at_image *image = NULL;
    if (!p->result) {
        p->error.status = AT_E_OUT_OF_MEMORY;
        (void)snprintf(p->error.text, sizeof p->error.text, "no memory");
    } else {
        p->result->owners = 1;
        if (at_image_decode(p->bytes, p->size, p->name, &r->s->o.image, &image, &p->error) == AT_OK)
            prepare(p, image);
        p->result->image = image;
        if (image) at_image_forget_pixels(image);
    }
    free(p->bytes); // what is kept of it is on the way already
    p->bytes = NULL;
    p->decode_ms = (now_s() - start) * 1e3;
    metrics_stage(r->s->metrics, STAGE_DECODE, p->decode_ms / 1e3);
    return true;
}

static void decode(picture *p)
{
    at_server *s = p->r->s;
    const bool goes_on = decode_one(p);
    atomic_fetch_sub(&s->coming, 1); // first: a batcher that sees it does not wait for it
    if (goes_on) {
        picture_next(p);
    } else {
        p->todo = 0;
        picture_done(p);
    }
}

/* --- the decoding threads -------------------------------------------------------------------------------- */

void work_decode(picture *p)
{
    at_server *s = p->r->s;
    atomic_fetch_add(&s->coming, 1);
    pthread_mutex_lock(&s->pool_lock);
    picture_push(&s->pool, p);
    pthread_cond_signal(&s->pool_more);
    pthread_mutex_unlock(&s->pool_lock);
}

static void picture_start(request *r, size_t i)
{
    picture *p = r->pictures[i];
    p->todo = r->want.tasks;
    if (p->url && p->error.status == AT_OK)
        fetch_push(p);
    else
        work_decode(p);
}

/* A request whose body has come: its wishes are read, its pictures go to the pool. Pictures that are still
 * to be fetched are at work a few at a time, so that a long list of them holds little memory. */
static void begin(request *r)
{
    at_server *s = r->s;
    bool ok = body_end(r);
    if (ok && r->route->work) r->route->work(r);
    if (!ok || r->status || r->problem.what) { // answered, or refused
        request_finish(r);
        return;
    }
    ok = wants_read(r);
    if (ok && r->n_pictures > 1 && !r->window) {
        ok = queue_admit(s, r->key, r->n_pictures - 1) ||
             fail(&r->problem, P_QUEUE_FULL, "%zu pictures are more than the queue has room for",
                  r->n_pictures);
        if (ok) r->admitted = r->n_pictures;
    }
    if (!ok) {
        request_finish(r);
        return;
    }
    work_pictures(r);
}

void work_pictures(request *r)
{
    // the last picture may end the request, and then r is gone
    const size_t n = r->n_pictures, first = r->window && r->window < n ? r->window : n;
    atomic_store(&r->left, n);
    atomic_store(&r->started, first);
    r->cached = true;
    for (size_t i = 0; i < first; i++)
        picture_start(r, i);
}

static void *decoder(void *user)
{
    at_server *s = user;
    pthread_mutex_lock(&s->pool_lock);
    for (;;) {
        request *r = s->todo_first;
        picture *p = r ? NULL : picture_pop_fair(&s->pool, &s->pool_turns);
        if (!r && !p && s->pool_stop) break;
        if (!r && !p) {
            pthread_cond_wait(&s->pool_more, &s->pool_lock);
            continue;
        }
        if (r) {
            s->todo_first = r->next;
            if (!s->todo_first) s->todo_last = &s->todo_first;
        }
        pthread_mutex_unlock(&s->pool_lock);
        if (r)
            begin(r);
        else
            decode(p);
        pthread_mutex_lock(&s->pool_lock);
    }
    pthread_mutex_unlock(&s->pool_lock);
    return NULL;
}

void work_request(request *r)
{
    at_server *s = r->s;
    pthread_mutex_lock(&s->pool_lock);
    r->next = NULL;
    *s->todo_last = r;
    s->todo_last = &r->next;
    pthread_cond_signal(&s->pool_more);
    pthread_mutex_unlock(&s->pool_lock);
}

bool work_start(at_server *s, at_error *err)
{
    const int cpus = at_cpu_count(), n = cpus < 2 ? 2 : cpus > 8 ? 8 : cpus;
    s->todo_last = &s->todo_first;
    pthread_mutex_init(&s->pool_lock, NULL);
    pthread_cond_init(&s->pool_more, NULL);
    s->decoders = calloc((size_t)n, sizeof *s->decoders);
    while (s->decoders && s->n_decoders < n &&
           pthread_create(&s->decoders[s->n_decoders], NULL, decoder, s) == 0)
        s->n_decoders++;
    if (s->n_decoders) return true;
    err->status = AT_E_OUT_OF_MEMORY;
    (void)snprintf(err->text, sizeof err->text, "no threads for decoding can be started");
    return false;
}

void work_stop(at_server *s)
{
    pthread_mutex_lock(&s->pool_lock);
    s->pool_stop = true;
    pthread_cond_broadcast(&s->pool_more);
    pthread_mutex_unlock(&s->pool_lock);
    for (int i = 0; i < s->n_decoders; i++)
        pthread_join(s->decoders[i], NULL);
    free(s->decoders);
}

/* --- a batcher ------------------------------------------------------------------------------------------- */

static unsigned task_of(const picture *p)
{
    return p->todo & TASK_TAG ? TASK_TAG : p->todo & TASK_EMBED ? TASK_EMBED : TASK_CAPTION;
}

static bool same_work(const picture *a, const picture *b)
{
    return task_of(a) == task_of(b) &&
           (a->r == b->r || strcmp(a->r->want.key, b->r->want.key) == 0);
}

/* How many a worker takes with this one: what waits is shared with those that wait for work. One thread's pass of
 * several pictures is several passes, whose first answers wait for the last; it takes more only from a queue so long
 * that this counts less than the time saved by leaving the model in its caches. With the lock. */
static size_t share(const batcher *b, const picture *first, size_t waiting)
{
    const bool alone = b->alone && task_of(first) == TASK_TAG;
    const size_t idle = b->idle > 0 ? (size_t)b->idle : 1, most = (size_t)b->s->o.batch;
    const size_t n = alone ? waiting / (2 * (size_t)b->n_workers) : (waiting + idle - 1) / idle;
    return n < 1 ? 1 : n < most ? n : most;
}

/* One whose turn it is and those that ask the same; the order of the others stays. Work that
 * nobody waits for comes out alone, as dropped. */
static size_t take(batcher *b, picture **list)
{
    queue rest = {0};
    size_t n = 0, most = 1;
    const size_t all = b->queue.n;
    for (picture *p = picture_pop_fair(&b->queue, &b->turns); p; p = picture_pop(&b->queue)) {
        if (n == 0 || (n < most && !list[0]->dropped && same_work(list[0], p))) {
            p->dropped = atomic_load(&p->r->drop);
            if (p->dropped && n) {
                picture_push(&rest, p);
                continue;
            }
            if (n == 0) most = share(b, p, all);
            list[n++] = p;
        } else {
            picture_push(&rest, p);
        }
    }
    b->queue = rest;
    if (!b->queue.first) b->queue.last = NULL;
    return n;
}

static void use_labels(struct worker *w, at_labels *set, bool only, at_error *err)
{
    if (w->labels == set && w->only_custom == only) return;
    if (at_session_set_labels(w->session, set, only, err) != AT_OK) return;
    at_labels_free(w->labels);
    w->labels = set ? at_labels_keep(set) : NULL;
    w->only_custom = only;
}

/* Vectors of pictures alone: what else is kept for a closer look is large. */
static at_status embed_pictures(struct worker *w, const at_pixels *const *pixels, size_t n,
                                float **vectors, at_error *errors)
{
    const size_t size = at_model_match_width(w->b->model) * sizeof **vectors;
    at_features *features[BATCH_MOST] = {0};
    const at_status status = at_session_features_pixels(w->session, pixels, n, NULL, features,
                                                        errors);
    for (size_t i = 0; i < n; i++) {
        if (features[i] && (vectors[i] = malloc(size)))
            memcpy(vectors[i], at_features_vector(features[i]), size);
        at_features_free(features[i]);
    }
    return status == AT_OK ? AT_E_OUT_OF_MEMORY : status; // of those without a vector
}

static void compute(struct worker *w, picture **list, size_t n)
{
    at_server *s = w->b->s;
    const unsigned task = task_of(list[0]);
    const wants *want = &list[0]->r->want;
    const at_pixels *pixels[BATCH_MOST];
    at_tags *tags[BATCH_MOST] = {0};
    at_captions *captions[BATCH_MOST] = {0};
    float *vectors[BATCH_MOST] = {0};
    at_error errors[BATCH_MOST] = {0}, err = {0};
    const double start = now_s();
    // a caption is guided by the model's own tags
    const bool own = task == TASK_CAPTION || !want->labels;
    use_labels(w, own ? NULL : want->labels, !own && want->only_custom, &err);
    for (size_t i = 0; i < n; i++)
        pixels[i] = task == TASK_CAPTION && list[i]->caption_pixels ? list[i]->caption_pixels
                                                                    : list[i]->tag_pixels;
    at_status status = err.status;
    if (status == AT_OK)
        status = task == TASK_EMBED ? embed_pictures(w, pixels, n, vectors, errors)
                 : task == TASK_TAG
                     ? at_session_tag_pixels(w->session, pixels, n, &want->tag, tags, errors)
                     : at_session_caption_pixels(w->session, pixels, n, &want->caption, captions,
                                                 errors);
    metrics_stage(s->metrics,
                  task == TASK_TAG     ? STAGE_TAG
                  : task == TASK_EMBED ? STAGE_EMBED
                                       : STAGE_CAPTION,
                  now_s() - start);
    metrics_batch(s->metrics, n);
    for (size_t i = 0; i < n; i++) {
        picture *p = list[i];
        const bool none = !tags[i] && !captions[i] && !vectors[i];
        if (none) p->error = errors[i].status ? errors[i] : err;
        if (none && p->error.status == AT_OK) p->error.status = status;
        if (vectors[i]) p->result->vector = vectors[i];
        if (tags[i]) p->result->tags = tags[i];
        if (captions[i]) p->result->captions = captions[i];
        p->todo &= ~task;
        picture_next(p);
    }
}

/* Until the batch is full, its first picture has waited long enough, or none is on its way; with the lock. */
static void wait_for_more(batcher *b)
{
    const double until = b->queue.first->queued + b->s->o.batch_wait_ms / 1e3;
    if (b->alone && task_of(b->queue.first) == TASK_TAG) return;
    while (!b->stop && b->queue.n && b->queue.n < (size_t)b->s->o.batch &&
           atomic_load(&b->s->coming)) {
        const double left = until - now_s();
        if (left <= 0) return;
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += (long)(left * 1e9);
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&b->more, &b->lock, &t);
    }
}

static void *batching(void *user)
{
    struct worker *w = user;
    batcher *b = w->b;
    picture *list[BATCH_MOST];
    pthread_mutex_lock(&b->lock);
    for (;;) {
        b->idle++;
        while (!b->queue.n && !b->stop)
            pthread_cond_wait(&b->more, &b->lock);
        const bool ends = !b->queue.n;
        if (!ends) wait_for_more(b);
        const size_t n = ends ? 0 : take(b, list);
        b->idle--;
        if (ends) break;
        if (b->queue.n) pthread_cond_signal(&b->more);
        pthread_mutex_unlock(&b->lock);
        if (n && list[0]->dropped)
            picture_next(list[0]);
        else if (n)
            compute(w, list, n);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

batcher *batcher_open(at_server *s, at_model *model, at_error *err)
{
    const int cpus = s->o.threads > 0 ? s->o.threads : at_cpu_count();
    const int lanes = at_model_parameters(model) >= SMALL ? 1
                      : cpus < LANES_MOST                 ? cpus
                                                          : LANES_MOST;
    const int n = s->o.parallel > 0 ? s->o.parallel : lanes;
    batcher *b = calloc(1, sizeof *b);
    if (b) b->workers = calloc((size_t)n, sizeof *b->workers);
    if (b) b->turns.keys = s->o.n_keys;
    if (b) b->turns.served = calloc(s->o.n_keys + 1, sizeof *b->turns.served);
    if (!b || !b->workers || !b->turns.served) {
        err->status = AT_E_OUT_OF_MEMORY;
        (void)snprintf(err->text, sizeof err->text, "no memory");
        if (b) free(b->workers);
        free(b);
        return NULL;
    }
    b->s = s;
    b->model = model;
    b->alone = cpus / n <= 1 && at_model_parameters(model) < SMALL;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->more, NULL);
    const at_session_options so = {
        .struct_size = sizeof so, .threads = cpus / n > 1 ? cpus / n : 1, .max_batch = s->o.batch};
    for (; b->n_workers < n; b->n_workers++) {
        struct worker *w = &b->workers[b->n_workers];
        w->b = b;
        if (at_session_open(model, &so, &w->session, err) != AT_OK) break;
        w->runs = pthread_create(&w->thread, NULL, batching, w) == 0;
    }
    if (b->n_workers == n && b->workers[0].runs) return b;
    if (err->status == AT_OK) err->status = AT_E_OUT_OF_MEMORY;
    batcher_close(b);
    return NULL;
}

void batcher_close(batcher *b)
{
    if (!b) return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->more);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < b->n_workers; i++) {
        if (b->workers[i].runs) pthread_join(b->workers[i].thread, NULL);
        at_session_close(b->workers[i].session);
        at_labels_free(b->workers[i].labels);
    }
    free(b->workers);
    free(b->turns.served);
    free(b);
}
