/* server.c - opening and closing: the socket, the keys, the models, in an order that leaves nothing behind. */
#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static at_status refuse(at_error *err, at_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static at_status refuse(at_error *err, at_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

static bool is_socket_path(const char *host)
{
    const size_t n = strlen(host);
    return n > 5 && strcmp(host + n - 5, ".sock") == 0;
}

static at_status listen_local(at_server *s, const char *path, at_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof a.sun_path)
        return refuse(err, AT_E_INVALID_PARAMETER, "--host: %s is too long for a socket", path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // one that a killed server left answers nobody and is replaced; anything else is not ours
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(s->listener, (const struct sockaddr *)&a, sizeof a) != 0)
        (void)unlink(path);
    (void)close(s->listener);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const mode_t old = umask(0077);
    const bool ok = s->listener >= 0 &&
                    bind(s->listener, (const struct sockaddr *)&a, sizeof a) == 0 &&
                    listen(s->listener, 128) == 0;
    (void)umask(old);
    if (!ok)
        return refuse(err, AT_E_OUTPUT_FAILED, "%s: cannot listen (%s)", path, strerror(errno));
    s->local = true;
    (void)snprintf(s->url, sizeof s->url, "unix:%.200s", path);
    return AT_OK;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* The address that the socket has got. */
static void name_url(at_server *s)
{
    struct sockaddr_storage got;
    socklen_t size = sizeof got;
    char port[16] = "", name[128] = "";
    if (getsockname(s->listener, (struct sockaddr *)&got, &size) == 0)
        (void)getnameinfo((const struct sockaddr *)&got, size, name, sizeof name, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    const bool six = got.ss_family == AF_INET6;
    (void)snprintf(s->url, sizeof s->url, "http%s://%s%s%s:%s%s", s->o.tls_cert ? "s" : "",
                   six ? "[" : "", name, six ? "]" : "", port, s->o.prefix ? s->o.prefix : "");
}

static at_status listen_at(at_server *s, const struct addrinfo *a, const char *host, at_error *err)
{
    const int on = 1;
    s->loopback = is_loopback(a->ai_addr);
    if (!s->loopback && s->o.n_keys == 0 && !s->o.no_auth)
        return refuse(err, AT_E_INVALID_PARAMETER,
                      "--host: %s can be reached by others; name keys with --api-key-file, or say "
                      "--no-auth",
                      host);
    s->listener = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (s->listener < 0 || bind(s->listener, a->ai_addr, a->ai_addrlen) != 0 ||
        listen(s->listener, 128) != 0)
        return refuse(err, AT_E_OUTPUT_FAILED, "%s port %d: cannot listen (%s)", host, s->o.port,
                      strerror(errno));
    name_url(s);
    return AT_OK;
}

/* A socket that systemd listens on. */
static at_status take_listener(at_server *s, int fd, at_error *err)
{
    struct sockaddr_storage got;
    socklen_t size = sizeof got;
    s->listener = fd;
    if (getsockname(fd, (struct sockaddr *)&got, &size) != 0)
        return refuse(err, AT_E_OUTPUT_FAILED, "the socket of systemd cannot be used (%s)",
                      strerror(errno));
    s->taken = true;
    s->local = got.ss_family == AF_UNIX;
    s->loopback = is_loopback((const struct sockaddr *)&got);
    if (!s->local && !s->loopback && s->o.n_keys == 0 && !s->o.no_auth)
        return refuse(err, AT_E_INVALID_PARAMETER,
                      "the socket of systemd can be reached by others; name keys with "
                      "--api-key-file, or say --no-auth");
    if (s->local)
        (void)snprintf(s->url, sizeof s->url, "unix:");
    else
        name_url(s);
    return AT_OK;
}

static at_status open_listener(at_server *s, at_error *err)
{
    const char *host = s->o.host ? s->o.host : "127.0.0.1";
    const int given = supervisor_socket();
    if (given >= 0) return take_listener(s, given, err);
    if (is_socket_path(host)) return listen_local(s, host, err);
    char port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    (void)snprintf(port, sizeof port, "%d", s->o.port);
    const int bad = getaddrinfo(host, port, &hints, &list);
    if (bad)
        return refuse(err, AT_E_INVALID_PARAMETER, "--host: %s is no address (%s)", host,
                      gai_strerror(bad));
    const at_status status = listen_at(s, list, host, err);
    freeaddrinfo(list);
    return status;
}

static bool hash_keys(at_server *s)
{
    s->key_hashes = calloc(s->o.n_keys + 1, sizeof *s->key_hashes);
    for (size_t i = 0; s->key_hashes && i < s->o.n_keys; i++) {
        unsigned n = 0;
        if (EVP_Digest(s->o.keys[i], strlen(s->o.keys[i]), s->key_hashes[i], &n, EVP_sha256(),
                       NULL) != 1)
            return false;
    }
    return s->key_hashes != NULL;
}

/* Opened once: what the name means later does not matter. */
static at_status open_media(at_server *s, at_error *err)
{
    if (!s->o.media_root) return AT_OK;
    s->media = open(s->o.media_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return s->media >= 0 ? AT_OK
                         : refuse(err, AT_E_INVALID_PARAMETER, "--media-root: %s is no folder (%s)",
                                  s->o.media_root, strerror(errno));
}

/* Read at each request, so that what is written there is seen; but a folder that is none is told now. */
static at_status check_ui(const at_server *s, at_error *err)
{
    const int fd = s->o.ui_dir ? open(s->o.ui_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (s->o.ui_dir && fd < 0)
        return refuse(err, AT_E_INVALID_PARAMETER, "--ui-dir: %s is no folder (%s)", s->o.ui_dir,
                      strerror(errno));
    if (fd >= 0) (void)close(fd);
    return AT_OK;
}

at_status at_server_open(const at_serve_config *config, at_server **server, at_error *err)
{
    at_server *s = calloc(1, sizeof *s);
    *server = NULL;
    if (!s) return refuse(err, AT_E_OUT_OF_MEMORY, "no memory for the server");
    s->o = *config;
    if (!s->o.max_body) s->o.max_body = (uint64_t)64 << 20;
    if (!s->o.max_jobs) s->o.max_jobs = (uint64_t)256 << 20;
    if (!config->max_jobs && s->o.max_jobs < 4 * s->o.max_body) s->o.max_jobs = 4 * s->o.max_body;
    if (s->o.queue <= 0) s->o.queue = 64;
    if (s->o.batch <= 0) s->o.batch = 4;
    if (s->o.batch > 64) s->o.batch = 64;
    if (s->o.batch_wait_ms < 0) s->o.batch_wait_ms = 5;
    if (s->o.timeout_s <= 0) s->o.timeout_s = 60;
    s->o.image.struct_size = sizeof s->o.image;
    s->listener = s->media = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->jobs_lock, NULL);
    pthread_mutex_init(&s->texts_lock, NULL);
    atomic_store(&s->counter, (uint64_t)getpid() * 7919);
    s->metrics = metrics_open();
    s->words = word_sets_open();
    s->cache = cache_open(s->o.max_cache);
    s->pending_of = calloc(s->o.n_keys + 1, sizeof *s->pending_of);
    s->pool_turns.served = calloc(s->o.n_keys + 1, sizeof *s->pool_turns.served);
    s->pool_turns.keys = s->o.n_keys;
    const bool memory = s->metrics && s->words && s->pending_of && s->pool_turns.served;
    at_status status = memory && hash_keys(s) ? AT_OK : AT_E_OUT_OF_MEMORY;
    if (status != AT_OK) (void)refuse(err, status, "no memory for the server");
    if (status == AT_OK) status = open_media(s, err);
    if (status == AT_OK) status = check_ui(s, err);
    if (status == AT_OK) status = fetch_start(s, err) ? AT_OK : err->status;
    if (status == AT_OK) status = open_listener(s, err);
    if (status == AT_OK) status = work_start(s, err) ? AT_OK : err->status;
    if (status == AT_OK) status = (at_status)http_start(s, err);
    if (status == AT_OK)
        *server = s;
    else
        at_server_close(s);
    return status;
}

const char *at_server_url(const at_server *s)
{
    return s->url;
}

at_status at_server_use(at_server *s, at_model *tag, at_model *caption, at_encoder *encoder,
                        at_error *err)
{
    s->tag = tag;
    s->caption = caption;
    s->encoder = encoder;
    if (tag) s->tag_batcher = batcher_open(s, tag, err);
    if (caption && caption == tag)
        s->caption_batcher = s->tag_batcher;
    else if (caption && err->status == AT_OK)
        s->caption_batcher = batcher_open(s, caption, err);
    if (err->status != AT_OK) return err->status;
    atomic_store(&s->ready, true);
    return AT_OK;
}

void at_server_tick(at_server *s)
{
    const struct timespec tick = {.tv_nsec = 100000000};
    http_watch(s);
    jobs_tick(s);
    (void)nanosleep(&tick, NULL);
}

void at_server_close(at_server *s)
{
    if (!s) return;
    http_stop(s); // nothing is at work behind this
    if (s->listener >= 0) (void)close(s->listener);
    if (s->local && !s->taken) (void)unlink(s->o.host);
    if (s->n_decoders) work_stop(s);
    fetch_stop(s);
    if (s->media >= 0) (void)close(s->media);
    if (s->caption_batcher != s->tag_batcher) batcher_close(s->caption_batcher);
    batcher_close(s->tag_batcher);
    at_session_close(s->texts);
    jobs_close(s);
    cache_close(s->cache);
    word_sets_close(s->words);
    metrics_close(s->metrics);
    free(s->key_hashes);
    free(s->pending_of);
    free(s->pool_turns.served);
    free(s);
}
