/* file.c - reading in pieces, so that a pipe works like a file and a growing file cannot surprise. */
#include "base/file.h"

#include "base/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

at_status at_file_read(const char *path, size_t limit, char **data, size_t *size,
                       const at_allocator *al, at_error *err)
{
    *data = NULL;
    *size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return at_fail(err, at_status_of_errno(errno), "%s: %s", path, strerror(errno));
    size_t cap = 0, len = 0;
    char *text = NULL;
    at_status status = AT_OK;
    for (;;) {
        if (len + 1 >= cap) {
            const size_t grown = cap ? 2 * cap : 16384;
            char *more = at_realloc(al, text, cap, grown);
            if (!more) {
                status = at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for it", path);
                break;
            }
            text = more;
            cap = grown;
        }
        const ssize_t n = read(fd, text + len, cap - len - 1);
        if (n == 0) break;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = at_fail(err, at_status_of_errno(errno), "%s: %s", path, strerror(errno));
            break;
        }
        len += (size_t)n;
        if (len > limit) {
            status = at_fail(err, AT_E_BODY_TOO_LARGE, "%s: larger than %zu bytes", path, limit);
            break;
        }
    }
    (void)close(fd);
    if (status != AT_OK) {
        at_free(al, text);
        return status;
    }
    text[len] = 0;
    *data = text;
    *size = len;
    return AT_OK;
}

at_status at_file_lines(const char *path, size_t limit, char ***lines, size_t *count,
                        const at_allocator *al, at_error *err)
{
    char *text;
    size_t size;
    *lines = NULL;
    *count = 0;
    at_status status = at_file_read(path, limit, &text, &size, al, err);
    if (status == AT_OK && at_is_gzip(text, size)) {
        char *packed = text;
        status = at_gunzip(path, packed, size, limit, &text, &size, al, err);
        at_free(al, packed);
    }
    if (status != AT_OK) return status;
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += text[i] == '\n';
    n += size > 0 && text[size - 1] != '\n';
    char **out = at_alloc(al, (n + 1) * sizeof *out + size + 1);
    if (!out) {
        at_free(al, text);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for it", path);
    }
    char *at = (char *)(out + n + 1);
    memcpy(at, text, size + 1);
    at_free(al, text);
    for (size_t i = 0; i < n; i++) {
        out[i] = at;
        char *end = strchr(at, '\n');
        if (!end)
            end = at + strlen(at);
        else
            *end = 0;
        at = end + 1;
        if (end > out[i] && end[-1] == '\r') end[-1] = 0;
    }
    out[n] = NULL;
    *lines = out;
    *count = n;
    return AT_OK;
}

int at_part_open(const char *path)
{
    for (;;) {
        struct stat mine, there;
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return -1;
        const bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        const bool same = !taken && fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
                          mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
        if (same && ftruncate(fd, 0) == 0) return fd;
        const int number = taken ? EWOULDBLOCK : errno;
        (void)close(fd);
        errno = number;
        if (taken || same) return -1; // else its writer renamed it in between: once more
    }
}
