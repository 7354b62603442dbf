/* The product of every linear layer: against loops in double, in three storage types, with every ending;
 * the same bits with 1, 2 and 3 threads and for a row alone. */
#include "unit/backend/compare.h"

#include "base/block.h"
#include "kernels/kernels.h"

static double ending(double s, at_act act)
{
    if (act == AT_ACT_GELU) return 0.5 * s * erfc(-s * 0.70710678118654752440);
    if (act == AT_ACT_QUICK_GELU) return s / (1.0 + exp(-(double)1.702f * s));
    if (act == AT_ACT_RELU) return s < 0.0 ? 0.0 : s;
    if (act == AT_ACT_RELU6) return s < 0.0 ? 0.0 : s > 6.0 ? 6.0 : s;
    return s;
}

/* What a product should be. It reads what no thread writes: the race detector need not look, which makes
 * it several times as quick. */
#define UNWATCHED __attribute__((no_sanitize("thread")))
UNWATCHED static double dot(size_t k, const float *x, const float *w)
{
    double s = 0;
    for (size_t l = 0; l < k; l++)
        s += (double)x[l] * (double)w[l];
    return s;
}

UNWATCHED static double dot_bytes(size_t k, const float *x, float scale, const int8_t *w)
{
    double s = 0;
    for (size_t l = 0; l < k; l++)
        s += (double)rintf(x[l] * scale) * w[l];
    return s;
}

/* Rounds w to `type` as the file would hold it and gives those bytes. */
static void *stored(float *w, size_t n, at_dtype type)
{
    uint16_t *h = at_alloc(NULL, n * 4);
    assert_non_null(h);
    if (type == AT_F32) return memcpy(h, w, n * 4);
    if (at_dtype_is_block(type)) { // whole blocks: n is a multiple of 32
        at_block_encode(type, n, w, h);
        at_block_decode(type, n, h, w);
        return h;
    }
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
            const double s = (bias ? (double)b[j] : 0.0) + dot(k, x + i * ldx, w + j * k);
            const double want = ending(s, act) + (residual ? (double)r[i * ldy + j] : 0.0);
            if (act == AT_ACT_GELU) // the coarse one
                assert_true(fabs((double)first[i * ldy + j] - want) <= 2e-4 * (1.0 + fabs(want)));
            else
                near((double)first[i * ldy + j], want, what, i, j);
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
    check(14, 500, 520, AT_F32, AT_ACT_QUICK_GELU, true, true);
    check(160, 420, 300, AT_F32, AT_ACT_RELU, true, true);
    check(31, 130, 512, AT_F16, AT_ACT_RELU6, false, true);
    check(1, 1, 768, AT_F32, AT_ACT_NONE, true, false);
}

/* Weights in ggml's blocks: few rows straight from them, many by panels in floats, the same bits. */
static void test_weights_in_blocks(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++)
        check(random_size(1, 12), random_size(1, 70), AT_BLOCK * random_size(1, 6),
              round % 2 ? AT_Q4_0 : AT_Q8_0, (at_act)(random_word() % 4), random_word() % 2,
              random_word() % 2);
    check(150, 130, 512, AT_Q8_0, AT_ACT_GELU, true, true);
    check(14, 500, 544, AT_Q4_0, AT_ACT_NONE, true, true);
    check(3, 260, 1152, AT_Q8_0, AT_ACT_NONE, false, true);
}

/* Rows of pictures are multiplied together: the bits of a picture among others, and by any threads, are
 * those it has alone. */
static void check_together(size_t rows, size_t n, size_t k, at_dtype type, at_act act)
{
    enum { PICTURES = 3 };
    const size_t m = PICTURES * rows;
    float *x = random_floats(m * k), *w = random_floats(n * k), *b = random_floats(n),
          *r = random_floats(m * n), *first = NULL;
    void *file = stored(w, n * k, type);
    at_matrix packed = {0};
    assert_int_equal(at_backend_cpu.pack(&packed, file, type, type, n, k, NULL, NULL, NULL), AT_OK);
    for (int t = 0; t < MOST_THREADS; t++) {
        float *y = nans(m * n);
        at_linear_args a = {.m = t == 1 ? rows : m,
                            .together = rows,
                            .x = x,
                            .ldx = k,
                            .w = &packed,
                            .bias = b,
                            .act = act,
                            .residual = r,
                            .ld_residual = n,
                            .y = y,
                            .ldy = n};
        at_backend_cpu.linear(devices[t], &a);
        if (first) {
            same_bits(y, first, a.m * n, "together");
            at_free(NULL, y);
        } else {
            first = y;
        }
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double s = (double)b[j];
            for (size_t l = 0; l < k; l++)
                s += (double)x[i * k + l] * (double)w[j * k + l];
            s = ending(s, act) + (double)r[i * n + j];
            assert_true(fabs((double)first[i * n + j] - s) <= 2e-4 * (1.0 + fabs(s)));
        }
    at_backend_cpu.unpack(&packed, NULL);
    float *all[] = {x, w, b, r, first, file};
    for (size_t f = 0; f < AT_COUNT(all); f++)
        at_free(NULL, all[f]);
}

static void test_rows_together(void **state)
{
    (void)state;
    check_together(96, 384, 768, AT_F32, AT_ACT_NONE);
    check_together(96, 384, 1536, AT_F16, AT_ACT_NONE); // blocks of the depth
    check_together(190, 440, 512, AT_F32, AT_ACT_RELU); // the last couple of rows is not full
    check_together(100, 384, 512, AT_F32, AT_ACT_NONE); // too much would be filled up
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

/* A matrix of bytes: what its whole numbers give, the same bits whatever the threads and the rows. */
static void check_bytes(size_t m, size_t n, size_t k, at_act act, bool residual)
{
    const size_t ldx = k + random_word() % 3, ldy = n + random_word() % 3;
    float *x = random_floats(m * ldx), *scales = random_floats(n), *b = random_floats(n),
          *r = random_floats(m * ldy), *first = nans(m * ldy), *y = nans(m * ldy);
    int8_t *w = at_alloc(NULL, n * k);
    assert_non_null(w);
    for (size_t i = 0; i < n * k; i++)
        w[i] = (int8_t)((int)(random_word() % 255) - 127);
    for (size_t i = 0; i < k; i++) // sums as large as they come
        w[i] = 127;
    for (size_t j = 0; j < n; j++)
        scales[j] = fabsf(scales[j]) * 0.01f;
    at_matrix packed = {0};
    assert_int_equal(at_backend_cpu.pack_s8(&packed, w, scales, n, k, NULL, NULL, NULL), AT_OK);
    at_linear_args a = {.m = m,
                        .x = x,
                        .ldx = ldx,
                        .w = &packed,
                        .bias = b,
                        .act = act,
                        .residual = residual ? r : NULL,
                        .ld_residual = ldy,
                        .y = first,
                        .ldy = ldy};
    char what[100];
    snprintf(what, sizeof what, "bytes m %zu n %zu k %zu act %d", m, n, k, (int)act);
    at_backend_cpu.linear(devices[0], &a);
    a.y = y;
    for (int t = 1; t < MOST_THREADS; t++) {
        at_backend_cpu.linear(devices[t], &a);
        for (size_t i = 0; i < m; i++)
            same_bits(y + i * ldy, first + i * ldy, n, what);
    }
    for (size_t i = 0; i < m; i++) {
        float most = 0;
        for (size_t l = 0; l < k; l++)
            most = fmaxf(most, fabsf(x[i * ldx + l]));
        for (size_t j = 0; j < n; j++) {
            double s = dot_bytes(k, x + i * ldx, 127.0f / most, w + j * k);
            s = s * (double)(most / 127.0f) * (double)scales[j] + (double)b[j];
            const double want = ending(s, act) + (residual ? (double)r[i * ldy + j] : 0.0);
            if (act == AT_ACT_GELU) // the coarse one
                assert_true(fabs((double)first[i * ldy + j] - want) <= 2e-4 * (1.0 + fabs(want)));
            else
                near((double)first[i * ldy + j], want, what, i, j);
        }
    }
    a.m = 1;
    a.x = x + (m - 1) * ldx;
    a.residual = residual ? r + (m - 1) * ldy : NULL;
    at_backend_cpu.linear(devices[1], &a);
    same_bits(y, first + (m - 1) * ldy, n, what);
    at_backend_cpu.unpack(&packed, NULL);
    float *all[] = {x, scales, b, r, first, y};
    for (size_t f = 0; f < AT_COUNT(all); f++)
        at_free(NULL, all[f]);
    at_free(NULL, w);
}

static void test_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++)
        check_bytes(random_size(1, 60), random_size(1, 90), random_size(1, 90),
                    (at_act)(random_word() % 5), random_word() % 2);
    check_bytes(300, 420, 300, AT_ACT_RELU, true); // several blocks of rows and of panels
    check_bytes(150, 40, 3000, AT_ACT_NONE, false);
    check_bytes(7, 17, 32768, AT_ACT_NONE, true);
}

/* In place. */
static void round_all(size_t n, float *x)
{
    uint16_t *h = at_alloc(NULL, n * sizeof *h);
    assert_non_null(h);
    at_kernels_get()->bf16_of_f32(n, x, h);
    at_kernels_get()->f32_of_bf16(n, h, x);
    at_free(NULL, h);
}

/* Products of bfloat16: near what rounded numbers give, the same bits whatever the threads and the rows. */
static void check_bf16(size_t m, size_t n, size_t k, at_dtype type, at_act act)
{
    float *x = random_floats(m * k), *w = random_floats(n * k), *b = random_floats(n),
          *first = nans(m * n), *y = nans(m * n);
    char what[100];
    snprintf(what, sizeof what, "bf16 m %zu n %zu k %zu type %d act %d", m, n, k, (int)type,
             (int)act);
    void *stored = at_alloc(NULL, n * k * 4);
    assert_non_null(stored);
    memcpy(stored, w, n * k * 4);
    if (type == AT_F16) {
        at_kernels_get()->f16_of_f32(n * k, w, stored);
        at_kernels_get()->f32_of_f16(n * k, stored, w);
    }
    if (type == AT_BF16) at_kernels_get()->bf16_of_f32(n * k, w, stored);
    at_matrix packed = {0};
    assert_int_equal(at_backend_cpu.pack_bf16(&packed, stored, type, n, k, NULL, NULL, NULL),
                     AT_OK);
    at_linear_args a = {
        .m = m, .x = x, .ldx = k, .w = &packed, .bias = b, .act = act, .y = first, .ldy = n};
    at_backend_cpu.linear(devices[0], &a);
    a.y = y;
    for (int t = 1; t < MOST_THREADS; t++) {
        at_backend_cpu.linear(devices[t], &a);
        same_bits(y, first, m * n, what);
    }
    a.m = 1;
    a.x = x + (m - 1) * k;
    at_backend_cpu.linear(devices[1], &a);
    same_bits(y, first + (m - 1) * n, n, what);
    round_all(m * k, x);
    round_all(n * k, w);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            near((double)first[i * n + j], ending((double)b[j] + dot(k, x + i * k, w + j * k), act),
                 what, i, j);
    at_backend_cpu.unpack(&packed, NULL);
    float *all[] = {x, w, b, first, y};
    for (size_t i = 0; i < AT_COUNT(all); i++)
        at_free(NULL, all[i]);
    at_free(NULL, stored);
}

static void test_bf16(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++)
        check_bf16(random_size(1, 60), random_size(1, 90), random_size(1, 90),
                   (at_dtype)(random_word() % 3), (at_act)(random_word() % 5));
    check_bf16(300, 70, 300, AT_F32, AT_ACT_NONE);
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
    const int8_t bytes[4] = {0};
    assert_int_equal(at_backend_cpu.pack_s8(&packed, bytes, w, 2, 2, NULL, &none, &err),
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
        cmocka_unit_test(test_weights_in_blocks),
        cmocka_unit_test(test_rows_together),
        cmocka_unit_test(test_copied_rows_have_the_same_bits),
        cmocka_unit_test(test_pack_converts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
