/* common.c - the clock, output files. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int output_failed(const char *path)
{
    return cli_error(errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED,
                     "%s: cannot be written (%s)", path ? path : "stdout", strerror(errno));
}

int cli_output_open(cli_output *out, const char *path)
{
    *out = (cli_output){.file = stdout};
    if (!path || strcmp(path, "-") == 0) return 0;
    const size_t size = strlen(path) + 6;
    out->part = malloc(size);
    if (!out->part) return 6;
    (void)snprintf(out->part, size, "%s.part", path);
    out->path = path;
    out->file = fopen(out->part, "wb");
    return out->file ? 0 : output_failed(path);
}

at_status cli_output_write(void *user, const void *data, size_t size, at_error *err)
{
    cli_output *out = user;
    if (fwrite(data, 1, size, out->file) == size && fflush(out->file) == 0) return AT_OK;
    if (err) {
        err->status = errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED;
        (void)snprintf(err->text, sizeof err->text, "%s: cannot be written (%s)",
                       out->path ? out->path : "stdout", strerror(errno));
        return err->status;
    }
    return AT_E_OUTPUT_FAILED;
}

int cli_output_close(cli_output *out, bool keep)
{
    int code = 0;
    if (out->path && out->file) {
        const bool ok = fclose(out->file) == 0;
        if (!ok || (keep && rename(out->part, out->path) != 0)) code = output_failed(out->path);
        if (!keep || code) (void)unlink(out->part);
    }
    free(out->part);
    return code;
}
