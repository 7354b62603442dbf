/* peer_openblas.c - OpenBLAS sgemm: the weights as PyTorch has them, [N, K], transposed by the call. */
#include "products.h"

#include <cblas.h>
#include <stdlib.h>

typedef struct call {
    size_t m, n, k;
    const float *x, *w;
    float *y;
} call;

static void threads(int n)
{
    openblas_set_num_threads(n);
}

static void *prepare(size_t m, size_t n, size_t k, at_dtype type, const void *x, const void *w,
                     float *y)
{
    call *c = type == AT_F32 ? malloc(sizeof *c) : NULL;
    if (c) *c = (call){m, n, k, x, w, y};
    return c;
}

static void run(void *p)
{
    const call *c = p;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)c->m, (int)c->n, (int)c->k, 1.0f,
                c->x, (int)c->k, c->w, (int)c->k, 0.0f, c->y, (int)c->n);
}

const peer peer_openblas = {"OpenBLAS", threads, prepare, run, free};
