/* http.c - the life of a request on libmicrohttpd: headers, body, then the connection is suspended while its
 * pictures are worked on, and woken for the answer. No thread waits for a client. */
#include "serve/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADERS_S = 10,  // the first line to the end of the headers
    REQUEST_S = 100, // body, and again for the work
    CONNECTIONS = 256,
    PER_ADDRESS = 16, // beyond loopback
    HEADERS_MOST = 16384,
    POOL_BYTES =
        65536, // of a connection: headers, as libmicrohttpd keeps them, and what is read at once
    DISCARD = 1 << 20, // a refused body up to this is read, so that its sender hears why
};
static const uint64_t HELD_MOST = (uint64_t)1 << 30; // bytes of all bodies

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool hold_bytes(at_server *s, uint64_t bytes)
{
    const uint64_t most = HELD_MOST > 4 * s->o.max_body ? HELD_MOST : 4 * s->o.max_body;
    if (atomic_fetch_add(&s->held, bytes) + bytes <= most) return true;
    atomic_fetch_sub(&s->held, bytes);
    return false;
}

bool hold(request *r, uint64_t bytes)
{
    if (!hold_bytes(r->s, bytes)) {
        metrics_rejected(r->s->metrics, REJECTED_MEMORY);
        return fail(&r->problem, P_QUEUE_FULL, "the bodies of other requests fill the memory");
    }
    r->held += bytes;
    return true;
}

/* --- beginning and end ----------------------------------------------------------------------------------- */

void make_id(at_server *s, char id[14])
{
    static const char digits[] = ID_LETTERS;
    uint64_t x = (uint64_t)time(NULL) << 20 | (atomic_fetch_add(&s->counter, 1) & 0xFFFFF);
    for (int i = 12; i >= 0; i--, x >>= 5)
        id[i] = digits[x & 31];
    id[13] = 0;
}

void request_free(request *r)
{
    if (!r) return;
    body_free(r);
    atomic_fetch_sub(&r->s->held, r->held);
    problem_clear(&r->problem);
    free(r->answer);
    free(r->raw);
    free(r);
}

static void *on_uri(void *user, const char *uri, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *on = MHD_get_connection_info(
        c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->s = user;
    r->c = c;
    r->on = on ? on->socket_context : NULL;
    if (r->on) {
        request_free(r->on->last); // one of which libmicrohttpd has never said that it ended
        r->on->last = r;
    }
    r->began = now_s();
    r->raw = strdup(uri);
    make_id(r->s, r->id);
    // libmicrohttpd (0.9.75) reads through a null pointer when a query has more parameters than its pool
    // holds: it is shown none, and read_query takes them from the copy
    const char *query = strchr(uri, '?');
    if (query) *(char *)(uintptr_t)(query + (query[1] != 0)) = 0;
    return r;
}

static void set_state(request *r, int state, request *at_work)
{
    if (!r->on) return;
    pthread_mutex_lock(&r->s->lock);
    r->on->state = state;
    r->on->since = now_s();
    r->on->r = at_work;
    pthread_mutex_unlock(&r->s->lock);
}

static void on_completed(void *user, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how)
{
    request *r = *state;
    (void)user, (void)c;
    if (!r) return;
    *state = NULL;
    if (r->stage == 3 || r->route || r->method) {
        metrics_request(r->s->metrics, r, now_s() - r->began);
        const bool gone = how != MHD_REQUEST_TERMINATED_COMPLETED_OK;
        const at_serve_event e = {.id = r->id,
                                  .remote = r->remote,
                                  .method = r->method ? r->method : "-",
                                  .route = r->route ? r->route->path : "-",
                                  .code = gone && !r->problem.what ? "client-closed"
                                          : r->problem.what        ? problem_code(r->problem.what)
                                                                   : NULL,
                                  .detail = r->problem.what ? r->problem.detail : NULL,
                                  .status = gone && !r->status ? 499 : r->status,
                                  .ms = (now_s() - r->began) * 1e3,
                                  .in = r->in,
                                  .out = r->answer_size};
        if (r->s->o.event) r->s->o.event(r->s->o.user, &e);
    }
    set_state(r, CONNECTION_IDLE, NULL);
    if (r->on) r->on->last = NULL;
    request_free(r);
}

static void on_connection(void *user, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    at_server *s = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection *n = calloc(1, sizeof *n);
        const union MHD_ConnectionInfo *fd = MHD_get_connection_info(
            c, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!n || !fd) {
            free(n);
            return;
        }
        n->fd = fd->connect_fd;
        n->since = now_s();
        pthread_mutex_lock(&s->lock);
        n->next = s->connections;
        if (n->next) n->next->prev = n;
        s->connections = n;
        s->n_connections++;
        pthread_mutex_unlock(&s->lock);
        *context = n;
    } else if (*context) { // its socket is still open
        connection *n = *context;
        pthread_mutex_lock(&s->lock);
        *(n->prev ? &n->prev->next : &s->connections) = n->next;
        if (n->next) n->next->prev = n->prev;
        s->n_connections--;
        pthread_mutex_unlock(&s->lock);
        request_free(n->last);
        free(n);
        *context = NULL;
    }
}

/* --- the answer ------------------------------------------------------------------------------------------ */

static enum MHD_Result send_answer(request *r)
{
    r->stage = 3;
    set_state(r, r->stream ? CONNECTION_STREAM : CONNECTION_ANSWER, NULL);
    struct MHD_Response *a = r->stream ? stream_response(r->stream)
                                       : MHD_create_response_from_buffer(r->answer_size, r->answer,
                                                                         MHD_RESPMEM_MUST_COPY);
    if (!a) return MHD_NO;
    char retry[16];
    (void)snprintf(retry, sizeof retry, "%d", r->retry_after);
    const char *origin = origin_invited(r);
    const bool preflight = origin && r->status == 204;
    const struct {
        const char *name, *value;
    } headers[] = {
        {"Content-Type", r->answer_size || r->stream ? r->type : NULL},
        {"X-Accel-Buffering", r->stream ? "no" : NULL}, // nginx passes each event on at once
        {"X-Request-Id", r->id},
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", r->etag[0] ? "no-cache" : "no-store"},
        {"ETag", r->etag[0] ? r->etag : NULL},
        {"Location", r->location[0] ? r->location : NULL},
        {"Content-Encoding", r->gzip && r->answer_size ? "gzip" : NULL},
        {"Vary", r->varies ? "Accept-Encoding" : NULL},
        {"Allow", r->allow[0] ? r->allow : NULL},
        {"Retry-After", r->retry_after ? retry : NULL},
        {"WWW-Authenticate", r->status == 401 ? "Bearer" : NULL},
        {"X-Anytag-Max", r->heat_max[0] ? r->heat_max : NULL},
        {"X-Cache", r->cached && r->status == 200 ? "hit" : NULL},
        {"Vary", r->s->o.cors_origins ? "Origin" : NULL},
        {"Access-Control-Allow-Origin", origin},
        {"Access-Control-Expose-Headers",
         origin ? "X-Request-Id, X-Cache, X-Anytag-Max, ETag, Retry-After, Allow" : NULL},
        {"Access-Control-Allow-Methods", preflight ? r->allow : NULL},
        {"Access-Control-Allow-Headers",
         preflight ? "Authorization, Content-Type, X-Request-Id, If-None-Match, Last-Event-ID"
                   : NULL},
        {"Access-Control-Max-Age", preflight ? "600" : NULL},
        {"Connection", atomic_load(&r->s->stopping) ? "close" : NULL},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].value) (void)MHD_add_response_header(a, headers[i].name, headers[i].value);
    }
    if (r->page) ui_headers(a);
    const enum MHD_Result queued = MHD_queue_response(r->c, (unsigned)r->status, a);
    MHD_destroy_response(a);
    return queued;
}

void request_finish(request *r)
{
    at_server *s = r->s;
    if (r->job) {
        job_end(r);
        return;
    }
    if (!r->problem.what && !r->status) answer_find_problem(r);
    if (!r->problem.what && !r->status)
        r->route->as && r->route->as->write ? r->route->as->write(r)
        : r->route->uses &FOR_HEAT          ? heatmap_answer(r)
        : r->route->uses &FOR_TEXT          ? embed_answer(r)
                                            : answer_records(r);
    if (r->problem.what) answer_problem(r);
    pthread_mutex_lock(&s->lock);
    if (r->on) r->on->r = NULL;
    pthread_mutex_unlock(&s->lock);
    queue_leave(s, r->key, r->admitted);
    r->admitted = 0;
    r->stage = 3;
    MHD_resume_connection(r->c); // from here on r is the connection's
}

/* --- headers --------------------------------------------------------------------------------------------- */

static bool id_ok(const char *id)
{
    const size_t n = strlen(id);
    return n >= 1 && n <= 64 &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == n;
}

static void read_remote(request *r)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(r->c,
                                                                MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = i ? i->client_addr : NULL;
    if (a && a->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr,
                        r->remote, sizeof r->remote);
    else if (a && a->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                        r->remote, sizeof r->remote);
    else
        (void)snprintf(r->remote, sizeof r->remote, "local");
}

static bool basic_password(const char *header, char password[1024])
{
    uint8_t text[1024];
    size_t n = 0, bad;
    if (strncasecmp(header, "Basic ", 6) != 0 || strlen(header) > 1200 ||
        !base64_read(header + 6, strlen(header + 6), text, &n, &bad))
        return false;
    const uint8_t *colon = memchr(text, ':', n);
    if (!colon || memchr(text, 0, n)) return false;
    const size_t size = n - (size_t)(colon + 1 - text);
    memcpy(password, colon + 1, size);
    password[size] = 0;
    return true;
}

bool same_secret(const char *a, const char *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

/* All keys are compared, and their hashes, so that time tells nothing of a key. */
static bool key_ok(request *r)
{
    const at_server *s = r->s;
    const char *given = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Authorization");
    if (s->o.n_keys == 0) return true;
    char password[1024];
    const char *key = given && strncasecmp(given, "Bearer ", 7) == 0 ? given + 7 : NULL;
    if (given && r->route->as && r->route->as->basic && basic_password(given, password))
        key = password;
    if (!key) return false;
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(key, strlen(key), sum, &n, EVP_sha256(), NULL) != 1) return false;
    bool found = false;
    for (size_t i = 0; i < s->o.n_keys; i++) {
        const bool same = CRYPTO_memcmp(sum, s->key_hashes[i], 32) == 0;
        r->key = same ? i : r->key;
        found |= same;
    }
    return found;
}

/* One half of KEY=VALUE in a query, unescaped in place; false if it would hold a zero byte. */
static bool unescape(char *text)
{
    for (char *p = text; (p = strchr(p, '+')); p++)
        *p = ' ';
    return !strstr(text, "%00") && MHD_http_unescape(text) == strlen(text);
}

static bool read_query(request *r)
{
    char *query = r->raw ? strchr(r->raw, '?') : NULL, *rest = NULL;
    if (!query) return true;
    *query++ = 0;
    for (char *key = strtok_r(query, "&", &rest); key; key = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(key, '=');
        if (value) *value++ = 0;
        if (!unescape(key) || (value && !unescape(value)))
            return fail(&r->problem, AT_E_INVALID_PARAMETER, "a zero byte in the query");
        if (!param_set(r, key, value ? value : "", value ? strlen(value) : 0)) return false;
    }
    return true;
}

static bool is_public(const request *r)
{
    return r->route->public || (r->s->o.metrics_public && strcmp(r->route->path, "/metrics") == 0);
}

/* Everything that can be refused before the body. */
static bool read_head(request *r, const char *path)
{
    const char *id = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "X-Request-Id");
    const char *length = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Content-Length");
    const char *prefix = r->s->o.prefix ? r->s->o.prefix : "";
    if (id && id_ok(id)) (void)snprintf(r->id, sizeof r->id, "%s", id);
    read_remote(r);
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(
        r->c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (size && size->header_size > HEADERS_MOST)
        return fail(&r->problem, P_HEADERS_TOO_LARGE, "%zu bytes of headers, limit %d",
                    size->header_size, HEADERS_MOST);
    // no route has a letter that needs an escape: one is a trick
    const size_t n = strlen(prefix), raw = r->raw ? strcspn(r->raw, "?") : 0;
    const bool mine = r->raw && !memchr(r->raw, '%', raw) && strncmp(path, prefix, n) == 0;
    const char *type = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Content-Type");
    r->route = mine ? route_find(r->s, path + n, r->method, type, r->allow, sizeof r->allow) : NULL;
    const char *hole = r->route ? strstr(r->route->path, "{id}") : NULL;
    if (hole)
        (void)snprintf(r->job_id, sizeof r->job_id, "%.13s", path + n + (hole - r->route->path));
    if (mine && !r->route && !r->allow[0]) r->route = ui_route(r, path + n);
    if (!origin_host_ok(r)) return false;
    if (!r->route && r->allow[0] && strcmp(r->method, "OPTIONS") == 0) return true;
    if (!r->route && r->allow[0])
        return fail(&r->problem, P_METHOD_NOT_ALLOWED, "%s is not possible here, only %s are",
                    r->method, r->allow);
    if (!r->route) return fail(&r->problem, AT_E_NOT_FOUND, "there is nothing of this path");
    if (!origin_ok(r)) return false;
    r->by_token = r->route->uses & FOR_JOB && job_token_ok(r);
    if (!is_public(r) && !r->by_token && !key_ok(r))
        return fail(&r->problem, P_UNAUTHORIZED, "send Authorization: Bearer KEY");
    if (atomic_load(&r->s->stopping)) return fail(&r->problem, P_STOPPING, "the server stops");
    if (!r->route->public && !atomic_load(&r->s->ready))
        return fail(&r->problem, P_MODEL_LOADING, "the model is being loaded");
    if (length && strtoull(length, NULL, 10) > r->s->o.max_body) {
        r->problem.extra = json_pack("{sI}", "limit_bytes", (json_int_t)r->s->o.max_body);
        return fail(&r->problem, AT_E_BODY_TOO_LARGE, "%.20s bytes, limit %llu", length,
                    (unsigned long long)r->s->o.max_body);
    }
    if (read_query(r) && strcmp(r->route->method, "POST") == 0) (void)body_begin(r);
    return !r->problem.what;
}

static bool body_is_small(const request *r)
{
    const char *length = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Content-Length"),
               *expect = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Expect");
    return length && !expect && strtoull(length, NULL, 10) <= DISCARD;
}

static enum MHD_Result respond(request *r)
{
    if (!r->route && r->allow[0] && !r->problem.what) // OPTIONS
        answer(r, 204, NULL, NULL, 0);
    else if (!r->problem.what && r->status == 0)
        r->route->get(r);
    if (r->problem.what) answer_problem(r);
    return send_answer(r);
}

static enum MHD_Result begin(request *r, const char *path, const char *method)
{
    static const char *const methods[] = {"GET",    "HEAD",    "POST", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};
    r->method = "OTHER"; // a label of a metric, so one of a few
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(method, methods[i]) == 0) r->method = methods[i];
    r->stage = 1;
    set_state(r, CONNECTION_BODY, NULL);
    const bool ok = read_head(r, path);
    const bool has_body = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Content-Length") ||
                          MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Transfer-Encoding");
    if (!ok && has_body && !body_is_small(r)) return respond(r);
    return MHD_YES; // the body, if any, is next
}

static enum MHD_Result submit(request *r)
{
    at_server *s = r->s;
    if (r->route->tasks && !queue_admit(s, r->key, 1)) {
        (void)fail(&r->problem, P_QUEUE_FULL, "%d pictures wait already", s->o.queue);
        return respond(r);
    }
    r->admitted = r->route->tasks ? 1 : 0;
    r->stage = 2;
    set_state(r, CONNECTION_WORK, r);
    MHD_suspend_connection(r->c);
    work_request(r);
    return MHD_YES;
}

static enum MHD_Result on_access(void *user, struct MHD_Connection *c, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **state)
{
    request *r = *state;
    (void)user, (void)c, (void)version;
    if (!r) return MHD_NO; // no memory
    if (r->stage == 0) return begin(r, path, method);
    if (*size) {
        body_feed(r, data, *size);
        *size = 0;
        // a chunked body without end is not read for ever
        return r->in > 4 * r->s->o.max_body + DISCARD ? MHD_NO : MHD_YES;
    }
    if (r->stage == 3) return send_answer(r);
    if (r->problem.what || !r->route || r->body == BODY_NONE) return respond(r);
    return submit(r);
}

/* --- start, watch, stop ---------------------------------------------------------------------------------- */

static void on_log(void *user, const char *format, va_list args)
{
    at_server *s = user;
    char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" // the library's own
    (void)vsnprintf(text, sizeof text, format, args);
#pragma GCC diagnostic pop
    text[strcspn(text, "\n")] = 0;
    if (s->o.log) s->o.log(s->o.user, AT_LOG_DEBUG, text);
}

int http_start(at_server *s, at_error *err)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem more[4] = {0};
    int n = 0;
    if (!s->loopback && !s->local)
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_PER_IP_CONNECTION_LIMIT, PER_ADDRESS, NULL};
    if (s->o.tls_cert) {
        flags |= MHD_USE_TLS;
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0,
                                            (void *)(uintptr_t)s->o.tls_cert};
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0,
                                            (void *)(uintptr_t)s->o.tls_key};
    }
    more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_LISTEN_SOCKET, s->listener, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->o.timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (s->daemon) return AT_OK;
    err->status = AT_E_INVALID_PARAMETER;
    (void)snprintf(err->text, sizeof err->text, "the server cannot be started%s",
                   s->o.tls_cert ? " (do --tls-cert and --tls-key belong together?)" : "");
    return err->status;
}

/* A client that closed its side while its work waits has gone, as for other servers (nginx: 499). */
bool has_gone(int fd)
{
    char c;
    const ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void http_watch(at_server *s)
{
    const double now = now_s();
    pthread_mutex_lock(&s->lock);
    for (connection *c = s->connections; c; c = c->next) {
        const double age = now - c->since;
        const bool waits = c->state == CONNECTION_NEW || c->state == CONNECTION_IDLE ||
                           c->state ==
                               CONNECTION_BODY; // for bytes, which a closed side sends no more
        if ((waits && age > 1 && has_gone(c->fd)) ||
            (c->state == CONNECTION_ANSWER && age > REQUEST_S) ||
            (c->state == CONNECTION_NEW && age > HEADERS_S) ||
            (c->state == CONNECTION_IDLE && age > s->o.timeout_s) ||
            (c->state == CONNECTION_BODY && age > REQUEST_S))
            (void)shutdown(c->fd, SHUT_RDWR); // libmicrohttpd notices and closes it
        if (c->state != CONNECTION_WORK || !c->r || atomic_load(&c->r->drop)) continue;
        if (has_gone(c->fd)) atomic_store(&c->r->drop, DROP_GONE);
        if (age > REQUEST_S) atomic_store(&c->r->drop, DROP_LATE);
    }
    pthread_mutex_unlock(&s->lock);
}

static size_t at_work(at_server *s, int drop)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    for (connection *c = s->connections; c; c = c->next) {
        const bool busy = c->state == CONNECTION_BODY || c->state == CONNECTION_WORK ||
                          c->state == CONNECTION_ANSWER;
        if (!busy) continue;
        n++;
        if (drop && c->r) atomic_store(&c->r->drop, drop);
        if (drop && c->state != CONNECTION_WORK) (void)shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void http_stop(at_server *s)
{
    if (!s->daemon) return;
    const struct timespec tick = {.tv_nsec = 20000000};
    atomic_store(&s->stopping, true);
    // it is closed behind the daemon: its thread may still have it in hand
    const int listener = MHD_quiesce_daemon(s->daemon);
    if (listener >= 0) (void)shutdown(listener, SHUT_RDWR);
    for (double end = now_s() + 10; at_work(s, KEEP) && now_s() < end;) {
        (void)nanosleep(&tick, NULL);
        http_watch(s);
    }
    jobs_stop(s);
    // what a batcher computes already is waited for: nothing may be suspended when the daemon stops
    while (at_work(s, DROP_STOPPING))
        (void)nanosleep(&tick, NULL);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
