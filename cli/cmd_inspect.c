/* cmd_inspect.c - anytag inspect: what a weight file holds, never executed; the stages of a forward pass. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the stages of a forward pass --------------------------------------------------------------------------- */

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
    const bool whole = strncmp(stage, "caption.", 8) == 0; // token ids
    const int text = snprintf(head, sizeof head,
                              "{'descr': '<%s4', 'fortran_order': False, 'shape': (%s), }",
                              whole ? "i" : "f", shape);
    const int padded = (10 + text + 1 + 63) / 64 * 64 - 10;
    FILE *f = fopen(path, "wb");
    bool ok = f != NULL;
    if (f) {
        (void)fwrite("\x93NUMPY\1\0", 1, 8, f);
        (void)fputc(padded & 255, f);
        (void)fputc(padded >> 8, f);
        (void)fprintf(f, "%s%*s\n", head, padded - text - 1, "");
        for (size_t i = 0; whole && i < n; i++) {
            const int32_t id = (int32_t)data[i];
            (void)fwrite(&id, sizeof id, 1, f);
        }
        if (!whole) (void)fwrite(data, sizeof *data, n, f);
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
    const at_caption_options co = {.struct_size = sizeof co, .guide = o->guide};
    const at_image_options io = cli_image_options(o, NULL);
    if (code == 0 && (at_session_open(m, &so, &s, &err) != AT_OK ||
                      at_image_read(path, &io, &image, &err) != AT_OK ||
                      at_session_inspect(s, image, &co, write_npy, &to, &tags, &err) != AT_OK))
        code = cli_fail(to.err.status == AT_OK ? &err : &to.err);
    at_tags_free(tags);
    at_image_free(image);
    at_session_close(s);
    at_model_close(m);
    return code;
}

/* --- a weight file ------------------------------------------------------------------------------------------ */

static json_t *number(double v) // JSON has no NaN and no infinity
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *tensor_json(const at_weight_file *f, size_t i, bool stats)
{
    const at_tensor_info t = at_weight_file_tensor(f, i);
    json_t *one = json_object(), *shape = json_array();
    for (int d = 0; d < t.n_dims; d++)
        (void)json_array_append_new(shape, json_integer((json_int_t)t.dims[d]));
    (void)json_object_set_new(one, "name", cli_json_text(t.name));
    (void)json_object_set_new(one, "type", cli_json_text(t.type));
    (void)json_object_set_new(one, "shape", shape);
    (void)json_object_set_new(one, "offset", json_integer((json_int_t)t.offset));
    (void)json_object_set_new(one, "bytes", json_integer((json_int_t)t.bytes));
    at_tensor_stats s;
    if (stats && at_weight_file_stats(f, i, &s, NULL) == AT_OK)
        (void)json_object_set_new(one, "stats",
                                  json_pack("{so so so so sI}", "min", number(s.min), "max",
                                            number(s.max), "mean", number(s.mean), "l2",
                                            number(s.l2), "not_finite", (json_int_t)s.not_finite));
    return one;
}

static int print_json(const cli_options *o, const char *path, const at_weight_file *f)
{
    json_t *all = json_object(), *keys = json_array(), *tensors = json_array();
    (void)json_object_set_new(all, "file", cli_json_text(path));
    (void)json_object_set_new(all, "format", cli_json_text(at_weight_file_format(f)));
    for (size_t i = 0; i < at_weight_file_keys(f); i++) {
        const char *type, *value, *key = at_weight_file_key(f, i, &type, &value);
        (void)json_array_append_new(keys, json_pack("{so ss so}", "key", cli_json_text(key), "type",
                                                    type, "value", cli_json_text(value)));
    }
    for (size_t i = 0; i < at_weight_file_tensors(f); i++)
        (void)json_array_append_new(tensors, tensor_json(f, i, o->stats));
    if (o->tensors)
        json_decref(keys);
    else
        (void)json_object_set_new(all, "keys", keys);
    (void)json_object_set_new(all, "tensors", tensors);
    return cli_print_json(all);
}

static void print_text(const cli_options *o, const char *path, const at_weight_file *f)
{
    cli_print_plain(stdout, path);
    printf(": %s, %zu keys, %zu tensors\n", at_weight_file_format(f), at_weight_file_keys(f),
           at_weight_file_tensors(f));
    for (size_t i = 0; i < at_weight_file_keys(f) && !o->tensors; i++) {
        const char *type, *value, *key = at_weight_file_key(f, i, &type, &value);
        cli_print_plain(stdout, key);
        printf("\t%s\t", type);
        cli_print_plain(stdout, value);
        putchar('\n');
    }
    for (size_t i = 0; i < at_weight_file_tensors(f); i++) {
        const at_tensor_info t = at_weight_file_tensor(f, i);
        cli_print_plain(stdout, t.name);
        printf("\t%s\t[", t.type);
        for (int d = 0; d < t.n_dims; d++)
            printf("%s%llu", d ? "," : "", (unsigned long long)t.dims[d]);
        printf("]\t%llu\t%llu", (unsigned long long)t.offset, (unsigned long long)t.bytes);
        at_tensor_stats s;
        if (o->stats && at_weight_file_stats(f, i, &s, NULL) == AT_OK)
            printf("\tmin %g max %g mean %g not-finite %llu", s.min, s.max, s.mean,
                   (unsigned long long)s.not_finite);
        putchar('\n');
    }
}

int cmd_inspect(const cli_options *o, char **inputs, size_t n)
{
    if (n != 1) return cli_usage("inspect needs one FILE; see anytag inspect --help");
    if (o->dump) return dump(o, inputs[0]);
    at_weight_file *f;
    at_error err = {0};
    const at_status status = at_weight_file_open(inputs[0], &f, &err);
    if (status == AT_E_NOT_FOUND || status == AT_E_MODEL_NOT_FOUND)
        cli_suggest_path(&err, inputs[0]);
    if (status != AT_OK) return cli_fail(&err);
    int code = 0;
    if (cli_wants_json(o))
        code = print_json(o, inputs[0], f);
    else
        print_text(o, inputs[0], f);
    at_weight_file_close(f);
    return code;
}
