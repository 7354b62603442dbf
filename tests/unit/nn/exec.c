/* The promises of a forward pass: shapes are checked before anything is computed, the first failure is
 * kept, a dry run plans the memory that the real one takes. */
#include "nn/nn.h"
#include "tests_cmocka.h"

#include <string.h>

static const float weights[3 * 2] = {1, 2, 3, 4, 5, 6}, bias[3] = {10, 20, 30};

static void start(at_exec *x, at_linear *l, at_error *err)
{
    *x = (at_exec){.backend = &at_backend_cpu, .err = err};
    *l = (at_linear){.bias = bias};
    assert_int_equal(x->backend->open(&x->device, 1, NULL, err), AT_OK);
    assert_int_equal(x->backend->pack(&l->w, weights, AT_F32, AT_F32, 3, 2, NULL, NULL, err),
                     AT_OK);
}

static void stop(at_exec *x, at_linear *l)
{
    x->backend->unpack(&l->w, NULL);
    x->backend->close(x->device);
}

/* in [2, 2] -> W in + b -> + itself; returns the result, or a tensor without data. */
static at_tensor pass(at_exec *x, const at_linear *l, const float in[4])
{
    at_tensor y = at_linear_new(x, at_tensor_of(in, 2, (const size_t[]){2, 2}), l, AT_ACT_NONE);
    at_tensor sum = at_tensor2(x, 2, 3);
    at_add_to(x, y, y, sum);
    return sum;
}

static void a_dry_run_plans_the_memory(void **state)
{
    (void)state;
    at_error err = {0};
    at_exec x;
    at_linear l;
    start(&x, &l, &err);
    const float in[4] = {1, 0, 0, 1};
    (void)pass(&x, &l, in); // planning: no memory yet
    assert_int_equal(x.status, AT_OK);
    const size_t need = x.arena.peak;
    assert_true(need >= 2 * 6 * sizeof(float));
    for (size_t missing = 0; missing <= 64; missing += 64) {
        void *memory = at_alloc(NULL, need);
        x.arena = (at_arena){.data = memory, .cap = need - missing};
        const at_tensor sum = pass(&x, &l, in);
        if (missing == 0) {
            static const float want[6] = {22, 46, 70, 24, 48, 72};
            assert_int_equal(x.status, AT_OK);
            assert_memory_equal(sum.data, want, sizeof want);
            assert_int_equal(x.arena.peak, need);
        } else {
            assert_int_equal(x.status, AT_E_OUT_OF_MEMORY);
            assert_null(sum.data);
        }
        at_free(NULL, memory);
    }
    stop(&x, &l);
}

static void the_first_failure_is_kept(void **state)
{
    (void)state;
    at_error err = {0};
    at_exec x;
    at_linear l;
    start(&x, &l, &err);
    _Alignas(64) char memory[4096];
    x.arena = (at_arena){.data = memory, .cap = sizeof memory};
    float out[6] = {7, 7, 7, 7, 7, 7};
    const at_tensor three = at_tensor_of(weights, 2, (const size_t[]){2, 3}); // the layer wants 2
    at_tensor y = at_tensor_of(out, 2, (const size_t[]){2, 3});
    at_linear_to(&x, three, &l, AT_ACT_NONE, NULL, y);
    assert_int_equal(x.status, AT_E_INTERNAL);
    assert_string_equal(err.text, "linear: shapes do not fit");
    at_exec_fail(&x, AT_E_CANCELLED, "later");
    at_copy_to(&x, three, y);
    assert_int_equal(x.status, AT_E_INTERNAL);
    assert_string_equal(err.text, "linear: shapes do not fit");
    assert_true(out[0] == 7); // nothing ran
    stop(&x, &l);
}

/* Each op refuses what does not fit, also while planning. */
static void ops_refuse_other_shapes(void **state)
{
    (void)state;
    float data[64] = {0};
    const at_tensor a = at_tensor_of(data, 2, (const size_t[]){4, 4}),
                    narrow = at_tensor_of(data, 2, (const size_t[]){4, 3}),
                    flat = at_tensor_of(data, 2, (const size_t[]){3, 4});
    const at_norm norm = {.gamma = data, .beta = data, .n = 3, .eps = 1e-5f};
    const at_rows_view rows = {.data = data, .type = AT_F32, .n = 5, .k = 4};
    for (int op = 0; op < 8; op++) {
        at_exec x = {.backend = &at_backend_cpu};
        switch (op) {
        case 0: at_norm_to(&x, a, &norm, a); break;
        case 1: at_copy_to(&x, a, narrow); break;
        case 2: at_copy_to(&x, a, flat); break;
        case 3: at_add_to(&x, a, flat, a); break;
        case 4: at_add_to(&x, at_columns(a, 0, 3), narrow, narrow); break; // ld is not 3
        case 5: at_rows_to(&x, &rows, 2, a); break;                        // rows 2 .. 6 of 5
        case 6: at_unit_rows(&x, a, flat); break;
        default: at_mean_rows(&x, a, data, 4); break; // wants three dimensions
        }
        if (x.status != AT_E_INTERNAL) fail_msg("op %d took a wrong shape (%d)", op, x.status);
    }
    at_exec x = {.backend = &at_backend_cpu};
    at_rows_to(&x, &rows, 1, a);
    at_add_to(&x, a, a, a);
    assert_int_equal(x.status, AT_OK);
}

static void absurd_sizes_are_no_memory(void **state)
{
    (void)state;
    at_exec x = {.backend = &at_backend_cpu};
    const at_tensor t = at_tensor3(&x, SIZE_MAX / 8, 3, 5);
    assert_null(t.data);
    assert_int_equal(x.status, AT_E_OUT_OF_MEMORY);
}

static void views_count_from_their_first_element(void **state)
{
    (void)state;
    float data[12] = {0};
    const at_tensor t = at_tensor_of(data, 3, (const size_t[]){2, 2, 3});
    assert_int_equal(at_rows(t), 4);
    assert_int_equal(at_cols(t), 3);
    const at_tensor c = at_columns(t, 1, 2), r = at_row_range(t, 3, 1);
    assert_true(c.data == data + 1 && c.ld == 3 && at_cols(c) == 2 && at_rows(c) == 4);
    assert_true(r.data == data + 9 && at_rows(r) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_plans_the_memory),
        cmocka_unit_test(the_first_failure_is_kept),
        cmocka_unit_test(ops_refuse_other_shapes),
        cmocka_unit_test(absurd_sizes_are_no_memory),
        cmocka_unit_test(views_count_from_their_first_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
