/* make_files.h - weight files by hand, byte for byte, right ones and wrong ones, so that the tests of
 * the readers need neither Python nor a file of somebody else. */
#ifndef AT_TESTS_MAKE_FILES_H
#define AT_TESTS_MAKE_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    uint8_t *data;
    size_t len, cap;
} bytes;

static inline void put(bytes *b, const void *data, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = 2 * (b->len + n) + 64;
        b->data = realloc(b->data, b->cap);
    }
    if (n) memcpy(b->data + b->len, data, n);
    b->len += n;
}
static inline void put_le(bytes *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        put(b, &(uint8_t){(uint8_t)(i < 8 ? v >> (8 * i) : 0)}, 1);
}
static inline void put_text(bytes *b, const char *text)
{
    put(b, text, strlen(text));
}
static inline void put_pad(bytes *b, size_t step)
{
    while (b->len % step)
        put(b, "", 1);
}
static inline void drop(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

/* --- GGUF ------------------------------------------------------------------------------------------ */

static inline void gguf_head(bytes *b, uint32_t version, uint64_t tensors, uint64_t keys)
{
    put_text(b, "GGUF");
    put_le(b, version, 4);
    put_le(b, tensors, 8);
    put_le(b, keys, 8);
}
static inline void gguf_text(bytes *b, const char *text)
{
    put_le(b, strlen(text), 8);
    put_text(b, text);
}
static inline void gguf_key_u32(bytes *b, const char *key, uint32_t v)
{
    gguf_text(b, key);
    put_le(b, 4, 4);
    put_le(b, v, 4);
}
static inline void gguf_key_str(bytes *b, const char *key, const char *v)
{
    gguf_text(b, key);
    put_le(b, 8, 4);
    gguf_text(b, v);
}
/* dims as in the file: fastest first */
static inline void gguf_tensor(bytes *b, const char *name, int n_dims, const uint64_t *dims,
                               uint32_t type, uint64_t offset)
{
    gguf_text(b, name);
    put_le(b, (uint64_t)n_dims, 4);
    for (int i = 0; i < n_dims; i++)
        put_le(b, dims[i], 8);
    put_le(b, type, 4);
    put_le(b, offset, 8);
}

/* --- pickle, protocol 2, as torch.save writes it --------------------------------------------------- */

static inline void pk_op(bytes *b, const char *ops)
{
    put_text(b, ops);
}
static inline void pk_proto(bytes *b)
{
    put(b, "\x80\x02", 2);
}
static inline void pk_str(bytes *b, const char *text)
{
    put_text(b, "X");
    put_le(b, strlen(text), 4);
    put_text(b, text);
}
static inline void pk_int(bytes *b, int32_t v)
{
    put_text(b, "J");
    put_le(b, (uint32_t)v, 4);
}
static inline void pk_long(bytes *b, int64_t v)
{
    put(b, "\x8a\x08", 2);
    put_le(b, (uint64_t)v, 8);
}
static inline void pk_global(bytes *b, const char *module, const char *name)
{
    put_text(b, "c");
    put_text(b, module);
    put_text(b, "\n");
    put_text(b, name);
    put_text(b, "\n");
}
static inline void pk_ints(bytes *b, int n, const int64_t *v)
{
    put_text(b, "(");
    for (int i = 0; i < n; i++)
        pk_long(b, v[i]);
    put_text(b, "t");
}
/* ('storage', torch.<type>, key, 'cpu', numel) and BINPERSID */
static inline void pk_storage(bytes *b, const char *type, const char *key, int64_t numel)
{
    pk_op(b, "(");
    pk_str(b, "storage");
    pk_global(b, "torch", type);
    pk_str(b, key);
    pk_str(b, "cpu");
    pk_long(b, numel);
    pk_op(b, "tQ");
}
static inline void pk_tensor(bytes *b, const char *type, const char *key, int64_t numel,
                             int64_t offset, int n, const int64_t *size, const int64_t *stride)
{
    pk_global(b, "torch._utils", "_rebuild_tensor_v2");
    pk_op(b, "(");
    pk_storage(b, type, key, numel);
    pk_long(b, offset);
    pk_ints(b, n, size);
    pk_ints(b, n, stride);
    put(b, "\x89", 1); // requires_grad False
    pk_global(b, "collections", "OrderedDict");
    pk_op(b, ")RtR"); // backward hooks, then the call itself
}
static inline void pk_ordered_dict(bytes *b)
{
    pk_global(b, "collections", "OrderedDict");
    pk_op(b, ")R");
}

/* --- zip, stored, as torch's writer lays it out ---------------------------------------------------- */

typedef struct zip_file {
    bytes out, directory;
    unsigned n;
    uint16_t method; // of the next members
    int zip64;       // sizes and offset of the next members go to the extra field
} zip_file;

static inline void zip_add(zip_file *z, const char *name, const void *data, size_t size)
{
    const size_t offset = z->out.len, name_len = strlen(name);
    const size_t head = offset + 30 + name_len + 4, pad = (64 - head % 64) % 64;
    put(&z->out, "PK\3\4\x14\0\x08\x08", 8);
    put_le(&z->out, z->method, 2);
    put_le(&z->out, 0, 4 + 4); // time, date, CRC (in the descriptor)
    put_le(&z->out, 0, 8);     // sizes, likewise
    put_le(&z->out, name_len, 2);
    put_le(&z->out, 4 + pad, 2);
    put_text(&z->out, name);
    put_text(&z->out, "FB");
    put_le(&z->out, pad, 2);
    for (size_t i = 0; i < pad; i++)
        put_text(&z->out, "Z");
    put(&z->out, data, size);
    put(&z->out, "PK\7\10", 4); // data descriptor
    put_le(&z->out, 0, 4);
    put_le(&z->out, size, 4);
    put_le(&z->out, size, 4);

    bytes *d = &z->directory;
    put(d, "PK\1\2\0\0\x14\0\x08\x08", 10);
    put_le(d, z->method, 2);
    put_le(d, 0, 8);
    put_le(d, z->zip64 ? 0xffffffff : size, 4);
    put_le(d, z->zip64 ? 0xffffffff : size, 4);
    put_le(d, name_len, 2);
    put_le(d, z->zip64 ? 28 : 0, 2);
    put_le(d, 0, 2 + 2 + 2 + 4);
    put_le(d, z->zip64 ? 0xffffffff : offset, 4);
    put_text(d, name);
    if (z->zip64) {
        put_le(d, 1, 2);
        put_le(d, 24, 2);
        put_le(d, size, 8);
        put_le(d, size, 8);
        put_le(d, offset, 8);
    }
    z->n++;
}
/* The directory and its end; the whole file is in z->out. */
static inline void zip_end(zip_file *z)
{
    const size_t at = z->out.len;
    put(&z->out, z->directory.data, z->directory.len);
    if (z->zip64) {
        const size_t end64 = z->out.len;
        put(&z->out, "PK\6\6", 4);
        put_le(&z->out, 44, 8);
        put_le(&z->out, 0x1e001e, 4);
        put_le(&z->out, 0, 8);
        put_le(&z->out, z->n, 8);
        put_le(&z->out, z->n, 8);
        put_le(&z->out, z->directory.len, 8);
        put_le(&z->out, at, 8);
        put(&z->out, "PK\6\7", 4);
        put_le(&z->out, 0, 4);
        put_le(&z->out, end64, 8);
        put_le(&z->out, 1, 4);
    }
    put(&z->out, "PK\5\6\0\0\0\0", 8);
    put_le(&z->out, z->zip64 ? 0xffff : z->n, 2);
    put_le(&z->out, z->zip64 ? 0xffff : z->n, 2);
    put_le(&z->out, z->zip64 ? 0xffffffff : z->directory.len, 4);
    put_le(&z->out, z->zip64 ? 0xffffffff : at, 4);
    put_le(&z->out, 0, 2);
    drop(&z->directory);
}

#endif
