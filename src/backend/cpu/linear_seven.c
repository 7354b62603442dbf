/* linear_seven.c - products of pictures' rows by Strassen's seven products (gemm_seven): an eighth of the
 * multiply-adds less, for a last digit. Rows that are multiplied together are of one picture, so that the
 * bits depend neither on threads nor on the batch.
 *
 *   for some couples of rows
 *     for each block of the depth, one fixed cut of K
 *       for each couple of rows         seven_rows: sums of its halves, shared by all threads
 *       for each couple of panels       gemm_seven: all these rows, so that sums of W are made once
 */
#include "backend/cpu/cpu.h"

enum {
    ROWS = 768,        // at a time; the sums of their halves stay in the last-level cache
    SUMS = 1 << 20,    // of one block of the depth that wait for the next, at a time
    COUPLES = 4,       // of rows that are summed in one go
    COUPLES_LEAST = 6, // of rows, when there are too few panels for all threads
    PADDING = 16,      // rows that are filled up are less than one in so many
    K_LEAST = 256,     // half of the depth
    PANELS_LEAST = 24, // sums of rows have to pay
    PAD = 80,          // floats between planes of sums: they do not fall on each other in the cache
};

typedef struct product {
    const at_linear_args *a;
    const at_kernels *kn;
    const at_scratch *scratch;
    size_t row, m, couples;      // at a time
    size_t half, b, blocks;      // of the depth, the one at work, all
    size_t group, groups;        // couples of panels of a chunk
    size_t slice, slices, plane; // couples of rows of a chunk
    float *halves, *sums;
} product;

static size_t unit_of(const at_kernels *kn)
{
    return 2 * kn->seven_mr;
}
static size_t most_rows(const at_kernels *kn)
{
    return ROWS / unit_of(kn) * unit_of(kn);
}
static size_t halves_floats(const at_kernels *kn)
{
    return AT_SEVEN * (most_rows(kn) / 2 * kn->seven_k + PAD);
}
size_t at_cpu_seven_shared_floats(const at_kernels *kn)
{
    return halves_floats(kn) + SUMS;
}
size_t at_cpu_seven_floats(const at_kernels *kn)
{
    return kn->seven_k * kn->nr + most_rows(kn) * 2 * kn->nr;
}

static void sum_rows(void *ctx, size_t chunk, int worker)
{
    (void)worker;
    const product *p = ctx;
    const size_t unit = unit_of(p->kn), end = at_min_size((chunk + 1) * COUPLES, p->couples);
    for (size_t i = chunk * COUPLES; i < end; i++)
        p->kn->seven_rows(at_min_size(unit, p->m - i * unit), p->half,
                          p->a->x + (p->row + i * unit) * p->a->ldx + 2 * p->b * p->half, p->a->ldx,
                          p->halves + i * p->kn->seven_mr * p->half, p->plane);
}

static void multiply(void *ctx, size_t chunk, int worker)
{
    const product *p = ctx;
    const at_linear_args *a = p->a;
    const at_kernels *kn = p->kn;
    const at_matrix *w = a->w;
    const size_t nr = kn->nr, unit = unit_of(kn), pairs = (w->n + nr - 1) / nr / 2;
    const size_t couple = chunk % p->slices * p->slice, first = chunk / p->slices * p->group;
    const size_t last = at_min_size(first + p->group, pairs);
    const size_t row = p->row + couple * unit,
                 m = at_min_size(p->slice * unit, p->m - couple * unit);
    const size_t width = w->k * nr * at_dtype_size(w->type); // of a panel
    float *room = p->scratch[worker].data;
    for (size_t j = first; j < last; j++) {
        const size_t col = 2 * j * nr;
        const char *b = (const char *)w->data +
                        (col * w->k + 2 * p->b * p->half * nr) * at_dtype_size(w->type);
        const char *next = j + 1 < last ? b + 2 * width : NULL;
        kn->gemm_seven(&(at_gemm_seven){
            .m = m,
            .n = at_min_size(2 * nr, w->n - col),
            .k = p->half,
            .a = p->halves + couple * kn->seven_mr * p->half,
            .plane = p->plane,
            .b = {b, b + width},
            .type = w->type,
            .next = {next, next ? next + width : NULL},
            .room = room,
            .sums = p->blocks == 1 ? room + kn->seven_k * nr
                                   : p->sums + (j * p->couples + couple) * unit * 2 * nr,
            .first = p->b == 0,
            .last = p->b + 1 == p->blocks,
            .end = at_cpu_end(a, row, col),
        });
    }
}

/* Rows [row, row + m), cut into chunks for all threads. */
static void run_rows(at_device *d, product *p, size_t row, size_t m)
{
    const size_t unit = unit_of(p->kn), pairs = (p->a->w->n + p->kn->nr - 1) / p->kn->nr / 2;
    const size_t workers = (size_t)d->workers;
    const size_t wanted = workers == 1 ? 1 : AT_CHUNKS_A_WORKER * workers;
    p->row = row;
    p->m = m;
    p->couples = (m + unit - 1) / unit;
    p->plane = p->couples * p->kn->seven_mr * p->half + PAD;
    p->group = at_max_size(1, pairs / wanted);
    p->groups = (pairs + p->group - 1) / p->group;
    const size_t slices = at_min_size((wanted + p->groups - 1) / p->groups,
                                      at_max_size(1, p->couples / COUPLES_LEAST));
    p->slice = (p->couples + slices - 1) / slices;
    p->slices = (p->couples + p->slice - 1) / p->slice;
    for (p->b = 0; p->b < p->blocks; p->b++) {
        at_pool_run(d->pool, (p->couples + COUPLES - 1) / COUPLES, sum_rows, p);
        at_pool_run(d->pool, p->groups * p->slices, multiply, p);
    }
}

/* Half of a block of the depth: blocks of one size, in whole vectors; 0: K has none. */
static size_t half_of(size_t k, size_t most)
{
    if (k < 2 * K_LEAST) return 0;
    for (size_t blocks = (k + 2 * most - 1) / (2 * most); k / blocks >= most; blocks++)
        if (k % (32 * blocks) == 0) return k / (2 * blocks);
    return 0;
}

bool at_cpu_linear_seven(at_device *d, const at_linear_args *a)
{
    const at_kernels *kn = d->kernels;
    const at_matrix *w = a->w;
    const size_t panels = (w->n + kn->nr - 1) / kn->nr, unit = unit_of(kn);
    const size_t filled = at_round_up(a->together, unit);
    if (a->together == 0 || kn->seven_k == 0 || panels % 2 || panels * kn->nr < 16 * PANELS_LEAST ||
        PADDING * (filled - a->together) >= a->together ||
        (w->type != AT_F32 && w->type != AT_F16 && w->type != AT_BF16))
        return false;
    product p = {.a = a,
                 .kn = kn,
                 .scratch = d->scratch,
                 .half = half_of(w->k, kn->seven_k),
                 .halves = d->seven,
                 .sums = d->seven + halves_floats(kn)};
    if (p.half == 0) return false;
    p.blocks = w->k / (2 * p.half);
    const size_t fit = SUMS / (panels * kn->nr) / unit * unit;
    const size_t most = p.blocks == 1 ? most_rows(kn) : at_min_size(most_rows(kn), fit);
    if (most == 0) return false;
    // whole couples: pictures lie in a row of them
    const size_t each = filled == a->together ? a->m : a->together;
    const size_t parts = (each + most - 1) / most,
                 rows = at_round_up((each + parts - 1) / parts, unit);
    for (size_t picture = 0; picture < a->m; picture += each)
        for (size_t row = 0; row < each; row += rows)
            run_rows(d, &p, picture + row, at_min_size(rows, each - row));
    return true;
}
