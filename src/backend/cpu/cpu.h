/* cpu.h - a device of the CPU backend: threads, kernels, scratch memory for each worker. */
#ifndef AT_BACKEND_CPU_CPU_H
#define AT_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "kernels/kernels.h"

enum {
    AT_GROUP = 24,      // panels of weights that one chunk of a product takes at most,
    AT_GROUP_LEAST = 4, // and at least, when there is too little work for all threads
    AT_ROWS_LEAST = 24, // rows of such a chunk
    AT_CHUNKS_A_WORKER =
        3,            // so that a thread that lost its core for a while is not waited for long
    AT_ROW_PAD = 16,  // floats between copied rows: they do not fall on each other in the cache
    AT_Q_FEW = 8,     // query rows that read kept keys where they lie
    AT_Q_RANGE = 192, // query rows of a chunk at most
};

typedef struct at_scratch {
    float *data;
} at_scratch;

struct at_device {
    at_allocator al;
    at_pool *pool;
    const at_kernels *kernels;
    int workers;
    at_scratch *scratch; // [workers]
    float *seven;        // of all workers, linear_seven.c
    char *rooms;         // [workers] of rows that linear_narrow.c narrows
};

/* What becomes of the product's rows from `row` on, columns from `col` on. */
at_gemm_end at_cpu_end(const at_linear_args *a, size_t row, size_t col);
void at_cpu_linear(at_device *d, const at_linear_args *a);
/* False: not worth it, nothing was done. */
bool at_cpu_linear_seven(at_device *d, const at_linear_args *a);
void at_cpu_linear_narrow(at_device *d,
                          const at_linear_args *a); // of AT_I8 or narrow, nothing empty
void at_cpu_attention(at_device *d, const at_attention_args *a);
void at_cpu_norm(at_device *d, const at_norm_args *a);
/* Row r of it into y; `row`, which may be y, is room for a row of AT_MAX_ROW. */
void at_cpu_norm_row(const at_kernels *kn, const at_norm_args *a, size_t r, float *row, float *y);
void at_cpu_im2col(at_device *d, const at_im2col_args *a);
void at_cpu_depthwise(at_device *d, const at_depthwise_args *a);
void at_cpu_reweight(at_device *d, const at_reweight_args *a);
void at_cpu_mean(at_device *d, const at_mean_args *a);
void at_cpu_row_dots(at_device *d, const at_row_dots_args *a);
void at_cpu_add(at_device *d, size_t n, const float *a, const float *b, float *y);

/* Scratch a worker needs for any op within the limits of backend.h. */
size_t at_cpu_linear_floats(const at_kernels *kn);
size_t at_cpu_seven_floats(const at_kernels *kn);
size_t at_cpu_seven_shared_floats(const at_kernels *kn); // and all of them together
size_t at_cpu_attention_floats(void);
size_t at_cpu_narrow_bytes(const at_kernels *kn); // and of rooms

at_status at_cpu_pack(at_matrix *out, const void *w, at_dtype src, at_dtype dst, size_t n, size_t k,
                      at_pool *pool, const at_allocator *al, at_error *err);
at_status at_cpu_pack_s8(at_matrix *out, const int8_t *w, const void *scales, size_t n, size_t k,
                         at_pool *pool, const at_allocator *al, at_error *err);
bool at_cpu_computes_bf16(void);
at_status at_cpu_pack_bf16(at_matrix *out, const void *w, at_dtype src, size_t n, size_t k,
                           at_pool *pool, const at_allocator *al, at_error *err);
at_status at_cpu_peak(at_pool *pool, const at_allocator *al, at_peak *out, at_error *err);
void at_cpu_unpack(at_matrix *m, const at_allocator *al);
void at_cpu_layout(char text[AT_LAYOUT_TEXT]);
void at_cpu_panels(at_dtype type, size_t n, size_t k, uint64_t dims[2]);

#endif
