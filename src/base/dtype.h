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
    AT_DTYPES_ /* how many */
} at_dtype;

static inline size_t at_dtype_size(at_dtype t)
{
    static const uint8_t size[AT_DTYPES_] = {4, 2, 2, 8, 8, 4, 2, 1, 1, 1};
    return size[t];
}
static inline const char *at_dtype_name(at_dtype t)
{
    static const char *const name[AT_DTYPES_] = {"f32", "f16", "bf16", "f64", "i64",
                                                 "i32", "i16", "i8",   "u8",  "bool"};
    return name[t];
}

#endif
