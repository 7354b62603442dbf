/* attention.c - softmax(scale q k^T + bias + masks) v, one chunk a (image, window, head) or a block of
 * queries. Rows are gathered through the index map into packed panels and go back through it, so that
 * window partition, shift and their reverses cost no pass of their own. */
#include "backend/cpu/cpu.h"

#include <string.h>

typedef struct attending {
    at_device *d;
    const at_attention_args *a;
    size_t q_blocks, q_step;
    size_t key_panels, value_panels, s_ld; // s_ld: columns of the scores, a multiple of NR
} attending;

static size_t row_of(const at_attention_args *a, size_t g, size_t i) { return a->index ? (size_t)a->index[g * a->n_k + i] : i; }

/* Keys as panels [panel][d][NR]: column j of the product is key j. */
static void pack_keys(const attending *t, const float *k, size_t g, float *out)
{
    const at_attention_args *a = t->a;
    const size_t nr = t->d->kernels->nr, dim = a->head_dim;
    memset(out, 0, t->key_panels * dim * nr * sizeof *out);
    for (size_t j = 0; j < a->n_k; j++) {
        const float *from = k + row_of(a, g, j) * a->ldkv;
        float *to = out + j / nr * dim * nr + j % nr;
        for (size_t c = 0; c < dim; c++) to[c * nr] = from[c];
    }
}

/* Values as panels [panel][key][NR]: column c of the product is channel c. */
static void pack_values(const attending *t, const float *v, size_t g, float *out)
{
    const at_attention_args *a = t->a;
    const size_t nr = t->d->kernels->nr, dim = a->head_dim;
    for (size_t p = 0; p < t->value_panels; p++) {
        const size_t width = at_min_size(nr, dim - p * nr);
        float *to = out + p * a->n_k * nr;
        for (size_t j = 0; j < a->n_k; j++, to += nr) {
            memcpy(to, v + row_of(a, g, j) * a->ldkv + p * nr, width * sizeof *to);
            if (width < nr) memset(to + width, 0, (nr - width) * sizeof *to);
        }
    }
}

static void score_rows(const attending *t, size_t b, size_t g, size_t h, size_t first, size_t n, float *s)
{
    const at_attention_args *a = t->a;
    for (size_t i = 0; i < n; i++) {
        const size_t q = first + i;
        const size_t seen = a->causal ? at_min_size(a->n_k, q + 1 + a->n_k - a->n_q) : a->n_k;
        const uint8_t *region = a->region ? a->region + g * a->n_q : NULL;
        t->d->kernels->softmax_row(&(at_softmax_row){.n = seen,
                                                     .n_all = t->s_ld,
                                                     .x = s + i * t->s_ld,
                                                     .scale = a->scale,
                                                     .bias = a->bias ? a->bias + (h * a->n_q + q) * a->n_k : NULL,
                                                     .region = region,
                                                     .own = region ? region[q] : 0,
                                                     .mask = a->key_mask ? a->key_mask + b * a->n_k : NULL});
    }
}

static void product(const attending *t, size_t m, size_t n, size_t k, const float *x, size_t ldx, const float *panels, float *y, size_t ldy)
{
    const size_t nr = t->d->kernels->nr;
    for (size_t p = 0; p * nr < n; p++)
        t->d->kernels->gemm_panel(&(at_gemm_panel){.m = m, .n = at_min_size(nr, n - p * nr), .k = k, .a = x, .lda = ldx,
                                                   .b = panels + p * k * nr, .first = true, .last = true, .y = y + p * nr, .ldy = ldy});
}

static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const at_attention_args *a = t->a;
    const size_t block = chunk % t->q_blocks, head = chunk / t->q_blocks % a->heads;
    const size_t group = chunk / t->q_blocks / a->heads % a->groups, b = chunk / t->q_blocks / a->heads / a->groups;
    const size_t nr = t->d->kernels->nr, dim = a->head_dim;
    float *keys = t->d->scratch[worker].data, *values = keys + t->key_panels * dim * nr;
    float *queries = values + t->value_panels * a->n_k * nr, *s = queries + AT_Q_BLOCK * dim, *out = s + AT_Q_BLOCK * t->s_ld;
    pack_keys(t, a->k + b * a->kv_batch + head * dim, group, keys);
    pack_values(t, a->v + b * a->kv_batch + head * dim, group, values);
    const float *q0 = a->q + b * a->q_batch + head * dim;
    float *o0 = a->out + b * a->out_batch + head * dim;
    const size_t end = at_min_size(a->n_q, (block + 1) * t->q_step);
    for (size_t first = block * t->q_step; first < end; first += AT_Q_BLOCK) {
        const size_t n = at_min_size(AT_Q_BLOCK, end - first);
        const float *q = q0 + first * a->ldq;
        size_t ldq = a->ldq;
        if (a->index) {
            for (size_t i = 0; i < n; i++) memcpy(queries + i * dim, q0 + row_of(a, group, first + i) * a->ldq, dim * sizeof *q0);
            q = queries;
            ldq = dim;
        }
        product(t, n, a->n_k, dim, q, ldq, keys, s, t->s_ld);
        score_rows(t, b, group, head, first, n, s);
        float *y = a->index ? out : o0 + first * a->ldo;
        product(t, n, dim, a->n_k, s, t->s_ld, values, y, a->index ? dim : a->ldo);
        for (size_t i = 0; a->index && i < n; i++) memcpy(o0 + row_of(a, group, first + i) * a->ldo, out + i * dim, dim * sizeof *out);
    }
}

void at_cpu_attention(at_device *d, const at_attention_args *a)
{
    const size_t nr = d->kernels->nr, dim = a->head_dim;
    attending t = {.d = d, .a = a, .key_panels = (a->n_k + nr - 1) / nr, .value_panels = (dim + nr - 1) / nr};
    t.s_ld = t.key_panels * nr;
    t.q_step = at_min_size(a->n_q, 4 * AT_Q_BLOCK);
    t.q_blocks = t.q_step ? (a->n_q + t.q_step - 1) / t.q_step : 0;
    const size_t need = t.key_panels * dim * nr + t.value_panels * a->n_k * nr + 2 * AT_Q_BLOCK * dim + AT_Q_BLOCK * t.s_ld + 64;
    for (int w = 0; w < d->workers; w++) {
        if (!at_cpu_scratch(d, w, need)) return;
    }
    at_pool_run(d->pool, a->batch * a->groups * a->heads * t.q_blocks, attend_chunk, &t);
}
