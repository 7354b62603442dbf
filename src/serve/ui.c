/* ui.c - the web page: files of a table that the build made of web/, or of a folder while they are worked on. */
#include "serve/ui.h"

#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 8 << 20 };

/* "/", "/ui/app.js", "/favicon.ico": the file's name in web/, or NULL. */
static const char *name_of(const char *path)
{
    if (strcmp(path, "/") == 0) return "index.html";
    if (strcmp(path, "/favicon.ico") == 0) return path + 1;
    if (strncmp(path, "/ui/", 4) != 0 || strcmp(path, "/ui/index.html") == 0) return NULL;
    return path + 4;
}

static const ui_file *embedded(const char *name)
{
    for (const ui_file *f = ui_files; f->path; f++)
        if (strcmp(f->path, name) == 0) return f;
    return NULL;
}

/* A name that stays in its folder: no "..", nothing hidden, no folder's name alone. */
static bool is_plain(const char *name)
{
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") !=
        strlen(name))
        return false;
    for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (*part == '.' || *part == '/' || !*part) return false;
    return true;
}

/* Does Accept-Encoding have gzip, and not with q=0? */
static bool takes_gzip(const request *r)
{
    const char *a = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Accept-Encoding");
    for (; a && *a; a += strcspn(a, ","), a += *a == ',') {
        a += strspn(a, " \t");
        if (strncasecmp(a, "gzip", 4) != 0 || !strchr(" \t;,", a[4])) continue;
        const char *q = strstr(a, "q=");
        return !q || q > a + strcspn(a, ",") || strtod(q + 2, NULL) > 0;
    }
    return false;
}

static void answer_copy(request *r, const char *type, const unsigned char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy) {
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the page");
        return;
    }
    memcpy(copy, bytes, size);
    answer(r, 200, type, copy, size);
}

static void answer_embedded(request *r, const ui_file *f)
{
    const char *known = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "If-None-Match");
    r->gzip = f->gzip && takes_gzip(r);
    r->varies = f->gzip != NULL;
    (void)snprintf(r->etag, sizeof r->etag, "\"%s%s\"", f->sha256, r->gzip ? "-gzip" : "");
    if (known && strstr(known, r->etag))
        answer(r, 304, NULL, NULL, 0);
    else
        answer_copy(r, f->type, r->gzip ? f->gzip : f->bytes, r->gzip ? f->gzip_size : f->size);
}

/* From --ui-dir, for who works on the page: always the newest, never compressed. */
static void answer_file(request *r, const char *name, const char *type)
{
    char path[1024];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/%s", r->s->o.ui_dir, name);
    const int fd = n > 0 && (size_t)n < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    unsigned char *bytes = NULL;
    ssize_t got = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MOST) {
        bytes = malloc((size_t)st.st_size + 1);
        got = bytes ? read(fd, bytes, (size_t)st.st_size) : -1;
    }
    if (fd >= 0) (void)close(fd);
    if (got >= 0)
        answer(r, 200, type, (char *)bytes, (size_t)got);
    else
        free(bytes);
    if (got < 0) (void)fail(&r->problem, AT_E_NOT_FOUND, "there is nothing of this path");
}

void ui_get(request *r)
{
    if (!r->page) { // somebody asked for "/ui/*" itself
        (void)fail(&r->problem, AT_E_NOT_FOUND, "there is nothing of this path");
        return;
    }
    if (!*r->page) { // the address that is printed has no slash at its end; the page's files are below it
        (void)snprintf(r->location, sizeof r->location, "%.120s/",
                       strrchr(r->s->o.prefix, '/') + 1);
        answer(r, 308, NULL, NULL, 0);
        return;
    }
    const char *name = name_of(r->page);
    const ui_file *f = embedded(name);
    if (!r->s->o.ui_dir) {
        answer_embedded(r, f);
        return;
    }
    // a file that the table does not have yet: its type is that of one with the same ending
    const char *dot = strrchr(name, '.');
    for (const ui_file *g = ui_files; !f && dot && g->path; g++)
        if (strcmp(strrchr(g->path, '.'), dot) == 0) f = g;
    answer_file(r, name, f ? f->type : "application/octet-stream");
}

const route *ui_route(request *r, const char *path)
{
    if (r->s->o.no_ui) return NULL;
    const char *name = name_of(path);
    const bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    const bool to_slash = !*path && r->s->o.prefix;
    if (!to_slash && !(name && is_plain(name) && (embedded(name) || r->s->o.ui_dir))) return NULL;
    if (!get) {
        (void)snprintf(r->allow, sizeof r->allow, "GET, HEAD, OPTIONS");
        return NULL;
    }
    r->page = path;
    return route_find(r->s, UI_ROUTE, "GET", NULL, r->allow, sizeof r->allow);
}

/* All of the page comes from here; what it shows besides are pictures that the user opened. */
void ui_headers(struct MHD_Response *a)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
         "connect-src 'self'; font-src 'none'; form-action 'none'; base-uri 'none'; "
         "frame-ancestors 'none'"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Permissions-Policy", "camera=(self)"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        (void)MHD_add_response_header(a, headers[i][0], headers[i][1]);
}
