/* gguf_write.h - writes a GGUF v3 file as a stream: first the keys, then the list of tensors, then
 * their bytes in the same order. The file, where links of PATH lead, is named .part until it is whole.
 *
 * Errors stick: the first one is kept and given by at_gguf_finish(); later calls do nothing. */
#ifndef AT_FORMATS_GGUF_WRITE_H
#define AT_FORMATS_GGUF_WRITE_H

#include "base/dtype.h"

typedef struct at_gguf_writer at_gguf_writer;

at_status at_gguf_create(at_gguf_writer **out, const char *path, const at_allocator *al,
                         at_error *err);
/* Tensors begin at multiples of 64 bytes, not of 32; before the first is announced. */
void at_gguf_align_64(at_gguf_writer *g);
void at_gguf_str(at_gguf_writer *g, const char *key, const char *value);
void at_gguf_u32(at_gguf_writer *g, const char *key, uint32_t value);
void at_gguf_f32(at_gguf_writer *g, const char *key, float value);
void at_gguf_bool(at_gguf_writer *g, const char *key, bool value);
void at_gguf_strings(at_gguf_writer *g, const char *key, const char *const *values, size_t n);
void at_gguf_floats(at_gguf_writer *g, const char *key, const float *values, size_t n);
void at_gguf_u32s(at_gguf_writer *g, const char *key, const uint32_t *values, size_t n);
/* Announces a tensor; dims in PyTorch order, at most 4; f32, f16, bf16, i8, q8_0, q4_0 only; name <= 63 bytes. */
void at_gguf_tensor(at_gguf_writer *g, const char *name, at_dtype type, const uint64_t *dims,
                    int n_dims);
/* Bytes of the announced tensors, in order, in pieces of any size; written pages are handed to the
 * disk and dropped from the page cache's dirty set as we go, so that memory stays small. */
void at_gguf_data(at_gguf_writer *g, const void *data, size_t bytes);
/* A string value of fixed length whose content is known only at the end (the source's SHA-256):
 * announce with at_gguf_str() and a value of the same length, then patch before finishing. */
void at_gguf_patch_str(at_gguf_writer *g, const char *key, const char *value);
/* Checks that every announced byte came, syncs, renames. AT_E_OUTPUT_FAILED, AT_E_DISK_FULL; the
 * .part file is removed on failure. Frees the writer either way. */
at_status at_gguf_finish(at_gguf_writer *g, at_error *err);
void at_gguf_abandon(at_gguf_writer *g); // removes the .part file, frees; NULL is fine

#endif
