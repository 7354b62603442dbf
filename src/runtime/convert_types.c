/* convert_types.c - which type a parameter is stored in, and the numbers that it becomes. */
#include "runtime/convert.h"

#include "base/element.h"
#include "base/half.h"

#include <math.h>

static const at_dtype wanted[] = {
    [AT_WEIGHTS_F32] = AT_F32, [AT_WEIGHTS_F16] = AT_F16,   [AT_WEIGHTS_BF16] = AT_BF16,
    [AT_WEIGHTS_INT8] = AT_I8, [AT_WEIGHTS_Q8_0] = AT_Q8_0, [AT_WEIGHTS_Q4_0] = AT_Q4_0,
};

at_dtype at_stored_type(const at_param *p, at_weight_type type, at_dtype source)
{
    const at_param_kind k = p->kind;
    const bool product = k == AT_PARAM_MATRIX || k == AT_PARAM_CONV || k == AT_PARAM_TRANSPOSED;
    const bool rows = k == AT_PARAM_ROWS || k == AT_PARAM_MIXED;
    if (!product && !rows) return AT_F32;
    uint64_t dims[4], depth = 1;
    const int n = at_param_stored(p, dims);
    for (int i = 1; i < n; i++)
        depth *= dims[i];
    const bool blocks = n > 1 && dims[n - 1] % AT_BLOCK == 0 && k != AT_PARAM_MIXED;
    if (type == AT_WEIGHTS_KEEP) {
        const bool keep = source == AT_F16 || source == AT_BF16 ||
                          (at_dtype_is_block(source) && blocks);
        return keep ? source : AT_F32;
    }
    const at_dtype to = wanted[type];
    switch (to) {
    case AT_I8: // tables are read, not multiplied: a step for 32 numbers costs nothing there
        if (rows) return blocks ? AT_Q8_0 : AT_F16;
        return n > 1 && k != AT_PARAM_TRANSPOSED && depth <= AT_MAX_BYTES_DEPTH ? AT_I8 : AT_F16;
    case AT_Q4_0: // what a table gives enters every layer behind it, and its reading costs nothing
        if (rows) return blocks ? AT_Q8_0 : AT_F16;
        return blocks ? to : AT_F16;
    case AT_Q8_0: return blocks ? to : AT_F16;
    default: return to;
    }
}

at_dtype at_vector_type(at_weight_type type, const at_weight *t)
{
    if (type < AT_WEIGHTS_INT8 || t->type > AT_F64) return AT_F32;
    const uint64_t n = t->bytes / at_dtype_size(t->type);
    double most = 0, lost = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double v = at_element(t->type, t->data, i);
        const double d = fabs((double)at_f32_of_f16(at_f16_of_f32((float)v)) - v);
        if (!isfinite(d)) return AT_F32;
        most = fmax(most, fabs(v));
        lost = fmax(lost, d);
    }
    return lost <= most * 0x1p-11 ? AT_F16 : AT_F32;
}

void at_bytes_encode(size_t rows, size_t k, const float *v, float *scales, int8_t *q)
{
    for (size_t r = 0; r < rows; r++, v += k, q += k) {
        float most = 0.0f;
        bool finite = true;
        for (size_t i = 0; i < k; i++) {
            finite = finite && isfinite(v[i]);
            most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
        }
        if (!finite || most < 1e-30f) most = 0.0f; // 127 / most is finite
        scales[r] = finite ? most / 127.0f : NAN;
        for (size_t i = 0; i < k; i++)
            q[i] = (int8_t)(most > 0.0f ? rintf(v[i] * (127.0f / most)) : 0.0f);
    }
}
