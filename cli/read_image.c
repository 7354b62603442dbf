/* read_image.c - one picture: a file by the library, a pipe in steps, so that a run that is stopped ends
 * although the pipe's writer is silent. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_MS = 100, FIRST_BYTES = 1 << 16 };
static const size_t DEFAULT_LIMIT = (size_t)512 << 20; // at_image_options.max_bytes of 0

static at_status fail(at_error *err, at_status status, const char *name, const char *why)
{
    *err = (at_error){.status = status};
    (void)snprintf(err->text, sizeof err->text, "%.800s: %s", name, why);
    return status;
}

/* Bytes read, 0 at the end, -1 with errno; ECANCELED: the run was stopped. */
static ssize_t read_some(int fd, char *to, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!cli_stopped()) {
        const int ready = poll(&p, 1, STEP_MS);
        if (ready < 0 && errno != EINTR) return -1;
        if (ready <= 0) continue;
        const ssize_t n = read(fd, to, size);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
    }
    errno = ECANCELED;
    return -1;
}

/* One byte more than the limit is enough for the decoder to refuse it in its own words. */
static at_status read_pipe(int fd, const char *name, const at_image_options *io, at_image **image,
                           at_error *err)
{
    const size_t limit = io && io->max_bytes ? (size_t)io->max_bytes : DEFAULT_LIMIT;
    size_t n = 0, cap = FIRST_BYTES;
    char *data = malloc(cap);
    ssize_t k = 0;
    while (data && n <= limit && (k = read_some(fd, data + n, cap - n)) > 0) {
        n += (size_t)k;
        if (n < cap) continue;
        char *more = realloc(data, cap *= 2);
        if (!more) free(data);
        data = more;
    }
    const int why = errno;
    at_status status;
    if (!data)
        status = fail(err, AT_E_OUT_OF_MEMORY, name, "no memory for it");
    else if (k < 0 && why == ECANCELED)
        status = fail(err, AT_E_CANCELLED, name, "stopped before all of it was read");
    else if (k < 0)
        status = fail(err, AT_E_NOT_FOUND, name, strerror(why));
    else
        status = at_image_decode(data, n, name, io, image, err);
    free(data);
    return status;
}

at_status cli_read_image(const char *path, const at_image_options *io, at_image **image,
                         at_error *err)
{
    if (strcmp(path, "-") == 0) return read_pipe(STDIN_FILENO, "stdin", io, image, err);
    struct stat st;
    const bool pipe = stat(path, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
    // without waiting for a writer: poll() does, in steps
    const int fd = pipe ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd >= 0) {
        const at_status status = read_pipe(fd, path, io, image, err);
        (void)close(fd);
        return status;
    }
    const at_status status = at_image_read(path, io, image, err);
    if (status == AT_E_NOT_FOUND) cli_suggest_path(err, path);
    return status;
}
