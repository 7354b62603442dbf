/* attention.c - softmax(scale q k^T + bias + masks) v. A chunk is one (image, window, head), or a range
 * of its queries when there are many. Its keys and values are gathered through the index map into packed
 * panels, its queries into rows, and the result goes back through the map, so that window partition,
 * shift and their reverses cost no pass of their own. */
#include "backend/cpu/cpu.h"

#include <string.h>

typedef struct attending {
    const at_attention_args *a;
    const at_kernels *kn;
    const at_scratch *scratch;
    size_t ranges, range; // of queries; a range is one chunk
    size_t key_panels, value_panels;
    size_t ld_scores;
} attending;

/* A worker's scratch. */
typedef struct room {
    float *keys;   // [key_panels][head_dim][NR]
    float *values; // [value_panels][n_k][NR]
    float *rows;   // [max(NR, AT_Q_BLOCK)][head_dim]: keys on their way into a panel, then queries
    float *out;    // [AT_Q_BLOCK][head_dim]
    float *scores; // [AT_Q_BLOCK][ld_scores]
} room;

size_t at_cpu_attention_floats(const at_kernels *kn)
{
    const size_t keys = at_round_up(AT_MAX_KEYS, kn->nr),
                 dim = at_round_up(AT_MAX_HEAD_DIM, kn->nr);
    return at_max_size(2 * keys * dim + 2 * AT_Q_BLOCK * dim + AT_Q_BLOCK * keys,
                       at_attend_room(AT_MAX_KEYS, AT_MAX_HEAD_DIM) / sizeof(float));
}

static room room_of(const attending *t, int worker)
{
    const size_t nr = t->kn->nr, dim = t->a->head_dim;
    room r;
    r.keys = t->scratch[worker].data;
    r.values = r.keys + t->key_panels * dim * nr;
    r.scores = r.values + t->value_panels * t->a->n_k * nr;
    r.rows = r.scores + AT_Q_BLOCK * t->ld_scores;
    r.out = r.rows + AT_Q_BLOCK * dim;
    return r;
}

/* A head's row is short: a call of memcpy would cost as much as the copy. */
static inline void copy_floats(float *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        memcpy(to + i, from + i, 16 * sizeof *to);
    if (i < n) memcpy(to + i, from + i, (n - i) * sizeof *to);
}

/* Row i of group g. */
static size_t row_of(const at_attention_args *a, size_t g, size_t i)
{
    return a->index ? (size_t)a->index[g * a->n_k + i] : i;
}

/* n rows of a head from `first` on: where they lie, or side by side in `rows`. */
static const float *rows_of(const attending *t, const float *x, size_t ldx, size_t g, size_t first,
                            size_t n, float *rows, size_t *ld)
{
    const at_attention_args *a = t->a;
    *ld = ldx;
    if (!a->index) return x + first * ldx;
    *ld = a->head_dim;
    for (size_t i = 0; i < n; i++)
        copy_floats(rows + i * a->head_dim, x + row_of(a, g, first + i) * ldx, a->head_dim);
    return rows;
}

/* Column j of the product is key j. */
static void pack_keys(const attending *t, const float *k, size_t g, const room *r)
{
    const at_attention_args *a = t->a;
    const size_t nr = t->kn->nr, dim = a->head_dim;
    for (size_t p = 0; p < t->key_panels; p++) {
        const size_t n = at_min_size(nr, a->n_k - p * nr);
        size_t ld;
        const float *rows = rows_of(t, k, a->ldkv, g, p * nr, n, r->rows, &ld);
        t->kn->pack_32(dim, n, rows, ld, r->keys + p * dim * nr, nr);
    }
}

/* Column c of the product is channel c. */
static void pack_values(const attending *t, const float *v, size_t g, float *values)
{
    const at_attention_args *a = t->a;
    const size_t nr = t->kn->nr, dim = a->head_dim;
    for (size_t p = 0; p < t->value_panels; p++) {
        const size_t width = at_min_size(nr, dim - p * nr);
        float *to = values + p * a->n_k * nr;
        for (size_t j = 0; j < a->n_k; j++, to += nr) {
            copy_floats(to, v + row_of(a, g, j) * a->ldkv + p * nr, width);
            if (width < nr) memset(to + width, 0, (nr - width) * sizeof *to);
        }
    }
}

/* y[m, n] = x[m, k] panels */
static void product(const at_kernels *kn, size_t m, size_t n, size_t k, const float *x, size_t ldx,
                    const float *panels, float *y, size_t ldy)
{
    for (size_t p = 0; p * kn->nr < n; p++)
        kn->gemm_panel(&(at_gemm_panel){.m = m,
                                        .n = at_min_size(kn->nr, n - p * kn->nr),
                                        .k = k,
                                        .a = x,
                                        .lda = ldx,
                                        .b = panels + p * k * kn->nr,
                                        .first = true,
                                        .last = true,
                                        .end = {.y = y + p * kn->nr, .ldy = ldy}});
}

/* Scores of queries [first, first + n) become probabilities. */
static void softmax(const attending *t, size_t b, size_t g, size_t h, size_t first, size_t n,
                    float *scores)
{
    const at_attention_args *a = t->a;
    const ptrdiff_t before = (ptrdiff_t)first + (ptrdiff_t)a->n_k -
                             (ptrdiff_t)a->n_q; // the last query sees all
    t->kn->softmax(&(at_softmax){.rows = n,
                                 .n = a->n_k,
                                 .seen = a->causal ? before + 1 : (ptrdiff_t)a->n_k,
                                 .more = a->causal,
                                 .x = scores,
                                 .ldx = t->ld_scores,
                                 .scale = a->scale,
                                 .bias = a->bias ? a->bias + (h * a->n_q + first) * a->n_k : NULL,
                                 .ld_bias = a->n_k,
                                 .region = a->region ? a->region + g * a->n_q : NULL,
                                 .own = a->region ? a->region + g * a->n_q + first : NULL,
                                 .mask = a->key_mask ? a->key_mask + b * a->n_k : NULL});
}

static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const at_attention_args *a = t->a;
    const size_t dim = a->head_dim;
    const size_t range = chunk % t->ranges, h = chunk / t->ranges % a->heads;
    const size_t g = chunk / t->ranges / a->heads % a->groups,
                 b = chunk / t->ranges / a->heads / a->groups;
    const room r = room_of(t, worker);
    pack_keys(t, a->k + b * a->kv_batch + h * dim, g, &r);
    pack_values(t, a->v + b * a->kv_batch + h * dim, g, r.values);
    const float *q = a->q + b * a->q_batch + h * dim;
    float *out = a->out + b * a->out_batch + h * dim;
    const size_t end = at_min_size(a->n_q, (range + 1) * t->range);
    for (size_t first = range * t->range; first < end; first += AT_Q_BLOCK) {
        const size_t n = at_min_size(AT_Q_BLOCK, end - first);
        size_t ldq;
        const float *queries = rows_of(t, q, a->ldq, g, first, n, r.rows, &ldq);
        product(t->kn, n, a->n_k, dim, queries, ldq, r.keys, r.scores, t->ld_scores);
        softmax(t, b, g, h, first, n, r.scores);
        if (!a->index) {
            product(t->kn, n, dim, a->n_k, r.scores, t->ld_scores, r.values, out + first * a->ldo,
                    a->ldo);
            continue;
        }
        product(t->kn, n, dim, a->n_k, r.scores, t->ld_scores, r.values, r.out, dim);
        for (size_t i = 0; i < n; i++)
            copy_floats(out + row_of(a, g, first + i) * a->ldo, r.out + i * dim, dim);
    }
}

/* Few queries and keys that another call will want too: each is read where it lies. */
static void attend_few_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const at_attention_args *a = t->a;
    const size_t dim = a->head_dim, h = chunk % a->heads, b = chunk / a->heads;
    const float *q = a->q + b * a->q_batch + h * dim, *k = a->k + b * a->kv_batch + h * dim,
                *v = a->v + b * a->kv_batch + h * dim;
    float *scores = room_of(t, worker).scores, *out = a->out + b * a->out_batch + h * dim;
    for (size_t i = 0; i < a->n_q; i++)
        t->kn->dots_f32(a->n_k, dim, k, a->ldkv, q + i * a->ldq, scores + i * t->ld_scores);
    softmax(t, b, 0, h, 0, a->n_q, scores);
    for (size_t i = 0; i < a->n_q; i++)
        t->kn->mix_f32(a->n_k, dim, v, a->ldkv, scores + i * t->ld_scores, false, out + i * a->ldo);
}

/* All of it in a kernel. Windows follow each other within a head, whose bias stays in the cache. */
static void attend_bf16_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const at_attention_args *a = t->a;
    const size_t range = chunk % t->ranges, g = chunk / t->ranges % a->groups;
    const size_t b = chunk / t->ranges / a->groups % a->batch,
                 h = chunk / t->ranges / a->groups / a->batch;
    const size_t first = range * t->range, dim = a->head_dim;
    const int32_t *rows = a->index ? a->index + g * a->n_k : NULL;
    const uint8_t *region = a->region ? a->region + g * a->n_q : NULL;
    bool parted = false; // most windows are of one region
    for (size_t j = 0; region && j < a->n_k; j++)
        parted |= region[j] != region[0];
    t->kn->attend_bf16(&(at_attend_head){
        .n_q = at_min_size(t->range, a->n_q - first),
        .n_k = a->n_k,
        .dim = dim,
        .q = a->q + b * a->q_batch + h * dim + (rows ? 0 : first * a->ldq),
        .k = a->k + b * a->kv_batch + h * dim,
        .v = a->v + b * a->kv_batch + h * dim,
        .ldq = a->ldq,
        .ldkv = a->ldkv,
        .q_rows = rows ? rows + first : NULL,
        .k_rows = rows,
        .out = a->out + b * a->out_batch + h * dim + (rows ? 0 : first * a->ldo),
        .ldo = a->ldo,
        .scale = a->scale,
        .bias = a->bias ? a->bias + (h * a->n_q + first) * a->n_k : NULL,
        .ld_bias = a->n_k,
        .region = parted ? region : NULL,
        .own = parted ? region + first : NULL,
        .mask = a->key_mask ? a->key_mask + b * a->n_k : NULL,
        .room = t->scratch[worker].data,
    });
}

void at_cpu_attention(at_device *d, const at_attention_args *a)
{
    const size_t nr = d->kernels->nr;
    if (a->n_q == 0) return;
    attending t = {.a = a, .kn = d->kernels, .scratch = d->scratch};
    t.key_panels = (a->n_k + nr - 1) / nr;
    t.value_panels = (a->head_dim + nr - 1) / nr;
    t.ld_scores = t.key_panels * nr;
    if (a->kept && a->n_q <= AT_Q_FEW) {
        at_pool_run(d->pool, a->batch * a->heads, attend_few_chunk, &t);
        return;
    }
    t.range = at_min_size(a->n_q, AT_Q_RANGE); // long, because each chunk packs the keys anew
    t.ranges = (a->n_q + t.range - 1) / t.range;
    const bool bf16 = a->coarse && !a->causal && d->kernels->attends_bf16;
    at_pool_run(d->pool, a->batch * a->groups * a->heads * t.ranges,
                bf16 ? attend_bf16_chunk : attend_chunk, &t);
}
