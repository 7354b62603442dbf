/* zip.c - end record, its zip64 form, central directory (PKWARE APPNOTE 4.3). Sizes come from the
 * central directory alone: PyTorch's local headers have zeros there. */
#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MEMBERS = 1000000, END_SIZE = 22, MAX_COMMENT = 65535 };
static const uint64_t UNKNOWN32 = 0xffffffffu;

static uint64_t le(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* Offset of the record that ends the archive, SIZE_MAX if there is none. */
static size_t find_end(const uint8_t *d, size_t size)
{
    if (size < END_SIZE) return SIZE_MAX;
    const size_t last = size - END_SIZE, first = last > MAX_COMMENT ? last - MAX_COMMENT : 0;
    for (size_t i = last + 1; i-- > first;) {
        if (le(d + i, 4) == 0x06054b50u && le(d + i + 20, 2) == size - i - END_SIZE) return i;
    }
    return SIZE_MAX;
}

typedef struct directory {
    uint64_t offset, size, count;
} directory;

static bool find_directory(const uint8_t *d, size_t size, directory *dir)
{
    const size_t end = find_end(d, size);
    if (end == SIZE_MAX) return false;
    *dir = (directory){
        .count = le(d + end + 10, 2), .size = le(d + end + 12, 4), .offset = le(d + end + 16, 4)};
    if (end >= 20 && le(d + end - 20, 4) == 0x07064b50u) {
        const uint64_t at = le(d + end - 20 + 8, 8);
        if (at > size || size - at < 56 || le(d + at, 4) != 0x06064b50u) return false;
        *dir = (directory){
            .count = le(d + at + 32, 8), .size = le(d + at + 40, 8), .offset = le(d + at + 48, 8)};
    }
    return dir->offset <= size && dir->size <= size - dir->offset && dir->count <= MAX_MEMBERS &&
           dir->count <= dir->size / 46;
}

/* Sizes of 2^32 and more stand in the extra field 1, each only if its 32-bit place says so. */
static bool read_zip64(at_zip_member *m, const uint8_t *extra, size_t n, bool size_there,
                       bool packed_there, bool offset_there)
{
    while (n >= 4) {
        const uint64_t id = le(extra, 2), len = le(extra + 2, 2);
        if (len > n - 4) return false;
        if (id == 1) {
            at_reader r = {.at = extra + 4, .end = extra + 4 + len};
            if (size_there) m->size = at_take_le(&r, 8);
            if (packed_there) (void)at_take_le(&r, 8);
            if (offset_there) m->local_offset = at_take_le(&r, 8);
            return !r.failed;
        }
        extra += 4 + len;
        n -= 4 + (size_t)len;
    }
    return false;
}

static bool read_member(at_zip_member *m, at_reader *r)
{
    const uint8_t *h = at_take(r, 46);
    if (!h || le(h, 4) != 0x02014b50u) return false;
    const size_t name = (size_t)le(h + 28, 2), extra = (size_t)le(h + 30, 2),
                 comment = (size_t)le(h + 32, 2);
    const uint8_t *text = at_take(r, name + extra + comment);
    if (!text) return false;
    *m = (at_zip_member){.name = (const char *)text,
                         .name_len = name,
                         .size = le(h + 24, 4),
                         .local_offset = le(h + 42, 4),
                         .stored = le(h + 10, 2) == 0 && (le(h + 8, 2) & 1) == 0};
    const bool size64 = m->size == UNKNOWN32, packed64 = le(h + 20, 4) == UNKNOWN32,
               offset64 = m->local_offset == UNKNOWN32;
    if (!size64 && !packed64 && !offset64) return true;
    return read_zip64(m, text + name, extra, size64, packed64, offset64);
}

static int shown(const at_zip_member *m)
{
    return (int)at_min_size(m->name_len, 200);
} // bytes of a name in a text

static int compare(const char *a, size_t n, const char *b, size_t k)
{
    const int order = memcmp(a, b, n < k ? n : k);
    return order ? order : (n > k) - (n < k);
}

static int by_name(const void *a, const void *b)
{
    const at_zip_member *x = a, *y = b;
    return compare(x->name, x->name_len, y->name, y->name_len);
}

at_status at_zip_read(at_zip *zip, at_weights *w, at_error *err)
{
    const uint8_t *d = w->map.data;
    directory dir;
    if (!find_directory(d, w->map.size, &dir))
        return at_weights_damaged(w, err, "a zip archive without its directory");
    zip->n = (size_t)dir.count;
    zip->data_end = dir.offset;
    zip->members = at_weights_alloc(w, zip->n * sizeof *zip->members);
    if (!zip->members) return at_weights_no_memory(w, err);
    at_reader r = {.at = d + dir.offset, .end = d + dir.offset + dir.size};
    for (size_t i = 0; i < zip->n; i++) {
        if (!read_member(&zip->members[i], &r))
            return at_weights_damaged(w, err, "entry %zu of its zip directory cannot be read", i);
    }
    if (zip->n) qsort(zip->members, zip->n, sizeof *zip->members, by_name);
    for (size_t i = 1; i < zip->n; i++) {
        if (by_name(&zip->members[i - 1], &zip->members[i]) == 0)
            return at_weights_damaged(w, err, "its zip directory has %.*s twice",
                                      shown(&zip->members[i]), zip->members[i].name);
    }
    return AT_OK;
}

const at_zip_member *at_zip_find(const at_zip *zip, const char *name, size_t len)
{
    size_t low = 0, high = zip->n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = compare(zip->members[mid].name, zip->members[mid].name_len, name, len);
        if (order == 0) return &zip->members[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

at_status at_zip_data(const at_zip *zip, const at_zip_member *m, const at_weights *w,
                      uint64_t *offset, at_error *err)
{
    if (!m->stored)
        return at_weights_fail(
            w, AT_E_MODEL_UNSUPPORTED, err,
            "%.*s is compressed or encrypted, which torch.save() never does; save it again",
            shown(m), m->name);
    const size_t size = (size_t)zip->data_end; // nothing lies behind the directory's beginning
    if (m->local_offset > size || size - m->local_offset < 30 ||
        le(w->map.data + m->local_offset, 4) != 0x04034b50u)
        return at_weights_damaged(w, err, "%.*s is not where the zip directory says", shown(m),
                                  m->name);
    const uint8_t *h = w->map.data + m->local_offset;
    const uint64_t name = le(h + 26, 2), at = m->local_offset + 30 + name + le(h + 28, 2);
    if (at > size || name != m->name_len || memcmp(h + 30, m->name, name) != 0)
        return at_weights_damaged(w, err, "%.*s has another name in its own header", shown(m),
                                  m->name);
    if (at > size || m->size > size - at)
        return at_weights_damaged(w, err, "%.*s claims %llu bytes", shown(m), m->name,
                                  (unsigned long long)m->size);
    *offset = at;
    return AT_OK;
}
