/* peer_dnnl.c - oneDNN matmul with the weights in the layout it asks for. */
#include "products.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

typedef struct call {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t matmul;
    dnnl_memory_t x, w, y;
} call;

static void threads(int n)
{
    omp_set_num_threads(n);
}

static dnnl_memory_desc_t matrix(size_t rows, size_t cols, dnnl_data_type_t type,
                                 dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d;
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    dnnl_memory_desc_init_by_tag(&d, 2, dims, type, tag);
    return d;
}

static void reorder(call *c, dnnl_memory_t from, dnnl_memory_t to, const dnnl_memory_desc_t *a,
                    const dnnl_memory_desc_t *b)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    dnnl_reorder_primitive_desc_create(&pd, a, c->engine, b, c->engine, NULL);
    dnnl_primitive_create(&p, pd);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_primitive_execute(p, c->stream, 2, args);
    dnnl_stream_wait(c->stream);
    dnnl_primitive_destroy(p);
    dnnl_primitive_desc_destroy(pd);
}

static void *prepare(size_t m, size_t n, size_t k, at_dtype dtype, const void *x, const void *w,
                     float *y)
{
    const dnnl_data_type_t type = dtype == AT_F32    ? dnnl_f32
                                  : dtype == AT_BF16 ? dnnl_bf16
                                                     : dnnl_s8;
    call *c = calloc(1, sizeof *c);
    if (!c || dnnl_engine_create(&c->engine, dnnl_cpu, 0) != dnnl_success) return NULL;
    dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags);
    const dnnl_memory_desc_t xd = matrix(m, k, type, dnnl_ab), yd = matrix(m, n, dnnl_f32, dnnl_ab);
    const dnnl_memory_desc_t any = matrix(k, n, type, dnnl_format_tag_any),
                             plain = matrix(k, n, type, dnnl_ba);
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    dnnl_matmul_desc_init(&d, &xd, &any, NULL, &yd);
    if (dnnl_primitive_desc_create(&pd, &d, NULL, c->engine, NULL) != dnnl_success) return NULL;
    const dnnl_memory_desc_t *wd = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    union { // the C interface has no const
        const void *in;
        void *out;
    } from_x = {.in = x}, from_w = {.in = w};
    dnnl_memory_t given;
    dnnl_memory_create(&c->x, &xd, c->engine, from_x.out);
    dnnl_memory_create(&c->y, &yd, c->engine, y);
    dnnl_memory_create(&given, &plain, c->engine, from_w.out);
    dnnl_memory_create(&c->w, wd, c->engine, DNNL_MEMORY_ALLOCATE);
    reorder(c, given, c->w, &plain, wd);
    dnnl_memory_destroy(given);
    dnnl_primitive_create(&c->matmul, pd);
    dnnl_primitive_desc_destroy(pd);
    return c;
}

static void run(void *p)
{
    call *c = p;
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, c->x}, {DNNL_ARG_WEIGHTS, c->w}, {DNNL_ARG_DST, c->y}};
    dnnl_primitive_execute(c->matmul, c->stream, 3, args);
    dnnl_stream_wait(c->stream);
}

static void finish(void *p)
{
    call *c = p;
    dnnl_primitive_destroy(c->matmul);
    dnnl_memory_destroy(c->x);
    dnnl_memory_destroy(c->w);
    dnnl_memory_destroy(c->y);
    dnnl_stream_destroy(c->stream);
    dnnl_engine_destroy(c->engine);
    free(c);
}

const peer peer_dnnl = {"oneDNN", threads, prepare, run, finish};
