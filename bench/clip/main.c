/* main.c - bench_clip: CLIP's text tower and its tokenizer, timed without opening. Texts on stdin, one a line.
 *   bench_clip ENCODER            for each byte on descriptor 3: encodes all, prints the seconds and a value
 *   bench_clip ENCODER --speed    the tokenizer's MB/s, in processor time
 *   bench_clip ENCODER --ids      [texts, 77] int32 */
#include "anytag/encoder.h"
#include "formats/weights.h"
#include "text/clip_bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t read_lines(char *text, const char **lines, size_t most)
{
    size_t n = 0;
    for (char *line = strtok_r(text, "\n", &text); line && n < most;
         line = strtok_r(NULL, "\n", &text))
        lines[n++] = line;
    return n;
}

/* Speed of the tokenizer, or what it makes of each text: 77 ids as the official tokenize() has them. */
static int tokens(const char *path, const char *const *lines, size_t n, bool write_ids)
{
    at_error err = {0};
    at_weights *w;
    at_clip_bpe *b;
    size_t merges, bytes = 0, count = 0;
    if (at_weights_open(&w, path, NULL, &err) != AT_OK) return fprintf(stderr, "%s\n", err.text), 1;
    const char *const *list = at_weights_strings(w, "anytag.text.merges", &merges);
    if (!list || at_clip_bpe_open(&b, list, merges, NULL, &err) != AT_OK)
        return fprintf(stderr, "no tokenizer in %s\n", path), 1;
    const double start = now(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < n; i++) {
        int32_t *ids, row[77] = {at_clip_bpe_first(b)};
        size_t k;
        if (at_clip_bpe_encode(b, lines[i], strlen(lines[i]), &ids, &k, &err) != AT_OK) continue;
        bytes += strlen(lines[i]) + 1;
        count += k;
        k = at_min_size(k, 75);
        if (k) memcpy(row + 1, ids, k * sizeof *ids);
        row[k + 1] = at_clip_bpe_last(b);
        if (write_ids) fwrite(row, sizeof row, 1, stdout);
        at_free(NULL, ids);
    }
    if (!write_ids)
        printf("%.1f MB/s, %zu bytes, %zu tokens\n",
               1e-6 * (double)bytes / (now(CLOCK_PROCESS_CPUTIME_ID) - start), bytes, count);
    at_clip_bpe_close(b);
    at_weights_close(w);
    return 0;
}

int main(int argc, char **argv)
{
    enum { MOST = 1 << 20, BYTES = 64 << 20 };
    char *text = calloc(1, BYTES);
    const char **lines = malloc(MOST * sizeof *lines);
    if (argc < 2 || !text || !lines) return 2;
    if (fread(text, 1, BYTES - 1, stdin) == 0) return 2;
    const size_t n = read_lines(text, lines, MOST);
    if (argc > 2) return tokens(argv[1], lines, n, strcmp(argv[2], "--ids") == 0);
    at_error err = {0};
    at_encoder *e;
    if (at_encoder_open(argv[1], NULL, &e, &err) != AT_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    float *out = malloc(n * at_encoder_width(e) * sizeof *out);
    for (char turn; out && read(3, &turn, 1) == 1;) {
        const double start = now(CLOCK_MONOTONIC);
        if (at_encoder_encode(e, lines, n, out, NULL, NULL, &err) != AT_OK)
            return fprintf(stderr, "%s\n", err.text), 1;
        printf("%.4f %.9g\n", now(CLOCK_MONOTONIC) - start, (double)out[0]);
        fflush(stdout);
    }
    free(out);
    at_encoder_close(e);
    return 0;
}
