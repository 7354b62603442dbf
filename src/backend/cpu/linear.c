/* linear.c - Y = act(X W^T + b) + R, blocked after Goto and van de Geijn (Anatomy of High-Performance
 * Matrix Multiplication, 2008). A chunk is a block of X's rows against a group of W's panels (pack.c):
 *
 *   for each block of the depth          one fixed cut of K: the order of the sum depends on K alone
 *     for each panel of the group
 *       gemm_panel: all rows             the panel's block in L1, the rows in L2; the next is fetched
 *
 * X is read where it lies unless its rows would fall on each other in the cache. The bits depend neither
 * on threads nor on m nor on how the work is cut into chunks. Few rows wait for W alone: gemm_rows. */
#include "backend/cpu/cpu.h"

#include <string.h>

typedef struct product {
    const at_linear_args *a;
    const at_kernels *kn;
    const at_scratch *scratch;
    size_t rows, row_blocks; // of a chunk
    size_t group, groups;    // panels of a chunk
    size_t depth, depth_blocks;
    bool copy_rows;
} product;

at_gemm_end at_cpu_end(const at_linear_args *a, size_t row, size_t col)
{
    static const at_end_act acts[] = {
        [AT_ACT_NONE] = AT_END_NONE,
        [AT_ACT_GELU] = AT_END_GELU,
        [AT_ACT_QUICK_GELU] = AT_END_QUICK_GELU,
        [AT_ACT_RELU] = AT_END_RELU,
        [AT_ACT_RELU6] = AT_END_RELU6,
    };
    const at_gemm_end e = {a->y, a->ldy, a->bias, acts[a->act], a->residual, a->ld_residual};
    return at_gemm_end_at(e, row, col);
}

/* A worker's scratch: the group's partial sums, rows of X, a panel's block of the depth in floats. */
static size_t rows_at(const at_kernels *kn)
{
    return AT_GROUP * kn->mc * kn->nr;
}
static size_t floats_at(const at_kernels *kn)
{
    return rows_at(kn) + kn->mc * (kn->kc + AT_ROW_PAD);
}
size_t at_cpu_linear_floats(const at_kernels *kn)
{
    return floats_at(kn) + kn->kc * kn->nr;
}

/* Block `b` of the depth of a panel, where it is stored. */
static const char *stored(const product *p, size_t panel, size_t b, size_t *bytes)
{
    const at_matrix *w = p->a->w;
    const size_t k0 = b * p->depth, nr = p->kn->nr;
    *bytes = at_dtype_bytes(w->type, at_min_size(p->depth, w->k - k0) * nr);
    return (const char *)w->data + at_dtype_bytes(w->type, (panel * w->k + k0) * nr);
}

/* Some panels against all of the few rows. */
static void few_rows_chunk(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const product *p = ctx;
    const at_linear_args *a = p->a;
    const size_t width = p->group * p->kn->nr, col = chunk * width;
    const bool blocks = at_dtype_is_block(a->w->type);
    (blocks ? p->kn->block_rows : p->kn->gemm_rows)(&(at_gemm_rows){
        .m = a->m,
        .n = at_min_size(width, a->w->n - col),
        .k = a->w->k,
        .depth = p->depth,
        .a = a->x,
        .lda = a->ldx,
        .b = (const char *)a->w->data + at_dtype_bytes(a->w->type, col * a->w->k),
        .type = a->w->type,
        .end = at_cpu_end(a, 0, col),
    });
}

static void product_chunk(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    const at_linear_args *a = p->a;
    const at_kernels *kn = p->kn;
    const size_t nr = kn->nr, panels = (a->w->n + nr - 1) / nr;
    const size_t row = chunk % p->row_blocks * p->rows, first = chunk / p->row_blocks * p->group;
    const size_t m = at_min_size(p->rows, a->m - row), last = at_min_size(first + p->group, panels);
    float *partial = p->scratch[worker].data, *rows = partial + rows_at(kn),
          *floats = partial + floats_at(kn);
    const bool blocks = at_dtype_is_block(a->w->type);
    for (size_t b = 0; b < p->depth_blocks; b++) {
        const size_t k0 = b * p->depth, k = at_min_size(p->depth, a->w->k - k0);
        at_gemm_panel g = {
            .m = m,
            .k = k,
            .a = a->x + row * a->ldx + k0,
            .lda = a->ldx,
            .type = blocks ? AT_F32 : a->w->type,
            .first = b == 0,
            .last = b + 1 == p->depth_blocks,
        };
        if (p->copy_rows) {
            g.lda = p->depth + AT_ROW_PAD;
            for (size_t i = 0; i < m; i++)
                memcpy(rows + i * g.lda, g.a + i * a->ldx, k * sizeof *rows);
            g.a = rows;
        } else { // rows are too short for the hardware to see a stream
            for (size_t i = 0; i < m; i++)
                for (size_t c = 0; c < k; c += 16)
                    __builtin_prefetch(g.a + i * g.lda + c, 0, 2);
        }
        for (size_t j = first; j < last; j++) {
            const size_t col = j * nr;
            g.b = stored(p, j, b, &g.next_bytes);
            g.next = j + 1 < last ? stored(p, j + 1, b, &g.next_bytes)
                     : g.last     ? NULL
                                  : stored(p, first, b + 1, &g.next_bytes);
            if (blocks) {
                kn->block_panel(a->w->type, k / AT_BLOCK, nr, g.b, floats);
                g.b = floats;
            }
            g.n = at_min_size(nr, a->w->n - col);
            g.partial = partial + (j - first) * p->rows * nr;
            g.end = at_cpu_end(a, row, col);
            kn->gemm_panel(&g);
        }
    }
}

/* Blocks of equal height, whole tiles. */
static void cut_rows(product *p, size_t most)
{
    const size_t m = p->a->m, blocks = (m + most - 1) / most;
    p->rows = at_min_size(most, at_round_up((m + blocks - 1) / blocks, p->kn->mr));
    p->row_blocks = (m + p->rows - 1) / p->rows;
}

static void cut_panels(product *p, size_t panels, size_t groups)
{
    p->group = (panels + groups - 1) / groups;
    p->groups = (panels + p->group - 1) / p->group;
}

void at_cpu_linear(at_device *d, const at_linear_args *a)
{
    const at_kernels *kn = d->kernels;
    const size_t panels = (a->w->n + kn->nr - 1) / kn->nr, workers = (size_t)d->workers;
    if (a->m == 0 || panels == 0 || a->w->k == 0) return;
    if (a->w->type == AT_I8 || a->w->narrow) {
        at_cpu_linear_narrow(d, a);
        return;
    }
    if (at_cpu_linear_seven(d, a)) return;
    product p = {.a = a, .kn = kn, .scratch = d->scratch};
    p.depth_blocks = (a->w->k + kn->kc - 1) / kn->kc;
    p.depth = at_round_up((a->w->k + p.depth_blocks - 1) / p.depth_blocks,
                          at_dtype_is_block(a->w->type) ? AT_BLOCK : 8);
    p.depth_blocks = (a->w->k + p.depth - 1) / p.depth;
    cut_rows(&p, kn->mc);
    size_t groups = (panels + AT_GROUP - 1) / AT_GROUP;
    // work for all, and some to even out; narrower groups first, because lower blocks read W more often
    const size_t wanted = workers == 1 ? 1 : AT_CHUNKS_A_WORKER * workers;
    while (p.row_blocks * groups < wanted && panels / (2 * groups) >= AT_GROUP_LEAST)
        groups *= 2;
    cut_panels(&p, panels, groups);
    if (a->m <= AT_FEW_ROWS) {
        at_pool_run(d->pool, p.groups, few_rows_chunk, &p);
        return;
    }
    while (p.row_blocks * p.groups < wanted && p.rows >= 2 * AT_ROWS_LEAST)
        cut_rows(&p, at_round_up(p.rows / 2, kn->mr));
    // 2 KiB apart, rows share a few sets of the cache
    p.copy_rows = a->ldx * sizeof(float) % 2048 == 0 && p.group >= AT_GROUP_LEAST &&
                  p.rows > kn->mr;
    at_pool_run(d->pool, p.row_blocks * p.groups, product_chunk, &p);
}
