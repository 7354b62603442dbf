/* main.c - bench_tag MODEL THREADS BATCH [bf16]: says "ready", then for each line of stdin, paths with tabs between,
 * tags the pictures in one pass and prints the seconds of reading (file to pixels), of the model (pixels to
 * tags) and how many tags fired. "> FILE" as a line's first field: the logits are also written to FILE, f32.
 * For run.py; bench/peers/serve.py says the same of the peers. */
#include "anytag/model.h"
#include "anytag/session.h"
#include "anytag/tag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 64, LINE = 1 << 16 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int dump(const char *path, at_tags *const *tags, size_t n)
{
    FILE *f = fopen(path, "wb");
    int bad = !f;
    for (size_t i = 0; i < n && !bad; i++) {
        const size_t count = at_tags_scores_count(tags[i]);
        bad = fwrite(at_tags_logits(tags[i]), sizeof(float), count, f) != count;
    }
    if (f && fclose(f)) bad = 1;
    return bad;
}

static at_status answer(const at_model *m, at_session *s, char *line, at_error *err)
{
    const at_image_options io = {.struct_size = sizeof io, .official_pixels = 1};
    at_pixels *pixels[MOST] = {0};
    at_tags *tags[MOST] = {0};
    at_error errors[MOST] = {0};
    const char *out = NULL;
    size_t n = 0, fired = 0;
    at_status status = AT_OK;
    const double start = now();
    for (char *path = strtok(line, "\t\n"); path && n < MOST && status == AT_OK;
         path = strtok(NULL, "\t\n")) {
        if (strncmp(path, "> ", 2) == 0) {
            out = path + 2;
            continue;
        }
        at_image *image = NULL;
        status = at_image_read(path, &io, &image, err);
        if (status == AT_OK) status = at_pixels_prepare(m, image, &pixels[n], err);
        at_image_free(image);
        n += status == AT_OK;
    }
    const double read = now();
    if (status == AT_OK && n)
        status = at_session_tag_pixels(s, (const at_pixels *const *)pixels, n, NULL, tags, errors);
    const double end = now();
    for (size_t i = 0; i < n; i++) {
        if (errors[i].status != AT_OK) *err = errors[i];
        if (tags[i]) fired += at_tags_count(tags[i]);
    }
    if (status == AT_OK && out && dump(out, tags, n)) {
        status = err->status = AT_E_OUTPUT_FAILED;
        (void)snprintf(err->text, sizeof err->text, "%s: cannot be written", out);
    }
    if (status == AT_OK)
        printf("{\"read\": %.6f, \"model\": %.6f, \"fired\": %zu}\n", read - start, end - read,
               fired);
    fflush(stdout);
    for (size_t i = 0; i < n; i++) {
        at_tags_free(tags[i]);
        at_pixels_free(pixels[i]);
    }
    return status;
}

int main(int argc, char **argv)
{
    static char line[LINE];
    const int bf16 = argc == 5 && strcmp(argv[4], "bf16") == 0;
    if (argc != 4 + bf16) {
        fprintf(stderr, "usage: bench_tag MODEL THREADS BATCH [bf16]\n");
        return 2;
    }
    at_model *m = NULL;
    at_session *s = NULL;
    at_error err = {0};
    const at_session_options so = {
        .struct_size = sizeof so, .threads = atoi(argv[2]), .max_batch = atoi(argv[3])};
    at_model_options mo = {.struct_size = sizeof mo, .threads = so.threads};
    if (bf16) mo.compute = AT_COMPUTE_BF16;
    at_status status = at_model_open(argv[1], &mo, &m, &err);
    if (status == AT_OK) status = at_session_open(m, &so, &s, &err);
    if (status == AT_OK) printf("ready\n");
    fflush(stdout);
    while (status == AT_OK && fgets(line, sizeof line, stdin))
        status = answer(m, s, line, &err);
    at_session_close(s);
    at_model_close(m);
    if (status != AT_OK) fprintf(stderr, "%s\n", err.text);
    return status == AT_OK ? 0 : 1;
}
