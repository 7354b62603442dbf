/* internal.h - what the files of the server share.
 *
 *     http.c     a request's life: headers, body, suspended while it is worked on, answer
 *     answer.c   records, problems, JSON
 *     body.c     bodies become pictures and parameters        params.c  parameters become wants
 *     work.c     decoding threads, a batcher a model          cache.c   results by content, sets of words
 *     routes.c   the table of routes                          openapi.c what the table says of itself
 *     queue.c    whose turn it is                             supervisor.c systemd
 *     problem.c  errors as problem+json                       metrics.c Prometheus text
 *     source.c   pictures by data: URL, URL or path           fetch.c   URLs, by threads of their own
 *     compat_*.c the routes of other programs                 embed.c   texts as vectors
 *     heatmap.c  where a tag was seen
 *     jobs.c     pictures worked on behind the answer         stream.c  their events
 *     ui.c       the web page                                 origin.c  what other pages may not do */
#ifndef ANYTAG_SERVE_INTERNAL_H
#define ANYTAG_SERVE_INTERNAL_H

#include "serve/serve.h"

#include <anytag.h>
#include <anytag/caption.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

typedef struct request request;
typedef struct picture picture;
typedef struct job job;
typedef struct stream stream;
typedef struct result result;

/* --- problem.c ------------------------------------------------------------------------------------------- */

enum {
    P_FIRST_ = AT_STATUS_COUNT_, // numbers below are an at_status
#define P(name, code, http) P_##name,
#include "serve/problems.def"
#undef P
    P_COUNT_
};

typedef struct problem {
    int what; // 0: none
    char detail[1024];
    json_t *extra; // more members, owned; NULL: none
} problem;

/* The first problem stays. Returns false, for `return fail(...)`. */
bool fail(problem *p, int what, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool fail_error(problem *p, const at_error *err);
const char *problem_code(int what);
int problem_http(int what);
char *problem_json(const problem *p, const char *request_id); // freed by the caller
json_t *problem_detail(const problem *p);                     // what a client is told, owned
/* The field of the body or query that it is about, by its name, or as a JSON pointer ("/images/3/path"). One that
 * is there stays; problems that are no field's get none. */
void problem_point(problem *p, const char *name);
void problem_point_to(problem *p, const char *pointer);
void problem_clear(problem *p);

/* --- params.c: one table of parameters ------------------------------------------------------------------- */

enum {
    TASK_TAG = 1,
    TASK_CAPTION = 2,
    FOR_BODY = 4,
    FOR_VOCABULARY = 8,
    FOR_TEXT = 16,
    FOR_IMMICH = 32,
    FOR_HEAT = 64,
    FOR_JOBS = 512, // many pictures, also by their paths
    FOR_JOB = 128,  // opened by its token too
    FOR_RESULTS = 256,
    TASK_EMBED = 1024
};
typedef enum param_kind {
    PARAM_TEXT,
    PARAM_INTEGER,
    PARAM_FLAG,
    PARAM_CHOICE,
    PARAM_LIST
} param_kind;
typedef struct param {
    const char *name;
    param_kind kind;
    unsigned uses; // TASK_TAG ...: routes that have one of them know it
    long least, most;
    const char *choices; // of PARAM_CHOICE and PARAM_LIST, "tag|caption"; NULL: any word
    const char *example, *about;
} param;
enum {
    Q_THRESHOLD,
    Q_TOP,
    Q_LANG,
    Q_ONLY,
    Q_EXCLUDE,
    Q_CUSTOM,
    Q_ONLY_CUSTOM,
    Q_SCORES,
    Q_BOXES,
    Q_CROP,
    Q_TASKS,
    Q_BEAMS,
    Q_NUM,
    Q_MIN_LENGTH,
    Q_MAX_LENGTH,
    Q_GUIDE,
    Q_GUIDE_FROM,
    Q_REQUIRE,
    Q_FORBID,
    Q_Q,
    Q_LIMIT,
    Q_OFFSET,
    Q_TEXT,
    Q_ENTRIES,
    Q_TAG,
    Q_SIZE,
    Q_FORMAT,
    Q_EXCEL,
    Q_TOKEN,
    PARAMS
};
extern const param params[PARAMS];

/* What a request asks of each of its pictures. */
enum { WORDS = 16 };
typedef struct wants {
    unsigned tasks;
    at_tag_options tag;
    float *thresholds;
    at_caption_options caption;
    at_tag_options guides; // how a caption's tags are recognised
    const char *require[WORDS], *forbid[WORDS];
    char *require_text, *forbid_text;
    at_labels *labels;
    bool only_custom, scores, boxes;
    size_t heat_id; // of /v1/heatmap
    int crop[4];    // [2] 0: all
    char *key;      // equal: the same is asked
} wants;

/* Takes a value of a name for a route; `uses` are the route's. */
bool param_set(request *r, const char *name, const char *value, size_t size);
/* The problem of a name that is no tag; false. `pointer`: "/only". */
bool unknown_tag(request *r, const char *pointer, const char *name);
long param_number(const request *r, int q, long otherwise);
bool param_flag(const request *r, int q); // false: not given
bool wants_read(request *r);
void wants_free(wants *w);

/* --- heatmap.c ------------------------------------------------------------------------------------------- */

bool heatmap_read(request *r, wants *w); // its tag
void heatmap_answer(request *r);
/* Boxes of a result's tags, freed by the caller; NULL: no memory. */
at_record_box *heatmap_boxes(const request *r, const result *x, size_t *n);

/* --- routes.c -------------------------------------------------------------------------------------------- */

/* How another program says what it wants, and hears the answer. */
typedef struct foreign {
    unsigned compat; // AT_COMPAT_...: not there when the server was told so
    bool basic;      // a key may also come as the password of Basic
    // the body that came, r->json or the form's fields, to pictures and values; may answer at once
    bool (*read)(request *r);
    void (*write)(request *r); // the answer, when the pictures are done; NULL: read answered
    json_t *(*refuse)(request *r, int http); // r->problem in that program's words, owned
    // what parameters cannot say of it, but r->want.key must tell apart; NULL: nothing
    bool (*want)(request *r, wants *w);
} foreign;

typedef struct route {
    const char *method, *path, *summary;
    bool public;              // needs no key
    unsigned uses;            // parameters that it knows
    unsigned tasks;           // what it does to pictures
    void (*get)(request *r);  // answers at once
    void (*work)(request *r); // answers when the body has come, on a decoding thread
    const foreign *as;        // NULL: our own words
    const char *type;    // the only Content-Type of its bodies; two rows of a path differ in it
    const char *example; // a body of that type
} route;
extern const route routes[]; // the last has no method
bool route_is_on(const at_server *s, const route *r);
/* type  the request's Content-Type or NULL */
const route *route_find(const at_server *s, const char *path, const char *method, const char *type,
                        char *allow, size_t size);
char *openapi_json(const at_server *s); // freed by the caller

/* --- ui.c ------------------------------------------------------------------------------------------------ */

#define UI_ROUTE "/ui/*" // the row of all files of the web page; no path of a request is this
/* The row if `path` is of the page, or NULL; `allow` is set if it is, but not by this method. */
const route *ui_route(request *r, const char *path);
void ui_get(request *r);
void ui_headers(struct MHD_Response *a); // what the page may do

/* --- origin.c -------------------------------------------------------------------------------------------- */

bool origin_host_ok(request *r);              // false: asked by a name that is not ours
bool origin_ok(request *r);                   // false: another page's browser sent it
const char *origin_invited(const request *r); // the page's origin if --cors-origins has it; NULL

/* --- http.c ---------------------------------------------------------------------------------------------- */

typedef enum body_kind { BODY_NONE, BODY_RAW, BODY_FORM, BODY_JSON, BODY_DISCARD } body_kind;

enum { KEEP = 0, DROP_GONE, DROP_LATE, DROP_STOPPING }; // why work is dropped

struct request {
    at_server *s;
    struct connection *on;
    struct MHD_Connection *c;
    const route *route;
    const char *method;
    size_t key; // which of the server's it sent, 0 if it has none
    char id[65], remote[64];
    char *raw;        // the target as it came
    const char *page; // of the web page: its path without the prefix
    double began;
    int stage; // 0 headers, 1 body, 2 at work, 3 answered
    // body
    body_kind body;
    uint64_t in, held; // bytes that came, that are kept
    uint8_t *json;
    size_t json_size, json_cap;
    struct MHD_PostProcessor *post;
    int part; // the form's current field, -1: a picture
    size_t parts;
    char *values[PARAMS];
    size_t sizes[PARAMS];
    picture **pictures;
    size_t n_pictures;
    wants want;
    void *told; // what a foreign body said beside pictures
    void (*told_free)(void *told);
    job *job;        // whose pictures they are; then there is no connection
    char job_id[16]; // of the path
    bool by_token;
    stream *stream;  // the answer's body
    bool own_guides; // the threshold is the tags' alone, not of what guides a caption
    // work
    size_t admitted; // pictures counted in the queue
    size_t window;   // pictures at work together at most; 0: all
    atomic_size_t started, left;
    atomic_int drop;
    atomic_bool cached; // all came from the cache
    // answer
    problem problem;
    char allow[64];
    int status;
    char *answer;
    size_t answer_size;
    const char *type;
    char etag[80], location[128];
    bool gzip, varies; // the answer is compressed; depends on Accept-Encoding
    int retry_after;
    char heat_max[16];    // X-Anytag-Max
    request *next, *prev; // of those at work
};

enum {
    CONNECTION_NEW,
    CONNECTION_BODY,
    CONNECTION_WORK,
    CONNECTION_ANSWER,
    CONNECTION_STREAM,
    CONNECTION_IDLE
};
typedef struct connection {
    int fd, state;
    double since;
    request *r;    // at work
    request *last; // the one whose end has not been told
    struct connection *next, *prev;
} connection;

#define ID_LETTERS "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's
double now_s(void);
void make_id(at_server *s, char id[14]); // 13 letters and digits, rising
void request_free(request *r);
bool same_secret(const char *a, const char *b, size_t n); // in the same time wherever they differ
bool hold_bytes(at_server *s, uint64_t bytes); // counts bytes that are kept; false: too many
bool hold(request *r, uint64_t bytes);         // those of a request
/* All is done, or `r->problem` is set: writes the answer and wakes the connection. */
void request_finish(request *r);
bool has_gone(int fd); // the client has closed its side
int http_start(at_server *s, at_error *err);
void http_watch(at_server *s);
void http_stop(at_server *s);

/* --- answer.c -------------------------------------------------------------------------------------------- */

void answer(request *r, int status, const char *type, char *body, size_t size); // takes body
void answer_json(request *r, json_t *value);                                    // takes value
void answer_exact(request *r, json_t *value); // numbers with every bit of a float
void answer_find_problem(request *r);         // of its pictures
void answer_problem(request *r);
void answer_records(request *r);
bool put_record(request *r, const picture *p, const char *format, bool excel, FILE *to);

/* --- body.c ---------------------------------------------------------------------------------------------- */

bool body_begin(request *r);
void body_feed(request *r, const char *data, size_t size);
bool body_end(request *r);     // may take a while: not on the connection's thread
json_t *body_json(request *r); // the body as an object, owned; NULL: r->problem says why not
picture *body_picture(request *r, const char *name);
bool body_is(const char *header, const char *type); // a Content-Type, parameters aside
bool body_base64(request *r, picture *p, const char *text, size_t n);
/* The bytes of base64; out  [n / 4 * 3 + 3]. False: *bad is the first byte that is wrong. */
bool base64_read(const char *text, size_t n, uint8_t *out, size_t *size, size_t *bad);
void body_free(request *r);

/* --- source.c, fetch.c ----------------------------------------------------------------------------------- */

/* A picture of a request by where it is: data: at once, http(s): if --allow-urls has the host, which is
 * fetched later. False: r->problem. */
bool source_url(request *r, const char *url, size_t n, const char *name);
void source_unescape(char *text);               // "a%20b", in place
bool source_path(request *r, const char *path); // below --media-root; read later
/* Reads a file below the media root. Safe from any thread. False: *err. */
bool media_read(at_server *s, const char *path, uint8_t **bytes, size_t *size, at_error *err);
/* Takes the picture's bytes from its path; its error if they cannot be had. */
void source_read(picture *p);

enum { FETCH_NEVER, FETCH_LISTED, FETCH_LABEL_STUDIO };
int fetch_kind(const request *r, const char *url); // who let it go there
bool fetch_start(at_server *s, at_error *err);
void fetch_push(picture *p); // then work_decode(p)
void fetch_stop(at_server *s);

/* --- work.c ---------------------------------------------------------------------------------------------- */

/* A picture's result, shared with the cache. */
struct result {
    atomic_int owners;
    at_image *image; // without its pixels
    at_tags *tags;
    at_captions *captions;
    float *vector; // [at_model_match_width()] of /v1/embed
};

struct picture {
    request *r;
    size_t index;
    char *name;
    uint8_t *bytes;
    size_t size, cap;
    char sha256[65];
    at_pixels *tag_pixels, *caption_pixels;
    result *result;
    char *url, *path; // where its bytes are, if they did not come
    char at[32];      // the member of JSON that it came by, "/images/3/path"
    bool in_crop;     // the error is the crop's
    uint64_t held;    // bytes of it counted beside the request's
    unsigned todo;    // tasks
    at_error error;
    int what;    // a problem of HTTP alone, told by error.text; 0: error.status
    int dropped; // why
    double decode_ms, queued;
    picture *next;
};

typedef struct queue {
    picture *first, **last;
    size_t n;
} queue;

/* When each key was served last, on a clock of its own; a lock of the queue's holds for it. */
typedef struct turns {
    uint64_t *served, clock; // [keys], 0: never
    size_t keys;
} turns;

void picture_push(queue *q, picture *p);
picture *picture_pop(queue *q);                       // the first
picture *picture_pop_fair(queue *q, turns *t);        // one whose key waits longest
bool queue_admit(at_server *s, size_t key, size_t n); // pictures; false: the queue is full
void queue_leave(at_server *s, size_t key, size_t n);

typedef struct batcher {
    at_server *s;
    at_model *model;
    pthread_mutex_t lock;
    pthread_cond_t more;
    queue queue;
    turns turns;
    bool stop;
    struct worker {
        struct batcher *b;
        at_session *session;
        at_labels *labels; // the session's
        bool only_custom;
        pthread_t thread;
        bool runs;
    } * workers;
    int n_workers, idle; // those that wait for work or for more of it
    bool alone;          // tags are computed picture by picture, whatever a pass is given
} batcher;

bool work_start(at_server *s, at_error *err); // the decoding threads
batcher *batcher_open(at_server *s, at_model *model, at_error *err);
void batcher_close(batcher *b);
void work_request(request *r);  // parses, decodes, computes; then request_finish()
void work_pictures(request *r); // its wishes are read
void work_decode(picture *p);   // its bytes are there, or its error
void work_stop(at_server *s);
result *result_keep(result *r);
void result_free(result *r);

/* --- cache.c --------------------------------------------------------------------------------------------- */

typedef struct cache cache;
cache *cache_open(uint64_t most);
result *cache_find(cache *c, const char *key); // one more owner, or NULL
void cache_add(cache *c, const char *key, result *r);
void cache_close(cache *c);
/* The set of `words` for the model that tags, made once. */
bool words_set(request *r, const char *words, float threshold, at_labels **set);
typedef struct word_sets word_sets;
word_sets *word_sets_open(void);
void word_sets_close(word_sets *w);

/* --- jobs.c, stream.c ------------------------------------------------------------------------------------ */

void jobs_post(request *r); // the routes
void jobs_get(request *r);
void jobs_delete(request *r);
void jobs_events(request *r);
void jobs_results(request *r);
bool job_token_ok(const request *r);
void job_picture(picture *p); // it is done
void job_end(request *r);     // all are
void jobs_tick(at_server *s);
void jobs_stop(at_server *s); // cancels; readers are told
void jobs_close(at_server *s);
void jobs_count(at_server *s, size_t counts[3]); // running, finished, cancelled
struct MHD_Response *stream_response(stream *t);

/* --- embed.c, compat_*.c --------------------------------------------------------------------------------- */

void embed(request *r); // the route; leaves pictures to the batcher
void embed_answer(request *r);
void label_studio_health(request *r);
extern const foreign photoprism_labels, photoprism_caption, photoprism_describe, label_studio_setup,
    label_studio_predict, label_studio_webhook, immich_predict;
/* "ram_plus-f16-0a1b2c3d": changes with the answers.   text [size] */
void model_version(const at_model *m, char *text, size_t size);

/* --- metrics.c ------------------------------------------------------------------------------------------- */

typedef struct metrics metrics;
metrics *metrics_open(void);
void metrics_close(metrics *m);
void metrics_request(metrics *m, const request *r, double seconds);
enum { IMAGE_OK, IMAGE_FAILED, IMAGE_DROPPED };
void metrics_image(metrics *m, unsigned tasks, int outcome, uint64_t bytes);
enum { STAGE_DECODE, STAGE_TAG, STAGE_CAPTION, STAGE_EMBED, STAGES };
void metrics_stage(metrics *m, int stage, double seconds);
void metrics_batch(metrics *m, size_t n);
void metrics_cache(metrics *m, bool hit);
enum { REJECTED_QUEUE, REJECTED_MEMORY, REJECTED_JOBS, REJECTIONS }; // --queue, bodies, jobs
void metrics_rejected(metrics *m, int why);
void metrics_text(request *r); // the route

/* --- supervisor.c ---------------------------------------------------------------------------------------- */

int supervisor_socket(void); // one that systemd listens on for us, -1: none

/* --- server.c -------------------------------------------------------------------------------------------- */

struct at_server {
    at_serve_config o;
    int listener;
    bool loopback, local, taken; // local: a unix socket; taken: systemd made it
    char url[256];
    uint8_t (*key_hashes)[32];
    struct MHD_Daemon *daemon;
    atomic_bool ready, stopping;
    // models
    at_model *tag, *caption;
    batcher *tag_batcher, *caption_batcher; // may be the same
    at_encoder *encoder;
    pthread_mutex_t texts_lock;
    at_session *texts; // of /v1/embed, if the model compares them with pictures; from the first on
    cache *cache;
    word_sets *words;
    metrics *metrics;
    pthread_mutex_t jobs_lock;
    job *jobs;                      // oldest first
    atomic_uint_fast64_t job_bytes; // of all, also those that only a reader still has
    // connections and requests at work
    pthread_mutex_t lock;
    connection *connections;
    size_t n_connections;
    request *working;
    // decoding
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_more;
    request *todo_first, **todo_last;
    queue pool;
    turns pool_turns;
    bool pool_stop;
    pthread_t *decoders;
    int n_decoders;
    atomic_size_t coming; // pictures that are decoded or wait for it
    int media;            // the media root, -1: none
    struct fetcher *fetcher;
    size_t pending, *pending_of;  // pictures admitted and not answered, of each key; under `lock`
    atomic_uint_fast64_t held;    // bytes of bodies
    atomic_uint_fast64_t counter; // of request ids
    double started;
};

#endif
