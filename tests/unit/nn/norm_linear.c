/* A norm and the product that reads it as one op: the bits of the two by themselves, for every type of weights,
 * any threads, a picture alone or among others, and for who looks at the product's rows. */
#include "nn/nn.h"
#include "unit/backend/compare.h"

enum { TYPES = 4, MERGED = 4 };

static const char *const type_names[TYPES] = {"f32", "f16", "int8", "bf16, narrow"};

static void pack(at_matrix *w, int type, size_t n, size_t k)
{
    float *v = random_floats(n * k), *scales = random_floats(n);
    int8_t *bytes = at_alloc(NULL, n * k);
    assert_non_null(bytes);
    for (size_t i = 0; i < n * k; i++)
        bytes[i] = (int8_t)((int)(random_word() % 255) - 127);
    const at_status status = type == 2
                                 ? at_backend_cpu.pack_s8(w, bytes, scales, n, k, NULL, NULL, NULL)
                             : type == 3
                                 ? at_backend_cpu.pack_bf16(w, v, AT_F32, n, k, NULL, NULL, NULL)
                                 : at_backend_cpu.pack(w, v, AT_F32, type ? AT_F16 : AT_F32, n, k,
                                                       NULL, NULL, NULL);
    assert_int_equal(status, AT_OK);
    at_free(NULL, v);
    at_free(NULL, scales);
    at_free(NULL, bytes);
}

/* What a layer is given and has; x [B, N, C], normed in rows of k = C or, with gather, of MERGED rows. */
typedef struct layer {
    at_tensor in;
    const int32_t *gather; // [N / MERGED, MERGED] or NULL
    at_norm norm;
    at_linear linear;
    at_act act;
    at_product_fn product;
    void *product_user;
} layer;

typedef at_tensor (*forward_fn)(at_exec *x, const layer *l);

/* The result of `forward`, [pictures, n] as floats of the caller; planned without the looker, then run. */
static float *run(const layer *l, int device, forward_fn forward)
{
    at_exec x = {.backend = &at_backend_cpu, .together = true};
    (void)forward(&x, l);
    assert_int_equal(x.status, AT_OK);
    const size_t need = x.arena.peak;
    x.arena = (at_arena){.data = at_alloc(NULL, need), .cap = need};
    assert_non_null(x.arena.data);
    x.device = devices[device];
    x.product = l->product;
    x.product_user = l->product_user;
    const at_tensor y = forward(&x, l);
    assert_int_equal(x.status, AT_OK);
    assert_int_equal(x.arena.peak, need);
    const size_t n = at_rows(y) * at_cols(y);
    float *copy = nans(n);
    memcpy(copy, y.data, n * sizeof *copy);
    at_free(NULL, x.arena.data);
    return copy;
}

static at_tensor one_op(at_exec *x, const layer *l)
{
    if (l->gather)
        return at_norm_gather_linear_new(x, l->in, l->gather, MERGED, &l->norm, &l->linear);
    return at_norm_linear_new(x, l->in, &l->norm, &l->linear, l->act);
}

/* The rows gathered by hand, the norm, the product. */
static at_tensor two_ops(at_exec *x, const layer *l)
{
    const size_t b = l->in.dims[0], n = l->in.dims[1], c = l->in.dims[2],
                 merged = l->gather ? MERGED : 1, rows = n / merged;
    const at_tensor y = at_tensor3(x, b, rows, c * merged);
    for (size_t i = 0; !at_planning(x) && i < b * n; i++) {
        const size_t picture = i / n, from = l->gather ? (size_t)l->gather[i % n] : i % n;
        memcpy(y.data + i * c, l->in.data + (picture * n + from) * l->in.ld, c * sizeof *y.data);
    }
    at_norm_to(x, y, &l->norm, y);
    return at_linear_new(x, y, &l->linear, l->act);
}

typedef struct seen {
    size_t calls;
    const float *want; // [m, k]
} seen;

static void look(void *user, at_exec *x, const at_linear_args *a)
{
    seen *s = user;
    (void)x;
    s->calls++;
    assert_null(a->norm);
    for (size_t i = 0; i < a->m; i++)
        same_bits(a->x + i * a->ldx, s->want + i * a->w->k, a->w->k, "the product's rows");
}

static void keep(void *user, at_exec *x, const at_linear_args *a)
{
    float *rows = user;
    (void)x;
    for (size_t i = 0; i < a->m; i++)
        memcpy(rows + i * a->w->k, a->x + i * a->ldx, a->w->k * sizeof *rows);
}

static void check(int type, size_t pictures, size_t rows, size_t c, size_t n, bool merge,
                  at_act act)
{
    const size_t merged = merge ? MERGED : 1, k = c * merged, tokens = rows * merged,
                 ld = c + random_word() % 3;
    float *x = random_floats(pictures * tokens * ld), *gamma = random_floats(k),
          *beta = random_floats(k), *bias = random_floats(n), *normed = nans(pictures * rows * k);
    int32_t *gather = at_calloc(NULL, tokens, sizeof *gather);
    assert_non_null(gather);
    for (size_t i = 0; i < tokens; i++)
        gather[i] = (int32_t)(random_word() % tokens);
    layer l = {.in = at_tensor_of(x, 3, (const size_t[]){pictures, tokens, c}),
               .gather = merge ? gather : NULL,
               .norm = {.gamma = gamma, .beta = beta, .n = k, .eps = 1e-5f},
               .linear = {.bias = bias},
               .act = merge ? AT_ACT_NONE : act,
               .product = keep,
               .product_user = normed};
    l.in.ld = ld;
    pack(&l.linear.w, type, n, k);
    char what[120];
    snprintf(what, sizeof what, "%s, %zu pictures of %zu rows, k %zu, n %zu, act %d",
             type_names[type], pictures, rows, k, n, (int)act);

    float *want = run(&l, 0, two_ops);
    seen s = {.want = normed};
    for (int looked = 0; looked < 2; looked++) {
        l.product = looked ? look : NULL;
        l.product_user = &s;
        for (int t = 0; t < MOST_THREADS; t++) {
            float *got = run(&l, t, one_op);
            same_bits(got, want, pictures * rows * n, what);
            at_free(NULL, got);
        }
    }
    assert_int_equal(s.calls, MOST_THREADS);

    const size_t last = pictures - 1;
    l.product = NULL;
    l.in.data += last * tokens * ld;
    l.in.dims[0] = 1;
    float *alone = run(&l, 1, one_op);
    same_bits(alone, want + last * rows * n, rows * n, what);

    at_backend_cpu.unpack(&l.linear.w, NULL);
    void *all[] = {x, gamma, beta, bias, normed, gather, want, alone};
    for (size_t i = 0; i < AT_COUNT(all); i++)
        at_free(NULL, all[i]);
}

static void one_op_has_the_bits_of_two(void **state)
{
    (void)state;
    for (int round = 0; round < 80; round++)
        check(round % TYPES, random_size(1, 4), random_size(1, 40), random_size(1, 90),
              random_size(1, 90), random_word() % 3 == 0, (at_act)(random_word() % 5));
    for (int type = 0; type < TYPES; type++) { // several blocks of rows and of panels
        check(type, 2, 300, 130, 420, false, AT_ACT_GELU);
        check(type, 1, 7, 1536, 1600, false, AT_ACT_NONE);
        check(type, 2, 36, 384, 200, true, AT_ACT_NONE);
    }
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    float data[64] = {0};
    const int32_t gather[4] = {0};
    for (int narrow = 0; narrow < 2; narrow++) {
        for (int wrong = 0; wrong < 5; wrong++) {
            at_exec x = {.backend = &at_backend_cpu};
            at_norm norm = {.gamma = data, .beta = data, .n = 4, .eps = 1e-5f};
            at_linear l = {.w = {.n = 2, .k = 4, .type = narrow ? AT_I8 : AT_F32}};
            at_tensor in = at_tensor_of(data, 3, (const size_t[]){1, 2, 4});
            if (wrong == 1) norm.n = 3;
            if (wrong == 2) l.w.k = 3;
            if (wrong == 3) in.dims[1] = 3; // not whole pairs
            if (wrong == 4) in.dims[2] = 3;
            (void)at_norm_linear_new(&x, in, &norm, &l, AT_ACT_NONE);
            assert_int_equal(x.status, wrong && wrong != 3 ? AT_E_INTERNAL : AT_OK);
            x = (at_exec){.backend = &at_backend_cpu};
            in.dims[2] = wrong == 4 ? 3 : 2;
            (void)at_norm_gather_linear_new(&x, in, gather, 2, &norm, &l);
            assert_int_equal(x.status, wrong ? AT_E_INTERNAL : AT_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_op_has_the_bits_of_two),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
