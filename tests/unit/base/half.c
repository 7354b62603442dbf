/* Half precision against the compiler's own conversions: all 2^16 values, and floats at every edge. */
#include "base/half.h"

#include "tests_cmocka.h"

#include <math.h>
#include <stdlib.h>

static void every_f16_value_comes_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = at_f32_of_f16((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00) {
            assert_true(isnan(f) && isnan(at_f32_of_f16(at_f16_of_f32(f))));
            continue;
        }
        assert_int_equal(at_f16_of_f32(f), h);
        // sign, exponent and fraction by their definition
        const int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        const double value = exponent == 31  ? (double)INFINITY
                             : exponent == 0 ? ldexp(fraction, -24)
                                             : ldexp(1024 + fraction, exponent - 25);
        assert_true((double)f == (h & 0x8000 ? -value : value));
    }
}

static void floats_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) { // between each two neighbours
        const float low = at_f32_of_f16((uint16_t)h), high = at_f32_of_f16((uint16_t)(h + 1));
        const float middle = (float)(((double)low + (double)high) / 2); // exact: one more bit
        assert_int_equal(at_f16_of_f32(middle), h & 1 ? h + 1 : h);
        assert_int_equal(at_f16_of_f32(nextafterf(middle, 0)), h);
        assert_int_equal(at_f16_of_f32(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(at_f16_of_f32(65519.996f), 0x7bff);
    assert_int_equal(at_f16_of_f32(65520.0f), 0x7c00);
    assert_int_equal(at_f16_of_f32(-INFINITY), 0xfc00);
    assert_int_equal(at_f16_of_f32(-0.0f), 0x8000);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(at_bf16_of_f32(1.0f), 0x3f80);
    assert_int_equal(at_bf16_of_f32(at_f32_of_bits(0x3f808000)), 0x3f80); // a tie, to even
    assert_int_equal(at_bf16_of_f32(at_f32_of_bits(0x3f818000)), 0x3f82);
    assert_int_equal(at_bf16_of_f32(at_f32_of_bits(0x3f808001)), 0x3f81);
    assert_int_equal(at_bf16_of_f32(at_f32_of_bits(0x7f7fffff)), 0x7f80); // up to infinity
    assert_true(isnan(at_f32_of_bf16(at_bf16_of_f32(at_f32_of_bits(0x7f800001)))));
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = at_f32_of_bf16((uint16_t)h);
        if (!isnan(f)) assert_int_equal(at_bf16_of_f32(f), h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_value_comes_back),
        cmocka_unit_test(floats_round_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
