/* weights.c - opening by content, the list of tensors, look-up by name, metadata getters. */
#include "formats/weights_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct at_memory {
    at_memory *next;
    _Alignas(16) char data[];
};

void *at_weights_alloc(at_weights *w, size_t size)
{
    size_t total;
    if (!at_add(size, sizeof(at_memory) + 1, &total)) return NULL;
    at_memory *m = at_alloc(w->al, total);
    if (!m) return NULL;
    m->next = w->memory;
    w->memory = m;
    return m->data;
}

char *at_weights_text(at_weights *w, const void *data, size_t len)
{
    char *text = at_weights_alloc(w, len + 1);
    if (!text) return NULL;
    memcpy(text, data, len);
    text[len] = 0;
    return text;
}

at_status at_weights_no_memory(const at_weights *w, at_error *err)
{
    return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for its list of tensors", w->path);
}

at_status at_weights_damaged(const at_weights *w, at_error *err, const char *format, ...)
{
    char why[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return at_fail(err, AT_E_MODEL_DAMAGED, "%s: %s; the file is damaged or not whole, get it again", w->path, why);
}

/* A larger copy of an array of `size`-byte items; NULL leaves it. */
static void *grow(at_weights *w, void *items, size_t *cap, size_t size)
{
    const size_t wanted = *cap ? 2 * *cap : 64;
    void *more = at_realloc(w->al, items, *cap * size, wanted * size);
    if (more) *cap = wanted;
    return more;
}

at_status at_weights_add(at_weights *w, const char *name, at_dtype type, int n_dims, const uint64_t *dims,
                         uint64_t offset, const void *data, at_error *err)
{
    if (w->n >= AT_MAX_TENSORS) return at_weights_damaged(w, err, "more than %d tensors", AT_MAX_TENSORS);
    if (n_dims < 0 || n_dims > 8) return at_weights_damaged(w, err, "%.200s has %d dimensions", name, n_dims);
    size_t bytes = at_dtype_size(type);
    for (int i = 0; i < n_dims; i++) {
        if (dims[i] > SIZE_MAX || !at_mul(bytes, (size_t)dims[i], &bytes))
            return at_weights_damaged(w, err, "the shape of %.200s is absurd", name);
    }
    if (!data && (offset > w->map.size || bytes > w->map.size - offset))
        return at_weights_damaged(w, err, "%.200s should be %zu bytes at %llu, the file has %zu", name, bytes,
                                  (unsigned long long)offset, w->map.size);
    if (w->n == w->cap) {
        at_weight *more = grow(w, w->items, &w->cap, sizeof *w->items);
        if (!more) return at_weights_no_memory(w, err);
        w->items = more;
    }
    at_weight *t = &w->items[w->n++];
    *t = (at_weight){.name = name, .type = type, .n_dims = n_dims, .offset = offset, .bytes = bytes};
    if (n_dims) memcpy(t->dims, dims, sizeof *dims * (size_t)n_dims);
    t->data = data ? data : w->map.data ? w->map.data + offset : (const void *)"";
    return AT_OK;
}

static uint64_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
    return h ^ h >> 29;
}

at_status at_weights_index(at_weights *w, at_error *err)
{
    size_t slots = 64;
    while (slots < 2 * w->n) slots *= 2;
    w->slots = at_calloc(w->al, slots, sizeof *w->slots);
    if (!w->slots) return at_weights_no_memory(w, err);
    w->mask = slots - 1;
    for (size_t i = 0; i < w->n; i++) {
        size_t at = hash(w->items[i].name) & w->mask;
        for (; w->slots[at]; at = (at + 1) & w->mask) {
            if (strcmp(w->items[w->slots[at] - 1].name, w->items[i].name) == 0)
                return at_weights_damaged(w, err, "two tensors are named %.200s", w->items[i].name);
        }
        w->slots[at] = (uint32_t)i + 1;
    }
    return AT_OK;
}

at_meta_entry *at_weights_meta_new(at_weights *w)
{
    if (w->n_metas == w->cap_metas) {
        at_meta_entry *more = grow(w, w->metas, &w->cap_metas, sizeof *w->metas);
        if (!more) return NULL;
        w->metas = more;
    }
    at_meta_entry *e = &w->metas[w->n_metas++];
    memset(e, 0, sizeof *e);
    return e;
}

/* --- opening --------------------------------------------------------------------------------------- */

static at_status read_by_content(at_weights *w, at_error *err)
{
    static const uint8_t legacy[] = {0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
    const uint8_t *d = w->map.data;
    const size_t n = w->map.size;
    if (n == 0) return at_weights_damaged(w, err, "an empty file");
    if (n >= 4 && memcmp(d, "GGUF", 4) == 0) return at_read_gguf(w, err);
    if (n >= 4 && memcmp(d, "PK\3\4", 4) == 0) return at_read_pth(w, err);
    if (n >= 2 + sizeof legacy && memcmp(d + 2, legacy, sizeof legacy) == 0)
        return at_fail(err, AT_E_MODEL_UNSUPPORTED,
                       "%s: a checkpoint of PyTorch before 1.6; load it there and torch.save() it again", w->path);
    if (n >= 262 && memcmp(d + 257, "ustar", 5) == 0)
        return at_fail(err, AT_E_MODEL_UNSUPPORTED, "%s: a tar file, as PyTorch before 0.2 wrote; torch.save() it again", w->path);
    if (n > 8 && d[8] == '{') return at_read_safetensors(w, err);
    return at_fail(err, AT_E_MODEL_UNSUPPORTED, "%s: neither GGUF nor a PyTorch checkpoint (.pth) nor safetensors", w->path);
}

static at_status open_common(at_weights **out, const char *path, const at_allocator *al, const at_map *memory, at_error *err)
{
    *out = NULL;
    at_weights *w = at_new(al, at_weights);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    w->al = al;
    w->path = at_strndup(al, path, strlen(path));
    at_status status = w->path ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    if (status == AT_OK) {
        if (memory) w->map = *memory;
        else status = at_map_open(&w->map, path, err);
    }
    if (status == AT_OK) status = read_by_content(w, err);
    if (status == AT_OK) status = at_weights_index(w, err);
    if (status != AT_OK) {
        at_weights_close(w);
        return status;
    }
    *out = w;
    return AT_OK;
}

at_status at_weights_open(at_weights **out, const char *path, const at_allocator *al, at_error *err)
{
    return open_common(out, path, al, NULL, err);
}

at_status at_weights_open_memory(at_weights **out, const void *data, size_t size, const char *name,
                                 const at_allocator *al, at_error *err)
{
    const at_map map = {.data = data, .size = size};
    return open_common(out, name, al, &map, err);
}

void at_weights_close(at_weights *w)
{
    if (!w) return;
    for (at_memory *m = w->memory; m;) {
        at_memory *next = m->next;
        at_free(w->al, m);
        m = next;
    }
    at_map_close(&w->map);
    at_free(w->al, w->items);
    at_free(w->al, w->slots);
    at_free(w->al, w->metas);
    at_free(w->al, w->path);
    at_free(w->al, w);
}

/* --- asking ------------------------------------------------------------------------------------------ */

const char *at_weights_path(const at_weights *w) { return w->path; }
const char *at_weights_format(const at_weights *w) { return w->format; }
uint64_t at_weights_bytes(const at_weights *w) { return w->map.size; }
size_t at_weights_count(const at_weights *w) { return w->n; }
const at_weight *at_weights_at(const at_weights *w, size_t i) { return i < w->n ? &w->items[i] : NULL; }

const at_weight *at_weights_find(const at_weights *w, const char *name)
{
    for (size_t at = hash(name) & w->mask; w->slots[at]; at = (at + 1) & w->mask) {
        const at_weight *t = &w->items[w->slots[at] - 1];
        if (strcmp(t->name, name) == 0) return t;
    }
    return NULL;
}

void at_weights_drop(const at_weights *w, const at_weight *t) { at_map_drop(&w->map, (size_t)t->offset, (size_t)t->bytes); }

size_t at_weights_meta_count(const at_weights *w) { return w->n_metas; }
const at_meta *at_weights_meta_at(const at_weights *w, size_t i) { return i < w->n_metas ? &w->metas[i].meta : NULL; }

static const at_meta_entry *entry(const at_weights *w, const char *key)
{
    for (size_t i = 0; i < w->n_metas; i++) {
        if (strcmp(w->metas[i].meta.key, key) == 0) return &w->metas[i];
    }
    return NULL;
}

const at_meta *at_weights_meta(const at_weights *w, const char *key)
{
    const at_meta_entry *e = entry(w, key);
    return e ? &e->meta : NULL;
}

const char *at_weights_str(const at_weights *w, const char *key, const char *fallback)
{
    const at_meta *m = at_weights_meta(w, key);
    return m && m->type == AT_META_STRING ? m->v.string.data : fallback;
}

uint64_t at_weights_u64(const at_weights *w, const char *key, uint64_t fallback)
{
    const at_meta *m = at_weights_meta(w, key);
    if (m && m->type == AT_META_I64 && m->v.i >= 0) return (uint64_t)m->v.i;
    return m && (m->type == AT_META_U64 || m->type == AT_META_BOOL) ? m->v.u : fallback;
}

double at_weights_f64(const at_weights *w, const char *key, double fallback)
{
    const at_meta *m = at_weights_meta(w, key);
    return m && m->type == AT_META_F64 ? m->v.f : fallback;
}

const char *const *at_weights_strings(const at_weights *w, const char *key, size_t *n)
{
    const at_meta_entry *e = entry(w, key);
    *n = e && e->strings ? e->meta.v.array_len : 0;
    return e ? e->strings : NULL;
}
const float *at_weights_floats(const at_weights *w, const char *key, size_t *n)
{
    const at_meta_entry *e = entry(w, key);
    *n = e && e->floats ? e->meta.v.array_len : 0;
    return e ? e->floats : NULL;
}
const uint64_t *at_weights_ints(const at_weights *w, const char *key, size_t *n)
{
    const at_meta_entry *e = entry(w, key);
    *n = e && e->ints ? e->meta.v.array_len : 0;
    return e ? e->ints : NULL;
}
