/* fetch.c - pictures by URL, with libcurl, by a few threads of their own so that a slow host holds up no
 * picture that is here. Only hosts of --allow-urls are asked, and Label Studio's; what a name resolves to is
 * looked at when the socket is made, so that neither DNS nor a redirect leads to a private address. */
#include "serve/internal.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FETCHERS = 4, REDIRECTS = 3, FETCH_S = 20, CONNECT_S = 5 };
static const curl_off_t FETCH_MOST = (curl_off_t)64 << 20;

struct fetcher {
    pthread_mutex_t lock;
    pthread_cond_t more;
    queue queue;
    bool stop;
    pthread_t threads[FETCHERS];
    int n;
};

/* --- who may be asked ------------------------------------------------------------------------------------ */

typedef struct origin {
    char scheme[8], host[256];
    int port;
} origin;

static bool take_part(CURLU *u, CURLUPart part, unsigned flags, char *to, size_t size)
{
    char *text = NULL;
    const bool ok = curl_url_get(u, part, &text, flags) == CURLUE_OK && strlen(text) < size;
    if (ok) memcpy(to, text, strlen(text) + 1);
    curl_free(text);
    return ok;
}

/* As libcurl itself reads it, so that nobody is asked whom this did not see. */
static bool read_origin(const char *url, origin *o)
{
    CURLU *u = curl_url();
    char port[8], user[256];
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              take_part(u, CURLUPART_SCHEME, 0, o->scheme, sizeof o->scheme) &&
              take_part(u, CURLUPART_HOST, 0, o->host, sizeof o->host) &&
              take_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) &&
              !take_part(u, CURLUPART_USER, 0, user, sizeof user) &&
              (strcmp(o->scheme, "http") == 0 || strcmp(o->scheme, "https") == 0);
    curl_url_cleanup(u);
    if (ok) o->port = (int)strtol(port, NULL, 10);
    return ok;
}

/* "a.org" is its port of the scheme, "a.org:8080" that port. */
static bool listed(const char *list, const origin *o)
{
    const int usual = strcmp(o->scheme, "https") == 0 ? 443 : 80;
    char with_port[300];
    (void)snprintf(with_port, sizeof with_port, "%s:%d", o->host, o->port);
    for (const char *w = list; w; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL) {
        const size_t n = strcspn(w, ",");
        if ((strlen(with_port) == n && strncasecmp(w, with_port, n) == 0) ||
            (o->port == usual && strlen(o->host) == n && strncasecmp(w, o->host, n) == 0))
            return true;
    }
    return false;
}

int fetch_kind(const request *r, const char *url)
{
    const at_server *s = r->s;
    const bool theirs = r->route->as && r->route->as->compat == AT_COMPAT_LABEL_STUDIO;
    origin o, own;
    if (!s->fetcher || !read_origin(url, &o)) return FETCH_NEVER;
    if (theirs && s->o.label_studio_url && read_origin(s->o.label_studio_url, &own) &&
        o.port == own.port && strcmp(o.scheme, own.scheme) == 0 &&
        strcasecmp(o.host, own.host) == 0)
        return FETCH_LABEL_STUDIO;
    return listed(s->o.allow_urls, &o) ? FETCH_LISTED : FETCH_NEVER;
}

static bool private4(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } nets[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},
                {0xA9FE0000, 16}, {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16},
                {0xC6120000, 15}, {0xE0000000, 4},  {0xF0000000, 4}};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++)
        if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0) return true;
    return false;
}

/* Addresses of this machine, of a home or a company, of a link, of groups; in IPv6 also those that carry an
 * IPv4 one. What is no address of the internet at all is private too. */
static bool private_address(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return private4(ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr));
    if (a->sa_family != AF_INET6) return true;
    const uint8_t *b = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
    static const uint8_t nat64[12] = {0, 0x64, 0xFF, 0x9B};
    const uint8_t *in = memcmp(b, nat64, 12) == 0      ? b + 12
                        : b[0] == 0x20 && b[1] == 0x02 ? b + 2 // 6to4
                                                       : NULL;
    if (in)
        return private4((uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 |
                        in[3]);
    return (b[0] & 0xE0) != 0x20 ||
           (b[0] == 0x20 && b[1] == 0x01 && b[2] < 2); // 2000::/3, no Teredo
}

/* --- one picture ----------------------------------------------------------------------------------------- */

typedef struct transfer {
    picture *p;
    size_t cap;
    bool trusted, was_private, too_large, full;
} transfer;

static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
    transfer *t = user;
    if (purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
    if (!t->trusted && private_address(&a->addr)) {
        t->was_private = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_bytes(char *data, size_t one, size_t n, void *user)
{
    transfer *t = user;
    picture *p = t->p;
    at_server *s = p->r->s;
    (void)one;
    const uint64_t limit = s->o.max_body < (uint64_t)FETCH_MOST ? s->o.max_body
                                                                : (uint64_t)FETCH_MOST;
    if (p->size + n > limit) {
        t->too_large = true;
        return 0;
    }
    if (p->size + n > t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 65536;
        while (cap < p->size + n)
            cap *= 2;
        uint8_t *more = hold_bytes(s, cap - t->cap) ? realloc(p->bytes, cap) : NULL;
        if (!more) {
            t->full = true;
            return 0;
        }
        p->held += cap - t->cap;
        p->bytes = more;
        t->cap = cap;
    }
    memcpy(p->bytes + p->size, data, n);
    p->size += n;
    return n;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const transfer *t = user;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&t->p->r->drop) != KEEP;
}

static void refuse(picture *p, int what, at_status status, const char *why)
{
    p->what = what;
    p->error.status = status;
    (void)snprintf(p->error.text, sizeof p->error.text, "%.200s: %s", p->url, why);
}

/* Answers of one host: 0, or the status; the next address if it is a redirect. */
static bool ask(CURL *easy, transfer *t, char *url, char **next)
{
    at_server *s = t->p->r->s;
    const int kind = fetch_kind(t->p->r, url);
    char token[600] = "";
    *next = NULL;
    if (kind == FETCH_NEVER) {
        refuse(t->p, P_URL_NOT_ALLOWED, AT_E_NOT_FOUND, "it leads to a host that is not allowed");
        return false;
    }
    t->trusted = kind == FETCH_LABEL_STUDIO; // the operator named that address itself
    if (t->trusted && s->o.label_studio_key)
        (void)snprintf(token, sizeof token, "Authorization: Token %s", s->o.label_studio_key);
    struct curl_slist *headers = token[0] ? curl_slist_append(NULL, token) : NULL;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    t->p->size = 0;
    const CURLcode code = curl_easy_perform(easy);
    long status = 0;
    char *to = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    char why[300];
    if (t->was_private)
        refuse(t->p, P_URL_NOT_ALLOWED, AT_E_NOT_FOUND, "its address is a private one");
    else if (t->too_large || code == CURLE_FILESIZE_EXCEEDED)
        refuse(t->p, AT_E_BODY_TOO_LARGE, AT_E_BODY_TOO_LARGE, "the picture is too large");
    else if (t->full)
        refuse(t->p, P_QUEUE_FULL, AT_E_OUT_OF_MEMORY, "other pictures fill the memory");
    else if (code != CURLE_OK)
        refuse(t->p, P_URL_FAILED, AT_E_NOT_FOUND, curl_easy_strerror(code));
    else if (status >= 300 && status < 400 && to)
        *next = strdup(to);
    else if (status != 200) {
        (void)snprintf(why, sizeof why, "the host answers %ld", status);
        refuse(t->p, P_URL_FAILED, AT_E_NOT_FOUND, why);
    }
    return *next != NULL;
}

static void set_up(CURL *easy, transfer *t)
{
    curl_easy_reset(easy);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); // a proxy would look up names itself
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    (void)curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, FETCH_MOST);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L); // each address is looked at
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "anytag");
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

static void fetch(CURL *easy, picture *p)
{
    transfer t = {.p = p};
    const double until = now_s() + FETCH_S;
    char *url = strdup(p->url), *next = NULL;
    set_up(easy, &t);
    bool more = url != NULL;
    for (int hop = 0; more; hop++) {
        const double left = until - now_s();
        (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left > 0.001 ? (long)(left * 1e3) : 1L);
        more = ask(easy, &t, url, &next);
        free(url);
        url = next;
        if (more && hop == REDIRECTS) {
            refuse(p, P_URL_FAILED, AT_E_NOT_FOUND, "more than 3 redirects");
            more = false;
        }
    }
    free(url);
    if (p->error.status == AT_OK && p->size == 0)
        refuse(p, P_URL_FAILED, AT_E_NOT_FOUND, "the host sends no bytes");
}

/* --- the threads ----------------------------------------------------------------------------------------- */

static void *fetching(void *user)
{
    struct fetcher *f = user;
    CURL *easy = curl_easy_init();
    pthread_mutex_lock(&f->lock);
    for (;;) {
        picture *p = picture_pop(&f->queue);
        if (!p && f->stop) break;
        if (!p) {
            pthread_cond_wait(&f->more, &f->lock);
            continue;
        }
        pthread_mutex_unlock(&f->lock);
        if (!easy)
            refuse(p, AT_E_OUT_OF_MEMORY, AT_E_OUT_OF_MEMORY, "no memory");
        else if (atomic_load(&p->r->drop) == KEEP)
            fetch(easy, p);
        work_decode(p);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    curl_easy_cleanup(easy);
    return NULL;
}

void fetch_push(picture *p)
{
    struct fetcher *f = p->r->s->fetcher;
    pthread_mutex_lock(&f->lock);
    picture_push(&f->queue, p);
    pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->lock);
}

bool fetch_start(at_server *s, at_error *err)
{
    if (!s->o.allow_urls && !s->o.label_studio_url) return true;
    origin o;
    struct fetcher *f = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? calloc(1, sizeof *f)
                                                                          : NULL;
    if (!f) {
        err->status = AT_E_OUT_OF_MEMORY;
        (void)snprintf(err->text, sizeof err->text, "no memory for fetching URLs");
        return false;
    }
    if (s->o.label_studio_url && !read_origin(s->o.label_studio_url, &o)) {
        err->status = AT_E_INVALID_PARAMETER;
        (void)snprintf(err->text, sizeof err->text, "LABEL_STUDIO_URL: \"%.100s\" is no http URL",
                       s->o.label_studio_url);
        free(f);
        return false;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->more, NULL);
    s->fetcher = f;
    while (f->n < FETCHERS && pthread_create(&f->threads[f->n], NULL, fetching, f) == 0)
        f->n++;
    if (f->n) return true;
    err->status = AT_E_OUT_OF_MEMORY;
    (void)snprintf(err->text, sizeof err->text, "no threads for fetching URLs can be started");
    return false;
}

void fetch_stop(at_server *s)
{
    struct fetcher *f = s->fetcher;
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->more);
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < f->n; i++)
        pthread_join(f->threads[i], NULL);
    free(f);
    s->fetcher = NULL;
    curl_global_cleanup();
}
