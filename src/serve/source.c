/* source.c - where a picture is that did not come itself: a data: URL is read at once, a path is opened below
 * the media root when the picture is decoded, other URLs are fetched by fetch.c. */
#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { URL_MOST = 8192 };

static int hex(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

void source_unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        const bool escape = *text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0;
        *to++ = escape ? (char)(hex(text[1]) * 16 + hex(text[2])) : *text;
        if (escape) text += 2;
    }
    *to = 0;
}

/* data:image/jpeg;base64,... */
static bool read_data(request *r, const char *url, size_t n, const char *name)
{
    const char *comma = memchr(url, ',', n), *base64 = ";base64";
    if (!comma) return fail(&r->problem, AT_E_INVALID_PARAMETER, "a data: URL has no comma");
    const size_t head = (size_t)(comma - url), size = n - head - 1, tail = strlen(base64);
    if (head < tail || strncasecmp(comma - tail, base64, tail) != 0)
        return fail(&r->problem, AT_E_INVALID_PARAMETER, "a data: URL is not base64");
    picture *p = body_picture(r, name);
    return p && body_base64(r, p, comma + 1, size);
}

bool source_url(request *r, const char *url, size_t n, const char *name)
{
    if (n >= 5 && strncasecmp(url, "data:", 5) == 0) return read_data(r, url, n, name);
    if (n > URL_MOST || strlen(url) != n)
        return fail(&r->problem, AT_E_INVALID_PARAMETER, "a URL is longer than %d letters",
                    URL_MOST);
    if (fetch_kind(r, url) == FETCH_NEVER)
        return fail(&r->problem, P_URL_NOT_ALLOWED,
                    "%.200s: data: URLs are taken, and http(s) ones of the hosts that --allow-urls "
                    "names",
                    url);
    char *bare = strndup(url, strcspn(url, "?#"));
    picture *p = body_picture(r, name ? name : bare);
    free(bare);
    if (p) p->url = strdup(url);
    return p && (p->url || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory"));
}

bool source_path(request *r, const char *path)
{
    if (r->s->media < 0)
        return fail(&r->problem, P_PATH_NOT_ALLOWED,
                    "this server opens no files; --media-root names a folder that it may");
    const size_t root = strlen(r->s->o.media_root);
    if (strncmp(path, r->s->o.media_root, root) == 0 && path[root] == '/') path += root;
    if (!*path || strlen(path) >= PATH_MAX)
        return fail(&r->problem, P_PATH_NOT_ALLOWED, "the path is empty or too long");
    picture *p = body_picture(r, path);
    if (p) p->path = strdup(path);
    return p && (p->path || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory"));
}

/* --- files ----------------------------------------------------------------------------------------------- */

static bool refuse(at_error *err, at_status status, const char *path, const char *why)
{
    err->status = status;
    (void)snprintf(err->text, sizeof err->text, "%.200s: %s", path, why);
    return false;
}

static bool read_all(int fd, uint8_t *to, size_t size)
{
    for (size_t n = 0; n < size;) {
        const ssize_t k = read(fd, to + n, size - n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false; // shorter than it was a moment ago
        n += (size_t)k;
    }
    return true;
}

bool media_read(at_server *s, const char *path, uint8_t **bytes, size_t *size, at_error *err)
{
    // the kernel walks the path: no "..", no link and no mount of /proc leads out, at any moment
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS};
    while (*path == '/')
        path++;
    const int fd = (int)syscall(SYS_openat2, s->media, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return refuse(err, AT_E_NOT_FOUND, path, "there is no such file below --media-root");
    if (fd < 0 && errno == ELOOP)
        return refuse(err, AT_E_INVALID_PARAMETER, path,
                      "a symbolic link, or below one; links are not followed below --media-root "
                      "(copy the file there, or mount its folder)");
    if (fd < 0) return refuse(err, AT_E_INVALID_PARAMETER, path, "this path leaves --media-root");
    struct stat st;
    const bool plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    const bool fits = plain && (uint64_t)st.st_size <= s->o.max_body;
    *size = fits ? (size_t)st.st_size : 0;
    *bytes = fits ? malloc(*size + 1) : NULL;
    const bool whole = *bytes && read_all(fd, *bytes, *size);
    (void)close(fd);
    if (!plain) return refuse(err, AT_E_NOT_FOUND, path, "not a file");
    if (!fits) return refuse(err, AT_E_BODY_TOO_LARGE, path, "larger than --max-body");
    if (!*bytes) return refuse(err, AT_E_OUT_OF_MEMORY, path, "no memory");
    if (whole) return true;
    free(*bytes);
    *bytes = NULL;
    return refuse(err, AT_E_NOT_FOUND, path, "the file cannot be read");
}

void source_read(picture *p)
{
    if (!media_read(p->r->s, p->path, &p->bytes, &p->size, &p->error) &&
        p->error.status == AT_E_INVALID_PARAMETER)
        p->what = P_PATH_NOT_ALLOWED;
}
