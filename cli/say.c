/* say.c - what is said to people on stderr, and the log: --quiet, --verbose, --color, --log-file,
 * --log-format. One line an event; data never passes here. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

enum { SHOWN = 4096 }; // bytes of a line on stderr

static struct { // of the one run of a program; set before threads begin
    bool quiet, json, color, opened;
    at_log_level level;
    FILE *file;
} say = {.level = AT_LOG_INFO};

bool cli_color(const cli_options *o, FILE *stream)
{
    const char *none = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR"), *term = getenv("TERM");
    if (o->color && strcmp(o->color, "always") == 0) return true;
    if (o->color && strcmp(o->color, "never") == 0) return false;
    if (none && *none) return false;
    if (force && *force) return true;
    return isatty(fileno(stream)) && !(term && strcmp(term, "dumb") == 0);
}

int cli_say_open(const cli_options *o)
{
    say.quiet = o->quiet;
    say.level = o->verbose ? AT_LOG_DEBUG : AT_LOG_INFO;
    say.color = cli_color(o, stderr);
    say.opened = true;
    say.json = o->log_format && strcmp(o->log_format, "json") == 0;
    if (!o->log_file) return 0;
    say.file = fopen(o->log_file, "ab");
    return say.file ? 0
                    : cli_error(AT_E_OUTPUT_FAILED, "--log-file: %s cannot be written (%s)",
                                o->log_file, strerror(errno));
}

void cli_say_close(void)
{
    if (say.file) (void)fclose(say.file);
    say.file = NULL;
}

json_t *cli_json_text(const char *text)
{
    const size_t n = strlen(text);
    char *clean = malloc(3 * n + 1);
    if (!clean) return NULL;
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                        (utf8proc_ssize_t)(n - i), &c);
        if (bytes > 0)
            memcpy(clean + k, text + i, (size_t)bytes);
        else
            memcpy(clean + k, "\xef\xbf\xbd", 3);
        k += bytes > 0 ? (size_t)bytes : 3;
        i += bytes > 0 ? (size_t)bytes : 1;
    }
    json_t *s = json_stringn(clean, k);
    free(clean);
    return s;
}

int cli_print_json(json_t *value)
{
    const int bad = value ? json_dumpf(value, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : -1;
    json_decref(value);
    if (bad) return cli_error(AT_E_OUT_OF_MEMORY, "no memory for the answer");
    putchar('\n');
    return 0;
}

bool cli_wants_json(const cli_options *o)
{
    return o->format && strcmp(o->format, "json") == 0;
}

size_t cli_control(const char *text)
{
    const unsigned char c = (unsigned char)text[0], next = c ? (unsigned char)text[1] : 0;
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) return 2; // U+0080 to U+009F: 9B is Escape [
    return (c && c < 32) || c == 127;
}

void cli_print_plain(FILE *to, const char *text)
{
    while (*text) {
        const size_t n = cli_control(text);
        if (!n) fputc(*text++, to);
        for (size_t i = 0; i < n; i++)
            fprintf(to, "\\x%02X", (unsigned char)*text++);
    }
}

/* The same into memory, so that a line is written at once whichever threads speak; cut if too long. */
static const char *plain(const char *text, char *out, size_t size)
{
    size_t k = 0;
    while (*text && k + 9 < size) {
        const size_t n = cli_control(text);
        if (!n) out[k++] = *text++;
        for (size_t i = 0; i < n; i++)
            k += (size_t)snprintf(out + k, size - k, "\\x%02X", (unsigned char)*text++);
    }
    out[k] = 0;
    return out;
}

static void event_line(FILE *to, bool json, at_log_level level, const char *code, const char *text,
                       json_t *fields)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char when[32];
    struct timespec now;
    struct tm t;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    const size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &t);
    (void)snprintf(when + n, sizeof when - n, ".%03ldZ", now.tv_nsec / 1000000);
    if (!json) {
        char shown[SHOWN];
        fprintf(to, "%s %s %s\n", when, names[level], plain(text, shown, sizeof shown));
    } else {
        json_t *o = json_pack("{ss ss}", "time", when, "level", names[level]);
        if (code) (void)json_object_set_new(o, "code", json_string(code));
        (void)json_object_set_new(o, "text", cli_json_text(text));
        if (fields) (void)json_object_update_missing(o, fields);
        char *line = json_dumps(o, JSON_COMPACT);
        if (line) fprintf(to, "%s\n", line);
        free(line);
        json_decref(o);
    }
    (void)fflush(to);
}

static void event(at_log_level level, const char *code, const char *text, json_t *fields)
{
    if (say.file && level <= say.level) event_line(say.file, say.json, level, code, text, fields);
    if (level != AT_LOG_ERROR && (say.quiet || level > say.level)) return;
    if (say.json && !say.file) {
        event_line(stderr, true, level, code, text, fields);
        return;
    }
    const char *paint = level == AT_LOG_ERROR     ? "\033[31m"
                        : level == AT_LOG_WARNING ? "\033[33m"
                                                  : "";
    if (!say.opened) say.color = cli_color(&(cli_options){0}, stderr);
    char shown[SHOWN];
    fprintf(stderr, "%sanytag: %s%s\n", say.color ? paint : "", plain(text, shown, sizeof shown),
            say.color && *paint ? "\033[0m" : "");
}

static bool failed;

bool cli_has_failed(void)
{
    return failed;
}

int cli_fail(const at_error *err)
{
    failed = true;
    event(AT_LOG_ERROR, at_status_code(err->status), err->text, NULL);
    if (err->status == AT_E_INTERNAL) {
        char facts[2048];
        (void)at_build_info(facts, sizeof facts);
        fprintf(stderr, "This is a bug. Please report it with the command and these lines:\n%s",
                facts);
    }
    return at_status_exit_code(err->status);
}

int cli_error(at_status status, const char *format, ...)
{
    at_error err = {.status = status};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    return cli_fail(&err);
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

void cli_warn(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    event(AT_LOG_WARNING, NULL, text, NULL);
}

void cli_log(void *user, at_log_level level, const char *text)
{
    (void)user;
    event(level, NULL, text, NULL);
}

void cli_log_fields(at_log_level level, const char *text, json_t *fields)
{
    event(level, NULL, text, fields);
    json_decref(fields);
}
