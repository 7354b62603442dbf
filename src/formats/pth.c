/* pth.c - a PyTorch checkpoint since 1.6: a zip archive of one pickle and a member a storage, mapped
 * where torch.save() put them; or what torch.jit.save() wrote (CLIP's own files), whose pickle is an object
 * with its attributes instead of a state dict. Its code is never looked at. */
#include "formats/pth_state.h"
#include "formats/zip.h"

#include <string.h>

typedef struct pth {
    at_weights *w;
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
    if (p->root_len > sizeof name - n_a || n_b > sizeof name - n_a - p->root_len) return NULL;
    memcpy(name, p->root, p->root_len);
    memcpy(name + p->root_len, a, n_a);
    if (n_b) memcpy(name + p->root_len + n_a, b, n_b);
    return at_zip_find(&p->zip, name, p->root_len + n_a + n_b);
}

static at_status locate(void *ctx, const at_node *s, const char *name, uint64_t *offset,
                        uint64_t *bytes, at_error *err)
{
    const pth *p = ctx;
    const at_zip_member *m = member(p, "data/", s->v.storage.key, s->v.storage.key_len);
    if (!m)
        return at_weights_damaged(p->w, err, "the bytes of %.200s are not in the archive", name);
    *bytes = m->size;
    return at_zip_data(&p->zip, m, p->w, offset, err);
}

static at_status find_root(pth *p, const at_zip_member **pickle, at_error *err)
{
    *pickle = NULL;
    for (size_t i = 0; i < p->zip.n; i++) {
        const at_zip_member *m = &p->zip.members[i];
        if (!ends(m, "/data.pkl")) continue;
        if (*pickle) return at_weights_damaged(p->w, err, "it has two pickles");
        *pickle = m;
        p->root = m->name;
        p->root_len = m->name_len - strlen("data.pkl");
    }
    if (*pickle) return AT_OK;
    return at_weights_fail(p->w, AT_E_MODEL_UNSUPPORTED, err,
                           "a zip archive without data.pkl, not a PyTorch checkpoint");
}

at_status at_read_pth(at_weights *w, at_error *err)
{
    w->format = "pth";
    pth p = {.w = w};
    const at_zip_member *file;
    uint64_t offset, at;
    at_status status = at_zip_read(&p.zip, w, err);
    if (status == AT_OK) status = find_root(&p, &file, err);
    if (status == AT_OK) status = at_zip_data(&p.zip, file, w, &offset, err);
    if (status != AT_OK) return status;
    const at_zip_member *order = member(&p, "byteorder", "", 0);
    if (order && at_zip_data(&p.zip, order, w, &at, NULL) == AT_OK &&
        (order->size != 6 || memcmp(w->map.data + at, "little", 6) != 0))
        return at_weights_fail(w, AT_E_MODEL_UNSUPPORTED, err,
                               "written on a big-endian machine; load and save it on another");
    at_pickle pickle;
    status = at_pickle_read(w, w->map.data + offset, (size_t)file->size, &pickle, err);
    return status == AT_OK ? at_pth_add_state(w, pickle.root, locate, &p, err) : status;
}
