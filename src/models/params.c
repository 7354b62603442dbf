/* params.c - names are built from a scope, so that a network tells each layer once. */
#include "models/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t append(char *text, size_t cap, const char *format, va_list args)
{
    const size_t len = strlen(text);
    (void)vsnprintf(text + len, cap - len, format, args);
    return len;
}

at_scope at_scope_enter(at_params *p, const char *name, const char *official, ...)
{
    at_scope scope;
    va_list args;
    va_start(args, official);
    va_list again;
    va_copy(again, args);
    // the formats are literals of this folder; vsnprintf sees them one call away
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    scope.name = append(p->name, sizeof p->name, name, args);
    scope.official = append(p->official, sizeof p->official, official, again);
#pragma GCC diagnostic pop
    va_end(again);
    va_end(args);
    return scope;
}

void at_scope_leave(at_params *p, at_scope scope)
{
    p->name[scope.name] = 0;
    p->official[scope.official] = 0;
}

void at_param_visit(at_params *p, at_param_kind kind, void *field, const char *name,
                    const char *official, int n_dims, const uint64_t *dims)
{
    if (p->status != AT_OK) return;
    const at_scope scope = at_scope_enter(p, name, official);
    at_param param = {
        .name = p->name, .official = p->official, .kind = kind, .n_dims = n_dims, .field = field};
    memcpy(param.dims, dims, sizeof *dims * (size_t)n_dims);
    if (strlen(p->name) > 63)
        p->status = at_fail(p->err, AT_E_INTERNAL, "the name %s is longer than 63 bytes", p->name);
    else
        p->visit(p, &param);
    at_scope_leave(p, scope);
}

void at_param_linear(at_params *p, at_linear *l, const char *name, const char *official, size_t n,
                     size_t k, bool bias)
{
    const at_scope scope = at_scope_enter(p, name, official);
    at_param_visit(p, AT_PARAM_MATRIX, &l->w, ".w", ".weight", 2, (const uint64_t[]){n, k});
    if (bias) at_param_visit(p, AT_PARAM_VECTOR, &l->bias, ".b", ".bias", 1, (const uint64_t[]){n});
    at_scope_leave(p, scope);
}

void at_param_norm(at_params *p, at_norm *norm, const char *name, const char *official, size_t n,
                   float eps)
{
    norm->n = n;
    norm->eps = eps;
    const at_scope scope = at_scope_enter(p, name, official);
    at_param_visit(p, AT_PARAM_VECTOR, &norm->gamma, ".w", ".weight", 1, (const uint64_t[]){n});
    at_param_visit(p, AT_PARAM_VECTOR, &norm->beta, ".b", ".bias", 1, (const uint64_t[]){n});
    at_scope_leave(p, scope);
}

int at_param_stored(const at_param *p, uint64_t dims[4])
{
    memcpy(dims, p->dims, sizeof p->dims);
    switch (p->kind) {
    case AT_PARAM_CONV:
        dims[1] = p->dims[2];
        dims[2] = p->dims[3];
        dims[3] = p->dims[1];
        return 4;
    case AT_PARAM_TRANSPOSED:
        dims[0] = p->dims[1];
        dims[1] = p->dims[0];
        return 2;
    case AT_PARAM_DEPTHWISE:
        dims[0] = p->dims[2];
        dims[1] = p->dims[3];
        dims[2] = p->dims[0];
        return 3;
    default:
        if (p->n_dims) return p->n_dims;
        dims[0] = 1; // a scalar
        return 1;
    }
}

bool at_param_is_matrix(const at_param *p)
{
    return p->kind == AT_PARAM_MATRIX || p->kind == AT_PARAM_TIED ||
           p->kind == AT_PARAM_TRANSPOSED || p->kind == AT_PARAM_CONV;
}

const char *at_shape_text(char *text, size_t cap, const uint64_t *dims, int n)
{
    size_t len = (size_t)snprintf(text, cap, "[");
    for (int i = 0; i < n && len < cap; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s%llu", i ? "," : "",
                                (unsigned long long)dims[i]);
    if (len < cap) (void)snprintf(text + len, cap - len, "]");
    return text;
}
