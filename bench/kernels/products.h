/* products.h - Y[M,N] = X[M,K] W[N,K]^T on the models' own shapes, in f32, bf16 and int8: ours beside
 * OpenBLAS and oneDNN. */
#ifndef BENCH_KERNELS_PRODUCTS_H
#define BENCH_KERNELS_PRODUCTS_H

#include "base/dtype.h"

/* Prints the table for `threads` threads; `only` picks shapes whose name begins so, or NULL. */
int bench_products(int threads, const char *only);

/* A peer is prepared once a shape (weights packed as it likes best) and then run. x and w are of `type`:
 * AT_F32, AT_BF16 or AT_I8; ours narrows x from f32 itself, peers get it narrowed. y is f32. */
typedef struct peer {
    const char *name;
    void (*threads)(int n); // once, before all
    void *(*prepare)(size_t m, size_t n, size_t k, at_dtype type, const void *x, const void *w,
                     float *y); // NULL: not that type
    void (*run)(void *p);
    void (*finish)(void *p);
} peer;
extern const peer peer_openblas, peer_dnnl;

#endif
