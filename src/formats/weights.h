/* weights.h - a file of named tensors: GGUF v3, official .pth (zip), safetensors. One way to read
 * all three; nothing in a file is trusted, nothing in it is executed.
 *
 * A reader maps the file and gives pointers into the map. Every count, offset, length and product
 * is checked against the file's size before use; memory taken on a file's word is bounded. */
#ifndef AT_FORMATS_WEIGHTS_H
#define AT_FORMATS_WEIGHTS_H

#include "base/dtype.h"

typedef struct at_weights at_weights;

typedef struct at_weight {
    const char *name; // lives as long as the file; UTF-8
    at_dtype type;
    int n_dims;       // 0..8
    uint64_t dims[8]; // PyTorch order: dims[0] slowest. GGUF's reversed order is turned here
    uint64_t offset;  // of the first byte, from the start of the file
    uint64_t bytes;   // exactly what product(dims) of the type take, all inside the file
    const void *data; // contiguous, C order; may be unaligned (use memcpy or unaligned loads)
} at_weight;

/* Opens a file and finds its format by content. A directory with config.json and one *.safetensors
 * is not for here (convert looks inside). AT_E_NOT_FOUND, AT_E_MODEL_DAMAGED (truncated, absurd
 * counts), AT_E_MODEL_UNSUPPORTED (other format or version, names it), AT_E_UNSAFE_PICKLE. */
at_status at_weights_open(at_weights **out, const char *path, const at_allocator *al,
                          at_error *err);
/* GGUF in memory that outlives the at_weights (the model in the box). */
at_status at_weights_open_memory(at_weights **out, const void *data, size_t size, const char *name,
                                 const at_allocator *al, at_error *err);
void at_weights_close(at_weights *w); // NULL is fine

const char *at_weights_path(const at_weights *w);
const char *at_weights_format(const at_weights *w); // "gguf", "pth", "safetensors"
uint64_t at_weights_bytes(const at_weights *w);     // of the whole file
size_t at_weights_count(const at_weights *w);
const at_weight *at_weights_at(const at_weights *w, size_t i);           // in file order
const at_weight *at_weights_find(const at_weights *w, const char *name); // hashed; NULL
/* The tensor's pages will not be read soon (at_map_drop). */
void at_weights_drop(const at_weights *w, const at_weight *t);
/* They will be (at_map_need). */
void at_weights_need(const at_weights *w, const at_weight *t);

/* Metadata (GGUF key-values; safetensors' __metadata__ strings). */
typedef enum at_meta_type {
    AT_META_NONE,
    AT_META_U64,
    AT_META_I64,
    AT_META_F64,
    AT_META_BOOL,
    AT_META_STRING,
    AT_META_ARRAY
} at_meta_type;
typedef struct at_meta {
    const char *key;
    at_meta_type type;     // integers of all widths are U64/I64, floats F64
    const char *type_name; // as in the file: "u32", "f32", "string", "string[]", "f32[]"
    union {
        uint64_t u;
        int64_t i;
        double f;
        struct {
            const char *data; // NUL-terminated copy, lives as long as the file
            size_t len;
        } string;
        size_t array_len; // elements; read them with at_weights_strings / at_weights_floats
    } v;
} at_meta;
size_t at_weights_meta_count(const at_weights *w);
const at_meta *at_weights_meta_at(const at_weights *w, size_t i);
const at_meta *at_weights_meta(const at_weights *w, const char *key); // NULL if absent
/* Convenience: the value, or the fallback when absent or of another kind. */
const char *at_weights_str(const at_weights *w, const char *key, const char *fallback);
uint64_t at_weights_u64(const at_weights *w, const char *key, uint64_t fallback);
double at_weights_f64(const at_weights *w, const char *key, double fallback);
/* Arrays: pointers that live as long as the file; *n their length. NULL when absent or of another
 * type. Strings are NUL-terminated copies without inner NULs. Integers come as f32 never: use u64. */
const char *const *at_weights_strings(const at_weights *w, const char *key, size_t *n);
const float *at_weights_floats(const at_weights *w, const char *key, size_t *n);
const uint64_t *at_weights_ints(const at_weights *w, const char *key, size_t *n);

#endif
