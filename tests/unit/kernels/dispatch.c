/* The table of kernels: full at every level, ref where nothing is allowed, block sizes that fit. */
#include "tests_cmocka.h"

#include "base/cpu.h"
#include "kernels/kernels.h"

#include <string.h>

static void test_ref(void **state)
{
    (void)state;
    at_kernels k;
    at_kernels_fill(&k, 0);
#define K(name, params, judge) assert_true(k.name == at_##name##_ref);
    AT_KERNELS(K)
#undef K
}

static void test_every_level_is_full(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu <= AT_CPU_ALL; cpu++) {
        at_kernels k;
        memset(&k, 0, sizeof k);
        at_kernels_fill(&k, cpu);
#define K(name, params, judge) assert_true(k.name != NULL);
        AT_KERNELS(K)
#undef K
        assert_in_range(k.nr, 1, AT_NR_MAX);
        assert_int_equal(k.nr * sizeof(float) % AT_ALIGN, 0); // rows of a panel are aligned
        assert_int_equal(k.mc % k.mr, 0);
        assert_int_equal(k.kc % 8, 0);
        assert_in_range(k.s8.nr, 1, AT_NR_MAX);
        assert_int_equal(AT_S8_PAD % k.s8.group, 0);
        assert_int_equal(k.s8.bytes * k.s8.group, 4); // a step of a row is four bytes
    }
}

static void test_levels_differ(void **state)
{
    (void)state;
#if defined(__x86_64__)
    at_kernels avx2, avx512;
    at_kernels_fill(&avx2, AT_CPU_AVX2);
    at_kernels_fill(&avx512, AT_CPU_AVX2 | AT_CPU_AVX512);
    assert_true(avx2.gemm_panel == at_gemm_panel_avx2);
    assert_true(avx512.gemm_panel == at_gemm_panel_avx512);
    assert_true(avx512.add == at_add_avx2); // what a level does not improve is the one's below
    assert_true(avx512.gemm_s8 == at_gemm_s8_avx2);
    at_kernels vnni;
    at_kernels_fill(&vnni, AT_CPU_AVX2 | AT_CPU_AVXVNNI | AT_CPU_AVX512);
    assert_true(vnni.gemm_s8 == at_gemm_s8_avxvnni && vnni.s8.nr == 16);
    at_kernels_fill(&vnni, AT_CPU_AVX2 | AT_CPU_AVXVNNI | AT_CPU_AVX512 | AT_CPU_AVX512VNNI);
    assert_true(vnni.gemm_s8 == at_gemm_s8_avx512vnni && vnni.s8.nr == 32);
#endif
}

static void test_this_machine(void **state)
{
    (void)state;
    at_kernels k;
    at_kernels_fill(&k, at_cpu_features());
    assert_true(at_kernels_get()->gemm_panel == k.gemm_panel);
    assert_ptr_equal(at_kernels_get(), at_kernels_get());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref),
        cmocka_unit_test(test_every_level_is_full),
        cmocka_unit_test(test_levels_differ),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
