/* progress.c - the bar on a terminal, a plain line every half minute elsewhere, JSON events for programs;
 * and the summary of a run with its failures by kind. All on stderr. */
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 10, PATHS_SHOWN = 3 };

void cli_progress_begin(cli_progress *p, const cli_options *o, const char *verb, const char *past,
                        size_t total)
{
    const char *mode = o->progress ? o->progress : "auto";
    const bool tty = isatty(STDERR_FILENO), automatic = strcmp(mode, "auto") == 0;
    *p = (cli_progress){.verb = verb,
                        .past = past,
                        .unit = "img/s",
                        .total = total,
                        .total_known = true,
                        .quiet = o->quiet};
    p->json = strcmp(mode, "json") == 0;
    p->bar = !o->quiet && (strcmp(mode, "bar") == 0 || (automatic && tty && total > 1));
    p->plain = !o->quiet && (strcmp(mode, "plain") == 0 || (automatic && !tty));
    p->unicode = cli_utf8_locale();
    p->start = cli_seconds();
    p->shown = p->plain ? p->start : 0;
}

/* 8091 -> 8,091 */
static const char *grouped(size_t n, char *out, size_t size)
{
    char digits[32];
    const int len = snprintf(digits, sizeof digits, "%zu", n);
    size_t k = 0;
    for (int i = 0; i < len && k + 2 < size; i++) {
        out[k++] = digits[i];
        if ((len - i) % 3 == 1 && i + 1 < len) out[k++] = ',';
    }
    out[k] = 0;
    return out;
}

static const char *duration(double s, char *out, size_t size)
{
    if (s < 60)
        (void)snprintf(out, size, "%.1fs", s);
    else if (s < 3600)
        (void)snprintf(out, size, "%dm%02ds", (int)(s / 60), (int)s % 60);
    else
        (void)snprintf(out, size, "%dh%02dm", (int)(s / 3600), (int)s / 60 % 60);
    return out;
}

void cli_progress_clear(cli_progress *p)
{
    if (p->bar && p->shown > 0) fputs("\r\033[K", stderr);
}

void cli_progress_show(cli_progress *p, bool last)
{
    const double now = cli_seconds(), past = now - p->start,
                 pause = p->json    ? 0.5
                         : p->plain ? 30
                                    : 0.1;
    if (!p->json && last) {
        cli_progress_clear(p);
        return;
    }
    if ((!p->json && !p->bar && !p->plain) || (now - p->shown < pause && !last)) return;
    p->shown = now;
    const size_t done = p->ok + p->failed + p->skipped;
    const double rate = past > 0 ? (double)(p->ok + p->failed) / past : 0,
                 eta = rate > 0 ? (double)(p->total - done) / rate : 0;
    if (p->json) {
        fprintf(stderr,
                "{\"event\":\"progress\",\"done\":%zu,\"total\":%zu,\"failed\":%zu,\"rate\":%.1f,"
                "\"eta_s\":%.0f}\n",
                done, p->total, p->failed, rate, eta);
        return;
    }
    char a[32], b[32], c[32], d[32], bar[64] = "";
    if (!p->total_known) { // neither a share nor an end can be told
        fprintf(stderr, "%s%s  %s/%s+  %.1f %s  %s failed%s", p->bar ? "\r\033[K" : "", p->verb,
                grouped(done, a, sizeof a), grouped(p->total, b, sizeof b), rate, p->unit,
                grouped(p->failed, d, sizeof d), p->bar ? "" : "\n");
        return;
    }
    if (p->bar && p->unicode) {
        size_t n = (size_t)snprintf(bar, sizeof bar, "\xe2\x96\x95");
        for (size_t i = 0; i < BAR; i++)
            n += (size_t)snprintf(bar + n, sizeof bar - n, "%s",
                                  i < done * BAR / p->total ? "\xe2\x96\x88" : " ");
        (void)snprintf(bar + n, sizeof bar - n, "\xe2\x96\x8f  ");
    }
    fprintf(stderr, "%s%s  %s/%s  %zu%%  %s%.1f %s  ETA %s  %s failed%s", p->bar ? "\r\033[K" : "",
            p->verb, grouped(done, a, sizeof a), grouped(p->total, b, sizeof b),
            done * 100 / p->total, bar, rate, p->unit, duration(eta, c, sizeof c),
            grouped(p->failed, d, sizeof d), p->bar ? "" : "\n");
}

void cli_progress_failed(cli_progress *p, const char *path, const at_error *err)
{
    cli_progress_clear(p);
    (void)cli_fail(err);
    if (p->kept == p->failures_cap) {
        const size_t cap = p->failures_cap ? 2 * p->failures_cap : 16;
        cli_failure *more = realloc(p->failures, cap * sizeof *more);
        if (more) p->failures = more;
        if (more) p->failures_cap = cap;
    }
    if (p->kept < p->failures_cap) {
        // what stands behind "PATH: "
        const size_t n = strlen(path);
        const bool named = strncmp(err->text, path, n) == 0 && err->text[n] == ':';
        p->failures[p->kept++] = (cli_failure){.status = err->status,
                                               .path = strdup(path),
                                               .detail = strdup(named ? err->text + n + 2
                                                                      : err->text)};
    }
    p->failed++;
}

/* "not an image (a text file)" of the kind "not an image": "a text file". Freed by the caller. */
static char *beyond_kind(const char *detail, const char *kind)
{
    const size_t n = strlen(kind);
    if (strncmp(detail, kind, n) == 0) {
        const size_t len = strlen(detail + n);
        if (len == 0) return strdup("");
        if (len > 3 && strncmp(detail + n, " (", 2) == 0 && detail[n + len - 1] == ')')
            return strndup(detail + n + 2, len - 3);
        if (len > 2 && strchr(":,;", detail[n])) return strdup(detail + n + 2);
    }
    return strdup(detail);
}

static void one_kind(const cli_progress *p, at_status kind)
{
    char word[40];
    size_t n = 0, shown = 0, same = 0;
    const char *first = NULL;
    for (size_t i = 0; i < p->kept; i++) {
        if (p->failures[i].status != kind) continue;
        n++;
        if (!first) first = p->failures[i].detail;
        same += first && p->failures[i].detail && strcmp(first, p->failures[i].detail) == 0;
    }
    if (!n) return;
    (void)snprintf(word, sizeof word, "%s", at_status_code(kind));
    for (char *c = word; *c; c++) {
        if (*c == '-') *c = ' ';
    }
    fprintf(stderr, "%3zu  %-19s ", n, word);
    for (size_t i = 0; i < p->kept && shown < PATHS_SHOWN; i++) {
        if (p->failures[i].status == kind && p->failures[i].path)
            fputs(shown++ ? ", " : "", stderr), cli_print_plain(stderr, p->failures[i].path);
    }
    if (n > shown) fprintf(stderr, " and %zu more", n - shown);
    char *why = first && same == n ? beyond_kind(first, word) : NULL;
    if (why && *why) fputs(": ", stderr), cli_print_plain(stderr, why);
    free(why);
    fputc('\n', stderr);
}

void cli_progress_end(cli_progress *p, bool say)
{
    if (say) cli_progress_show(p, true);
    const size_t done = p->ok + p->failed + p->skipped;
    if (say && (p->total > 1 || done > 1) && (!p->quiet || p->failed)) {
        const double past = cli_seconds() - p->start;
        char a[32], b[32], c[32], d[32];
        fprintf(stderr, "%s %s, %s failed, %s skipped in %s (%.1f %s)\n",
                grouped(p->ok, a, sizeof a), p->past, grouped(p->failed, b, sizeof b),
                grouped(p->skipped, c, sizeof c), duration(past, d, sizeof d),
                past > 0 ? (double)(p->ok + p->failed) / past : 0, p->unit);
        for (int s = 1; s < AT_STATUS_COUNT_ && p->failures; s++)
            one_kind(p, (at_status)s);
    }
    for (size_t i = 0; i < p->kept; i++) {
        free(p->failures[i].path);
        free(p->failures[i].detail);
    }
    free(p->failures);
    p->failures = NULL;
}
