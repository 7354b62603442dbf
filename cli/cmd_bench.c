/* cmd_bench.c - anytag bench: file to tags, how long and where the time goes. */
#include "cli.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int cmd_bench(const cli_options *o, char **inputs, size_t n)
{
    cli_files files;
    int code = cli_files_find(&files, o, inputs, n);
    if (code) return code;
    at_model *m = NULL;
    at_session *s = NULL;
    at_error err = {0};
    const double opening = cli_seconds();
    code = cli_open_model(o, &m);
    const at_session_options so = {
        .struct_size = sizeof so, .threads = (int)o->threads, .max_batch = (int)o->batch};
    if (code == 0 && at_session_open(m, &so, &s, &err) != AT_OK) code = cli_fail(&err);
    const double open_s = cli_seconds() - opening;
    const size_t repeat = o->repeat ? (size_t)o->repeat : 5,
                 warmup = o->warmup ? (size_t)o->warmup : 1;
    double *times = calloc(repeat * files.n, sizeof *times);
    size_t k = 0;
    for (size_t r = 0; code == 0 && times && r < warmup + repeat; r++) {
        if (r == warmup) at_session_profile(s, 1);
        for (size_t i = 0; i < files.n && code == 0; i++) {
            at_image *image = NULL;
            at_tags *tags = NULL;
            const double start = cli_seconds();
            if (at_image_read(files.paths[i], NULL, &image, &err) != AT_OK ||
                at_session_tag(s, image, NULL, &tags, &err) != AT_OK)
                code = cli_fail(&err);
            if (r >= warmup) times[k++] = cli_seconds() - start;
            at_tags_free(tags);
            at_image_free(image);
        }
    }
    if (code == 0 && times && k) {
        qsort(times, k, sizeof *times, by_value);
        at_profile_row rows[16];
        const size_t n_rows = at_session_profile_rows(s, rows, 16);
        const double median = times[k / 2], p90 = times[k * 9 / 10 < k ? k * 9 / 10 : k - 1];
        if (o->json)
            printf(
                "{\"images\":%zu,\"median_ms\":%.3f,\"p90_ms\":%.3f,\"min_ms\":%.3f,\"open_ms\":%.1f}\n",
                k, median * 1e3, p90 * 1e3, times[0] * 1e3, open_s * 1e3);
        else {
            printf(
                "%s %s: open %.0f ms; file to tags median %.2f ms, 90th percentile %.2f ms, least %.2f ms, %.1f images/s\n",
                at_model_name(m), at_model_precision(m), open_s * 1e3, median * 1e3, p90 * 1e3,
                times[0] * 1e3, 1 / median);
            for (size_t i = 0; i < n_rows && i < 16; i++)
                printf("  %-12s %9.2f ms an image  %7.1f GFLOP/s  %llu calls\n", rows[i].op,
                       rows[i].seconds * 1e3 / (double)k, rows[i].flop / rows[i].seconds / 1e9,
                       (unsigned long long)(rows[i].calls / k));
        }
    }
    free(times);
    at_session_close(s);
    at_model_close(m);
    cli_files_free(&files);
    return code;
}
