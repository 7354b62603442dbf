/* common.c - messages, colour, models, output files. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int cli_fail(const at_error *err)
{
    const bool red = isatty(STDERR_FILENO) && !(getenv("NO_COLOR") && *getenv("NO_COLOR"));
    fprintf(stderr, "%sanytag: %s%s\n", red ? "\033[31m" : "", err->text, red ? "\033[0m" : "");
    return at_status_exit_code(err->status);
}

int cli_usage(const char *format, ...)
{
    at_error err = {.status = AT_E_INVALID_PARAMETER};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    return cli_fail(&err);
}

void cli_log(void *user, at_log_level level, const char *text)
{
    const cli_options *o = user;
    if (o->quiet || level > (o->verbose ? AT_LOG_DEBUG : AT_LOG_INFO)) return;
    fprintf(stderr, "anytag: %s\n", text);
}

bool cli_color(const cli_options *o, FILE *stream)
{
    const char *none = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR"), *term = getenv("TERM");
    if (o->color && strcmp(o->color, "always") == 0) return true;
    if (o->color && strcmp(o->color, "never") == 0) return false;
    if (none && *none) return false;
    if (force && *force) return true;
    return isatty(fileno(stream)) && !(term && strcmp(term, "dumb") == 0);
}

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int cli_open_model(const cli_options *o, at_model **model)
{
    const char *env = getenv("ANYTAG_MODEL"), *path = o->model      ? o->model
                                                      : env && *env ? env
                                                                    : NULL;
    if (o->device && strcmp(o->device, "auto") != 0 && strcmp(o->device, "cpu") != 0) {
        at_error err = {.status = AT_E_DEVICE_NOT_AVAILABLE};
        (void)snprintf(err.text, sizeof err.text,
                       "--device: \"%.40s\" is not available in this build; use cpu", o->device);
        return cli_fail(&err);
    }
    at_error err = {0};
    const at_model_options mo = {.struct_size = sizeof mo,
                                 .threads = (int)o->threads,
                                 .log = cli_log,
                                 .log_user = (void *)(size_t)o};
    if (at_model_open(path, &mo, model, &err) != AT_OK) return cli_fail(&err);
    if (o->precision && strcmp(o->precision, "auto") != 0 &&
        strcmp(o->precision, at_model_precision(*model)) != 0) {
        const int code = cli_usage(
            "--precision: the model is stored as %s; convert it: anytag convert IN OUT --type %.10s",
            at_model_precision(*model), o->precision);
        at_model_close(*model);
        return code;
    }
    if (o->verbose)
        fprintf(stderr, "anytag: model %s (%s)\n", at_model_name(*model),
                path ? path : "in the box");
    return 0;
}

static int output_failed(const char *path)
{
    at_error err = {.status = errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED};
    (void)snprintf(err.text, sizeof err.text, "%s: cannot be written (%s)", path ? path : "stdout",
                   strerror(errno));
    return cli_fail(&err);
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
