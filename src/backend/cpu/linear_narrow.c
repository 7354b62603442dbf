/* linear_narrow.c - Y = act(X W^T + b) + R with X narrowed row by row on the way: to bytes for W in bytes
 * (W8A8; sums are exact), to bfloat16 for W in panels of it. A norm before it goes the same way, each row
 * once, while it is in the first cache. The bits depend neither on threads nor on m.
 *
 * Many rows: a chunk is a block of rows against all panels; it narrows its rows into its worker's room,
 * once, and the panels stream by. Fewer rows than make a block for every thread: all are narrowed first,
 * each thread some, and a chunk is a block of them against some of the panels. */
#include "backend/cpu/cpu.h"

#include <string.h>

enum {
    RESULTS =
        256 << 10 // bytes of a chunk's results, where W is small enough to be read again and again:
                  // a line of them is written by panel after panel and should leave the L2 whole
};

typedef struct product {
    const at_linear_args *a;
    const at_kernels *kn;
    const at_narrow_form *f;
    char *rooms; // one behind the other; one room when all rows are narrowed first
    size_t room; // bytes
    const at_scratch *scratch;
    size_t lda;
    size_t row, m;           // of X, narrowed together
    size_t rows, row_blocks; // of a chunk
    size_t group, groups;    // panels of a chunk
} product;

/* 64 more: rows do not share sets of the cache. */
static size_t row_bytes(const at_narrow_form *f, size_t k)
{
    return at_round_up(at_round_up(k, f->fill) * f->bytes, 64) + 64;
}

/* A row's scale lies behind the rows. */
static size_t room_for(const at_narrow_form *f, size_t rows, size_t k)
{
    return at_round_up(rows, f->mr) * (row_bytes(f, k) + sizeof(float));
}

static size_t room_of(const at_narrow_form *f)
{
    return at_max_size(f->cache + f->rows * sizeof(float), room_for(f, f->mr, AT_S8_DEPTH));
}

/* A worker's: a tile of the largest depth, or what stays in the cache. */
size_t at_cpu_narrow_bytes(const at_kernels *kn)
{
    return at_round_up(at_max_size(room_of(&kn->s8), room_of(&kn->bf16)), AT_ALIGN);
}

static float *scales_of(const product *p, char *room, size_t rows)
{
    return (float *)(void *)(room + at_round_up(rows, p->f->mr) * p->lda);
}

/* Rows [first, first + n) of X into places [at, at + n) of a room. */
static void narrow(const product *p, int worker, size_t first, size_t n, char *room, size_t at,
                   float *scales)
{
    const size_t k = p->a->w->k, k_end = at_round_up(k, p->f->fill);
    float *normed = p->scratch[worker].data;
    for (size_t i = 0; i < n; i++) {
        const float *x = p->a->norm ? normed : p->a->x + (first + i) * p->a->ldx;
        if (p->a->norm) at_cpu_norm_row(p->kn, p->a->norm, first + i, normed, normed);
        char *to = room + (at + i) * p->lda;
        if (p->a->w->type == AT_I8) {
            p->kn->quantize_row(k, x, to, &scales[at + i]);
        } else {
            p->kn->bf16_of_f32(k, x, to);
            memset(to + 2 * k, 0, 2 * (k_end - k));
        }
    }
}

/* Very deep products do without. */
static bool room_fits(const product *p, size_t m)
{
    return at_s8_room(m, p->a->w->k) <= at_cpu_attention_floats() * sizeof(float);
}

/* m narrowed rows, from row `row` of X on, against panels [first, last). */
static void multiply(const product *p, int worker, size_t row, size_t m, const char *rows,
                     const float *scales, size_t first, size_t last)
{
    const at_linear_args *a = p->a;
    const at_narrow_form *f = p->f;
    const size_t col = first * f->nr, n = at_min_size(last * f->nr, a->w->n) - col;
    at_gemm_end end = at_cpu_end(a, row, col);
    const char *w = a->w->data;
    if (a->w->type == AT_I8) {
        if (end.act == AT_END_GELU)
            end.act = AT_END_GELU_COARSE; // y is most often rounded to 8 bits next
        p->kn->gemm_s8(&(at_gemm_s8){.m = m,
                                     .n = n,
                                     .k = at_round_up(a->w->k, AT_S8_PAD),
                                     .a = rows,
                                     .lda = p->lda,
                                     .a_scale = scales,
                                     .b = w + first * at_s8_panel_bytes(f, a->w->k),
                                     .end = end,
                                     .room = room_fits(p, m) ? p->scratch[worker].data : NULL});
    } else {
        p->kn->gemm_bf16(&(at_gemm_bf16){.m = m,
                                         .n = n,
                                         .k = at_round_up(a->w->k, f->fill),
                                         .a = rows,
                                         .lda = p->lda,
                                         .b = w + first * at_bf16_panel_bytes(f, a->w->k),
                                         .end = end});
    }
}

static size_t panels_of(const product *p)
{
    return (p->a->w->n + p->f->nr - 1) / p->f->nr;
}

/* Blocks of equal height, whole tiles. */
static void cut_rows(product *p, size_t most)
{
    const size_t blocks = (p->m + most - 1) / most;
    p->rows = at_min_size(most, at_round_up((p->m + blocks - 1) / blocks, p->f->mr));
    p->row_blocks = (p->m + p->rows - 1) / p->rows;
}

static void rows_chunk(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    char *room = p->rooms + (size_t)worker * p->room;
    float *scales = scales_of(p, room, p->rows);
    const size_t row = chunk * p->rows, m = at_min_size(p->rows, p->m - row);
    narrow(p, worker, row, m, room, 0, scales);
    multiply(p, worker, row, m, room, scales, 0, panels_of(p));
}

static void narrow_chunk(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    const size_t some = p->f->mr, first = chunk * some;
    narrow(p, worker, p->row + first, at_min_size(some, p->m - first), p->rooms, first,
           scales_of(p, p->rooms, p->m));
}

static void panels_chunk(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    const size_t at = chunk % p->row_blocks * p->rows, first = chunk / p->row_blocks * p->group;
    multiply(p, worker, p->row + at, at_min_size(p->rows, p->m - at), p->rooms + at * p->lda,
             scales_of(p, p->rooms, p->m) + at, first, at_min_size(first + p->group, panels_of(p)));
}

/* All rows that fit into the rooms together, the next ones after them. */
static void narrow_first(product *p, at_device *d, size_t wanted)
{
    const size_t mr = p->f->mr, panels = panels_of(p), m = p->a->m;
    const size_t fit = (size_t)d->workers * p->room / room_for(p->f, mr, p->a->w->k) * mr;
    for (; p->row < m; p->row += p->m) {
        p->m = at_min_size(fit, m - p->row);
        cut_rows(p, p->f->rows);
        size_t groups = 1;
        while (p->row_blocks * groups < wanted && panels >= 2 * groups)
            groups *= 2;
        p->group = (panels + groups - 1) / groups;
        p->groups = (panels + p->group - 1) / p->group;
        at_pool_run(d->pool, (p->m + mr - 1) / mr, narrow_chunk, p);
        at_pool_run(d->pool, p->row_blocks * p->groups, panels_chunk, p);
    }
}

void at_cpu_linear_narrow(at_device *d, const at_linear_args *a)
{
    const at_kernels *kn = d->kernels;
    const at_narrow_form *f = a->w->type == AT_I8 ? &kn->s8 : &kn->bf16;
    const size_t mr = f->mr;
    product p = {.a = a,
                 .kn = kn,
                 .f = f,
                 .rooms = d->rooms,
                 .scratch = d->scratch,
                 .room = at_cpu_narrow_bytes(kn),
                 .lda = row_bytes(f, a->w->k),
                 .m = a->m};
    const size_t wanted = d->workers == 1 ? 1 : AT_CHUNKS_A_WORKER * (size_t)d->workers;
    size_t most = at_min_size(f->cache / p.lda, f->rows);
    if (a->w->bytes <= f->cache / 2)
        most = at_min_size(most, at_max_size(RESULTS / (a->w->n * sizeof(float)),
                                             at_max_size(2 * mr, f->least)));
    cut_rows(&p, at_max_size(most / mr * mr, mr));
    if (p.row_blocks < wanted) cut_rows(&p, at_round_up((a->m + wanted - 1) / wanted, mr));
    if (d->workers == 1 || (p.row_blocks >= wanted && p.rows >= f->least))
        at_pool_run(d->pool, p.row_blocks, rows_chunk, &p);
    else
        narrow_first(&p, d, wanted);
}
