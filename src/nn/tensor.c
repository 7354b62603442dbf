/* tensor.c - views, arena tensors, the first failure, stages. */
#include "nn/nn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void at_exec_fail(at_exec *x, at_status status, const char *format, ...)
{
    if (x->status != AT_OK) return;
    x->status = status;
    if (!x->err) return;
    x->err->status = status;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(x->err->text, sizeof x->err->text, format, args);
    va_end(args);
}

at_tensor at_tensor_of(const float *data, int n_dims, const size_t *dims)
{
    // a tensor is read and written through one type; who may write is the caller's knowledge
    at_tensor t = {.data = (float *)(uintptr_t)data, .n_dims = n_dims};
    for (int i = 0; i < n_dims; i++)
        t.dims[i] = dims[i];
    t.ld = t.dims[n_dims - 1];
    return t;
}

at_tensor at_tensor_new(at_exec *x, int n_dims, const size_t *dims)
{
    at_tensor t = at_tensor_of(NULL, n_dims, dims);
    size_t bytes = sizeof(float);
    for (int i = 0; i < n_dims; i++) {
        if (!at_mul(bytes, dims[i], &bytes)) bytes = SIZE_MAX;
    }
    if (x->status == AT_OK) t.data = at_arena_push(&x->arena, bytes);
    if (!t.data) at_exec_fail(x, AT_E_OUT_OF_MEMORY, "the session's memory is used up");
    return t;
}

at_tensor at_columns(at_tensor t, size_t first, size_t count)
{
    if (t.data) t.data += first;
    t.dims[t.n_dims - 1] = count;
    return t;
}

at_tensor at_row_range(at_tensor t, size_t first, size_t count)
{
    at_tensor r = {.data = t.data ? t.data + first * t.ld : NULL,
                   .n_dims = 2,
                   .dims = {count, at_cols(t)},
                   .ld = t.ld};
    return r;
}

void at_stage(at_exec *x, at_tensor t, const char *format, ...)
{
    if (!x->observe || x->status != AT_OK || at_planning(x)) return;
    char name[96];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (t.ld != at_cols(t)) {
        at_exec_fail(x, AT_E_INTERNAL, "stage %s is not contiguous", name);
        return;
    }
    const at_status status = x->observe(x->observe_user, name, t.data, t.dims, t.n_dims);
    if (status != AT_OK) at_exec_fail(x, status, "the observer stopped at stage %s", name);
}
