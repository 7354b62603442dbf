/* safetensors.c - a length, a JSON header, the data. Every range must lie inside, none may overlap and
 * none may be missing: the header tells the file, to the byte. */
#include "formats/weights_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100000000 };

static const struct type_name {
    const char *name;
    at_dtype type;
} type_names[] = {{"F32", AT_F32}, {"F16", AT_F16},  {"BF16", AT_BF16}, {"F64", AT_F64},
                  {"I64", AT_I64}, {"I32", AT_I32},  {"I16", AT_I16},   {"I8", AT_I8},
                  {"U8", AT_U8},   {"BOOL", AT_BOOL}};

static at_status read_tensor(at_weights *w, const char *key, const json_t *o, uint64_t start,
                             at_error *err)
{
    const char *dtype = json_string_value(json_object_get(o, "dtype"));
    const json_t *shape = json_object_get(o, "shape"), *range = json_object_get(o, "data_offsets");
    if (!dtype || !json_is_array(shape) || json_array_size(shape) > 8 ||
        json_array_size(range) != 2)
        return at_weights_damaged(w, err, "the entry %.200s has no dtype, shape and data_offsets",
                                  key);
    size_t type = 0;
    while (type < AT_COUNT(type_names) && strcmp(type_names[type].name, dtype) != 0)
        type++;
    if (type == AT_COUNT(type_names))
        return at_weights_fail(
            w, AT_E_MODEL_UNSUPPORTED, err,
            "%.200s has the type %.40s, which this version does not read; save it as F16 or F32",
            key, dtype);
    uint64_t dims[8] = {0};
    const int n = (int)json_array_size(shape);
    for (int i = 0; i < n; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return at_weights_damaged(w, err, "the shape of %.200s is absurd", key);
        dims[i] = (uint64_t)json_integer_value(d);
    }
    if (!json_is_integer(json_array_get(range, 0)) || !json_is_integer(json_array_get(range, 1)))
        return at_weights_damaged(w, err, "the data_offsets of %.200s are no numbers", key);
    const json_int_t begin = json_integer_value(json_array_get(range, 0)),
                     end = json_integer_value(json_array_get(range, 1));
    if (begin < 0 || end < begin || (uint64_t)end > w->map.size - start)
        return at_weights_damaged(w, err, "%.200s lies outside the file", key);
    const char *name = at_weights_text(w, key, strlen(key));
    if (!name) return at_weights_no_memory(w, err);
    const at_status status = at_weights_add(w, name, type_names[type].type, n, dims,
                                            start + (uint64_t)begin, NULL, err);
    if (status == AT_OK && w->items[w->n - 1].bytes != (uint64_t)(end - begin))
        return at_weights_damaged(w, err, "%.200s has %lld bytes for its shape's %llu", key,
                                  (long long)(end - begin),
                                  (unsigned long long)w->items[w->n - 1].bytes);
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const at_weight *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static at_status check_ranges(at_weights *w, uint64_t start, at_error *err)
{
    if (w->n) qsort(w->items, w->n, sizeof *w->items, by_offset);
    uint64_t at = start;
    for (size_t i = 0; i < w->n; i++) {
        if (w->items[i].offset != at)
            return at_weights_damaged(w, err, "%.200s %s", w->items[i].name,
                                      w->items[i].offset < at ? "overlaps another tensor"
                                                              : "leaves a gap before it");
        at += w->items[i].bytes;
    }
    return at == w->map.size ? AT_OK
                             : at_weights_damaged(w, err, "%llu bytes belong to no tensor",
                                                  (unsigned long long)(w->map.size - at));
}

static at_status read_metadata(at_weights *w, const json_t *object, at_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        at_meta_entry *e = json_is_string(value) ? at_weights_meta_new(w) : NULL;
        if (!json_is_string(value)) continue;
        if (!e) return at_weights_no_memory(w, err);
        e->meta = (at_meta){.key = at_weights_text(w, key, strlen(key)),
                            .type = AT_META_STRING,
                            .type_name = "string"};
        e->meta.v.string.data = at_weights_text(w, json_string_value(value),
                                                json_string_length(value));
        e->meta.v.string.len = json_string_length(value);
        if (!e->meta.key || !e->meta.v.string.data) return at_weights_no_memory(w, err);
    }
    return AT_OK;
}

/* False when the header has more brackets and commas than its tensors could need: jansson would make
 * much memory of little text ("[[],[],[]..."). An entry of a tensor takes 49 bytes or more, with two
 * brackets, one brace and at most eleven commas. */
static bool is_plausible(const uint8_t *p, size_t n)
{
    size_t braces = 0, brackets = 0, commas = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                quoted = false;
            continue;
        }
        quoted = p[i] == '"';
        braces += p[i] == '{';
        brackets += p[i] == '[';
        commas += p[i] == ',';
    }
    return braces < 4 + n / 40 && brackets < 4 + n / 20 && commas < 16 + n / 4;
}

at_status at_read_safetensors(at_weights *w, at_error *err)
{
    w->format = "safetensors";
    at_reader r = {.at = w->map.data, .end = w->map.data + w->map.size};
    const uint64_t size = at_take_le(&r, 8);
    if (size > HEADER_LIMIT || size > w->map.size - 8)
        return at_weights_damaged(w, err, "its header claims %llu bytes", (unsigned long long)size);
    if (!is_plausible(w->map.data + 8, (size_t)size))
        return at_weights_damaged(w, err, "its header is not a list of tensors");
    json_error_t why;
    json_t *root = json_loadb((const char *)w->map.data + 8, (size_t)size, JSON_REJECT_DUPLICATES,
                              &why);
    if (!json_is_object(root)) {
        json_decref(root);
        return at_weights_damaged(w, err, "its header is not JSON (%s)", why.text);
    }
    at_status status = AT_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0)
            status = read_metadata(w, value, err);
        else
            status = read_tensor(w, key, value, 8 + size, err);
        if (status != AT_OK) break;
    }
    json_decref(root);
    return status == AT_OK ? check_ranges(w, 8 + size, err) : status;
}
