/* linear.c - Y = act(X W^T + b) + R, blocked after Goto and van de Geijn (Anatomy of High-Performance
 * Matrix Multiplication, 2008). W lies in panels of NR rows, [n / NR][k][NR], in its storage type. A
 * chunk is a block of X's rows (L2) against a group of panels; the depth is cut so that a panel stays in
 * L1. Depth blocks depend on k alone: the bits do not depend on threads, m or chunks. */
#include "backend/cpu/cpu.h"

#include <string.h>

static size_t panels_of(const at_kernels *k, size_t n) { return (n + k->nr - 1) / k->nr; }

/* --- packing ------------------------------------------------------------------------------------------ */

typedef struct packing {
    const at_kernels *kernels;
    const char *src;
    char *dst;
    at_dtype from, to;
    size_t n, k;
} packing;

static void pack_panel(void *ctx, size_t panel, int worker)
{
    (void)worker;
    const packing *p = ctx;
    const at_kernels *k = p->kernels;
    const size_t first = panel * k->nr, rows = at_min_size(k->nr, p->n - first), size = at_dtype_size(p->from);
    const char *src = p->src + first * p->k * size;
    char *dst = p->dst + panel * p->k * k->nr * at_dtype_size(p->to);
    (size == 4 ? k->pack_32 : k->pack_16)(p->k, rows, src, p->k, dst, k->nr);
}

at_status at_cpu_pack(at_matrix *out, const void *w, at_dtype src, at_dtype dst, size_t n, size_t k,
                      at_pool *pool, const at_allocator *al, at_error *err)
{
    const at_kernels *kernels = at_kernels_get();
    *out = (at_matrix){.n = n, .k = k, .type = dst};
    if (src != dst) return at_fail(err, AT_E_INTERNAL, "weights are converted when a model is made, not when it is packed");
    size_t elements;
    if (!at_mul(panels_of(kernels, n) * kernels->nr, k, &elements) || !at_mul(elements, at_dtype_size(dst), &out->bytes) ||
        !(out->data = at_alloc(al, out->bytes)))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for weights of %zu x %zu", n, k);
    packing p = {.kernels = kernels, .src = w, .dst = out->data, .from = src, .to = dst, .n = n, .k = k};
    at_pool_run(pool, panels_of(kernels, n), pack_panel, &p);
    return AT_OK;
}

void at_cpu_unpack(at_matrix *m, const at_allocator *al)
{
    at_free(al, m->data);
    m->data = NULL;
}

/* --- the product -------------------------------------------------------------------------------------- */

typedef struct product {
    at_device *d;
    const at_linear_args *a;
    size_t rows, row_blocks;     // of a chunk
    size_t group, groups;        // panels of a chunk
    size_t depth, depth_blocks;
} product;

static const at_end_act acts[] = {[AT_ACT_NONE] = AT_END_NONE, [AT_ACT_GELU] = AT_END_GELU,
                                  [AT_ACT_RELU] = AT_END_RELU, [AT_ACT_RELU6] = AT_END_RELU6};

/* `k` rows of a panel from `first` on, as float32: where they lie, or converted into `room`. */
static const float *panel_rows(const at_kernels *kn, const at_matrix *w, size_t panel, size_t first, size_t k, float *room)
{
    const size_t at = (panel * w->k + first) * kn->nr;
    if (w->type == AT_F32) return (const float *)w->data + at;
    (w->type == AT_F16 ? kn->f32_of_f16 : kn->f32_of_bf16)(k * kn->nr, (const char *)w->data + 2 * at, room);
    return room;
}

static void product_chunk(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    const at_linear_args *a = p->a;
    const at_kernels *kn = p->d->kernels;
    const size_t nr = kn->nr, row = chunk % p->row_blocks * p->rows, first = chunk / p->row_blocks * p->group;
    const size_t m = at_min_size(p->rows, a->m - row), last = at_min_size(first + p->group, panels_of(kn, a->w->n));
    float *room = p->d->scratch[worker].data, *partial = room + kn->kc * nr;
    for (size_t b = 0; b < p->depth_blocks; b++) {
        const size_t k0 = b * p->depth, k = at_min_size(p->depth, a->w->k - k0);
        for (size_t j = first; j < last; j++) {
            const size_t col = j * nr;
            at_gemm_panel g = {
                .m = m,
                .n = at_min_size(nr, a->w->n - col),
                .k = k,
                .a = a->x + row * a->ldx + k0,
                .lda = a->ldx,
                .b = panel_rows(kn, a->w, j, k0, k, room),
                .partial = partial + (j - first) * p->rows * nr,
                .first = b == 0,
                .last = b + 1 == p->depth_blocks,
                .y = a->y + row * a->ldy + col,
                .ldy = a->ldy,
                .bias = a->bias ? a->bias + col : NULL,
                .act = acts[a->act],
                .residual = a->residual ? a->residual + row * a->ld_residual + col : NULL,
                .ld_residual = a->ld_residual,
            };
            kn->gemm_panel(&g);
        }
    }
}

void at_cpu_linear(at_device *d, const at_linear_args *a)
{
    const at_kernels *kn = d->kernels;
    const size_t panels = panels_of(kn, a->w->n), workers = (size_t)d->workers;
    if (a->m == 0 || panels == 0) return;
    product p = {.d = d, .a = a};
    p.depth_blocks = (a->w->k + kn->kc - 1) / kn->kc;
    p.depth = at_round_up((a->w->k + p.depth_blocks - 1) / p.depth_blocks, 8);
    p.row_blocks = (a->m + kn->mc - 1) / kn->mc;
    p.rows = at_min_size(kn->mc, at_round_up((a->m + p.row_blocks - 1) / p.row_blocks, kn->mr));
    p.row_blocks = (a->m + p.rows - 1) / p.rows;
    p.groups = (panels + AT_GROUP - 1) / AT_GROUP;
    while (workers > 1 && p.groups * p.row_blocks < 4 * workers && p.groups < panels) p.groups *= 2; // all have work
    p.groups = at_min_size(p.groups, panels);
    p.group = (panels + p.groups - 1) / p.groups;
    p.groups = (panels + p.group - 1) / p.group;
    at_pool_run(d->pool, p.row_blocks * p.groups, product_chunk, &p);
}
