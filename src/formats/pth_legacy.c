/* pth_legacy.c - a PyTorch checkpoint before 1.6 (torch/serialization.py _legacy_save): five pickles in
 * a row (magic number, protocol, machine, the object, the keys of its storages), then for each key in
 * that order an element count and the elements. */
#include "formats/pth_state.h"

#include <stdlib.h>
#include <string.h>

typedef struct place { // of a storage in the file
    const at_node *storage;
    uint64_t offset, bytes;
    bool found;
} place;

typedef struct legacy {
    at_weights *w;
    place *places; // sorted by key, one a key
    size_t n;
} legacy;

static int by_key(const void *a, const void *b)
{
    const at_node *x = ((const place *)a)->storage, *y = ((const place *)b)->storage;
    const size_t n = x->v.storage.key_len, k = y->v.storage.key_len;
    const int order = memcmp(x->v.storage.key, y->v.storage.key, n < k ? n : k);
    return order ? order : (n > k) - (n < k);
}

static at_status list_places(legacy *l, const at_node *last, at_error *err)
{
    size_t n = 0;
    for (const at_node *s = last; s; s = s->v.storage.before)
        n++;
    l->places = at_weights_alloc(l->w, (n + 1) * sizeof *l->places);
    if (!l->places) return at_weights_no_memory(l->w, err);
    n = 0;
    for (const at_node *s = last; s; s = s->v.storage.before)
        l->places[n++] = (place){.storage = s};
    if (n) qsort(l->places, n, sizeof *l->places, by_key);
    for (size_t i = 0; i < n; i++) { // tensors that share a storage name it again
        const place *kept = l->n ? &l->places[l->n - 1] : NULL;
        if (!kept || by_key(kept, &l->places[i]) != 0) {
            l->places[l->n++] = l->places[i];
        } else if (kept->storage->v.storage.type != l->places[i].storage->v.storage.type) {
            return at_weights_damaged(l->w, err, "one storage has two types");
        }
    }
    return AT_OK;
}

static place *find(const legacy *l, const at_node *storage)
{
    const place wanted = {.storage = storage};
    return l->n ? bsearch(&wanted, l->places, l->n, sizeof wanted, by_key) : NULL;
}

static at_status read_places(legacy *l, const at_node *keys, size_t at, at_error *err)
{
    const at_weights *w = l->w;
    at_reader r = {.at = w->map.data + at, .end = w->map.data + w->map.size};
    if (keys->kind != AT_NODE_LIST) return at_weights_damaged(w, err, "it has no list of storages");
    for (size_t i = 0; i < keys->v.list.n; i++) {
        const at_node *key = keys->v.list.items[i];
        if (key->kind != AT_NODE_STRING)
            return at_weights_damaged(w, err, "storage %zu has no key", i);
        const at_node name = {.kind = AT_NODE_STORAGE,
                              .v.storage = {.key = key->v.s.data, .key_len = key->v.s.len}};
        place *p = find(l, &name);
        if (!p || p->found)
            return at_weights_damaged(w, err, "storage %zu belongs to no tensor", i);
        const uint64_t elements = at_take_le(&r, 8);
        uint64_t bytes;
        if (r.failed ||
            __builtin_mul_overflow(elements, at_dtype_size(p->storage->v.storage.type), &bytes))
            return at_weights_damaged(w, err, "storage %zu of %zu is not there", i, keys->v.list.n);
        *p = (place){.storage = p->storage,
                     .offset = (uint64_t)(r.at - w->map.data),
                     .bytes = bytes,
                     .found = true};
        if (!at_take(&r, bytes))
            return at_weights_damaged(w, err, "storage %zu of %zu should have %llu bytes", i,
                                      keys->v.list.n, (unsigned long long)bytes);
    }
    return AT_OK;
}

static at_status locate(void *ctx, const at_node *s, const char *name, uint64_t *offset,
                        uint64_t *bytes, at_error *err)
{
    const legacy *l = ctx;
    const place *p = find(l, s);
    if (!p || !p->found)
        return at_weights_damaged(l->w, err, "the bytes of %.200s are not in the file", name);
    *offset = p->offset;
    *bytes = p->bytes;
    return AT_OK;
}

static const at_node *get(const at_node *dict, const char *key)
{
    for (size_t i = 0; dict->kind == AT_NODE_DICT && i + 1 < dict->v.list.n; i += 2) {
        const at_node *k = dict->v.list.items[i];
        if (k->kind == AT_NODE_STRING && k->v.s.len == strlen(key) &&
            memcmp(k->v.s.data, key, k->v.s.len) == 0)
            return dict->v.list.items[i + 1];
    }
    return NULL;
}

at_status at_read_pth_legacy(at_weights *w, at_error *err)
{
    enum { MAGIC, PROTOCOL, MACHINE, OBJECT, KEYS, PICKLES };
    w->format = "pth";
    at_pickle pickles[PICKLES];
    size_t at = 0;
    for (int i = 0; i < PICKLES; i++) {
        const at_status status = at_pickle_read(w, w->map.data + at, w->map.size - at, &pickles[i],
                                                err);
        if (status != AT_OK) return status;
        at += pickles[i].used;
    }
    const at_node *protocol = pickles[PROTOCOL].root,
                  *little = get(pickles[MACHINE].root, "little_endian");
    if (protocol->kind != AT_NODE_INT || protocol->v.i != 1001)
        return at_weights_fail(
            w, AT_E_MODEL_UNSUPPORTED, err,
            "a checkpoint of an unknown PyTorch protocol; torch.save() it again");
    if (!little || little->kind != AT_NODE_BOOL || !little->v.i)
        return at_weights_fail(w, AT_E_MODEL_UNSUPPORTED, err,
                               "written on a big-endian machine; load and save it on another");
    legacy l = {.w = w};
    at_status status = list_places(&l, pickles[OBJECT].last_storage, err);
    if (status == AT_OK) status = read_places(&l, pickles[KEYS].root, at, err);
    return status == AT_OK ? at_pth_add_state(w, pickles[OBJECT].root, locate, &l, err) : status;
}
