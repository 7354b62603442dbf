/* weights_file.h - what the three readers share: the file, the list of tensors, its index, memory. */
#ifndef AT_FORMATS_WEIGHTS_FILE_H
#define AT_FORMATS_WEIGHTS_FILE_H

#include "base/map.h"
#include "formats/weights.h"

enum { AT_MAX_TENSORS = 1 << 20, AT_MAX_NAME = 65535 };

/* What a file's list may take in memory: names, metadata, pickle. An official checkpoint
 * with its optimizer takes a hundredth of it. */
static const size_t AT_LIST_LIMIT = (size_t)256 << 20;

typedef struct at_memory at_memory; // blocks of memory that live as long as the file

/* A metadata value with its arrays turned into C types. */
typedef struct at_meta_entry {
    at_meta meta;
    const char *const *strings; // of a string array
    const float *floats;        // of an f32 or f64 array
    const uint64_t *ints;       // of an array of integers without negative ones
} at_meta_entry;

struct at_weights {
    const at_allocator *al;
    at_map map;
    char *path;
    const char *format;
    at_weight *items;
    size_t n, cap;
    uint32_t *slots; // hash index: item + 1, 0 free
    size_t mask;
    at_meta_entry *metas;
    size_t n_metas, cap_metas;
    at_memory *memory;
    size_t block_left; // bytes free at the end of the newest block
    size_t taken;      // by all blocks
    size_t copied;     // bytes of tensors that were put in order
    uint64_t seed;     // of the hash: nobody can prepare names that all fall on one slot
};

typedef struct at_reader { // a place in the file; reading past `end` fails and stays failed
    const uint8_t *at, *end;
    bool failed;
} at_reader;

/* Memory freed with the file, 16-byte aligned; NULL when there is none or the file takes more than
 * AT_LIST_LIMIT; at_weights_no_memory() says which. */
void *at_weights_alloc(at_weights *w, size_t size);
/* The same for a tensor's bytes; all copies together may be as large as the file, no larger. */
void *at_weights_alloc_copy(at_weights *w, size_t size);
char *at_weights_text(at_weights *w, const void *data, size_t len); // a NUL-terminated copy
at_status at_weights_no_memory(const at_weights *w, at_error *err);
/* "<path>: <text>", and what to do. Names from the file may stand in the text as they are: what is not
 * printable is shown as '?'. */
at_status at_weights_damaged(const at_weights *w, at_error *err, const char *format, ...)
    AT_PRINTF(3, 4);
at_status at_weights_fail(const at_weights *w, at_status status, at_error *err, const char *format,
                          ...) AT_PRINTF(4, 5);
bool at_weights_is_utf8(const void *data, size_t len); // and without a NUL

/* Adds a tensor whose data lies at `offset` of the file (or at `data`, when not NULL, for one that was
 * made contiguous); checks dims, bytes and range. Names must be unique; the index is made at the end. */
at_status at_weights_add(at_weights *w, const char *name, at_dtype type, int n_dims,
                         const uint64_t *dims, uint64_t offset, const void *data, at_error *err);
at_status at_weights_index(at_weights *w, at_error *err);
/* No two tensors share a byte (ties in a .pth may; the others have one place a tensor). */
at_status at_weights_check_overlap(const at_weights *w, at_error *err);
at_meta_entry *at_weights_meta_new(at_weights *w); // zeroed; NULL: no memory

at_status at_read_gguf(at_weights *w, at_error *err);
at_status at_read_safetensors(at_weights *w, at_error *err);
at_status at_read_pth(at_weights *w, at_error *err);
at_status at_read_pth_legacy(at_weights *w, at_error *err);

static inline const uint8_t *at_take(at_reader *r, uint64_t size)
{
    if (r->failed || size > (uint64_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += size;
    return p;
}
static inline uint64_t at_take_le(at_reader *r, int bytes)
{
    const uint8_t *p = at_take(r, (uint64_t)bytes);
    uint64_t v = 0;
    for (int i = 0; p && i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

#endif
