/* pth_state.c - see pth_state.h. Optimizer state and configuration are passed by; their bytes are never
 * touched. */
#include "formats/pth_state.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 22 };

typedef struct finder {
    at_weights *w;
    at_error *err;
    at_pth_locate locate;
    void *ctx;
} finder;

/* Copies a strided view into C order. */
static void copy_view(uint8_t *out, const at_node *t, const uint8_t *storage, uint64_t elements,
                      size_t size)
{
    uint64_t index[8] = {0};
    const int n = t->v.tensor.n_dims;
    for (uint64_t i = 0; i < elements; i++) {
        uint64_t at = t->v.tensor.offset;
        for (int d = 0; d < n; d++)
            at += index[d] * t->v.tensor.strides[d];
        memcpy(out + i * size, storage + at * size, size);
        for (int d = n - 1; d >= 0 && ++index[d] == t->v.tensor.dims[d]; d--)
            index[d] = 0;
    }
}

static at_status add_tensor(const finder *f, const char *text, size_t len, const at_node *t)
{
    at_weights *w = f->w;
    if (len > AT_MAX_NAME || !at_weights_is_utf8(text, len))
        return at_weights_damaged(w, f->err, "the name of tensor %zu is absurd", w->n);
    const char *name = at_weights_text(w, text, len);
    if (!name) return at_weights_no_memory(w, f->err);
    const at_node *s = t->v.tensor.storage;
    uint64_t offset, bytes;
    const at_status status = f->locate(f->ctx, s, name, &offset, &bytes, f->err);
    if (status != AT_OK) return status;

    // the last element must lie in the storage, the storage in its place in the file
    const size_t size = at_dtype_size(t->v.tensor.type);
    uint64_t elements = 1, last = t->v.tensor.offset, there = s->v.storage.elements;
    bool c_order = true,
         fits = !__builtin_mul_overflow(there, at_dtype_size(s->v.storage.type), &there);
    fits = fits && there <= bytes;
    there /= size;
    for (int d = t->v.tensor.n_dims - 1; d >= 0; d--) {
        const uint64_t dim = t->v.tensor.dims[d], stride = t->v.tensor.strides[d];
        uint64_t reach;
        c_order = c_order && (dim == 1 || stride == elements);
        fits = fits && !__builtin_mul_overflow(elements, dim, &elements);
        if (dim)
            fits = fits && !__builtin_mul_overflow(dim - 1, stride, &reach) &&
                   !__builtin_add_overflow(last, reach, &last);
    }
    if (!fits || (elements && last >= there))
        return at_weights_damaged(w, f->err,
                                  "%.200s reaches past the %llu elements that are there for it",
                                  name, (unsigned long long)there);
    uint8_t *copy = NULL;
    if (!c_order && elements) {
        size_t total;
        // a view of stride 0 tells of more bytes than there are: all copies together must stay below the file's size
        if (!at_mul((size_t)elements, size, &total) || total > w->map.size - w->copied)
            return at_weights_fail(
                w, AT_E_MODEL_UNSUPPORTED, f->err,
                "%.200s is a view with %llu elements, more than the file holds; save it .contiguous()",
                name, (unsigned long long)elements);
        copy = at_weights_alloc_copy(w, total);
        if (!copy)
            return at_fail(f->err, AT_E_OUT_OF_MEMORY, "%s: no memory to put %.200s in order",
                           w->path, name);
        copy_view(copy, t, w->map.data + offset, elements, size);
    }
    const uint64_t begin = offset + (elements ? t->v.tensor.offset * size : 0);
    return at_weights_add(w, name, t->v.tensor.type, t->v.tensor.n_dims, t->v.tensor.dims, begin,
                          copy, f->err);
}

static bool is_dict(const at_node *n)
{
    return n && n->kind == AT_NODE_DICT;
}

static const at_node *get(const at_node *dict, const char *key)
{
    const size_t len = strlen(key);
    for (size_t i = 0; is_dict(dict) && i + 1 < dict->v.list.n; i += 2) {
        const at_node *k = dict->v.list.items[i];
        if (k->kind == AT_NODE_STRING && k->v.s.len == len && memcmp(k->v.s.data, key, len) == 0)
            return dict->v.list.items[i + 1];
    }
    return NULL;
}

static bool has_tensors(const at_node *dict)
{
    for (size_t i = 0; is_dict(dict) && i + 1 < dict->v.list.n; i += 2) {
        if (dict->v.list.items[i + 1]->kind == AT_NODE_TENSOR) return true;
    }
    return false;
}

/* The dictionary that holds the weights: under one of the names trainers use, else the outermost (a
 * training checkpoint may hold a loose tensor beside its "model", a step count for example). */
static const at_node *find_state(const at_node *root)
{
    static const char *const names[] = {"model", "state_dict", "module", "model_state_dict",
                                        "net",   "ema"};
    for (size_t i = 0; i < AT_COUNT(names); i++) {
        const at_node *inner = get(root, names[i]);
        if (has_tensors(inner)) return inner;
    }
    return root;
}

/* A key as text behind `at` bytes of the name; 0 if it is no key or the name grows absurd. */
static size_t add_key(char *name, size_t at, size_t cap, const at_node *key, size_t index)
{
    if (!key || key->kind == AT_NODE_INT) {
        const long long i = key ? (long long)key->v.i : (long long)index;
        const int n = snprintf(name + at, cap - at, "%lld", i);
        return n > 0 && (size_t)n < cap - at ? at + (size_t)n : 0;
    }
    if (key->kind != AT_NODE_STRING || key->v.s.len >= cap - at) return 0;
    memcpy(name + at, key->v.s.data, key->v.s.len);
    return at + key->v.s.len;
}

/* Walks dictionaries and lists without recursion. */
static at_status add_all(const finder *f, const at_node *state)
{
    struct level {
        const at_node *box;
        size_t next, prefix;
    } levels[MAX_DEPTH];
    char name[AT_MAX_NAME + 1];
    size_t depth = 1;
    levels[0] = (struct level){.box = state};
    for (size_t visits = 0; depth; visits++) {
        if (visits > MAX_VISITS)
            return at_weights_damaged(f->w, f->err, "its state dict has no end");
        struct level *l = &levels[depth - 1];
        const bool dict = l->box->kind == AT_NODE_DICT;
        if (l->next + dict >= l->box->v.list.n) {
            depth--;
            continue;
        }
        const at_node *key = dict ? l->box->v.list.items[l->next] : NULL,
                      *value = l->box->v.list.items[l->next + dict];
        const size_t index = l->next, prefix = l->prefix;
        l->next += dict ? 2 : 1;
        const bool box = value->kind == AT_NODE_DICT || value->kind == AT_NODE_LIST;
        if (!box && value->kind != AT_NODE_TENSOR) continue;
        const size_t len = add_key(name, prefix, sizeof name - 1, key, index);
        if (!len && value->kind == AT_NODE_TENSOR && key && key->kind == AT_NODE_STRING &&
            key->v.s.len)
            return at_weights_damaged(f->w, f->err, "the name of tensor %zu is absurd", f->w->n);
        if (value->kind == AT_NODE_TENSOR && len) {
            const at_status status = add_tensor(f, name, len, value);
            if (status != AT_OK) return status;
        } else if (box && len) {
            if (depth == MAX_DEPTH)
                return at_weights_damaged(f->w, f->err,
                                          "its state dict is nested more than %d deep", MAX_DEPTH);
            name[len] = '.';
            levels[depth++] = (struct level){.box = value, .prefix = len + 1};
        }
    }
    return AT_OK;
}

at_status at_pth_add_state(at_weights *w, const at_node *root, at_pth_locate locate, void *ctx,
                           at_error *err)
{
    const finder f = {.w = w, .err = err, .locate = locate, .ctx = ctx};
    if (root->kind == AT_NODE_TENSOR) return add_tensor(&f, "tensor", 6, root);
    if (root->kind == AT_NODE_DICT || root->kind == AT_NODE_LIST) {
        const at_status status = add_all(&f, find_state(root));
        if (status != AT_OK || w->n) return status;
    }
    return at_weights_fail(
        w, AT_E_MODEL_UNSUPPORTED, err,
        "a pickle without tensors (neither at the top nor under \"model\"); save the model's state_dict()");
}
