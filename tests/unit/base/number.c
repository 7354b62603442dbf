/* Numbers are read with a point in every locale, and the locale stays the caller's. */
#include "base/number.h"

#include "tests_cmocka.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void a_point_is_a_point(void)
{
    static const struct {
        const char *text;
        double want;
        int left;
    } cases[] = {
        {"0.5", 0.5, 0},   {" -1.25e-2 ", -0.0125, 1}, {"0,5", 0, 2},
        {"1.5,2", 1.5, 2}, {"16777217", 16777217, 0},  {"x", 0, 1},
        {"", 0, 0},        {"1e999", HUGE_VAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *end;
        const double d = at_read_double(cases[i].text, &end);
        if (d != cases[i].want || strlen(end) != (size_t)cases[i].left)
            fail_msg("\"%s\" is %g, and \"%s\" is left", cases[i].text, d, end);
        const float f = at_read_float(cases[i].text, &end);
        if (f != (float)cases[i].want || strlen(end) != (size_t)cases[i].left)
            fail_msg("\"%s\" is %g, and \"%s\" is left", cases[i].text, (double)f, end);
    }
    assert_true(at_read_float("0.1", NULL) == 0.1f); // rounded once, not by way of a double
    assert_true(at_read_float("1.00000017881393432617187499", NULL) == 1.00000011920928955f);
}

static void without_a_locale(void **state)
{
    (void)state;
    a_point_is_a_point();
}

static void with_a_comma_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",       "fr_FR.UTF-8",
                                        "fr_FR.utf8",  "it_IT.UTF-8", "ru_RU.UTF-8", "pt_BR.UTF-8"};
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] &&
           !(setlocale(LC_ALL, names[i]) && *localeconv()->decimal_point == ','))
        i++;
    if (i == sizeof names / sizeof names[0]) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    a_point_is_a_point();
    char text[16]; // the host's own numbers are as before
    (void)snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_locale),
                                       cmocka_unit_test(with_a_comma_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
