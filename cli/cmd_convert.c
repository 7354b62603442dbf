/* cmd_convert.c - anytag convert: a checkpoint to a model file, and --check, whether it still says the same. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void convert_progress(void *user, uint64_t done, uint64_t total)
{
    const cli_options *o = user;
    const char *mode = o->progress ? o->progress : "auto";
    const unsigned long long a = done, b = total;
    if (strcmp(mode, "json") == 0)
        fprintf(stderr, "{\"event\":\"progress\",\"done_bytes\":%llu,\"total_bytes\":%llu}\n", a,
                b);
    else if (!o->quiet &&
             (strcmp(mode, "bar") == 0 || (strcmp(mode, "auto") == 0 && isatty(STDERR_FILENO))))
        fprintf(stderr, "\r\033[Kconvert  %llu/%llu MB%s", a >> 20, b >> 20,
                done == total ? "\r\033[K" : "");
}

/* --- --check: the same pictures through the f32 weights of IN, or a packed IN itself, and through OUT --- */

enum { CHECKS = 4, CHECK_SIDE = 96 };
// of a score; the small model in bf16 differs by 0.02, in int8 by 0.09
static const double WORST = 0.05, WORST_INT8 = 0.2;

/* Smooth and rough pictures without a file: gradients, stripes, blocks, noise. */
static void check_picture(int kind, uint8_t *rgb)
{
    uint32_t noise = 12345;
    for (int y = 0; y < CHECK_SIDE; y++) {
        for (int x = 0; x < CHECK_SIDE; x++) {
            for (int c = 0; c < 3; c++, rgb++) {
                noise = noise * 1664525u + 1013904223u;
                const int values[CHECKS] = {(x + y * c) * 255 / (3 * CHECK_SIDE),
                                            (x / 6 + c) % 2 * 200 + y / 2,
                                            (x / 24 * 5 + y / 24 * 3 + c) % 7 * 36,
                                            (int)(noise >> 24)};
                *rgb = (uint8_t)values[kind];
            }
        }
    }
}

/* Logits and scores of every tag of every picture; [CHECKS][tags] each, freed by the caller. */
static int check_run(const cli_options *o, const char *path, float **logits, float **scores,
                     size_t *tags)
{
    uint8_t rgb[CHECK_SIDE * CHECK_SIDE * 3];
    at_model *m = NULL;
    at_session *s = NULL;
    at_error err = {0};
    const at_model_options mo = {.struct_size = sizeof mo, .threads = (int)o->threads};
    const at_session_options so = {.struct_size = sizeof so, .threads = (int)o->threads};
    at_status status = at_model_open(path, &mo, &m, &err);
    if (status == AT_OK) status = at_session_open(m, &so, &s, &err);
    const size_t n = *tags = status == AT_OK ? at_model_tags(m) : 0;
    *logits = calloc(CHECKS * n + 1, sizeof **logits);
    *scores = calloc(CHECKS * n + 1, sizeof **scores);
    for (int k = 0; k < CHECKS && status == AT_OK && *logits && *scores; k++) {
        at_image *image = NULL;
        at_tags *got = NULL;
        check_picture(k, rgb);
        status = at_image_from_rgb(rgb, CHECK_SIDE, CHECK_SIDE, 3 * CHECK_SIDE, NULL, &image, &err);
        if (status == AT_OK) status = at_session_tag(s, image, NULL, &got, &err);
        if (status == AT_OK) {
            memcpy(*logits + (size_t)k * n, at_tags_logits(got), n * sizeof **logits);
            memcpy(*scores + (size_t)k * n, at_tags_scores(got), n * sizeof **scores);
        }
        at_tags_free(got);
        at_image_free(image);
    }
    at_session_close(s);
    at_model_close(m);
    return status == AT_OK ? 0 : cli_fail(&err);
}

static int compare(const char *out, double worst, const float *const logits[2],
                   const float *const scores[2], size_t n)
{
    double logit = 0, score = 0;
    size_t unlike = 0;
    for (size_t i = 0; i < CHECKS * n; i++) {
        const double dl = fabs((double)logits[0][i] - (double)logits[1][i]),
                     ds = fabs((double)scores[0][i] - (double)scores[1][i]);
        if (!(dl <= logit)) logit = dl; // a NaN stays
        if (!(ds <= score)) score = ds;
        unlike += (scores[0][i] > 0.5f) != (scores[1][i] > 0.5f);
    }
    printf("check: %d pictures, %zu tags: largest difference of a score %.2g, of a logit %.2g; %zu "
           "scores on the other side of 0.5\n",
           CHECKS, n, score, logit, unlike);
    if (score <= worst) return 0;
    return cli_error(AT_E_MODEL_MISMATCH, "%s: differs from its source by more than %g in a score",
                     out, worst);
}

static int check(const cli_options *o, const char *in, const char *out,
                 const at_convert_options *options)
{
    const size_t size = strlen(out) + 16;
    char *exact = malloc(size);
    float *logits[2] = {0}, *scores[2] = {0};
    size_t tags[2];
    if (!exact) return 6;
    (void)snprintf(exact, size, "%s.check", out);
    at_convert_options f32 = *options;
    f32.type = AT_WEIGHTS_F32;
    f32.skip_sha256 = 1;
    f32.log = NULL;
    at_error err = {0};
    const bool packed = options->packed;
    int code = packed || at_convert(in, exact, &f32, &err) == AT_OK ? 0 : cli_fail(&err);
    for (int i = 0; i < 2 && code == 0; i++)
        code = check_run(o, i ? out : packed ? in : exact, &logits[i], &scores[i], &tags[i]);
    if (!packed) (void)unlink(exact);
    if (code == 0)
        code = compare(out,
                       packed                             ? 0
                       : options->type >= AT_WEIGHTS_INT8 ? WORST_INT8
                                                          : WORST,
                       (const float *const *)logits, (const float *const *)scores, tags[0]);
    for (int i = 0; i < 2; i++) {
        free(logits[i]);
        free(scores[i]);
    }
    free(exact);
    return code;
}

int cmd_convert(const cli_options *o, char **inputs, size_t n)
{
    static const char *const types[] = {"keep", "f32", "f16", "bf16", "int8", "q8_0", "q4_0"};
    if (n != 2) return cli_usage("convert needs IN and OUT; see anytag convert --help");
    if (cli_not_stdout(inputs[1])) return 2;
    int type = 0;
    while (o->type && strcmp(types[type], o->type) != 0) // one of them: the table says so
        type++;
    const at_convert_options c = {.struct_size = sizeof c,
                                  .type = (at_weight_type)type,
                                  .arch = o->arch,
                                  .official_dir = o->official,
                                  .model_config = o->model_config,
                                  .tags = o->tags,
                                  .tags_zh = o->tags_zh,
                                  .vocab = o->vocab,
                                  .merges = o->merges,
                                  .thresholds = o->thresholds,
                                  .name = o->name,
                                  .skip_sha256 = o->no_sha256,
                                  .packed = o->packed,
                                  .progress = convert_progress,
                                  .progress_user = (void *)(size_t)o,
                                  .log = cli_log};
    at_error err = {0};
    const at_status status = at_convert(inputs[0], inputs[1], &c, &err);
    if (status == AT_E_NOT_FOUND) {
        const bool model = access(inputs[0], F_OK) != 0; // else a file of an option
        if (model) cli_suggest_path(&err, inputs[0]);
        err.status = model ? AT_E_MODEL_NOT_FOUND : AT_E_INVALID_PARAMETER;
    }
    if (status != AT_OK) return cli_fail(&err);
    at_weight_file *f; // listed, not loaded: converting stays small in memory
    if (at_weight_file_open(inputs[1], &f, &err) != AT_OK) return cli_fail(&err);
    uint64_t bytes = 0;
    for (size_t i = 0; i < at_weight_file_tensors(f); i++)
        bytes += at_weight_file_tensor(f, i).bytes;
    if (!o->quiet) {
        cli_print_plain(stderr, inputs[1]);
        fprintf(stderr, ": %zu tensors, %.1f MB\n", at_weight_file_tensors(f), (double)bytes / 1e6);
    }
    at_weight_file_close(f);
    return o->check ? check(o, inputs[0], inputs[1], &c) : 0;
}
