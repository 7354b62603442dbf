/* gguf_read.c - GGUF v3 (and v2, which has the same layout): ggml/docs/gguf.md. */
#include "formats/weights_file.h"

#include <stdio.h>
#include <string.h>

enum value_type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    BOOL,
    STRING,
    ARRAY,
    U64,
    I64,
    F64,
    VALUE_TYPES
};

static const struct value_kind {
    const char *name, *array_name;
    int size;
    at_meta_type meta;
} kinds[VALUE_TYPES] = {
    [U8] = {"u8", "u8[]", 1, AT_META_U64},
    [I8] = {"i8", "i8[]", 1, AT_META_I64},
    [U16] = {"u16", "u16[]", 2, AT_META_U64},
    [I16] = {"i16", "i16[]", 2, AT_META_I64},
    [U32] = {"u32", "u32[]", 4, AT_META_U64},
    [I32] = {"i32", "i32[]", 4, AT_META_I64},
    [F32] = {"f32", "f32[]", 4, AT_META_F64},
    [BOOL] = {"bool", "bool[]", 1, AT_META_BOOL},
    [STRING] = {"string", "string[]", 0, AT_META_STRING},
    [ARRAY] = {"array", "array[]", 0, AT_META_ARRAY},
    [U64] = {"u64", "u64[]", 8, AT_META_U64},
    [I64] = {"i64", "i64[]", 8, AT_META_I64},
    [F64] = {"f64", "f64[]", 8, AT_META_F64},
};

enum { MAX_KEYS = 8192 }; // they are searched one by one

/* ggml's tensor types that are read. */
static const struct tensor_type {
    uint32_t id;
    at_dtype type;
} tensor_types[] = {{0, AT_F32},  {1, AT_F16},  {30, AT_BF16}, {28, AT_F64}, {27, AT_I64},
                    {26, AT_I32}, {25, AT_I16}, {24, AT_I8},   {8, AT_Q8_0}, {2, AT_Q4_0}};

static const struct block_type { // known by name, to say what was found
    uint32_t id;
    const char *name;
} block_types[] = {{3, "q4_1"},  {6, "q5_0"},  {7, "q5_1"},  {9, "q8_1"},  {10, "q2_k"},
                   {11, "q3_k"}, {12, "q4_k"}, {13, "q5_k"}, {14, "q6_k"}, {15, "q8_k"}};

typedef struct gguf {
    at_weights *w;
    at_reader r;
    at_error *err;
    uint64_t alignment;
} gguf;

static double as_float(uint64_t bits, int size)
{
    if (size == 4) {
        const uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, 4);
        return (double)f;
    }
    double d;
    memcpy(&d, &bits, 8);
    return d;
}

static int64_t as_signed(uint64_t bits, int size)
{
    const int shift = 64 - 8 * size;
    return (int64_t)(bits << shift) >> shift;
}

/* A string in the file as a NUL-terminated copy; damage when it is longer than `max` or the file, is
 * not UTF-8 or holds a NUL. The text of the error begins with `what` and, if not NULL, `name`. */
static at_status take_string(gguf *g, uint64_t max, const char **text, size_t *len,
                             const char *what, const char *name)
{
    const uint64_t n = at_take_le(&g->r, 8);
    const uint8_t *p = n <= max ? at_take(&g->r, n) : NULL;
    if (!p || !at_weights_is_utf8(p, (size_t)n))
        return at_weights_damaged(g->w, g->err, "%s%s%.100s cannot be read (%s)", what,
                                  name ? " of " : "", name ? name : "",
                                  p ? "not UTF-8" : "its length is absurd");
    *text = at_weights_text(g->w, p, (size_t)n);
    if (len) *len = (size_t)n;
    return *text ? AT_OK : at_weights_no_memory(g->w, g->err);
}

static at_status read_array(gguf *g, at_meta_entry *e)
{
    const uint64_t type = at_take_le(&g->r, 4), n = at_take_le(&g->r, 8);
    if (type >= VALUE_TYPES || type == ARRAY) g->r.failed = true;
    // an element takes at least one byte (a string eight): no array is longer than the file's rest
    const uint64_t least = type == STRING ? 8 : g->r.failed ? 1 : (uint64_t)kinds[type].size;
    if (g->r.failed || n > (uint64_t)(g->r.end - g->r.at) / least)
        return at_weights_damaged(g->w, g->err, "the array %.100s has %llu elements", e->meta.key,
                                  (unsigned long long)n);
    e->meta.type_name = kinds[type].array_name;
    e->meta.v.array_len = (size_t)n;
    const int size = kinds[type].size;
    if (type == STRING) {
        const char **list = at_weights_alloc(g->w, ((size_t)n + 1) * sizeof *list);
        if (!list) return at_weights_no_memory(g->w, g->err);
        at_status status = AT_OK;
        for (uint64_t i = 0; i < n && status == AT_OK; i++)
            status = take_string(g, 1 << 20, &list[i], NULL, "a string", e->meta.key);
        e->strings = list;
        return status;
    }
    const bool real = type == F32 || type == F64;
    float *floats = real ? at_weights_alloc(g->w, (size_t)n * sizeof *floats + 4) : NULL;
    uint64_t *ints = real ? NULL : at_weights_alloc(g->w, (size_t)n * sizeof *ints + 8);
    if (!floats && !ints) return at_weights_no_memory(g->w, g->err);
    bool negative = false;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t bits = at_take_le(&g->r, size);
        if (real)
            floats[i] = (float)as_float(bits, size);
        else if (kinds[type].meta == AT_META_I64)
            negative |= as_signed(bits, size) < 0, ints[i] = bits;
        else
            ints[i] = bits;
    }
    e->floats = floats;
    e->ints = negative ? NULL : ints;
    return AT_OK;
}

static at_status read_key(gguf *g)
{
    const char *key;
    const at_status status = take_string(g, AT_MAX_NAME, &key, NULL, "a key", NULL);
    if (status != AT_OK) return status;
    if (at_weights_meta(g->w, key))
        return at_weights_damaged(g->w, g->err, "the key %.100s is there twice", key);
    at_meta_entry *e = at_weights_meta_new(g->w);
    if (!e) return at_weights_no_memory(g->w, g->err);
    const uint64_t type = at_take_le(&g->r, 4);
    if (g->r.failed || type >= VALUE_TYPES)
        return at_weights_damaged(g->w, g->err, "the key %.100s has no type that GGUF knows", key);
    e->meta = (at_meta){.key = key, .type = kinds[type].meta, .type_name = kinds[type].name};
    if (type == ARRAY) return read_array(g, e);
    if (type == STRING) {
        return take_string(g, 16 << 20, &e->meta.v.string.data, &e->meta.v.string.len, "the value",
                           key);
    } else {
        const uint64_t bits = at_take_le(&g->r, kinds[type].size);
        if (e->meta.type == AT_META_F64)
            e->meta.v.f = as_float(bits, kinds[type].size);
        else if (e->meta.type == AT_META_I64)
            e->meta.v.i = as_signed(bits, kinds[type].size);
        else
            e->meta.v.u = bits;
    }
    return g->r.failed ? at_weights_damaged(g->w, g->err, "the value of %.100s cannot be read", key)
                       : AT_OK;
}

static at_status read_tensor(gguf *g)
{
    const char *name;
    const at_status status = take_string(g, AT_MAX_NAME, &name, NULL, "the name of a tensor", NULL);
    if (status != AT_OK) return status;
    const uint64_t n_dims = at_take_le(&g->r, 4);
    if (g->r.failed || n_dims > 4)
        return at_weights_damaged(g->w, g->err, "the tensor %.200s has %llu dimensions", name,
                                  (unsigned long long)n_dims);
    uint64_t dims[4];
    for (uint64_t i = 0; i < n_dims; i++)
        dims[n_dims - 1 - i] = at_take_le(&g->r, 8); // fastest first in the file
    const uint64_t type = at_take_le(&g->r, 4), offset = at_take_le(&g->r, 8);
    if (g->r.failed)
        return at_weights_damaged(g->w, g->err, "the entry of tensor %.200s has no end", name);
    if (offset % g->alignment != 0)
        return at_weights_damaged(g->w, g->err, "%.100s begins at %llu, which is not aligned", name,
                                  (unsigned long long)offset);
    for (size_t i = 0; i < AT_COUNT(tensor_types); i++) {
        if (tensor_types[i].id != type) continue;
        // the range is checked when the data's beginning is known; what overflows is checked here
        return at_weights_add(g->w, name, tensor_types[i].type, (int)n_dims, dims, offset,
                              g->w->map.data, g->err);
    }
    const char *kind = "unknown";
    for (size_t i = 0; i < AT_COUNT(block_types); i++) {
        if (block_types[i].id == type) kind = block_types[i].name;
    }
    return at_weights_fail(
        g->w, AT_E_MODEL_UNSUPPORTED, g->err,
        "%.200s has the tensor type %llu (%s), which this version does not read; convert to f16 or f32",
        name, (unsigned long long)type, kind);
}

at_status at_read_gguf(at_weights *w, at_error *err)
{
    w->format = "gguf";
    gguf g = {.w = w, .r = {.at = w->map.data + 4, .end = w->map.data + w->map.size}, .err = err};
    const uint64_t version = at_take_le(&g.r, 4), n_tensors = at_take_le(&g.r, 8),
                   n_keys = at_take_le(&g.r, 8);
    if (g.r.failed) return at_weights_damaged(w, err, "its header cannot be read");
    if (version != 2 && version != 3)
        return at_weights_fail(w, AT_E_MODEL_UNSUPPORTED, err,
                               "GGUF version %llu%s, this program reads 2 and 3",
                               (unsigned long long)version,
                               version >= 0x01000000 ? " (a big-endian file?)" : "");
    const uint64_t rest = (uint64_t)(g.r.end -
                                     g.r.at); // a key takes at least 13 bytes, a tensor 24
    if (n_keys > rest / 13 || n_tensors > rest / 24 || n_tensors > AT_MAX_TENSORS ||
        n_keys > MAX_KEYS)
        return at_weights_damaged(w, err, "it claims %llu keys and %llu tensors in %zu bytes",
                                  (unsigned long long)n_keys, (unsigned long long)n_tensors,
                                  w->map.size);
    at_status status = AT_OK;
    for (uint64_t i = 0; i < n_keys && status == AT_OK; i++)
        status = read_key(&g);
    if (status != AT_OK) return status;
    g.alignment = at_weights_u64(w, "general.alignment", 32);
    if (g.alignment == 0 || g.alignment % 8 != 0 || g.alignment > 1 << 20)
        status = at_weights_damaged(w, err, "its alignment is %llu",
                                    (unsigned long long)g.alignment);
    for (uint64_t i = 0; i < n_tensors && status == AT_OK; i++)
        status = read_tensor(&g);
    if (status != AT_OK) return status;
    const uint64_t head = (uint64_t)(g.r.at - w->map.data),
                   start = (head + g.alignment - 1) / g.alignment * g.alignment;
    for (size_t i = 0; i < w->n; i++) {
        at_weight *t = &w->items[i];
        if (start > w->map.size || t->offset > w->map.size - start ||
            t->bytes > w->map.size - start - t->offset)
            return at_weights_damaged(
                w, err, "%.100s should be %llu bytes at %llu behind the header, the file has %zu",
                t->name, (unsigned long long)t->bytes, (unsigned long long)t->offset, w->map.size);
        t->offset += start;
        t->data = w->map.data + t->offset;
    }
    return at_weights_check_overlap(w, err);
}
