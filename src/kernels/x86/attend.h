/* attend.h - a head of attention in float32 (attend_f32), for every level. Blocks of query rows, tiles as
 * in gemm_tile.h:
 *
 *   S = Q . K^T + bias     K in panels [dim][NR], scaled rows of Q; S in the room, which stays in L1
 *   P = exp(S - most)      over S, each row's sum aside
 *   out = P . V / sum      V in panels [n_k][NR]; written where it belongs
 *
 * Bound: the FMA ports, with a head of Swin (144 x 144 x 32, AVX2) 166 thousand multiply-adds of vectors, beside
 * 2,592 vectors of powers of some 7 cycles. Rows come from far away: the next head's are fetched
 * meanwhile, those of the result before they are written. A row's bits do not depend on the rows beside it. */
#ifndef AT_KERNELS_X86_ATTEND_H
#define AT_KERNELS_X86_ATTEND_H

#include "kernels/x86/gemm_tile.h"

#include <math.h>

/* Rows of a tile (a window has whole numbers of them) and of a block. */
enum { HIGH = LANES == 8 ? 6 : 12, ROWS_AT_ONCE = 24 };

typedef struct head {
    const at_attend_head *p;
    size_t ld;      // of scores
    size_t fetched; // rows of the next head, with each tile of scores
    float *keys;    // [.. NR][dim][NR]
    float *values;  // [.. NR][n_k][NR]
    float *scores;  // [ROWS_AT_ONCE][ld]
    float *regions; // [ld]
    float *queries; // [ROWS_AT_ONCE][dim]; before that, [NR][dim]: keys on their way into a panel
} head;

INLINE head head_of(const at_attend_head *p)
{
    head h = {.p = p, .ld = at_round_up(p->n_k, NR)};
    const size_t score_tiles = (p->n_q + HIGH - 1) / HIGH * (h.ld / NR);
    h.fetched = (p->n_k + score_tiles - 1) / score_tiles;
    h.keys = p->room;
    h.values = h.keys + h.ld * p->dim;
    h.scores = h.values + at_round_up(p->dim, NR) * p->n_k;
    h.regions = h.scores + ROWS_AT_ONCE * h.ld;
    h.queries = h.regions + h.ld;
    return h;
}

INLINE size_t row_of(const int32_t *rows, size_t i)
{
    return rows ? (size_t)rows[i] : i;
}

/* y = x * by. A head's row is short: whole vectors, then single floats. */
INLINE void copy_scaled(float *y, const float *x, size_t n, float by)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        V(storeu_ps)(y + i, V(mul_ps)(V(loadu_ps)(x + i), V(set1_ps)(by)));
    for (; i < n; i++)
        y[i] = x[i] * by;
}

INLINE void pack_keys(const head *h)
{
    const at_attend_head *p = h->p;
    const size_t dim = p->dim;
    for (size_t j = 0; j < p->n_k; j += NR) {
        const size_t n = at_min_size(NR, p->n_k - j);
        const float *rows = p->k + j * p->ldkv;
        size_t ld = p->ldkv;
        if (p->k_rows || n < NR) {
            for (size_t i = 0; i < n; i++)
                copy_scaled(h->queries + i * dim, p->k + row_of(p->k_rows, j + i) * p->ldkv, dim,
                            1.0f);
            memset(h->queries + n * dim, 0, (NR - n) * dim * sizeof(float));
            rows = h->queries;
            ld = dim;
        }
        at_pack_32_avx2(dim, NR, rows, ld, h->keys + j * dim, NR);
    }
}

INLINE void pack_values(const head *h)
{
    const at_attend_head *p = h->p;
    for (size_t c = 0; c < p->dim; c += NR) {
        const size_t n = at_min_size(NR, p->dim - c);
        float *to = h->values + c * p->n_k;
        for (size_t j = 0; j < p->n_k; j++, to += NR) {
            const float *from = p->v + row_of(p->k_rows, j) * p->ldkv + c;
            if (n == NR) {
                V(storeu_ps)(to, V(loadu_ps)(from));
                V(storeu_ps)(to + LANES, V(loadu_ps)(from + LANES));
                continue;
            }
            memcpy(to, from, n * sizeof *to);
            memset(to + n, 0, (NR - n) * sizeof *to);
        }
    }
}

/* Every sum of a tile. */
#define EACH                                                   \
    _Pragma("GCC unroll 12") for (size_t r = 0; r < HIGH; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < vecs; v++)

/* A tile of S; `bias` may lie where S will, or be NULL. */
INLINE void score_tile(const float *q, size_t dim, const float *keys, const float *bias,
                       size_t ld_bias, float *to, size_t ld, const size_t vecs)
{
    if (bias) {
#pragma GCC unroll 12
        for (size_t r = 0; r < HIGH; r++)
            __builtin_prefetch(bias + r * ld_bias);
    }
    vec s[TILE][2];
    EACH s[r][v] = V(setzero_ps)();
    add_products(s, q, dim, (const char *)keys, dim, HIGH, vecs, load_f32, sizeof(float), NULL);
    if (bias) EACH s[r][v] = V(add_ps)(s[r][v], V(loadu_ps)(bias + r * ld_bias + v * LANES));
    EACH V(storeu_ps)(to + r * ld + v * LANES, s[r][v]);
}

static __attribute__((noinline)) void score_tile_1(const float *q, size_t dim, const float *keys,
                                                   const float *bias, size_t ld_bias, float *to,
                                                   size_t ld)
{
    score_tile(q, dim, keys, bias, ld_bias, to, ld, 1);
}

static __attribute__((noinline)) void score_tile_2(const float *q, size_t dim, const float *keys,
                                                   const float *bias, size_t ld_bias, float *to,
                                                   size_t ld)
{
    score_tile(q, dim, keys, bias, ld_bias, to, ld, 2);
}

/* A tile of P . V: columns [c, c + n) of queries [first, first + rows), whose weights are x. */
INLINE void value_tile(const head *h, size_t first, size_t rows, const float *x, const float *by,
                       size_t c, const size_t vecs)
{
    const at_attend_head *p = h->p;
    const size_t n = at_min_size(NR, p->dim - c);
    for (size_t r = 0; r < rows; r++) {
        const float *out = p->out + row_of(p->q_rows, first + r) * p->ldo + c;
        __builtin_prefetch(out, 1);
        __builtin_prefetch(out + n - 1, 1);
    }
    vec s[TILE][2];
    EACH s[r][v] = V(setzero_ps)();
    add_products(s, x, h->ld, (const char *)(h->values + c * p->n_k), p->n_k, HIGH, vecs, load_f32,
                 sizeof(float), NULL);
    EACH s[r][v] = V(mul_ps)(s[r][v], V(set1_ps)(by[r]));
    if (rows == HIGH && n == vecs * LANES) {
#pragma GCC unroll 12
        for (size_t r = 0; r < HIGH; r++) {
            float *out = p->out + row_of(p->q_rows, first + r) * p->ldo + c;
            V(storeu_ps)(out, s[r][0]);
            if (vecs > 1) V(storeu_ps)(out + LANES, s[r][1]);
        }
        return;
    }
    _Alignas(64) float all[HIGH * NR];
    EACH V(store_ps)(all + r * NR + v * LANES, s[r][v]);
    for (size_t r = 0; r < rows; r++)
        memcpy(p->out + row_of(p->q_rows, first + r) * p->ldo + c, all + r * NR, n * sizeof(float));
}
#undef EACH

static __attribute__((noinline)) void value_tile_1(const head *h, size_t first, size_t rows,
                                                   const float *x, const float *by, size_t c)
{
    value_tile(h, first, rows, x, by, c, 1);
}

static __attribute__((noinline)) void value_tile_2(const head *h, size_t first, size_t rows,
                                                   const float *x, const float *by, size_t c)
{
    value_tile(h, first, rows, x, by, c, 2);
}

/* Scores of query i that there are, behind them -inf up to a whole vector; gives the largest. `more`: there
 * are regions or a mask. A NaN that this forgets comes back through exp. */
INLINE vec end_scores(const head *h, size_t i, float *x, size_t n, const bool more)
{
    static const float limits[] = {
#define FOUR(x) x, x, x, x
        FOUR(INFINITY),  FOUR(INFINITY),  FOUR(INFINITY),  FOUR(INFINITY),
        FOUR(-INFINITY), FOUR(-INFINITY), FOUR(-INFINITY), FOUR(-INFINITY),
#undef FOUR
    };
    const at_attend_head *p = h->p;
    const vec own = V(set1_ps)(p->region ? (float)p->own[i] : 0.0f);
    vec most = V(set1_ps)(-INFINITY);
    for (size_t j = 0; j < n; j += LANES) {
        vec s = V(loadu_ps)(x + j);
        if (more && p->region) {
            const vec other = magnitude(V(sub_ps)(V(loadu_ps)(h->regions + j), own));
            s = V(fmadd_ps)(V(min_ps)(other, V(set1_ps)(1.0f)), V(set1_ps)(-100.0f), s);
        }
        if (more && p->mask) s = V(add_ps)(s, V(loadu_ps)(p->mask + j));
        if (n - j < LANES) s = V(min_ps)(s, V(loadu_ps)(limits + 16 - (n - j)));
        if (more || n - j < LANES) V(storeu_ps)(x + j, s);
        most = V(max_ps)(s, most);
    }
    return V(set1_ps)(max_lanes(most));
}

/* x becomes exp(x - most) in whole vectors; gives the sum. */
INLINE float powers(float *x, size_t n, vec most)
{
    vec sum = V(setzero_ps)();
    for (size_t j = 0; j < n; j += LANES) {
        const vec e = exp_of_negative(V(sub_ps)(V(loadu_ps)(x + j), most));
        V(storeu_ps)(x + j, e);
        sum = V(add_ps)(sum, e);
    }
    return sum_lanes(sum);
}

/* n rows, a tile's at most, go through each pass together, so that one row's last additions overlap the
 * next's first. */
INLINE void weights_of(const head *h, size_t first, size_t n, float *x, float *by)
{
    const at_attend_head *p = h->p;
    const bool more = p->region || p->mask;
    vec most[HIGH];
    float sum[HIGH];
    for (size_t i = 0; i < n; i++) {
        const size_t seen = at_attend_seen(p, first + i);
        most[i] = more ? end_scores(h, first + i, x + i * h->ld, seen, true)
                       : end_scores(h, first + i, x + i * h->ld, seen, false);
    }
    for (size_t i = 0; i < n; i++)
        sum[i] = powers(x + i * h->ld, at_attend_seen(p, first + i), most[i]);
    for (size_t i = 0; i < n; i++) {
        const size_t seen = at_attend_seen(p, first + i);
        by[i] = seen ? 1.0f / sum[i] : 0.0f;
        for (size_t j = seen; j < p->n_k; j++)
            x[i * h->ld + j] = 0.0f;
    }
}

/* Queries, keys and values [first, first + n) of the next head. */
INLINE void fetch_next(const at_attend_head *p, size_t first, size_t n)
{
    for (size_t i = first; i < first + n && i < p->n_k; i++) {
        const size_t row = (size_t)p->next_rows[i];
        for (size_t c = 0; c < p->dim; c += 64 / sizeof(float)) {
            __builtin_prefetch(p->next_q + row * p->ldq + c, 0, 2);
            __builtin_prefetch(p->next_k + row * p->ldkv + c, 0, 2);
            __builtin_prefetch(p->next_v + row * p->ldkv + c, 0, 2);
        }
    }
}

/* Queries [first, first + n), n <= ROWS_AT_ONCE. */
INLINE void attend_block(const head *h, size_t first, size_t n)
{
    const at_attend_head *p = h->p;
    const size_t rows = at_round_up(n, HIGH), dim = p->dim;
    for (size_t i = 0; i < n; i++)
        copy_scaled(h->queries + i * dim, p->q + row_of(p->q_rows, first + i) * p->ldq, dim,
                    p->scale);
    memset(h->queries + n * dim, 0, (rows - n) * dim * sizeof(float));
    // rows that fill up the last tile have no bias: it is read from where its scores will be
    const size_t whole = n / HIGH * HIGH;
    for (size_t i = whole; p->bias && i < n; i++)
        memcpy(h->scores + i * h->ld, p->bias + (first + i) * p->ld_bias, p->n_k * sizeof(float));
    size_t ahead = first / HIGH * (h->ld / NR) * h->fetched;
    for (size_t j = 0; j < p->n_k; j += NR)
        for (size_t i = 0; i < rows; i += HIGH, ahead += h->fetched) {
            if (p->next_rows) fetch_next(p, ahead, h->fetched);
            float *to = h->scores + i * h->ld + j;
            const bool beside = i < whole;
            const float *bias = !p->bias ? NULL
                                : beside ? p->bias + (first + i) * p->ld_bias + j
                                         : to;
            (p->n_k - j > LANES ? score_tile_2
                                : score_tile_1)(h->queries + i * dim, dim, h->keys + j * dim, bias,
                                                beside ? p->ld_bias : h->ld, to, h->ld);
        }
    float by[ROWS_AT_ONCE] = {0};
    for (size_t i = 0; i < n; i += HIGH)
        weights_of(h, first + i, at_min_size(HIGH, n - i), h->scores + i * h->ld, by + i);
    for (size_t c = 0; c < dim; c += NR)
        for (size_t i = 0; i < n; i += HIGH)
            (dim - c > LANES ? value_tile_2 : value_tile_1)(h, first + i, at_min_size(HIGH, n - i),
                                                            h->scores + i * h->ld, by + i, c);
}

INLINE void attend(const at_attend_head *p)
{
    const head h = head_of(p);
    pack_keys(&h);
    pack_values(&h);
    for (size_t j = 0; p->region && j < p->n_k; j++)
        h.regions[j] = (float)p->region[j];
    for (size_t first = 0; first < p->n_q; first += ROWS_AT_ONCE)
        attend_block(&h, first, at_min_size(ROWS_AT_ONCE, p->n_q - first));
}

#endif
