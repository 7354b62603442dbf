/* check_attend.c - a head of attention against loops in double. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct head {
    size_t n_q, n_k, dim;
    bool rows, bias, region, mask;
    float loud; // how far scores are from each other
    bool causal;
};

/* What query i gives, and the error that one part in 1 of every rounding would make; of bfloat16 (2^-9) there
 * are two in a sum, of v and of its weight, and two in each score, so its bound is twice this. */
static void naive(const at_attend_head *p, size_t i, double *out, double *size)
{
    const float *q = p->q + (p->q_rows ? (size_t)p->q_rows[i] : i) * p->ldq;
    double *s = malloc(p->n_k * sizeof *s), most = -INFINITY, sum = 0.0, terms = 0.0;
    for (size_t j = 0; j < p->n_k; j++) {
        const float *k = p->k + (p->k_rows ? (size_t)p->k_rows[j] : j) * p->ldkv;
        double product = 0.0, all = 0.0;
        for (size_t c = 0; c < p->dim; c++) {
            product += (double)q[c] * (double)k[c];
            all += fabs((double)q[c] * (double)k[c]);
        }
        s[j] = (double)p->scale * product;
        if (p->bias) s[j] += (double)p->bias[i * p->ld_bias + j];
        if (p->region && p->region[j] != p->own[i]) s[j] -= 100.0;
        if (p->mask) s[j] += (double)p->mask[j];
        if (p->causal && (ptrdiff_t)j > p->before + (ptrdiff_t)i) s[j] = -INFINITY;
        // what a score is made of is rounded before the largest is taken off
        all *= (double)p->scale;
        if (p->bias) all += fabs((double)p->bias[i * p->ld_bias + j]);
        if (p->region && p->region[j] != p->own[i]) all += 100.0;
        if (p->mask) all += fabs((double)p->mask[j]);
        terms = fmax(terms, all);
        most = fmax(most, s[j]);
    }
    for (size_t j = 0; j < p->n_k; j++)
        sum += s[j] = most > -(double)INFINITY ? exp(s[j] - most) : 0.0;
    if (sum == 0.0) sum = 1.0; // nothing is seen
    for (size_t c = 0; c < p->dim; c++) {
        out[c] = size[c] = 0.0;
        for (size_t j = 0; j < p->n_k; j++) {
            const float v = p->v[(p->k_rows ? (size_t)p->k_rows[j] : j) * p->ldkv + c];
            out[c] += s[j] / sum * (double)v;
            size[c] += s[j] / sum * fabs((double)v);
        }
        size[c] *= 1.0 + 2.0 * terms;
    }
    free(s);
}

/* 0 .. n - 1 in any order */
static int32_t *shuffled(size_t n)
{
    int32_t *rows = guard(n * sizeof *rows, 0);
    for (size_t i = 0; i < n; i++) {
        const size_t at = random_bits() % (i + 1);
        rows[i] = rows[at];
        rows[at] = (int32_t)i;
    }
    return rows;
}

static at_attend_head make(struct head h)
{
    const size_t ldq = h.dim + random_bits() % 9, ldkv = h.dim + random_bits() % 9;
    at_attend_head p = {.n_q = h.n_q,
                        .n_k = h.n_k,
                        .dim = h.dim,
                        .q = input((h.n_q - 1) * ldq + h.dim),
                        .k = input((h.n_k - 1) * ldkv + h.dim),
                        .v = input((h.n_k - 1) * ldkv + h.dim),
                        .ldq = ldq,
                        .ldkv = ldkv,
                        .q_rows = h.rows ? shuffled(h.n_q) : NULL,
                        .k_rows = h.rows ? shuffled(h.n_k) : NULL,
                        .ldo = h.dim + 3,
                        .scale = h.loud / sqrtf((float)h.dim),
                        .bias = h.bias ? input(h.n_q * h.n_k) : NULL,
                        .ld_bias = h.n_k,
                        .mask = h.mask ? input(h.n_k) : NULL,
                        .causal = h.causal,
                        .before = (ptrdiff_t)h.n_k - (ptrdiff_t)h.n_q};
    if (h.n_q == h.n_k) p.next_rows = p.k_rows;
    p.next_q = p.q;
    p.next_k = p.k;
    p.next_v = p.v;
    p.room = guard(at_round_up(at_attend_room(h.n_k, h.dim), 64), 0);
    p.out = output(h.n_q * p.ldo);
    if (h.region) {
        uint8_t *region = guard(h.n_k, AT_SLACK), *own = guard(h.n_q, 0);
        for (size_t j = 0; j < h.n_k; j++)
            region[j] = random_bits() % 3;
        for (size_t i = 0; i < h.n_q; i++)
            own[i] = random_bits() % 3;
        p.region = region;
        p.own = own;
    }
    return p;
}

static void check_head(struct checker *t, struct head h, void (*attend)(const at_attend_head *))
{
    const at_attend_head p = make(h);
    double *want = malloc(h.dim * sizeof *want), *size = malloc(h.dim * sizeof *size);
    attend(&p);
    for (size_t i = 0; i < h.n_q; i++) {
        const float *out = p.out + (p.q_rows ? (size_t)p.q_rows[i] : i) * p.ldo;
        naive(&p, i, want, size);
        for (size_t c = 0; c < h.dim; c++)
            expect(t, (double)out[c], want[c], size[c], "n_q %zu n_k %zu dim %zu, [%zu, %zu]",
                   h.n_q, h.n_k, h.dim, i, c);
        for (size_t c = h.dim; c < p.ldo; c++)
            expect(t, (double)out[c], NAN, 0.0, "behind row %zu", i);
    }
    // a query alone has the bits that it has among others
    at_attend_head one = p;
    const size_t last = h.n_q - 1;
    one.n_q = 1;
    one.q = p.q + (p.q_rows ? (size_t)p.q_rows[last] : last) * p.ldq;
    one.q_rows = NULL;
    one.out = output(h.dim);
    if (p.bias) one.bias = p.bias + last * p.ld_bias;
    if (p.own) one.own = p.own + last;
    one.before += (ptrdiff_t)last;
    attend(&one);
    expect_bytes(t, one.out, p.out + (p.q_rows ? (size_t)p.q_rows[last] : last) * p.ldo,
                 h.dim * sizeof(float), "alone, n_q %zu n_k %zu dim %zu", h.n_q, h.n_k, h.dim);
    free(want);
    free(size);
    guard_release(t);
}

static void check_heads(struct checker *t, void (*attend)(const at_attend_head *))
{
    check_head(t, (struct head){144, 144, 32, true, true, true, false, 1.0f, false}, attend);
    check_head(t, (struct head){49, 49, 32, true, true, true, false, 3.0f, false}, attend);
    check_head(t, (struct head){70, 145, 192, .loud = 1.0f}, attend);
    check_head(t, (struct head){1, 1, 1, .loud = 1.0f}, attend);
    check_head(t, (struct head){3, 600, 8, .mask = true, .loud = 30.0f}, attend);
    for (int round = 0; round < 60; round++) {
        const uint64_t with = random_bits();
        check_head(t,
                   (struct head){1 + random_bits() % 70, 1 + random_bits() % 100,
                                 1 + random_bits() % 80, with & 1, with & 2, with & 4, with & 8,
                                 1.0f, false},
                   attend);
    }
}

void check_attend_bf16(struct checker *t)
{
    check_heads(t, t->k->attend_bf16);
}

/* A number that is none, wherever it is, reaches all of its query and nothing else. */
static void check_nan(struct checker *t)
{
    at_attend_head p = make((struct head){20, 37, 24, .bias = true, .loud = 1.0f});
    float *bias = copy_of(p.bias, 20 * 37, AT_SLACK);
    for (size_t i = 0; i < 20; i += 3)
        bias[i * 37 + 2 * i % 37] = i % 2 ? NAN : INFINITY;
    p.bias = bias;
    t->k->attend_f32(&p);
    for (size_t i = 0; i < 20; i++)
        for (size_t c = 0; c < 24; c++)
            expect(t, isnan(p.out[i * p.ldo + c]) ? 1.0 : 0.0, i % 3 ? 0.0 : 1.0, 0.0,
                   "NaN of query %zu", i);
    guard_release(t);
}

void check_attend_f32(struct checker *t)
{
    check_heads(t, t->k->attend_f32);
    check_nan(t);
    // the first queries of the second see nothing
    check_head(t, (struct head){77, 77, 64, .loud = 1.0f, .causal = true}, t->k->attend_f32);
    check_head(t, (struct head){30, 20, 16, .loud = 1.0f, .causal = true}, t->k->attend_f32);
    for (int round = 0; round < 20; round++)
        check_head(t,
                   (struct head){1 + random_bits() % 70, 1 + random_bits() % 100,
                                 1 + random_bits() % 80, .mask = round % 2, .loud = 1.0f,
                                 .causal = true},
                   t->k->attend_f32);
}

static void bench_head(struct checker *t, const char *what, struct head h,
                       void (*attend)(const at_attend_head *))
{
    const at_attend_head p = make(h);
    double seconds;
    TIME_CALL(seconds, attend(&p));
    rate(t, what, seconds, 4.0 * (double)(h.n_q * h.n_k * h.dim), 0.0);
    guard_release(t);
}

static void bench_heads(struct checker *t, void (*attend)(const at_attend_head *))
{
    bench_head(t, "144 x 144 x 32, window",
               (struct head){144, 144, 32, true, true, true, false, 1, false}, attend);
    bench_head(t, "144 x 144 x 32, of one region",
               (struct head){144, 144, 32, true, true, false, false, 1, false}, attend);
    bench_head(t, "192 x 145 x 192, labels", (struct head){192, 145, 192, .loud = 1}, attend);
}

void bench_attend_bf16(struct checker *t)
{
    bench_heads(t, t->k->attend_bf16);
}

void bench_attend_f32(struct checker *t)
{
    bench_heads(t, t->k->attend_f32);
}
