/* encode.c - parity_encode ENCODER [stages]: vectors of the texts on stdin, each with a NUL behind it, to
 * stdout as floats; with `stages` instead every stage of every text by itself: a line "name count", then
 * count floats. */
#include "runtime/labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static at_status show(void *user, const char *stage, const float *data, const size_t *dims,
                      int n_dims)
{
    size_t n = 1;
    for (int i = 0; i < n_dims; i++)
        n *= dims[i];
    (void)user;
    printf("%s %zu\n", stage, n);
    fwrite(data, sizeof *data, n, stdout);
    return AT_OK;
}

int main(int argc, char **argv)
{
    static char input[1 << 20];
    const char *texts[4096];
    size_t n = 0;
    const size_t len = fread(input, 1, sizeof input - 1, stdin);
    for (size_t at = 0; at < len && n < 4096; at += strlen(input + at) + 1)
        texts[n++] = input + at;
    at_encoder *e = NULL;
    at_error err = {0};
    if (argc < 2 || at_encoder_open(argv[1], NULL, &e, &err) != AT_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    const size_t width = at_encoder_width(e);
    float *out = malloc((n + 1) * width * sizeof *out);
    at_status status = AT_OK;
    if (argc > 2) {
        at_encoder_observe(e, show, NULL);
        for (size_t i = 0; i < n && status == AT_OK; i++)
            status = at_encoder_encode(e, &texts[i], 1, out, NULL, NULL, &err);
    } else {
        status = at_encoder_encode(e, texts, n, out, NULL, NULL, &err);
        if (status == AT_OK) fwrite(out, sizeof *out, n * width, stdout);
    }
    if (status != AT_OK) fprintf(stderr, "%s\n", err.text);
    free(out);
    at_encoder_close(e);
    return status != AT_OK;
}
