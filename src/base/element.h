/* element.h - one number of any element type, anywhere in memory. Kernels convert many (src/kernels). */
#ifndef AT_BASE_ELEMENT_H
#define AT_BASE_ELEMENT_H

#include "base/block.h"
#include "base/half.h"

/* In double; `data` may be unaligned. 64-bit integers round. */
static inline double at_element(at_dtype type, const void *data, size_t i)
{
    union {
        float f32;
        double f64;
        uint16_t u16;
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        uint8_t u8;
    } v;
    if (at_dtype_is_block(type)) return (double)at_block_element(type, data, i);
    const size_t size = at_dtype_size(type);
    memcpy(&v, (const char *)data + i * size, size);
    switch (type) {
    case AT_F32: return (double)v.f32;
    case AT_F16: return (double)at_f32_of_f16(v.u16);
    case AT_BF16: return (double)at_f32_of_bf16(v.u16);
    case AT_F64: return v.f64;
    case AT_I64: return (double)v.i64;
    case AT_I32: return (double)v.i32;
    case AT_I16: return (double)v.i16;
    case AT_I8: return (double)v.i8;
    default: return (double)v.u8;
    }
}

#endif
