/* cmd_model.c - anytag convert, info, inspect. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void convert_progress(void *user, uint64_t done, uint64_t total)
{
    const cli_options *o = user;
    if (o->quiet || !isatty(STDERR_FILENO) || (o->progress && strcmp(o->progress, "none") == 0))
        return;
    fprintf(stderr, "\r\033[Kconvert  %llu/%llu MB%s", (unsigned long long)done >> 20,
            (unsigned long long)total >> 20, done == total ? "\r\033[K" : "");
}

int cmd_convert(const cli_options *o, char **inputs, size_t n)
{
    static const char *const types[] = {"keep", "f32", "f16", "bf16"};
    if (n != 2) return cli_usage("convert needs IN and OUT; see anytag convert --help");
    int type = 0;
    while (o->type && type < 4 && strcmp(types[type], o->type) != 0)
        type++;
    if (type == 4) return cli_usage("--type: \"%.20s\" is none of f32, f16, bf16", o->type);
    const at_convert_options c = {.struct_size = sizeof c,
                                  .type = (at_weight_type)type,
                                  .arch = o->arch,
                                  .official_dir = o->official,
                                  .model_config = o->model_config,
                                  .tags = o->tags,
                                  .tags_zh = o->tags_zh,
                                  .thresholds = o->thresholds,
                                  .name = o->name,
                                  .skip_sha256 = o->no_sha256,
                                  .progress = convert_progress,
                                  .progress_user = (void *)(size_t)o,
                                  .log = cli_log};
    at_error err = {0};
    if (at_convert(inputs[0], inputs[1], &c, &err) != AT_OK) return cli_fail(&err);
    at_weight_file *f; // listed, not loaded: converting stays small in memory
    if (at_weight_file_open(inputs[1], &f, &err) != AT_OK) return cli_fail(&err);
    uint64_t bytes = 0;
    for (size_t i = 0; i < at_weight_file_tensors(f); i++)
        bytes += at_weight_file_tensor(f, i).bytes;
    if (!o->quiet)
        fprintf(stderr, "%s: %zu tensors, %.1f MB\n", inputs[1], at_weight_file_tensors(f),
                (double)bytes / 1e6);
    at_weight_file_close(f);
    return 0;
}

int cmd_info(const cli_options *o, char **inputs, size_t n)
{
    if (o->system) {
        char text[2048];
        (void)at_build_info(text, sizeof text);
        fputs(text, stdout);
        return 0;
    }
    cli_options with = *o;
    if (n == 1) with.model = inputs[0];
    if (n > 1) return cli_usage("info takes one model");
    at_model *m;
    const int code = cli_open_model(&with, &m);
    if (code) return code;
    if (o->tag_list) {
        for (size_t i = 0; i < at_model_tags(m); i++)
            printf("%zu\t%s\t%s\t%g\n", i, at_model_tag(m, i, "en"), at_model_tag(m, i, "zh"),
                   (double)at_model_threshold(m, i));
    } else {
        printf("name          %s%s\n", at_model_name(m),
               at_model_is_builtin(m)
                   ? "  (the model in the box: small; convert a RAM or RAM++ checkpoint for more)"
                   : "");
        printf("description   %s\narchitecture  %s\nprecision     %s\n", at_model_description(m),
               at_model_architecture(m), at_model_precision(m));
        printf("input         %d x %d px\ntags          %zu (%s)\n", at_model_image_size(m),
               at_model_image_size(m), at_model_tags(m), at_model_vocabulary(m));
        printf("parameters    %.2f M\nfile          %.1f MB\n",
               (double)at_model_parameters(m) / 1e6, (double)at_model_bytes(m) / 1e6);
        printf("source        sha256 %s\nidentity      %s\nlicence       %s\n",
               at_model_source_sha256(m), at_model_sha256(m), at_model_licence(m));
    }
    at_model_close(m);
    return 0;
}

/* --- inspect ---------------------------------------------------------------------------------------------- */

/* Where stages go, and why one could not be written. */
typedef struct stages {
    const char *dir;
    at_error err;
} stages;

static at_status write_npy(void *user, const char *stage, const float *data, const size_t *dims,
                           int n_dims)
{
    stages *to = user;
    char path[4096], shape[128] = "", head[256];
    (void)snprintf(path, sizeof path, "%s/%s.npy", to->dir, stage);
    size_t n = 1;
    for (int i = 0; i < n_dims; i++) {
        (void)snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%zu,%s", dims[i],
                       i + 1 < n_dims ? " " : "");
        n *= dims[i];
    }
    const int text = snprintf(head, sizeof head,
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    const int padded = (10 + text + 1 + 63) / 64 * 64 - 10;
    FILE *f = fopen(path, "wb");
    bool ok = f != NULL;
    if (f) {
        (void)fwrite("\x93NUMPY\1\0", 1, 8, f);
        (void)fputc(padded & 255, f);
        (void)fputc(padded >> 8, f);
        (void)fprintf(f, "%s%*s\n", head, padded - text - 1, "");
        (void)fwrite(data, sizeof *data, n, f);
        ok = !ferror(f);
        ok = fclose(f) == 0 && ok;
    }
    if (ok) return AT_OK;
    to->err.status = errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED;
    (void)snprintf(to->err.text, sizeof to->err.text, "%.900s: cannot be written (%s)", path,
                   strerror(errno));
    return to->err.status;
}

static int dump(const cli_options *o, const char *path)
{
    at_model *m = NULL;
    at_session *s = NULL;
    at_image *image = NULL;
    at_tags *tags = NULL;
    at_error err = {0};
    stages to = {.dir = o->dump};
    int code = cli_open_model(o, &m);
    if (code) return code;
    if (mkdir(o->dump, 0777) != 0 && errno != EEXIST)
        code = cli_usage("--dump: %s cannot be made (%s)", o->dump, strerror(errno));
    const at_session_options so = {.struct_size = sizeof so, .threads = (int)o->threads};
    const at_image_options io = {.struct_size = sizeof io,
                                 .max_pixels = (uint64_t)o->max_pixels_m * 1000000,
                                 .max_bytes = (uint64_t)o->max_bytes_m << 20,
                                 .keep_rotated = o->no_rotate,
                                 .official_pixels = o->official_pixels};
    if (code == 0 && (at_session_open(m, &so, &s, &err) != AT_OK ||
                      at_image_read(path, &io, &image, &err) != AT_OK ||
                      at_session_inspect(s, image, write_npy, &to, &tags, &err) != AT_OK))
        code = cli_fail(to.err.status == AT_OK ? &err : &to.err);
    at_tags_free(tags);
    at_image_free(image);
    at_session_close(s);
    at_model_close(m);
    return code;
}

int cmd_inspect(const cli_options *o, char **inputs, size_t n)
{
    if (n != 1) return cli_usage("inspect needs one FILE; see anytag inspect --help");
    if (o->dump) return dump(o, inputs[0]);
    at_weight_file *f;
    at_error err = {0};
    if (at_weight_file_open(inputs[0], &f, &err) != AT_OK) return cli_fail(&err);
    printf("%s: %s, %zu keys, %zu tensors\n", inputs[0], at_weight_file_format(f),
           at_weight_file_keys(f), at_weight_file_tensors(f));
    for (size_t i = 0; i < at_weight_file_keys(f); i++) {
        const char *type, *value, *key = at_weight_file_key(f, i, &type, &value);
        printf("%s\t%s\t%s\n", key, type, value);
    }
    for (size_t i = 0; i < at_weight_file_tensors(f); i++) {
        const at_tensor_info t = at_weight_file_tensor(f, i);
        printf("%s\t%s\t[", t.name, t.type);
        for (int d = 0; d < t.n_dims; d++)
            printf("%s%llu", d ? "," : "", (unsigned long long)t.dims[d]);
        printf("]\t%llu\t%llu", (unsigned long long)t.offset, (unsigned long long)t.bytes);
        at_tensor_stats s;
        if (o->stats && at_weight_file_stats(f, i, &s, &err) == AT_OK)
            printf("\tmin %g max %g mean %g not-finite %llu", s.min, s.max, s.mean,
                   (unsigned long long)s.not_finite);
        putchar('\n');
    }
    at_weight_file_close(f);
    return 0;
}
