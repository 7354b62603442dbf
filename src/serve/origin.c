/* origin.c - what a browser lets other pages do to a server on this machine, and how it is refused.
 *
 * A page from elsewhere can (1) resolve its own name to 127.0.0.1 and then read our answers as its own (DNS
 * rebinding): the Host header gives it away; (2) send forms here without reading the answer (CSRF):
 * Sec-Fetch-Site or Origin gives it away. A server with keys needs neither: no page knows the key. */
#include "serve/internal.h"

#include <string.h>
#include <strings.h>

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

/* Host without its port; an IPv6 address without its brackets. */
static const char *name_in(const char *host, size_t *n)
{
    const bool six = host[0] == '[';
    host += six;
    *n = strcspn(host, six ? "]" : ":");
    return host;
}

bool origin_host_ok(request *r)
{
    const at_server *s = r->s;
    const char *host = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Host");
    if (!s->loopback || s->o.n_keys || s->o.no_auth || !host) return true;
    size_t n;
    const char *name = name_in(host, &n);
    const char *const ours[] = {"localhost", "127.0.0.1", "::1", s->o.host ? s->o.host : ""};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (*ours[i] && is_word(name, n, ours[i])) return true;
    return fail(&r->problem, P_HOST_NOT_ALLOWED,
                "\"%.100s\" is no name of this server; ask localhost, or start it with keys "
                "(--api-key-file) or --no-auth",
                host);
}

const char *origin_invited(const request *r)
{
    const char *list = r->s->o.cors_origins,
               *origin = list ? MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Origin") : NULL;
    for (const char *o = origin ? list : NULL; o; o = strchr(o, ',') ? strchr(o, ',') + 1 : NULL)
        if (is_word(o, strcspn(o, ","), origin)) return origin;
    return NULL;
}

bool origin_ok(request *r)
{
    static const char *const reads[] = {"GET", "HEAD", "OPTIONS"};
    const char *site = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Sec-Fetch-Site");
    const char *origin = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Origin");
    const char *host = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Host");
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        if (strcmp(r->method, reads[i]) == 0) return true;
    if (r->s->o.n_keys || (!site && !origin) || origin_invited(r)) return true;
    const char *authority = origin ? strstr(origin, "://") : NULL;
    // the browser's own word counts first: a proxy in front may have another Host
    const bool same = site ? strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0
                           : authority && host && strcasecmp(authority + 3, host) == 0;
    return same || fail(&r->problem, P_CROSS_ORIGIN,
                        "another page's request; only this server's own page may ask from a "
                        "browser, those of --cors-origins, and any if the server has keys");
}
