/* Attention against loops in double: windows through an index map with bias and regions, cross-attention,
 * causal and masked keys; the same bits with 1, 2 and 3 threads and for an image alone. */
#include "unit/backend/compare.h"

/* out of the definition in backend.h; `out` has a->out's layout. */
static void naive(const at_attention_args *a, double *out)
{
    double p[700];
    assert_true(a->n_k <= 700);
    for (size_t b = 0; b < a->batch; b++)
        for (size_t g = 0; g < a->groups; g++)
            for (size_t h = 0; h < a->heads; h++)
                for (size_t i = 0; i < a->n_q; i++) {
                    const size_t qi = a->index ? (size_t)a->index[g * a->n_q + i] : i,
                                 d = a->head_dim;
                    const float *q = a->q + b * a->q_batch + qi * a->ldq + h * d;
                    double most = -INFINITY, sum = 0.0;
                    for (size_t j = 0; j < a->n_k; j++) {
                        const size_t kj = a->index ? (size_t)a->index[g * a->n_k + j] : j;
                        const float *k = a->k + b * a->kv_batch + kj * a->ldkv + h * d;
                        double s = 0.0;
                        for (size_t c = 0; c < d; c++)
                            s += (double)q[c] * (double)k[c];
                        s *= (double)a->scale;
                        if (a->bias) s += (double)a->bias[(h * a->n_q + i) * a->n_k + j];
                        if (a->region && a->region[g * a->n_q + i] != a->region[g * a->n_q + j])
                            s -= 100.0;
                        if (a->key_mask) s += (double)a->key_mask[b * a->n_k + j];
                        if (a->causal && j + a->n_q > i + a->n_k) s = -INFINITY;
                        p[j] = s;
                        most = fmax(most, s);
                    }
                    for (size_t j = 0; j < a->n_k; j++)
                        sum += p[j] = exp(p[j] - most);
                    for (size_t c = 0; c < d; c++) {
                        double s = 0.0;
                        for (size_t j = 0; j < a->n_k; j++) {
                            const size_t kj = a->index ? (size_t)a->index[g * a->n_k + j] : j;
                            s += p[j] / sum *
                                 (double)a->v[b * a->kv_batch + kj * a->ldkv + h * d + c];
                        }
                        out[b * a->out_batch + qi * a->ldo + h * d + c] = s;
                    }
                }
}

struct shape {
    size_t batch, groups, heads, dim, n_q, n_k;
    bool index, bias, region, key_mask, causal, shared_q, kept, coarse;
};

static void check(struct shape s)
{
    const size_t c = s.heads * s.dim, q_rows = s.index ? s.groups * s.n_q : s.n_q,
                 k_rows = s.index ? q_rows : s.n_k;
    float *q = random_floats(s.batch * q_rows * c), *kv = random_floats(s.batch * k_rows * 2 * c);
    float *bias = random_floats(s.heads * s.n_q * s.n_k), *mask = random_floats(s.batch * s.n_k);
    int32_t *index = at_calloc(NULL, s.groups * s.n_q, sizeof *index);
    uint8_t *region = at_calloc(NULL, s.groups * s.n_q, 1);
    for (size_t i = 0; i < s.groups * s.n_q; i++) { // any permutation of the rows
        const size_t at = random_word() % (i + 1);
        index[i] = index[at];
        index[at] = (int32_t)i;
        region[i] = (uint8_t)(random_word() % 3);
    }
    for (size_t j = 0; j < s.batch * s.n_k; j++)
        mask[j] = j % 3 == 1 ? -INFINITY : 0.0f;
    at_attention_args a = {.batch = s.batch,
                           .groups = s.groups,
                           .heads = s.heads,
                           .head_dim = s.dim,
                           .n_q = s.n_q,
                           .n_k = s.n_k,
                           .q = q,
                           .ldq = c,
                           .q_batch = s.shared_q ? 0 : q_rows * c,
                           .k = kv,
                           .v = kv + c,
                           .ldkv = 2 * c,
                           .kv_batch = k_rows * 2 * c,
                           .ldo = c,
                           .out_batch = q_rows * c,
                           .index = s.index ? index : NULL,
                           .scale = 0.7f,
                           .bias = s.bias ? bias : NULL,
                           .region = s.region ? region : NULL,
                           .key_mask = s.key_mask ? mask : NULL,
                           .causal = s.causal,
                           .kept = s.kept,
                           .coarse = s.coarse};
    const size_t n = s.batch * q_rows * c;
    double *want = at_calloc(NULL, n, sizeof *want);
    naive(&a, want);
    char what[160];
    snprintf(
        what, sizeof what,
        "batch %zu groups %zu heads %zu dim %zu n_q %zu n_k %zu index %d bias %d region %d mask %d causal %d kept %d",
        s.batch, s.groups, s.heads, s.dim, s.n_q, s.n_k, s.index, s.bias, s.region, s.key_mask,
        s.causal, s.kept);
    float *first = NULL;
    for (int t = 0; t < MOST_THREADS; t++) {
        a.out = nans(n);
        at_backend_cpu.attention(devices[t], &a);
        if (first)
            same_bits(a.out, first, n, what);
        else
            first = a.out;
        if (first != a.out) at_free(NULL, a.out);
    }
    for (size_t i = 0; i < n; i++) {
        if (!s.coarse || isnan(want[i]))
            near((double)first[i], want[i], what, i / c, i % c);
        else if (!(fabs((double)first[i] - want[i]) <=
                   0.02)) // bfloat16 has 8 bits, scores are small
            fail_msg("%s [%zu]: got %.9g, want %.9g", what, i, (double)first[i], want[i]);
    }
    // the last image alone
    at_attention_args one = a;
    const size_t b = s.batch - 1;
    one.batch = 1;
    one.q += b * a.q_batch;
    one.k += b * a.kv_batch;
    one.v += b * a.kv_batch;
    if (one.key_mask) one.key_mask += b * s.n_k;
    one.out = nans(q_rows * c);
    at_backend_cpu.attention(devices[1], &one);
    same_bits(one.out, first + b * q_rows * c, q_rows * c, what);
    void *all[] = {q, kv, bias, mask, index, region, want, first, one.out};
    for (size_t f = 0; f < AT_COUNT(all); f++)
        at_free(NULL, all[f]);
}

static void test_windows(void **state)
{
    (void)state;
    check((struct shape){2, 4, 3, 32, 49, 49, .index = true, .bias = true, .region = true});
    check((struct shape){1, 2, 2, 32, 144, 144, .index = true, .bias = true});
    check((struct shape){2, 1, 2, 8, 4, 4, .index = true, .bias = true, .region = true});
    check((struct shape){1, 3, 1, 5, 7, 7, .index = true});
}

static void test_cross_attention(void **state)
{
    (void)state;
    check((struct shape){2, 1, 4, 48, 130, 50, .shared_q = true});
    check((struct shape){1, 1, 2, 192, 101, 145, .index = false});
    check((struct shape){1, 1, 1, 16, 1000, 3, .index = false}); // several ranges of queries
    check((struct shape){1, 1, 1, 1, 1, 1, .index = false});
    check((struct shape){1, 1, 1, 3, 2, 600, .index = false});
}

static void test_causal_and_masked(void **state)
{
    (void)state;
    check((struct shape){1, 1, 2, 16, 20, 20, .causal = true});
    check((struct shape){1, 1, 2, 16, 3, 20, .causal = true}); // the last queries of a longer text
    check((struct shape){3, 1, 2, 64, 17, 21, .key_mask = true, .bias = true});
    check((struct shape){2, 1, 1, 24, 9, 9, .key_mask = true, .causal = true});
}

static void test_kept(void **state) // few queries read the keys where they lie, more pack them
{
    (void)state;
    for (size_t n_q = 1; n_q <= 12; n_q++)
        check((struct shape){2, 1, 3, 64, n_q, 40, .key_mask = n_q % 2, .kept = true});
    check((struct shape){1, 1, 2, 64, 4, 4, .causal = true, .kept = true});
    check((struct shape){2, 1, 2, 17, 3, 600, .bias = true, .shared_q = true, .kept = true});
}

static void test_any_size(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct shape s = {random_size(1, 2),         1,
                          random_size(1, 3),         random_size(1, 40),
                          random_size(1, 110),       random_size(1, 70),
                          .bias = random_word() % 2, .key_mask = random_word() % 2};
        if (random_word() % 2) {
            s.groups = random_size(1, 3);
            s.index = true;
            s.n_k = s.n_q;
            s.region = random_word() % 2;
        }
        check(s);
    }
}

static void test_coarse(void **state) // in bfloat16 where the processor is made for it
{
    (void)state;
    check((struct shape){2, 4, 3, 32, 49, 49, .index = true, .bias = true, .region = true,
                         .coarse = true});
    check((struct shape){1, 2, 2, 32, 144, 144, .index = true, .bias = true, .coarse = true});
    check((struct shape){2, 1, 4, 48, 300, 50, .shared_q = true, .coarse = true});
    check((struct shape){1, 1, 2, 16, 20, 20, .causal = true, .coarse = true});
    check((struct shape){3, 1, 2, 64, 17, 21, .key_mask = true, .bias = true, .coarse = true});
    check((struct shape){2, 1, 3, 64, 4, 40, .kept = true, .coarse = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),           cmocka_unit_test(test_cross_attention),
        cmocka_unit_test(test_causal_and_masked), cmocka_unit_test(test_kept),
        cmocka_unit_test(test_any_size),          cmocka_unit_test(test_coarse),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
