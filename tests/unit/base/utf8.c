/* UTF-8 against its definition: every character, every sequence of three bytes, the edges of four. */
#include "base/utf8.h"

#include "tests_cmocka.h"

#include <string.h>

static size_t encode(uint32_t c, char out[4])
{
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned head[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 0; c >>= 6)
        out[i] = (char)(i ? 0x80 | (c & 0x3f) : head[n] | c);
    return n;
}

static void every_character_is_read(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[5] = {0};
        const size_t n = encode(c, text);
        const bool surrogate = c >= 0xd800 && c < 0xe000;
        int32_t got;
        for (size_t len = 0; len <= n; len++) {
            const size_t want = len == n && !surrogate ? n : 0;
            if (at_utf8_next(text, len, &got) != want || got != (want ? (int32_t)c : -1))
                fail_msg("U+%04X, %zu of its %zu bytes", c, len, n);
        }
        if (at_utf8_valid(text, n) != (surrogate ? 0 : n)) fail_msg("U+%04X", c);
    }
}

/* What is read is what its character is written as: no second way to write one. */
static void nothing_else_is_read(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0, 0x41, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xff};
    size_t read[5] = {0};
    for (uint32_t i = 0; i < 1u << 24; i++) {
        for (size_t k = 0; k < (i >> 16 < 0xf0 ? 1 : sizeof edges); k++) {
            const char text[4] = {(char)(i >> 16), (char)(i >> 8), (char)i, (char)edges[k]};
            char again[4];
            int32_t c;
            const size_t n = at_utf8_next(text, 4, &c);
            read[n]++;
            if (n && (encode((uint32_t)c, again) != n || memcmp(text, again, n) != 0))
                fail_msg("%06X %02X is read as U+%04X", i, edges[k], (unsigned)c);
        }
    }
    assert_int_equal(read[1], 128 << 16);
    assert_int_equal(read[2], 1920 << 8);
    assert_int_equal(read[3], 63488 - 2048);
    assert_int_equal(read[4],
                     3 * (0x100000 >> 6)); // each last byte of three that go on: 80, 81, BF
}

static void the_first_bad_byte_is_told(void **state)
{
    (void)state;
    assert_int_equal(at_utf8_valid("", 0), 0);
    assert_int_equal(at_utf8_valid("a\0\xc3\xa9", 4), 4);
    assert_int_equal(at_utf8_valid("a\xc3\xa9\xff", 4), 3);
    assert_int_equal(at_utf8_valid("\xe7\x8b\x97\xe7\x8b", 5), 3); // cut off in the middle
    assert_int_equal(at_utf8_valid("ab\x80", 3), 2);
}

static void what_a_terminal_obeys_is_not_printed(void **state)
{
    (void)state;
    char text[] = "a\x1b[31m\n\x7f \xc2\x9b \xc2\xa0\xe7\x8b\x97 \xff \xe7\x8b";
    at_utf8_printable(text);
    assert_string_equal(text, "a?[31m?? ?? \xc2\xa0\xe7\x8b\x97 ? ??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_read),
        cmocka_unit_test(nothing_else_is_read),
        cmocka_unit_test(the_first_bad_byte_is_told),
        cmocka_unit_test(what_a_terminal_obeys_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
