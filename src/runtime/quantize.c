/* quantize.c - at_quantize: every matrix is tried in the type asked for, its error measured; what loses too
 * much stays as it is; then the file is written by the same code as any conversion. */
#include "runtime/quantize.h"

#include "base/block.h"
#include "base/element.h"
#include "base/log.h"
#include "runtime/convert.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 1 << 18 }; // floats of a matrix at a time

/* Above this a layer stays as it is: far above what any layer of the small model loses (int8 0.010,
 * q8_0 0.006, q4_0 0.11 at most, docs/quantize.md), so it catches only what is out of the ordinary. */
static double most_error(at_weight_type type)
{
    return type == AT_WEIGHTS_Q4_0 ? 0.2 : 0.1;
}

at_status at_quantize_tell(const at_quantized *q, at_quantize_step step, uint64_t done,
                           uint64_t total, at_error *err)
{
    if (!q->o.progress || q->o.progress(q->o.progress_user, step, done, total) == 0) return AT_OK;
    return at_fail(err, AT_E_CANCELLED, "stopped while quantising");
}

static bool named(const char *const *patterns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return false;
}

/* --- the list ---------------------------------------------------------------------------------------- */

typedef struct lister {
    at_params base;
    at_quantized *q;
    const at_weights *weights;
} lister;

static void list_layer(at_params *base, const at_param *p)
{
    lister *l = (lister *)base;
    at_quantized *q = l->q;
    const at_weight *t = at_weights_find(l->weights, p->name);
    const at_dtype from = t ? t->type : AT_F32;
    if (at_stored_type(p, AT_WEIGHTS_F16, from) != AT_F16) return; // vectors, tied names
    uint64_t dims[4], columns = 1;
    const int n = at_param_stored(p, dims);
    for (int i = 1; i < n; i++)
        columns *= dims[i];
    if (!t || t->n_dims != n || memcmp(t->dims, dims, sizeof *dims * (size_t)n) != 0 || !columns) {
        base->status = at_fail(base->err, AT_E_MODEL_DAMAGED,
                               "%s: %s is missing or has another shape; convert it again",
                               at_weights_path(l->weights), p->name);
        return;
    }
    if (from > AT_BF16) {
        base->status = at_fail(
            base->err, AT_E_MODEL_UNSUPPORTED,
            "%s: quantised already (%s is %s); quantise the f16 or f32 file that it was made from",
            at_weights_path(l->weights), p->name, from == AT_I8 ? "int8" : at_dtype_name(from));
        return;
    }
    if (q->n_layers == q->cap_layers) {
        const size_t cap = q->cap_layers ? 2 * q->cap_layers : 256;
        at_quantize_layer *grown = at_realloc(NULL, q->layers, q->cap_layers * sizeof *grown,
                                              cap * sizeof *grown);
        if (!grown) {
            base->status = at_fail(base->err, AT_E_OUT_OF_MEMORY, "no memory for the layers");
            return;
        }
        q->layers = grown;
        q->cap_layers = cap;
    }
    at_quantize_layer *layer = &q->layers[q->n_layers++];
    *layer = (at_quantize_layer){.kind = p->kind,
                                 .rows = dims[0],
                                 .columns = columns,
                                 .from = from,
                                 .wanted = at_stored_type(p, q->o.type, from)};
    (void)snprintf(layer->name, sizeof layer->name, "%s", p->name);
    layer->narrow = dims[n - 1] % AT_BLOCK == 0 && p->kind != AT_PARAM_MIXED &&
                    named(q->o.narrow, q->o.n_narrow, p->name);
    if (layer->narrow) layer->wanted = AT_Q4_0;
}

static at_status list_layers(at_quantized *q, const at_weights *w, at_error *err)
{
    at_config config;
    at_network *net = NULL;
    if (strcmp(at_weights_format(w), "gguf") != 0 || at_weights_u64(w, "anytag.version", 0) != 1)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "%s: not a model file of anytag's; convert it first: anytag convert %s model.gguf",
            at_weights_path(w), at_weights_path(w));
    const at_status rows = at_refuse_packed(w, err);
    if (rows != AT_OK) return rows;
    lister l = {.base = {.visit = list_layer, .err = err}, .q = q, .weights = w};
    at_status status = at_config_read(&config, w, err);
    if (status == AT_OK) status = at_network_open(&net, &config, &at_backend_cpu, NULL, err);
    if (status != AT_OK) return at_fail_prefix(err, status, at_weights_path(w));
    if (net->type->encode && q->o.n_pictures)
        l.base.status = at_fail(err, AT_E_INVALID_PARAMETER,
                                "%s: a text encoder sees no pictures; quantise it without",
                                at_weights_path(w));
    if (l.base.status == AT_OK) at_network_params(net, &l.base);
    at_network_close(net);
    return l.base.status;
}

/* --- errors of the weights ------------------------------------------------------------------------------ */

void at_quantize_rows(const at_weight *t, size_t first, size_t rows, size_t columns, float *out)
{
    for (size_t i = 0, n = rows * columns; i < n; i++)
        out[i] = (float)at_element(t->type, t->data, first * columns + i);
}

/* A few floats to the type and back; `room` takes what the type needs. */
static void there_and_back(at_dtype type, size_t rows, size_t columns, const float *v,
                           float *scales, void *room, float *back)
{
    const size_t n = rows * columns;
    if (type == AT_I8) {
        const int8_t *bytes = room;
        at_bytes_encode(rows, columns, v, scales, room);
        for (size_t i = 0; i < n; i++)
            back[i] = (float)bytes[i] * scales[i / columns];
    } else if (at_dtype_is_block(type)) {
        at_block_encode(type, n, v, room);
        at_block_decode(type, n, room, back);
    } else {
        for (size_t i = 0; i < n; i++)
            back[i] = type == AT_F16    ? at_f32_of_f16(at_f16_of_f32(v[i]))
                      : type == AT_BF16 ? at_f32_of_bf16(at_bf16_of_f32(v[i]))
                                        : v[i];
    }
}

static at_status weigh(at_quantize_layer *l, const at_weight *t, at_error *err)
{
    const size_t rows = at_min_size(l->rows, at_max_size(1, PIECE / l->columns)),
                 n = rows * l->columns;
    float *v = at_calloc(NULL, n, sizeof *v), *back = at_calloc(NULL, n, sizeof *back),
          *scales = at_calloc(NULL, rows, sizeof *scales);
    void *room = at_calloc(NULL, n, 2);
    double lost = 0, whole = 0;
    const bool memory = v && back && scales && room;
    for (size_t r = 0; memory && r < l->rows; r += rows) {
        const size_t m = at_min_size(rows, l->rows - r);
        at_quantize_rows(t, r, m, l->columns, v);
        there_and_back(l->wanted, m, l->columns, v, scales, room, back);
        for (size_t i = 0; i < m * l->columns; i++) {
            const double d = (double)back[i] - (double)v[i];
            lost += d * d;
            whole += (double)v[i] * (double)v[i];
        }
    }
    l->weight_error = lost > 0 ? sqrt(lost / whole) : lost; // a NaN stays
    at_free(NULL, v);
    at_free(NULL, back);
    at_free(NULL, scales);
    at_free(NULL, room);
    return memory ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %s", l->name);
}

static at_status weigh_all(at_quantized *q, const at_weights *w, at_error *err)
{
    at_status status = AT_OK;
    for (size_t i = 0; i < q->n_layers && status == AT_OK; i++) {
        const at_weight *t = at_weights_find(w, q->layers[i].name);
        status = weigh(&q->layers[i], t, err);
        at_weights_drop(w, t);
        if (status == AT_OK)
            status = at_quantize_tell(q, AT_QUANTIZE_WEIGHTS, i + 1, q->n_layers, err);
    }
    return status;
}

/* --- the decision ------------------------------------------------------------------------------------------ */

/* What a layer is that loses nothing: the source's 16 bits, or half of its 32. */
static at_dtype kept(const at_quantize_layer *l)
{
    return l->from == AT_BF16 ? AT_BF16 : AT_F16;
}

static void decide(at_quantized *q, at_quantize_layer *l)
{
    const bool wide = l->wanted <= AT_BF16, narrow = l->narrow || q->o.type >= AT_WEIGHTS_INT8;
    const double error = l->whole > 0 ? sqrt(l->lost / l->whole) : l->weight_error;
    const bool asked = named(q->o.keep, q->o.n_keep, l->name);
    l->why = wide && narrow                                        ? AT_QUANTIZED_SHAPE
             : asked && narrow                                     ? AT_QUANTIZED_KEEP
             : narrow && !l->narrow && !(error <= q->o.keep_above) ? AT_QUANTIZED_ERROR // or NaN
                                                                   : AT_QUANTIZED;
    l->type = l->why == AT_QUANTIZED ? l->wanted : kept(l);
}

static at_dtype type_of(void *user, const char *name, at_dtype proposed)
{
    const at_quantized *q = user;
    for (size_t i = 0; i < q->n_layers; i++)
        if (strcmp(q->layers[i].name, name) == 0) return q->layers[i].type;
    return proposed;
}

/* A pattern that names nothing is most likely a slip: what it was to protect is narrowed. One of several is
 * told, as a list may be for several models; if none names anything, nothing is done. */
static at_status tell_idle(const at_quantized *q, const char *what, const char *const *patterns,
                           size_t n, at_error *err)
{
    size_t idle = 0;
    const at_log log = {.fn = q->o.log, .user = q->o.log_user};
    for (size_t k = 0; k < n; k++) {
        bool used = false;
        for (size_t i = 0; i < q->n_layers && !used; i++)
            used = fnmatch(patterns[k], q->layers[i].name, 0) == 0;
        idle += !used;
        if (!used && n > 1)
            at_log_write(&log, AT_LOG_WARNING, "%s: no matrix is named %s", what, patterns[k]);
    }
    return idle == 0 || idle < n
               ? AT_OK
               : at_fail(err, AT_E_INVALID_PARAMETER, "%s: no matrix is named %s%s", what,
                         patterns[0], idle > 1 ? ", nor as the others say" : "");
}

/* --- the file ------------------------------------------------------------------------------------------------ */

typedef struct writing {
    at_quantized *q;
    bool stopped;
} writing;

static void written(void *user, uint64_t done, uint64_t total)
{
    writing *w = user;
    if (at_quantize_tell(w->q, AT_QUANTIZE_WRITE, done, total, NULL) != AT_OK) w->stopped = true;
}

static at_dtype writing_type(void *user, const char *name, at_dtype proposed)
{
    return type_of(((writing *)user)->q, name, proposed);
}

static bool writing_stopped(void *user)
{
    return ((writing *)user)->stopped;
}

static at_status write_file(at_quantized *q, const char *in, const char *out, at_error *err)
{
    writing w = {.q = q};
    const at_convert_options c = {.struct_size = sizeof c,
                                  .type = q->o.type,
                                  .name = q->o.name,
                                  .progress = written,
                                  .progress_user = &w};
    const at_convert_hooks hooks = {.user = &w, .type = writing_type, .stopped = writing_stopped};
    return at_convert_hooked(in, out, &c, &hooks, err);
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

at_status at_quantize_picture(const at_quantized *q, const at_model *m, const char *path,
                              at_pixels **pixels, at_error *err)
{
    at_error why = {0};
    at_image *image = NULL;
    *pixels = NULL;
    const at_log log = {.fn = q->o.log, .user = q->o.log_user};
    at_status status = at_image_read(path, NULL, &image, &why);
    if (status == AT_OK) status = at_pixels_prepare(m, image, pixels, &why);
    at_image_free(image);
    if (status == AT_E_OUT_OF_MEMORY) return at_fail(err, status, "%s", why.text);
    if (status != AT_OK && q->o.n_pictures == 1) // told once, as what ended it
        return at_fail(err, AT_E_NO_INPUT, "%s", why.text);
    if (status != AT_OK) at_log_write(&log, AT_LOG_WARNING, "left out: %s", why.text);
    return AT_OK;
}

static at_status copy_pictures(at_quantized *q, at_error *err)
{
    q->pictures = at_calloc(NULL, q->o.n_pictures + 1, sizeof *q->pictures);
    bool memory = q->pictures != NULL;
    for (size_t i = 0; memory && i < q->o.n_pictures; i++) {
        q->pictures[i] = at_strndup(NULL, q->o.pictures[i], strlen(q->o.pictures[i]));
        memory = q->pictures[i] != NULL;
    }
    return memory ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the list of pictures");
}

static at_status quantize(at_quantized *q, const char *in, const char *out, at_error *err)
{
    at_weights *w = NULL;
    at_model *m = NULL;
    at_session *s = NULL;
    const at_model_options mo = {.struct_size = sizeof mo, .threads = q->o.threads};
    const at_session_options so = {.struct_size = sizeof so, .threads = q->o.threads};
    at_status status = at_weights_open(&w, in, NULL, err);
    if (status == AT_E_NOT_FOUND && err) err->status = status = AT_E_MODEL_NOT_FOUND;
    if (status == AT_OK) status = list_layers(q, w, err);
    if (status == AT_OK) status = tell_idle(q, "keep", q->o.keep, q->o.n_keep, err);
    if (status == AT_OK) status = tell_idle(q, "q4", q->o.narrow, q->o.n_narrow, err);
    if (status == AT_OK) status = copy_pictures(q, err);
    if (status == AT_OK) status = weigh_all(q, w, err);
    at_weights_close(w);
    const bool pictures = q->o.n_pictures > 0;
    if (status == AT_OK && pictures) status = at_model_open(in, &mo, &m, err);
    if (status == AT_OK && pictures) status = at_session_open(m, &so, &s, err);
    if (status == AT_OK && pictures) status = at_quantize_outputs(q, s, err);
    for (size_t i = 0; i < q->n_layers; i++)
        decide(q, &q->layers[i]);
    q->totals.bytes_before = file_bytes(in);
    if (status == AT_OK) status = write_file(q, in, out, err);
    q->totals.bytes_after = file_bytes(out);
    if (status == AT_OK && pictures) status = at_quantize_tags(q, s, out, err);
    at_session_close(s);
    at_model_close(m);
    return status;
}

at_status at_quantize(const char *in, const char *out, const at_quantize_options *options,
                      at_quantized **report, at_error *err)
{
    if (report) *report = NULL;
    if (!in || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_quantize: in and out must not be NULL");
    at_quantize_options o;
    at_status known = AT_OPTIONS(at_quantize_options, &o, options, err);
    if (known == AT_OK) known = at_convert_check(in, out, o.name, err);
    if (known != AT_OK) return known;
    if (o.type == AT_WEIGHTS_KEEP) o.type = AT_WEIGHTS_INT8;
    if ((unsigned)o.type > AT_WEIGHTS_Q4_0)
        return at_fail(err, AT_E_INVALID_PARAMETER, "type: %d is not one of 0..%d", (int)o.type,
                       (int)AT_WEIGHTS_Q4_0);
    if (!(o.keep_above >= 0))
        return at_fail(err, AT_E_INVALID_PARAMETER, "keep_above: %g is below 0", o.keep_above);
    if ((o.n_keep && !o.keep) || (o.n_narrow && !o.narrow) || (o.n_pictures && !o.pictures))
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_quantize: a list is NULL, but not empty");
    if (o.keep_above == 0) o.keep_above = most_error(o.type);
    if (!o.measured) o.measured = 16;
    at_quantized *q = at_new(NULL, at_quantized);
    if (!q) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the report");
    q->o = o;
    q->totals.keep_above = o.keep_above;
    const at_status status = quantize(q, in, out, err);
    if (status == AT_OK && report)
        *report = q;
    else
        at_quantized_free(q);
    return status;
}
