/* tokenizer.c - bench_tokenizer VOCABULARY TEXT [ROUNDS]: WordPiece on one core, MB/s of text to ids. */
#include "text/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS = 100000 };

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    if (!f) return NULL;
    if (fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        rewind(f);
        text = size > 0 ? malloc((size_t)size + 1) : NULL;
        *len = text ? fread(text, 1, (size_t)size, f) : 0;
        if (text) text[*len] = 0;
    }
    (void)fclose(f);
    return text;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const size_t rounds = argc > 3 ? (size_t)atoi(argv[3]) : 11;
    static const char *vocab[WORDS];
    size_t n_vocab = 0, len = 0, unused;
    char *words = argc > 2 ? read_file(argv[1], &unused) : NULL,
         *text = argc > 2 ? read_file(argv[2], &len) : NULL;
    if (!words || !text || rounds < 1 || rounds > 1000) {
        fprintf(stderr, "usage: bench_tokenizer VOCABULARY TEXT [ROUNDS]\n");
        return 2;
    }
    for (char *at = strtok(words, "\r\n"); at && n_vocab < WORDS; at = strtok(NULL, "\r\n"))
        vocab[n_vocab++] = at;
    at_wordpiece *w = NULL;
    at_error err = {0};
    at_status status = at_wordpiece_open(&w, vocab, n_vocab, NULL, &err);
    double took[1000];
    size_t n = 0;
    for (size_t i = 0; i <= rounds && status == AT_OK; i++) { // the first is not counted
        int32_t *ids = NULL;
        const double start = now();
        status = at_wordpiece_encode(w, text, len, &ids, &n, &err);
        if (i) took[i - 1] = now() - start;
        at_free(NULL, ids);
    }
    if (status == AT_OK) {
        qsort(took, rounds, sizeof *took, by_value);
        const double median = took[rounds / 2];
        printf("%zu bytes, %zu tokens: %.1f MB/s, %.1f ns a token (median of %zu)\n", len, n,
               (double)len / median * 1e-6, median / (double)n * 1e9, rounds);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    at_wordpiece_close(w);
    free(words);
    free(text);
    return status != AT_OK;
}
