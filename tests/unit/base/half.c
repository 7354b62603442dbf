/* Half precision against the compiler's own conversions: all 2^16 values, and floats at every edge. */
#include "base/element.h"

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

static void elements_of_every_type_are_read(void **state)
{
    (void)state;
    const struct {
        at_dtype type;
        unsigned char bytes[36]; // the second element is read, at an odd address
        double value;
    } of[] = {
        {AT_F32, {0, 0, 0xc0, 0xbf}, -1.5},
        {AT_F16, {0, 0xbe}, -1.5},
        {AT_BF16, {0xc0, 0xbf}, -1.5},
        {AT_F64, {0, 0, 0, 0, 0, 0, 0xf8, 0xbf}, -1.5},
        {AT_I64, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -2},
        {AT_I32, {0xfe, 0xff, 0xff, 0xff}, -2},
        {AT_I16, {0xfe, 0xff}, -2},
        {AT_I8, {0xfe}, -2},
        {AT_U8, {0xfe}, 254},
        {AT_BOOL, {1}, 1},
        {AT_Q8_0, {0, 0x3e, 0xfe}, -3},   // a step of 1.5
        {AT_Q4_0, {0, 0x3e, 0x0f}, 10.5}, // 15 - 8
    };
    assert_int_equal(AT_COUNT(of), AT_DTYPES_);
    for (size_t i = 0; i < AT_COUNT(of); i++) {
        const size_t size = at_dtype_size(of[i].type);
        const size_t second = at_dtype_is_block(of[i].type) ? AT_BLOCK : 1;
        unsigned char data[80] = {0};
        memcpy(data + 1 + size, of[i].bytes, size);
        assert_true(at_element(of[i].type, data + 1, 0) == 0);
        assert_true(at_element(of[i].type, data + 1, second) == of[i].value);
    }
}

/* Against numbers worked out by hand from ggml's description, and there and back. */
static void blocks_are_as_ggml_has_them(void **state)
{
    (void)state;
    float x[2 * AT_BLOCK], y[2 * AT_BLOCK];
    uint8_t q8[2 * 34 + 1], q4[2 * 18 + 1];
    for (int i = 0; i < 2 * AT_BLOCK; i++)
        x[i] = i < AT_BLOCK ? (float)(i - 16) / 8 : 0.0f;
    x[1] = 1.96875f;
    at_block_encode(AT_Q8_0, 2 * AT_BLOCK, x, q8 + 1); // a step of 2 / 127
    assert_int_equal(q8[1] | q8[2] << 8, at_f16_of_f32(2.0f / 127));
    assert_int_equal((int8_t)q8[3], -127);
    assert_int_equal((int8_t)q8[4], 125);
    assert_int_equal((int8_t)q8[3 + 20], 32); // 31.75
    assert_int_equal(q8[3 + 32] | q8[4 + 32], 0);
    at_block_decode(AT_Q8_0, 2 * AT_BLOCK, q8 + 1, y);
    for (int i = 0; i < 2 * AT_BLOCK; i++) {
        assert_true(fabsf(y[i] - x[i]) <= 1.01f / 127);
        assert_true(y[i] == at_block_element(AT_Q8_0, q8 + 1, (size_t)i));
    }
    at_block_encode(AT_Q4_0, 2 * AT_BLOCK, x, q4 + 1); // the largest is -2: a step of 0.25
    assert_int_equal(q4[1] | q4[2] << 8, at_f16_of_f32(0.25f));
    assert_int_equal(q4[3], 0 | 8 << 4);       // -2 and 0
    assert_int_equal(q4[4] & 15, 15);          // 1.97 is cut to 7 steps
    assert_int_equal(q4[3 + 15], 8 | 15 << 4); // -0.125 to 0, 1.875
    at_block_decode(AT_Q4_0, 2 * AT_BLOCK, q4 + 1, y);
    for (int i = 0; i < 2 * AT_BLOCK; i++) {
        assert_true(fabsf(y[i] - x[i]) <= (i == 1 ? 0.25f : 0.13f));
        assert_true(y[i] == at_block_element(AT_Q4_0, q4 + 1, (size_t)i));
    }
    x[3] = INFINITY;
    for (int t = AT_Q8_0; t <= AT_Q4_0; t++) {
        at_block_encode((at_dtype)t, AT_BLOCK, x, q8);
        at_block_decode((at_dtype)t, AT_BLOCK, q8, y);
        for (int i = 0; i < AT_BLOCK; i++)
            assert_true(isnan(y[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_value_comes_back),
        cmocka_unit_test(floats_round_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(elements_of_every_type_are_read),
        cmocka_unit_test(blocks_are_as_ggml_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
