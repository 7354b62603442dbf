/* cmd_tag.c - anytag tag: decoding threads run ahead of inference in a ring of pictures; results keep
 * the order of the inputs; a bad file is reported and the run goes on. With a small model each thread
 * also tags what it decoded, on a session of its own: a pass is too short to be shared well. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { RING = 32, DECODERS_MAX = 16, SMALL = 20000000 }; // parameters of a small model

typedef struct item {
    enum { EMPTY, CLAIMED, READY } state;
    at_image *image;
    at_pixels *pixels;
    at_tags *tags; // of a small model
    at_error error;
    double decode_ms, tag_ms;
} item;

typedef struct run {
    const cli_options *o;
    const at_model *model;
    cli_files files;
    at_image_options io;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next_decode, next_tag; // indices of files
    bool stop;
    const at_tag_options *to;
    at_session *own[DECODERS_MAX]; // one a thread; NULL: one session for all
    int n_threads;                 // that have begun
    item ring[RING];
} run;

static volatile sig_atomic_t interrupted;
static void on_interrupt(int sig)
{
    (void)sig;
    if (interrupted) _exit(130);
    interrupted = 1;
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

static void decode(run *r, size_t i, at_session *own)
{
    item *it = &r->ring[i % RING];
    const double start = cli_seconds();
    const char *path = r->files.paths[i];
    const at_status status = strcmp(path, "-") == 0
                                 ? read_stdin(&r->io, &it->image, &it->error)
                                 : at_image_read(path, &r->io, &it->image, &it->error);
    if (status == AT_E_NOT_FOUND) cli_suggest_path(&it->error, path);
    if (status == AT_OK) (void)at_pixels_prepare(r->model, it->image, &it->pixels, &it->error);
    it->decode_ms = (cli_seconds() - start) * 1e3;
    if (!own || !it->pixels) return;
    const at_pixels *one = it->pixels;
    (void)at_session_tag_pixels(own, &one, 1, r->to, &it->tags, &it->error);
    it->tag_ms = (cli_seconds() - start) * 1e3 - it->decode_ms;
}

static void *decoder(void *user)
{
    run *r = user;
    pthread_mutex_lock(&r->lock);
    at_session *own = r->own[r->n_threads++];
    while (!r->stop && r->next_decode < r->files.n) {
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
        *it = (item){0};
    }
    r->next_tag = first + n;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* --- options -------------------------------------------------------------------------------------------- */

static int threshold_options(const cli_options *o, const at_model *m, at_tag_options *t,
                             float **own)
{
    const char *s = o->threshold ? o->threshold : "auto";
    char *end;
    if (strncmp(s, "auto", 4) == 0) {
        t->threshold = s[4] ? strtof(s + 4, &end) : 0;
        t->threshold_mode = s[4] ? AT_THRESHOLD_SHIFT : AT_THRESHOLD_OWN;
        if (s[4] && (*end || end == s + 4 || !(t->threshold >= -1 && t->threshold <= 1)))
            return cli_usage(
                "--threshold: \"%.40s\" is not auto+D with D in -1..1; use 0.68, auto, or auto+0.05",
                s);
    } else {
        t->threshold = strtof(s, &end);
        t->threshold_mode = AT_THRESHOLD_ONE;
        if (*end || end == s || !(t->threshold >= 0 && t->threshold <= 1))
            return cli_usage("--threshold: \"%.40s\" is outside 0..1; use 0.68, auto, or auto+0.05",
                             s);
    }
    t->top = (int)o->top;
    if (!o->thresholds) return 0;
    FILE *f = fopen(o->thresholds, "rb");
    if (!f)
        return cli_usage("--thresholds: %s cannot be read (%s)", o->thresholds, strerror(errno));
    const size_t n = at_model_tags(m);
    *own = calloc(n, sizeof **own);
    size_t got = 0;
    for (float v; *own && fscanf(f, "%f", &v) == 1; got++) {
        if (got < n) (*own)[got] = v;
    }
    (void)fclose(f);
    if (got != n)
        return cli_usage("--thresholds: %s has %zu numbers, the model %zu tags", o->thresholds, got,
                         n);
    t->thresholds = *own;
    return 0;
}

/* Ids of a comma-separated list or of @FILE with one a line. */
static int tag_ids(const at_model *m, const char *option, const char *list, size_t **ids, size_t *n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = list[0] == '@' ? fopen(list + 1, "rb") : NULL;
    if (list[0] == '@' && !f)
        return cli_usage("--%s: %s cannot be read (%s)", option, list + 1, strerror(errno));
    if (f) {
        size_t cap = 1 << 20;
        text = calloc(1, cap + 1);
        size = text ? fread(text, 1, cap, f) : 0;
        (void)fclose(f);
    } else {
        text = strdup(list);
        size = strlen(list);
    }
    *ids = calloc(size / 2 + 2, sizeof **ids);
    *n = 0;
    int code = text && *ids ? 0 : 6;
    char *save = NULL;
    for (char *name = code ? NULL : strtok_r(text, f ? "\r\n" : ",", &save); name && !code;
         name = strtok_r(NULL, f ? "\r\n" : ",", &save)) {
        while (isspace((unsigned char)*name))
            name++;
        for (char *end = name + strlen(name); end > name && isspace((unsigned char)end[-1]);)
            *--end = 0;
        if (!*name) continue;
        const long id = at_model_find_tag(m, name);
        if (id >= 0) {
            (*ids)[(*n)++] = (size_t)id;
            continue;
        }
        size_t near[3];
        const size_t k = at_model_nearest_tags(m, name, near, 3);
        char hint[256] = "";
        for (size_t i = 0; i < k; i++)
            (void)snprintf(hint + strlen(hint), sizeof hint - strlen(hint), "%s%s",
                           i ? ", " : "; nearest: ", at_model_tag(m, near[i], "en"));
        code = cli_usage("unknown tag \"%.60s\" in --%s%s", name, option, hint);
    }
    free(text);
    return code;
}

/* The tags to compute: --only without --exclude-tags. *ids NULL: all. */
static int wanted_tags(const cli_options *o, const at_model *m, size_t **ids, size_t *n)
{
    int code = o->only ? tag_ids(m, "only", o->only, ids, n) : 0;
    if (code || !o->exclude_tags) return code;
    size_t *gone = NULL, n_gone = 0;
    code = tag_ids(m, "exclude-tags", o->exclude_tags, &gone, &n_gone);
    const size_t all = o->only ? *n : at_model_tags(m);
    size_t *left = code ? NULL : calloc(all + 1, sizeof *left);
    if (!code && !left) code = 6;
    size_t k = 0;
    for (size_t i = 0; left && i < all; i++) {
        const size_t id = o->only ? (*ids)[i] : i;
        bool out = false;
        for (size_t j = 0; j < n_gone; j++)
            out |= gone[j] == id;
        if (!out) left[k++] = id;
    }
    free(gone);
    if (!left) return code;
    free(*ids);
    *ids = left;
    *n = k;
    return 0;
}

static int writer_options(const cli_options *o, const cli_output *out, at_writer_options *w)
{
    const char *locale = getenv("LC_ALL");
    if (!locale || !*locale) locale = getenv("LC_MESSAGES");
    if (!locale || !*locale) locale = getenv("LANG");
    *w = (at_writer_options){.struct_size = sizeof *w,
                             .scores = o->scores,
                             .all_scores = o->all_scores,
                             .null_ends = o->null_ends,
                             .bom = o->bom,
                             .excel = o->excel};
    w->lang = o->lang ? o->lang : locale && strncmp(locale, "zh", 2) == 0 ? "zh" : "en";
    if (strcmp(w->lang, "en") != 0 && strcmp(w->lang, "zh") != 0 && strcmp(w->lang, "en,zh") != 0)
        return cli_usage("--lang: \"%.40s\" is none of en, zh, en,zh", w->lang);
    struct winsize size = {0};
    if (!out->path && isatty(STDOUT_FILENO)) {
        w->terminal_width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
                                ? size.ws_col
                                : 80;
        w->color = cli_color(o, stdout);
        w->unicode = locale && strcasestr(locale, "utf") != NULL;
    }
    return 0;
}

/* --- the run -------------------------------------------------------------------------------------------- */

typedef struct tally {
    size_t ok, failed;
    double start, shown;
    bool bar;
} tally;

static void show(const run *r, tally *t, bool last)
{
    const double now = cli_seconds(), past = now - t->start;
    const char *mode = r->o->progress ? r->o->progress : "auto";
    const bool json = strcmp(mode, "json") == 0, plain = strcmp(mode, "plain") == 0;
    if (r->o->quiet || strcmp(mode, "none") == 0 || (!json && !plain && !t->bar) ||
        now - t->shown < (json    ? 0.5
                          : plain ? 30
                                  : 0.1)) {
        if (!(last && t->bar)) return;
    }
    t->shown = now;
    const size_t done = t->ok + t->failed;
    const double rate = past > 0 ? (double)done / past : 0,
                 eta = rate > 0 ? (double)(r->files.n - done) / rate : 0;
    if (json) {
        fprintf(
            stderr,
            "{\"event\":\"progress\",\"done\":%zu,\"total\":%zu,\"failed\":%zu,\"rate\":%.1f,\"eta_s\":%.0f}\n",
            done, r->files.n, t->failed, rate, eta);
        return;
    }
    if (last)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "%stag  %zu/%zu  %zu%%  %.1f img/s  ETA %dm%02ds  %zu failed%s",
                plain ? "" : "\r\033[K", done, r->files.n, done * 100 / r->files.n, rate,
                (int)(eta / 60), (int)eta % 60, t->failed, plain ? "\n" : "");
}

/* `s` NULL: the decoding threads tag. */
static int tag_all(run *r, at_session *s, at_writer *w, tally *t)
{
    const size_t batch = r->o->batch ? (size_t)(r->o->batch < RING / 2 ? r->o->batch : RING / 2)
                                     : 1;
    for (size_t i = 0; i < r->files.n && !interrupted;) {
        const at_pixels *pixels[RING];
        size_t which[RING], n = 0, end = i;
        for (; end < r->files.n && end - i < batch; end++) {
            wait_for(r, end);
            if (!r->ring[end % RING].pixels || !s) continue;
            which[n] = end;
            pixels[n++] = r->ring[end % RING].pixels;
        }
        at_tags *tags[RING] = {0};
        at_error errors[RING] = {0};
        const double start = cli_seconds();
        if (n) (void)at_session_tag_pixels(s, pixels, n, r->to, tags, errors);
        const double ms = n ? (cli_seconds() - start) * 1e3 / (double)n : 0;
        for (size_t k = 0; k < n; k++) {
            if (!tags[k]) r->ring[which[k] % RING].error = errors[k];
        }
        int code = 0;
        for (size_t f = i, k = 0; f < end; f++) {
            const item *it = &r->ring[f % RING];
            at_tags *const one = k < n && which[k] == f ? tags[k++] : NULL, *const got =
                                                                                s ? one : it->tags;
            const char *path = r->files.paths[f], *slash = strrchr(path, '/');
            const bool stream = strcmp(path, "-") == 0;
            const at_record rec = {.struct_size = sizeof rec,
                                   .name = stream  ? "stdin"
                                           : slash ? slash + 1
                                                   : path,
                                   .path = stream ? NULL : path,
                                   .model = r->model,
                                   .image = got ? it->image : NULL,
                                   .tags = got,
                                   .error = got ? NULL : &it->error,
                                   .decode_ms = it->decode_ms,
                                   .total_ms = it->decode_ms + it->tag_ms + ms};
            if (!got) {
                show(r, t, true);
                (void)cli_fail(&it->error);
                t->failed++;
            } else
                t->ok++;
            at_error err = {0};
            if (code == 0 && at_writer_add(w, &rec, &err) != AT_OK)
                code = errno == EPIPE ? 141 : cli_fail(&err);
            at_tags_free(one);
        }
        release(r, i, end - i);
        if (code) return code;
        i = end;
        show(r, t, false);
    }
    return 0;
}

static void summary(const run *r, const tally *t)
{
    if (r->files.n < 2 || (r->o->quiet && !t->failed)) return;
    const double past = cli_seconds() - t->start;
    fprintf(stderr, "%zu tagged, %zu failed, 0 skipped in %.1fs (%.1f img/s)\n", t->ok, t->failed,
            past, past > 0 ? (double)(t->ok + t->failed) / past : 0);
}

/* Starts the decoding threads, tags, and stops them. */
static int run_threads(run *r, int wanted, at_session *s, at_writer *w, tally *t)
{
    pthread_t threads[DECODERS_MAX];
    int started = 0;
    while (started < wanted && pthread_create(&threads[started], NULL, decoder, r) == 0)
        started++;
    const int code = started ? tag_all(r, s, w, t) : cli_usage("no thread could be made");
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    release(r, 0, RING); // what was decoded and not used
    return code;
}

int cmd_tag(const cli_options *o, char **inputs, size_t n)
{
    run r = {.o = o, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    r.io = (at_image_options){.struct_size = sizeof r.io,
                              .max_pixels = (uint64_t)o->max_pixels_m * 1000000,
                              .max_bytes = (uint64_t)o->max_bytes_m << 20,
                              .keep_rotated = o->no_rotate,
                              .official_pixels = o->official_pixels};
    int code = cli_files_find(&r.files, o, inputs, n);
    at_model *model = NULL;
    at_session *session = NULL;
    at_writer *writer = NULL;
    cli_output out = {0};
    size_t *only = NULL, n_only = 0;
    float *own = NULL;
    at_tag_options to = {.struct_size = sizeof to};
    at_writer_options wo;
    at_error err = {0};
    if (code == 0) code = cli_open_model(o, &model);
    r.model = model;
    if (code == 0) code = threshold_options(o, model, &to, &own);
    if (code == 0) code = wanted_tags(o, model, &only, &n_only);
    if (code == 0 && o->dry_run) {
        for (size_t i = 0; i < r.files.n; i++)
            puts(r.files.paths[i]);
        cli_files_free(&r.files);
        at_model_close(model);
        free(only);
        free(own);
        return 0;
    }
    int wanted = (int)(o->threads ? o->threads : at_cpu_count());
    if (wanted > DECODERS_MAX) wanted = DECODERS_MAX;
    const bool small = code == 0 && at_model_parameters(model) < SMALL && r.files.n > 1 &&
                       !o->batch;
    const at_session_options so = {.struct_size = sizeof so,
                                   .threads = small ? 1 : (int)o->threads,
                                   .max_batch = (int)o->batch,
                                   .only = only,
                                   .n_only = n_only};
    for (int i = 0; i < (small ? wanted : 1) && code == 0; i++) {
        if (at_session_open(model, &so, small ? &r.own[i] : &session, &err) != AT_OK)
            code = cli_fail(&err);
    }
    r.to = &to;
    if (code == 0) code = cli_output_open(&out, o->output);
    if (code == 0) code = writer_options(o, &out, &wo);
    if (code == 0 && at_writer_open(o->format ? o->format : "text", &wo, cli_output_write, &out,
                                    &writer, &err) != AT_OK)
        code = cli_fail(&err);
    if (code == 0) {
        (void)signal(SIGINT, on_interrupt);
        (void)signal(SIGPIPE, SIG_IGN);
        tally t = {.start = cli_seconds(), .bar = isatty(STDERR_FILENO) && r.files.n > 1};
        code = run_threads(&r, wanted, session, writer, &t);
        if (code == 0 && at_writer_finish(writer, &err) != AT_OK)
            code = errno == EPIPE ? 141 : cli_fail(&err);
        show(&r, &t, true);
        if (code == 0 && interrupted) code = 130;
        if (code == 0 || code == 130) summary(&r, &t);
        if (code == 0 && t.failed) code = 1;
    }
    at_writer_close(writer);
    const int closed = cli_output_close(
        &out, code <= 1 || code == 130); // an interrupted document is whole too
    at_session_close(session);
    for (int i = 0; i < DECODERS_MAX; i++)
        at_session_close(r.own[i]);
    at_model_close(model);
    cli_files_free(&r.files);
    free(only);
    free(own);
    return closed ? closed : code;
}
