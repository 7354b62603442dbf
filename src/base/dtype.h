/* dtype.h - element types of tensors in files and in memory. */
#ifndef AT_BASE_DTYPE_H
#define AT_BASE_DTYPE_H

#include "base/base.h"

typedef enum at_dtype {
    AT_F32,
    AT_F16,
    AT_BF16,
    AT_F64,
    AT_I64,
    AT_I32,
    AT_I16,
    AT_I8,
    AT_U8,
    AT_BOOL,
    AT_Q8_0, // blocks of 32 along the last dimension, as ggml has them: block.h
    AT_Q4_0,
    AT_DTYPES_ /* how many */
} at_dtype;

enum { AT_BLOCK = 32 };

static inline bool at_dtype_is_block(at_dtype t)
{
    return t == AT_Q8_0 || t == AT_Q4_0;
}
/* Bytes of an element; of a whole block where the type has blocks. */
static inline size_t at_dtype_size(at_dtype t)
{
    static const uint8_t size[AT_DTYPES_] = {4, 2, 2, 8, 8, 4, 2, 1, 1, 1, 34, 18};
    return size[t];
}
/* Bytes of n elements, whole blocks; that there are so few is the caller's to know. */
static inline uint64_t at_dtype_bytes(at_dtype t, uint64_t n)
{
    return (at_dtype_is_block(t) ? n / AT_BLOCK : n) * at_dtype_size(t);
}
static inline uint64_t at_dtype_elements(at_dtype t, uint64_t bytes)
{
    return bytes / at_dtype_size(t) * (at_dtype_is_block(t) ? AT_BLOCK : 1);
}
static inline const char *at_dtype_name(at_dtype t)
{
    static const char *const name[AT_DTYPES_] = {"f32", "f16", "bf16", "f64",  "i64",  "i32",
                                                 "i16", "i8",  "u8",   "bool", "q8_0", "q4_0"};
    return name[t];
}

#endif
