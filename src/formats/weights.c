/* weights.c - opening by content, the list of tensors, look-up by name, metadata getters. */
#include "formats/weights_file.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BLOCK = 64 << 10 };

struct at_memory {
    at_memory *next;
    size_t size;
    _Alignas(16) char data[];
};

static at_memory *new_block(at_weights *w, size_t size)
{
    size_t total;
    if (!at_add(size, sizeof(at_memory), &total)) return NULL;
    at_memory *m = at_alloc(w->al, total);
    if (!m) return NULL;
    *m = (at_memory){.next = w->memory, .size = size};
    w->memory = m;
    return m;
}

void *at_weights_alloc(at_weights *w, size_t size)
{
    size_t need;
    if (!at_add(at_max_size(size, 1), 15, &need)) return NULL;
    need &= ~(size_t)15;
    if (need > w->block_left) {
        const size_t block = at_max_size(need, BLOCK);
        if (block > AT_LIST_LIMIT - w->taken) {
            w->taken = AT_LIST_LIMIT; // no smaller wish either: at_weights_no_memory() looks here
            return NULL;
        }
        if (!new_block(w, block)) return NULL;
        w->taken += block;
        w->block_left = block;
    }
    void *p = w->memory->data + (w->memory->size - w->block_left);
    w->block_left -= need;
    return p;
}

void *at_weights_alloc_copy(at_weights *w, size_t size)
{
    if (size > w->map.size - w->copied) return NULL;
    at_memory *m = new_block(w, size);
    if (!m) return NULL;
    w->copied += size;
    w->block_left = 0; // the newest block is this one, and it is full
    return m->data;
}

char *at_weights_text(at_weights *w, const void *data, size_t len)
{
    char *text = at_weights_alloc(w, len + 1);
    if (!text) return NULL;
    if (len) memcpy(text, data, len);
    text[len] = 0;
    return text;
}

at_status at_weights_no_memory(const at_weights *w, at_error *err)
{
    if (w->taken == AT_LIST_LIMIT)
        return at_weights_damaged(w, err, "its list of tensors takes more than %zu MiB",
                                  AT_LIST_LIMIT >> 20);
    return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for its list of tensors", w->path);
}

bool at_weights_is_utf8(const void *data, size_t len)
{
    return at_utf8_valid(data, len) == len && (!len || !memchr(data, 0, len));
}

static at_status fail_in_words(const at_weights *w, at_status status, at_error *err,
                               const char *fix, const char *format, va_list args)
{
    char why[700];
    (void)vsnprintf(why, sizeof why, format, args);
    at_utf8_printable(why);
    return at_fail(err, status, "%.250s: %s%s", w->path, why, fix);
}

at_status at_weights_damaged(const at_weights *w, at_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const at_status status = fail_in_words(w, AT_E_MODEL_DAMAGED, err,
                                           "; the file is damaged or not whole, get it again",
                                           format, args);
    va_end(args);
    return status;
}

at_status at_weights_fail(const at_weights *w, at_status status, at_error *err, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    status = fail_in_words(w, status, err, "", format, args);
    va_end(args);
    return status;
}

/* A larger copy of an array of `size`-byte items; NULL leaves it. */
static void *grow(at_weights *w, void *items, size_t *cap, size_t size)
{
    const size_t wanted = *cap ? 2 * *cap : 64;
    void *more = at_realloc(w->al, items, *cap * size, wanted * size);
    if (more) *cap = wanted;
    return more;
}

at_status at_weights_add(at_weights *w, const char *name, at_dtype type, int n_dims,
                         const uint64_t *dims, uint64_t offset, const void *data, at_error *err)
{
    if (w->n >= AT_MAX_TENSORS)
        return at_weights_damaged(w, err, "more than %d tensors", AT_MAX_TENSORS);
    if (!at_weights_is_utf8(name, strlen(name)))
        return at_weights_damaged(w, err, "the name of tensor %zu is not text: %.200s", w->n, name);
    if (n_dims < 0 || n_dims > 8)
        return at_weights_damaged(w, err, "%.200s has %d dimensions", name, n_dims);
    const bool blocks = at_dtype_is_block(type);
    size_t bytes = at_dtype_size(type);
    if (blocks && (n_dims == 0 || dims[n_dims - 1] % AT_BLOCK != 0))
        return at_weights_damaged(w, err, "%.200s is %s, but its rows are not whole blocks of %d",
                                  name, at_dtype_name(type), (int)AT_BLOCK);
    for (int i = 0; i < n_dims; i++) {
        const uint64_t n = blocks && i == n_dims - 1 ? dims[i] / AT_BLOCK : dims[i];
        if (n > SIZE_MAX || dims[i] > SIZE_MAX || !at_mul(bytes, (size_t)n, &bytes))
            return at_weights_damaged(w, err, "the shape of %.200s is absurd", name);
    }
    if (!data && (offset > w->map.size || bytes > w->map.size - offset))
        return at_weights_damaged(w, err, "%.200s should be %zu bytes at %llu, the file has %zu",
                                  name, bytes, (unsigned long long)offset, w->map.size);
    if (w->n == w->cap) {
        at_weight *more = grow(w, w->items, &w->cap, sizeof *w->items);
        if (!more) return at_weights_no_memory(w, err);
        w->items = more;
    }
    at_weight *t = &w->items[w->n++];
    *t = (at_weight){
        .name = name, .type = type, .n_dims = n_dims, .offset = offset, .bytes = bytes};
    if (n_dims) memcpy(t->dims, dims, sizeof *dims * (size_t)n_dims);
    t->data = data ? data : w->map.data ? w->map.data + offset : (const void *)"";
    return AT_OK;
}

static uint64_t hash(const at_weights *w, const char *name)
{
    uint64_t h = w->seed;
    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 32;
    }
    return h;
}

at_status at_weights_index(at_weights *w, at_error *err)
{
    size_t slots = 64;
    while (slots < 2 * w->n)
        slots *= 2;
    w->slots = at_calloc(w->al, slots, sizeof *w->slots);
    if (!w->slots) return at_weights_no_memory(w, err);
    w->mask = slots - 1;
    if (getrandom(&w->seed, sizeof w->seed, GRND_NONBLOCK) != (ssize_t)sizeof w->seed)
        w->seed = (uint64_t)(uintptr_t)w->slots *
                  0x9e3779b97f4a7c15ull; // then the address has to do
    for (size_t i = 0; i < w->n; i++) {
        size_t at = hash(w, w->items[i].name) & w->mask;
        for (; w->slots[at]; at = (at + 1) & w->mask) {
            if (strcmp(w->items[w->slots[at] - 1].name, w->items[i].name) == 0)
                return at_weights_damaged(w, err, "two tensors are named %.200s", w->items[i].name);
        }
        w->slots[at] = (uint32_t)i + 1;
    }
    return AT_OK;
}

static int by_place(const void *a, const void *b)
{
    const at_weight *x = *(const at_weight *const *)a, *y = *(const at_weight *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

at_status at_weights_check_overlap(const at_weights *w, at_error *err)
{
    if (w->n < 2) return AT_OK;
    const at_weight **sorted = at_alloc(w->al, w->n * sizeof(const at_weight *));
    if (!sorted) return at_weights_no_memory(w, err);
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->items[i].bytes) sorted[n++] = &w->items[i];
    }
    if (n) qsort(sorted, n, sizeof(const at_weight *), by_place);
    at_status status = AT_OK;
    for (size_t i = 1; i < n && status == AT_OK; i++) {
        if (sorted[i]->offset < sorted[i - 1]->offset + sorted[i - 1]->bytes)
            status = at_weights_damaged(w, err, "%.200s and %.200s overlap", sorted[i - 1]->name,
                                        sorted[i]->name);
    }
    at_free(w->al, sorted);
    return status;
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

/* How a file begins, and who reads it; without a reader, what it is. */
static const struct magic {
    size_t at, len;
    const char *bytes;
    at_status (*read)(at_weights *w, at_error *err);
    const char *what;
} magics[] = {
    {0, 4, "GGUF", at_read_gguf, NULL},
    {0, 4, "PK\3\4", at_read_pth, NULL},
    {0, 14, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", at_read_pth_legacy, NULL},
    {8, 1, "{", at_read_safetensors, NULL},
    {257, 5, "ustar", NULL,
     "a tar file, as PyTorch before 0.2 wrote; load it there and torch.save() it again"},
    {0, 7, "version", NULL,
     "text where a model should be, a Git LFS pointer perhaps; fetch the file itself (git lfs pull)"},
    {0, 1, "<", NULL,
     "a web page where a model should be; the download did not give the file itself"},
    {0, 1, "\x80", NULL, "a bare pickle; torch.save() the state_dict() instead"},
};

static at_status read_by_content(at_weights *w, at_error *err)
{
    if (w->map.size == 0) return at_weights_damaged(w, err, "an empty file");
    for (size_t i = 0; i < AT_COUNT(magics); i++) {
        const struct magic *m = &magics[i];
        if (w->map.size < m->at + m->len || memcmp(w->map.data + m->at, m->bytes, m->len) != 0)
            continue;
        return m->read ? m->read(w, err)
                       : at_weights_fail(w, AT_E_MODEL_UNSUPPORTED, err, "%s", m->what);
    }
    return at_weights_fail(
        w, AT_E_MODEL_UNSUPPORTED, err,
        "neither GGUF nor a PyTorch checkpoint (.pth) nor safetensors; anytag convert reads these three");
}

static at_status open_common(at_weights **out, const char *path, const at_allocator *al,
                             const at_map *memory, at_error *err)
{
    *out = NULL;
    at_weights *w = at_new(al, at_weights);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    w->al = al;
    w->path = at_strndup(al, path, strlen(path));
    at_status status = w->path ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    if (status == AT_OK) {
        if (memory)
            w->map = *memory;
        else
            status = at_map_open(&w->map, path, err);
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

const char *at_weights_path(const at_weights *w)
{
    return w->path;
}
const char *at_weights_format(const at_weights *w)
{
    return w->format;
}
uint64_t at_weights_bytes(const at_weights *w)
{
    return w->map.size;
}
size_t at_weights_count(const at_weights *w)
{
    return w->n;
}
const at_weight *at_weights_at(const at_weights *w, size_t i)
{
    return i < w->n ? &w->items[i] : NULL;
}

const at_weight *at_weights_find(const at_weights *w, const char *name)
{
    for (size_t at = hash(w, name) & w->mask; w->slots[at]; at = (at + 1) & w->mask) {
        const at_weight *t = &w->items[w->slots[at] - 1];
        if (strcmp(t->name, name) == 0) return t;
    }
    return NULL;
}

void at_weights_drop(const at_weights *w, const at_weight *t)
{
    at_map_drop(&w->map, (size_t)t->offset, (size_t)t->bytes);
}

void at_weights_need(const at_weights *w, const at_weight *t)
{
    at_map_need(&w->map, (size_t)t->offset, (size_t)t->bytes);
}

size_t at_weights_meta_count(const at_weights *w)
{
    return w->n_metas;
}
const at_meta *at_weights_meta_at(const at_weights *w, size_t i)
{
    return i < w->n_metas ? &w->metas[i].meta : NULL;
}

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
