/* cpu.h - a device of the CPU backend: threads, kernels, scratch memory for each worker. */
#ifndef AT_BACKEND_CPU_CPU_H
#define AT_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "kernels/kernels.h"

enum {
    AT_GROUP = 24,   // panels of weights that one chunk of a product takes at most
    AT_Q_BLOCK = 96, // query rows whose scores are in memory at once
};

typedef struct at_scratch {
    float *data;
    size_t floats;
} at_scratch;

struct at_device {
    const at_allocator *al;
    at_pool *pool;
    const at_kernels *kernels;
    int workers;
    at_scratch *scratch; // [workers]
};

/* At least `floats` of worker `w`'s scratch. Taken at open; more only where a model is larger than
 * any known, and then once. NULL: no memory. */
float *at_cpu_scratch(at_device *d, int w, size_t floats);

void at_cpu_linear(at_device *d, const at_linear_args *a);
void at_cpu_attention(at_device *d, const at_attention_args *a);
void at_cpu_norm(at_device *d, const at_norm_args *a);
void at_cpu_im2col(at_device *d, const at_im2col_args *a);
void at_cpu_depthwise(at_device *d, const at_depthwise_args *a);
void at_cpu_reweight(at_device *d, const at_reweight_args *a);
void at_cpu_mean(at_device *d, const at_mean_args *a);
void at_cpu_add(at_device *d, size_t n, const float *a, const float *b, float *y);

at_status at_cpu_pack(at_matrix *out, const void *w, at_dtype src, at_dtype dst, size_t n, size_t k,
                      at_pool *pool, const at_allocator *al, at_error *err);
void at_cpu_unpack(at_matrix *m, const at_allocator *al);

#endif
