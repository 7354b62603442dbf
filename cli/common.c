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

/* Side that a picture keeps when it need not be decoded whole; 0: it must. A crop, a map and a box lie in
 * pixels of the whole picture. */
static int least_side(const cli_options *o, const at_model *model)
{
    if (!model || !o->decode || strcmp(o->decode, "fast") != 0) return 0;
    if (o->crop || o->heatmap || o->boxes_from_heatmap) return 0;
    // keeping the input's side only once changes more tags: docs/performance.md
    return 2 * at_model_image_size(model);
}

at_image_options cli_image_options(const cli_options *o, const at_model *model)
{
    return (at_image_options){.struct_size = sizeof(at_image_options),
                              .max_pixels = (uint64_t)o->max_pixels,
                              .max_bytes = (uint64_t)o->max_bytes,
                              .keep_rotated = o->no_rotate,
                              .official_pixels = o->official_pixels,
                              .least_side = least_side(o, model)};
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
    bool escaped = false; // a word with control characters needs the other quotes
    for (const char *c = word; *c; c++)
        escaped = escaped || cli_control(c);
    fputs(escaped ? " $'" : " '", stderr);
    for (const char *c = word; *c; c++) {
        const char one[] = {*c, escaped && cli_control(c) == 2 ? *++c : 0, 0};
        if (*c == '\'')
            fputs(escaped ? "\\'" : "'\\''", stderr);
        else if (*c == '\\' && escaped)
            fputs("\\\\", stderr);
        else
            cli_print_plain(stderr, one);
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

int cli_output_check(const char *path)
{
    if (!path || strcmp(path, "-") == 0) return 0;
    struct stat st;
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!dir) return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for its name", path);
    const bool special = stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    const bool good = !folder && access(special ? path : dir, W_OK) == 0;
    if (folder) errno = EISDIR;
    const int code = good ? 0 : output_failed(path);
    free(dir);
    return code;
}

int cli_not_stdout(const char *path)
{
    if (strcmp(path, "-") != 0) return 0;
    return cli_usage("a model file cannot be written to stdout; name a file");
}

/* FILE.part for this run alone; the name stays, so that --resume finds what a killed run left. NULL with errno. */
static FILE *open_part(const char *part)
{
    const int fd = at_part_open(part);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (fd >= 0 && !file) {
        const int number = errno; // close() may change it
        (void)close(fd);
        errno = number;
    }
    return file;
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
    out->file = out->part ? open_part(out->part) : fopen(path, "wb");
    if (!out->file && errno == EWOULDBLOCK)
        return cli_error(AT_E_OUTPUT_FAILED, "%s: another run is writing it", path);
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
        const bool ok = fflush(out->file) == 0; // renamed or gone before the lock is
        if (!ok || (keep && out->part && rename(out->part, out->target) != 0))
            code = output_failed(out->path);
        if (out->part && (!keep || code)) (void)unlink(out->part);
        if (fclose(out->file) != 0 && !code) code = output_failed(out->path);
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
