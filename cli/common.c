/* common.c - the clock, the locale, output files. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

at_image_options cli_image_options(const cli_options *o)
{
    return (at_image_options){.struct_size = sizeof(at_image_options),
                              .max_pixels = (uint64_t)o->max_pixels,
                              .max_bytes = (uint64_t)o->max_bytes,
                              .keep_rotated = o->no_rotate,
                              .official_pixels = o->official_pixels};
}

const char *cli_locale(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return value;
    }
    return "";
}

bool cli_utf8_locale(void)
{
    return strcasestr(cli_locale(), "utf") != NULL;
}

/* Makes the folders in front of the last name. */
bool cli_make_folders(const char *path)
{
    char *copy = strdup(path);
    bool ok = copy != NULL;
    for (char *c = ok ? copy + 1 : NULL; ok && *c; c++) {
        if (*c != '/') continue;
        *c = 0;
        ok = mkdir(copy, 0777) == 0 || errno == EEXIST;
        *c = '/';
    }
    free(copy);
    return ok;
}

static void print_word(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=+@%";
    if (*word && word[strspn(word, plain)] == 0) {
        fprintf(stderr, " %s", word);
        return;
    }
    fputs(" '", stderr);
    for (const char *c = word; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", stderr);
        else
            fputc(*c, stderr);
    }
    fputc('\'', stderr);
}

void cli_print_resume(const cli_options *o, const char *command)
{
    fprintf(stderr, "resume: anytag %s --resume", command);
    for (int i = 0; i < o->n_words; i++) {
        if (strcmp(o->words[i], "--resume") != 0 && strcmp(o->words[i], "--force") != 0)
            print_word(o->words[i]);
    }
    fputc('\n', stderr);
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
    out->path = path;
    struct stat st;
    const bool there = stat(path, &st) == 0;
    out->target = there ? realpath(path, NULL) : strdup(path);
    const size_t size = out->target ? strlen(out->target) + 6 : 0;
    if (!there || S_ISREG(st.st_mode)) {
        out->part = size ? malloc(size) : NULL;
        if (!out->part) return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for its name", path);
        (void)snprintf(out->part, size, "%s.part", out->target);
    }
    out->file = fopen(out->part ? out->part : path, "wb");
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
    if (out->path && out->file && out->file != stdout) {
        const bool ok = fclose(out->file) == 0;
        if (!ok || (keep && out->part && rename(out->part, out->target) != 0))
            code = output_failed(out->path);
        if (out->part && (!keep || code)) (void)unlink(out->part);
    }
    free(out->part);
    free(out->target);
    *out = (cli_output){0};
    return code;
}

int cli_stdout_close(int code)
{
    errno = 0;
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || code > 1) return code; // or told already
    struct pollfd reader = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&reader, 1, 0) == 1 && reader.revents & POLLERR) return 141;
    return cli_error(errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED,
                     "stdout: cannot be written%s%s", errno ? ": " : "",
                     errno ? strerror(errno) : "");
}
