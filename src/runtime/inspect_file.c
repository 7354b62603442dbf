/* inspect_file.c - at_weight_file_*: what a weight file holds, for people to look at. Wrappers over
 * src/formats; the only arithmetic is that of the statistics. */
#include "anytag/inspect.h"

#include "base/buf.h"
#include "base/element.h"
#include "formats/weights.h"

#include <math.h>
#include <string.h>

enum { SHOWN_ELEMENTS = 8, VALUE_LIMIT = 1 << 20 };

struct at_weight_file {
    at_weights *weights;
    char **values; // of the keys, as text
};

/* The first elements of an array and how many there are. */
static void array_text(at_buf *b, const at_weights *w, const at_meta *m)
{
    size_t n;
    const char *const *strings = at_weights_strings(w, m->key, &n);
    const float *floats = strings ? NULL : at_weights_floats(w, m->key, &n);
    const uint64_t *ints = strings || floats ? NULL : at_weights_ints(w, m->key, &n);
    n = m->v.array_len;
    at_buf_char(b, '[');
    for (size_t i = 0; i < n && i < SHOWN_ELEMENTS && (strings || floats || ints); i++) {
        if (i) at_buf_str(b, ", ");
        if (strings)
            at_buf_fmt(b, "\"%s\"", strings[i]);
        else if (floats)
            at_buf_fmt(b, "%.9g", (double)floats[i]);
        else
            at_buf_fmt(b, "%llu", (unsigned long long)ints[i]);
    }
    if (n > SHOWN_ELEMENTS || !(strings || floats || ints))
        at_buf_fmt(b, "%s... %zu in all", n ? ", " : "", n);
    at_buf_char(b, ']');
}

static char *value_text(const at_weights *w, const at_meta *m)
{
    at_buf b;
    at_buf_init(&b, NULL, VALUE_LIMIT);
    switch (m->type) {
    case AT_META_U64: at_buf_fmt(&b, "%llu", (unsigned long long)m->v.u); break;
    case AT_META_I64: at_buf_fmt(&b, "%lld", (long long)m->v.i); break;
    case AT_META_F64: at_buf_fmt(&b, "%.9g", m->v.f); break;
    case AT_META_BOOL: at_buf_str(&b, m->v.u ? "true" : "false"); break;
    case AT_META_STRING:
        at_buf_add(&b, m->v.string.data, at_min_size(m->v.string.len, VALUE_LIMIT / 2));
        break;
    case AT_META_ARRAY: array_text(&b, w, m); break;
    default: break;
    }
    const char *text = at_buf_text(&b);
    char *copy = b.status == AT_E_OUT_OF_MEMORY ? NULL : at_strndup(NULL, text, strlen(text));
    at_buf_reset(&b);
    return copy;
}

at_status at_weight_file_open(const char *path, at_weight_file **file, at_error *err)
{
    if (!path || !file)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_weight_file_open: path and file must be given");
    *file = NULL;
    at_weight_file *f = at_new(NULL, at_weight_file);
    if (!f) return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    at_status status = at_weights_open(&f->weights, path, NULL, err);
    const size_t n = status == AT_OK ? at_weights_meta_count(f->weights) : 0;
    if (n) {
        f->values = at_calloc(NULL, n, sizeof *f->values);
        for (size_t i = 0; i < n && f->values; i++) {
            f->values[i] = value_text(f->weights, at_weights_meta_at(f->weights, i));
            if (!f->values[i]) status = AT_E_OUT_OF_MEMORY;
        }
        if (!f->values || status != AT_OK)
            status = at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for its keys", path);
    }
    if (status != AT_OK) {
        at_weight_file_close(f);
        return status;
    }
    *file = f;
    return AT_OK;
}

void at_weight_file_close(at_weight_file *file)
{
    if (!file) return;
    for (size_t i = 0; file->values && i < at_weights_meta_count(file->weights); i++)
        at_free(NULL, file->values[i]);
    at_free(NULL, file->values);
    at_weights_close(file->weights);
    at_free(NULL, file);
}

const char *at_weight_file_format(const at_weight_file *file)
{
    return at_weights_format(file->weights);
}
size_t at_weight_file_tensors(const at_weight_file *file)
{
    return at_weights_count(file->weights);
}

at_tensor_info at_weight_file_tensor(const at_weight_file *file, size_t i)
{
    const at_weight *t = at_weights_at(file->weights, i);
    if (!t) return (at_tensor_info){.name = "", .type = ""};
    return (at_tensor_info){.name = t->name,
                            .type = at_dtype_name(t->type),
                            .dims = t->dims,
                            .n_dims = t->n_dims,
                            .offset = t->offset,
                            .bytes = t->bytes};
}

at_status at_weight_file_stats(const at_weight_file *file, size_t i, at_tensor_stats *stats,
                               at_error *err)
{
    const at_weight *t = file ? at_weights_at(file->weights, i) : NULL;
    if (!t || !stats)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_weight_file_stats: no tensor %zu", i);
    const uint64_t n = at_dtype_elements(t->type, t->bytes);
    at_tensor_stats s = {.min = INFINITY, .max = -INFINITY};
    double sum = 0, squares = 0;
    uint64_t finite = 0;
    for (uint64_t k = 0; k < n; k++) {
        const double v = at_element(t->type, t->data, k);
        if (!isfinite(v)) {
            s.not_finite++;
            continue;
        }
        finite++;
        sum += v;
        squares += v * v;
        if (v < s.min) s.min = v;
        if (v > s.max) s.max = v;
    }
    if (!finite) s.min = s.max = 0;
    s.mean = finite ? sum / (double)finite : 0;
    s.l2 = sqrt(squares);
    at_weights_drop(file->weights, t); // a large file is walked tensor by tensor
    *stats = s;
    return AT_OK;
}

size_t at_weight_file_keys(const at_weight_file *file)
{
    return at_weights_meta_count(file->weights);
}

const char *at_weight_file_key(const at_weight_file *file, size_t i, const char **type,
                               const char **value)
{
    const at_meta *m = at_weights_meta_at(file->weights, i);
    if (!m) return NULL;
    if (type) *type = m->type_name;
    if (value) *value = file->values[i];
    return m->key;
}
