/* The product of every linear layer: against loops in double, in three storage types, with every ending;
 * the same bits with 1, 2 and 3 threads and for a row alone. */
#include "unit/backend/compare.h"

#include "base/half.h"

static double ending(double s, at_act act)
{
    if (act == AT_ACT_GELU) return 0.5 * s * erfc(-s * 0.70710678118654752440);
    if (act == AT_ACT_RELU) return s < 0.0 ? 0.0 : s;
    if (act == AT_ACT_RELU6) return s < 0.0 ? 0.0 : s > 6.0 ? 6.0 : s;
    return s;
}

/* Rounds w to `type` as the file would hold it and gives those bytes. */
static void *stored(float *w, size_t n, at_dtype type)
{
    uint16_t *h = at_alloc(NULL, n * 4);
    assert_non_null(h);
    if (type == AT_F32) return memcpy(h, w, n * 4);
    for (size_t i = 0; i < n; i++) {
        h[i] = type == AT_F16 ? at_f16_of_f32(w[i]) : at_bf16_of_f32(w[i]);
        w[i] = type == AT_F16 ? at_f32_of_f16(h[i]) : at_f32_of_bf16(h[i]);
    }
    return h;
}

static void check(size_t m, size_t n, size_t k, at_dtype type, at_act act, bool bias, bool residual)
{
    const size_t ldx = k + random_word() % 3, ldy = n + random_word() % 3;
    float *x = random_floats(m * ldx), *w = random_floats(n * k), *b = random_floats(n),
          *r = random_floats(m * ldy);
    void *file = stored(w, n * k, type);
    at_matrix packed = {0};
    assert_int_equal(at_backend_cpu.pack(&packed, file, type, type, n, k, NULL, NULL, NULL), AT_OK);
    float *first = NULL;
    char what[100];
    snprintf(what, sizeof what, "m %zu n %zu k %zu type %d act %d bias %d residual %d", m, n, k,
             (int)type, (int)act, bias, residual);
    for (int t = 0; t < MOST_THREADS; t++) {
        float *y = nans(m * ldy);
        if (t == 2) memcpy(y, r, m * ldy * sizeof *y); // y may be the residual
        at_linear_args a = {.m = m,
                            .x = x,
                            .ldx = ldx,
                            .w = &packed,
                            .bias = bias ? b : NULL,
                            .act = act,
                            .residual = residual ? t == 2 ? y : r : NULL,
                            .ld_residual = ldy,
                            .y = y,
                            .ldy = ldy};
        at_backend_cpu.linear(devices[t], &a);
        if (first) {
            for (size_t i = 0; i < m; i++)
                same_bits(y + i * ldy, first + i * ldy, n, what);
            at_free(NULL, y);
            continue;
        }
        first = y;
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double s = bias ? (double)b[j] : 0.0;
            for (size_t l = 0; l < k; l++)
                s += (double)x[i * ldx + l] * (double)w[j * k + l];
            near((double)first[i * ldy + j],
                 ending(s, act) + (residual ? (double)r[i * ldy + j] : 0.0), what, i, j);
        }
    }
    const size_t i = random_word() % m;
    float *alone = nans(n);
    at_backend_cpu.linear(devices[1], &(at_linear_args){.m = 1,
                                                        .x = x + i * ldx,
                                                        .ldx = ldx,
                                                        .w = &packed,
                                                        .bias = bias ? b : NULL,
                                                        .act = act,
                                                        .residual = residual ? r + i * ldy : NULL,
                                                        .ld_residual = ldy,
                                                        .y = alone,
                                                        .ldy = n});
    same_bits(alone, first + i * ldy, n, what);
    at_backend_cpu.unpack(&packed, NULL);
    assert_null(packed.data);
    float *all[] = {x, w, b, r, first, alone, file};
    for (size_t f = 0; f < AT_COUNT(all); f++)
        at_free(NULL, all[f]);
}

static void test_odd_sizes(void **state)
{
    (void)state;
    for (int round = 0; round < 150; round++)
        check(random_size(1, 40), random_size(1, 70), random_size(1, 60),
              (at_dtype)(random_word() % 3), (at_act)(random_word() % 4), random_word() % 2,
              random_word() % 2);
}

static void test_blocks(
    void **state) // several blocks of rows, panels and depth; strides that are copied
{
    (void)state;
    check(150, 33, 27, AT_F32, AT_ACT_NONE, true, false);
    check(300, 17, 260, AT_F16, AT_ACT_NONE, true, true);
    check(13, 500, 520, AT_BF16, AT_ACT_GELU, true, true);
    check(160, 420, 300, AT_F32, AT_ACT_RELU, true, true);
    check(31, 130, 512, AT_F16, AT_ACT_RELU6, false, true);
    check(1, 1, 768, AT_F32, AT_ACT_NONE, true, false);
}

static void test_copied_rows_have_the_same_bits(void **state)
{
    (void)state;
    const size_t m = 40, n = 100,
                 k = 512; // 512 floats apart rows are copied, 513 apart they are not
    float *x = random_floats(m * (k + 1)), *dense = random_floats(m * k), *w = random_floats(n * k),
          *y = nans(m * n), *z = nans(m * n);
    for (size_t i = 0; i < m; i++)
        memcpy(dense + i * k, x + i * (k + 1), k * sizeof *x);
    at_matrix packed = {0};
    assert_int_equal(at_backend_cpu.pack(&packed, w, AT_F32, AT_F32, n, k, NULL, NULL, NULL),
                     AT_OK);
    at_backend_cpu.linear(
        devices[0],
        &(at_linear_args){.m = m, .x = x, .ldx = k + 1, .w = &packed, .y = y, .ldy = n});
    at_backend_cpu.linear(
        devices[0],
        &(at_linear_args){.m = m, .x = dense, .ldx = k, .w = &packed, .y = z, .ldy = n});
    same_bits(z, y, m * n, "copied rows");
    at_backend_cpu.unpack(&packed, NULL);
    float *all[] = {x, dense, w, y, z};
    for (size_t f = 0; f < AT_COUNT(all); f++)
        at_free(NULL, all[f]);
}

/* Packed through another type: the values are those that the type holds. */
static void test_pack_converts(void **state)
{
    (void)state;
    const size_t n = 37, k = 150;
    for (int from = 0; from < 3; from++) {
        for (int to = 0; to < 3; to++) {
            float *w = random_floats(n * k), *x = random_floats(k), *y = nans(n), *z = nans(n);
            void *file = stored(w, n * k, (at_dtype)from);
            void *again = stored(w, n * k, (at_dtype)to);
            at_matrix a = {0}, b = {0};
            assert_int_equal(at_backend_cpu.pack(&a, file, (at_dtype)from, (at_dtype)to, n, k, NULL,
                                                 NULL, NULL),
                             AT_OK);
            assert_int_equal(at_backend_cpu.pack(&b, again, (at_dtype)to, (at_dtype)to, n, k, NULL,
                                                 NULL, NULL),
                             AT_OK);
            at_backend_cpu.linear(
                devices[0], &(at_linear_args){.m = 1, .x = x, .ldx = k, .w = &a, .y = y, .ldy = n});
            at_backend_cpu.linear(
                devices[0], &(at_linear_args){.m = 1, .x = x, .ldx = k, .w = &b, .y = z, .ldy = n});
            same_bits(y, z, n, "converted");
            at_backend_cpu.unpack(&a, NULL);
            at_backend_cpu.unpack(&b, NULL);
            float *all[] = {w, x, y, z, file, again};
            for (size_t f = 0; f < AT_COUNT(all); f++)
                at_free(NULL, all[f]);
        }
    }
}

static void *no_memory(void *user, size_t size, size_t align)
{
    (void)user, (void)size, (void)align;
    return NULL;
}
static void nothing(void *user, void *ptr)
{
    (void)user, (void)ptr;
}

static void test_no_memory(void **state)
{
    (void)state;
    const at_allocator none = {.alloc = no_memory, .release = nothing};
    const float w[4] = {0};
    at_matrix packed = {0};
    at_error err = {0};
    assert_int_equal(at_backend_cpu.pack(&packed, w, AT_F32, AT_F32, 2, 2, NULL, &none, &err),
                     AT_E_OUT_OF_MEMORY);
    assert_null(packed.data);
    at_device *d = NULL;
    assert_int_equal(at_backend_cpu.open(&d, 1, &none, &err), AT_E_OUT_OF_MEMORY);
    assert_null(d);
    at_backend_cpu.close(NULL);
    at_backend_cpu.unpack(&packed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_copied_rows_have_the_same_bits),
        cmocka_unit_test(test_pack_converts),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
