/* pth.c - a PyTorch checkpoint: the state dict of its pickle, tensors mapped where torch.save() put
 * them. Optimizer state and configuration are read past; their bytes are never touched. */
#include "formats/pickle.h"
#include "formats/zip.h"

#include <string.h>

enum { MAX_PICKLE = 256 << 20 };

typedef struct pth {
    at_weights *w;
    at_error *err;
    at_zip zip;
    const char *root; // "archive/", borrowed from the file
    size_t root_len;
} pth;

static bool ends(const at_zip_member *m, const char *with)
{
    const size_t n = strlen(with);
    return m->name_len >= n && memcmp(m->name + m->name_len - n, with, n) == 0;
}

static const at_zip_member *member(const pth *p, const char *a, const char *b, size_t n_b)
{
    char name[4096];
    const size_t n_a = strlen(a);
    if (p->root_len + n_a + n_b > sizeof name) return NULL;
    memcpy(name, p->root, p->root_len);
    memcpy(name + p->root_len, a, n_a);
    memcpy(name + p->root_len + n_a, b, n_b);
    return at_zip_find(&p->zip, name, p->root_len + n_a + n_b);
}

/* Copies a strided view into C order; `elements` of it. */
static void *contiguous(pth *p, const at_node *t, const uint8_t *storage, uint64_t elements, size_t size)
{
    char *out = at_weights_alloc(p->w, (size_t)elements * size + AT_SLACK);
    if (!out) return NULL;
    uint64_t index[8] = {0};
    const int n = t->v.tensor.n_dims;
    for (uint64_t i = 0; i < elements; i++) {
        uint64_t at = t->v.tensor.offset;
        for (int d = 0; d < n; d++) at += index[d] * t->v.tensor.strides[d];
        memcpy(out + i * size, storage + at * size, size);
        for (int d = n - 1; d >= 0 && ++index[d] == t->v.tensor.dims[d]; d--) index[d] = 0;
    }
    return out;
}

static at_status add_tensor(pth *p, const at_node *key, const at_node *t)
{
    const at_node *s = t->v.tensor.storage;
    const size_t size = at_dtype_size(s->v.storage.type), n_name = key->v.s.len;
    if (n_name > AT_MAX_NAME || memchr(key->v.s.data, 0, n_name)) return at_weights_damaged(p->w, p->err, "a tensor has an absurd name");
    const char *name = at_weights_text(p->w, key->v.s.data, n_name);
    if (!name) return at_weights_no_memory(p->w, p->err);
    const at_zip_member *m = member(p, "data/", s->v.storage.key, s->v.storage.key_len);
    uint64_t offset;
    if (!m) return at_weights_damaged(p->w, p->err, "the bytes of %.200s are not in the archive", name);
    const at_status status = at_zip_data(m, p->w, &offset, p->err);
    if (status != AT_OK) return status;

    // the last element must lie in the storage, the storage in its member
    uint64_t elements = 1, last = t->v.tensor.offset, expected = 1;
    bool c_order = true, fits = true;
    for (int d = t->v.tensor.n_dims - 1; d >= 0; d--) {
        const uint64_t dim = t->v.tensor.dims[d], stride = t->v.tensor.strides[d];
        uint64_t reach;
        c_order = c_order && (dim == 1 || stride == expected);
        fits = fits && !__builtin_mul_overflow(elements, dim, &elements) && !__builtin_mul_overflow(expected, dim, &expected);
        if (dim) fits = fits && !__builtin_mul_overflow(dim - 1, stride, &reach) && !__builtin_add_overflow(last, reach, &last);
    }
    const uint64_t there = at_min_size((size_t)s->v.storage.elements, (size_t)(m->size / size));
    if (!fits || (elements && last >= there) || elements > there)
        return at_weights_damaged(p->w, p->err, "%.200s reaches past its %llu elements", name, (unsigned long long)there);
    const void *data = NULL;
    if (!c_order && elements) {
        data = contiguous(p, t, p->w->map.data + offset, elements, size);
        if (!data) return at_weights_no_memory(p->w, p->err);
    }
    const uint64_t begin = offset + (elements ? t->v.tensor.offset * size : 0);
    return at_weights_add(p->w, name, s->v.storage.type, t->v.tensor.n_dims, t->v.tensor.dims, begin, data, p->err);
}

static const at_node *get(const at_node *dict, const char *key)
{
    const size_t len = strlen(key);
    for (size_t i = 0; dict->kind == AT_NODE_DICT && i + 1 < dict->v.list.n; i += 2) {
        const at_node *k = dict->v.list.items[i];
        if (k->kind == AT_NODE_STRING && k->v.s.len == len && memcmp(k->v.s.data, key, len) == 0) return dict->v.list.items[i + 1];
    }
    return NULL;
}

static size_t count_tensors(const at_node *dict)
{
    size_t n = 0;
    for (size_t i = 0; dict && dict->kind == AT_NODE_DICT && i + 1 < dict->v.list.n; i += 2)
        n += dict->v.list.items[i + 1]->kind == AT_NODE_TENSOR && dict->v.list.items[i]->kind == AT_NODE_STRING;
    return n;
}

/* The dictionary that holds the weights: the outermost, or one of the names trainers use. */
static const at_node *find_state(const at_node *root)
{
    static const char *const names[] = {"model", "state_dict", "module", "model_state_dict", "net", "ema"};
    if (count_tensors(root)) return root;
    for (size_t i = 0; i < AT_COUNT(names); i++) {
        const at_node *inner = get(root, names[i]);
        if (count_tensors(inner)) return inner;
    }
    return NULL;
}

static at_status find_root(pth *p, const at_zip_member **pickle)
{
    *pickle = NULL;
    for (size_t i = 0; i < p->zip.n; i++) {
        const at_zip_member *m = &p->zip.members[i];
        if (ends(m, "/constants.pkl"))
            return at_fail(p->err, AT_E_MODEL_UNSUPPORTED, "%s: a TorchScript archive; save the state_dict() instead", p->w->path);
        if (!ends(m, "/data.pkl")) continue;
        if (*pickle) return at_weights_damaged(p->w, p->err, "it has two pickles");
        *pickle = m;
        p->root = m->name;
        p->root_len = m->name_len - strlen("data.pkl");
    }
    return *pickle ? AT_OK : at_fail(p->err, AT_E_MODEL_UNSUPPORTED, "%s: a zip archive without data.pkl, not a PyTorch checkpoint", p->w->path);
}

at_status at_read_pth(at_weights *w, at_error *err)
{
    w->format = "pth";
    pth p = {.w = w, .err = err};
    const at_zip_member *pickle;
    uint64_t offset;
    at_status status = at_zip_read(&p.zip, w, err);
    if (status == AT_OK) status = find_root(&p, &pickle);
    if (status == AT_OK) status = at_zip_data(pickle, w, &offset, err);
    if (status != AT_OK) return status;
    if (pickle->size > MAX_PICKLE) return at_weights_damaged(w, err, "its pickle claims %llu bytes", (unsigned long long)pickle->size);
    const at_zip_member *order = member(&p, "byteorder", "", 0);
    uint64_t at;
    if (order && at_zip_data(order, w, &at, NULL) == AT_OK && (order->size != 6 || memcmp(w->map.data + at, "little", 6) != 0))
        return at_fail(err, AT_E_MODEL_UNSUPPORTED, "%s: written on a big-endian machine", w->path);
    const at_node *root;
    status = at_pickle_read(w, w->map.data + offset, (size_t)pickle->size, &root, err);
    if (status != AT_OK) return status;
    const at_node *state = find_state(root);
    if (!state) return at_fail(err, AT_E_MODEL_UNSUPPORTED, "%s: a pickle without a state dict (no tensors at the top nor under \"model\")", w->path);
    for (size_t i = 0; i + 1 < state->v.list.n && status == AT_OK; i += 2) {
        const at_node *key = state->v.list.items[i], *value = state->v.list.items[i + 1];
        if (key->kind == AT_NODE_STRING && value->kind == AT_NODE_TENSOR) status = add_tensor(&p, key, value);
    }
    return status;
}
