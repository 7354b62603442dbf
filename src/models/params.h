/* params.h - the parameters of a network, told once: our name, the official name, the shape, the
 * field. Loading and converting are two visitors of the same telling. */
#ifndef AT_MODELS_PARAMS_H
#define AT_MODELS_PARAMS_H

#include "models/config.h"
#include "nn/nn.h"

typedef enum at_param_kind {
    AT_PARAM_MATRIX,     // [n, k], packed into at_matrix; the file's weight type
    AT_PARAM_VECTOR,     // any shape, const float *; f16 beside quantised matrices, else f32
    AT_PARAM_BIAS_TABLE, // [(2w-1)^2, heads], const float *; resized at conversion if need be
    AT_PARAM_CONV, // official [out, in, kh, kw] -> ours [out, kh, kw, in], at_matrix [out, kh*kw*in]
    AT_PARAM_DEPTHWISE,  // official [c, 1, kh, kw] -> ours [kh, kw, c], as a VECTOR
    AT_PARAM_TRANSPOSED, // official [k, n], used as x P -> ours [n, k], at_matrix
    AT_PARAM_ROWS,       // [n, k], at_rows_view into the file; the file's weight type
    AT_PARAM_MIXED,      // the same, read whole by a re-weighting: plain floats only
    AT_PARAM_TIED,       // the rows of that name once more, packed: at_matrix
} at_param_kind;

typedef struct at_param {
    const char *name;     // ours, at most 63 bytes
    const char *official; // key in an official state dict
    at_param_kind kind;
    int n_dims;
    uint64_t dims[4]; // official order and shape
    void *field;      // by kind: at_matrix *, const float **, at_rows_view *
} at_param;

typedef struct at_params at_params;
struct at_params {
    void (*visit)(at_params *self, const at_param *p);
    at_status status; // the first failure; visits after it do nothing
    at_error *err;
    char name[96], official[160]; // the scope that the next parameters lie in
    bool texts;                   // those of at_network_type.text_params
};

/* Scopes: "s%d.b%d." beside "layers.%d.blocks.%d.", both printed with the same numbers. */
typedef struct at_scope {
    size_t name, official;
} at_scope;
at_scope at_scope_enter(at_params *p, const char *name, const char *official, ...);
void at_scope_leave(at_params *p, at_scope scope);

void at_param_visit(at_params *p, at_param_kind kind, void *field, const char *name,
                    const char *official, int n_dims, const uint64_t *dims);
/* weight [n, k] and, if `bias`, bias [n]; names get ".w" / ".weight" and ".b" / ".bias". */
void at_param_linear(at_params *p, at_linear *l, const char *name, const char *official, size_t n,
                     size_t k, bool bias);
void at_param_norm(at_params *p, at_norm *norm, const char *name, const char *official, size_t n,
                   float eps);

/* The shape a parameter has in our files (convolutions with the channel last); returns n_dims. */
int at_param_stored(const at_param *p, uint64_t dims[4]);
/* Its field is an at_matrix. */
bool at_param_is_matrix(const at_param *p);
/* "[192,3,4,4]" for messages. */
const char *at_shape_text(char *text, size_t cap, const uint64_t *dims, int n);

#endif
