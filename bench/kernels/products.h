/* products.h - Y[M,N] = X[M,K] W[N,K]^T on the models' own shapes: ours beside OpenBLAS and oneDNN. */
#ifndef BENCH_KERNELS_PRODUCTS_H
#define BENCH_KERNELS_PRODUCTS_H

#include <stddef.h>

/* Prints the table for `threads` threads; `only` picks shapes whose name begins so, or NULL. */
int bench_products(int threads, const char *only);

/* A peer is prepared once a shape (weights packed as it likes best) and then run. */
typedef struct peer {
    const char *name;
    void (*threads)(int n); // once, before all
    void *(*prepare)(size_t m, size_t n, size_t k, const float *x, const float *w, float *y);
    void (*run)(void *p);
    void (*finish)(void *p);
} peer;
extern const peer peer_openblas, peer_dnnl;

#endif
