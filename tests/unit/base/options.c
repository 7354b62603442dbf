/* Option structs of older and newer headers. */
#include "base/base.h"

#include "tests_cmocka.h"

#include <string.h>

typedef struct known_options {
    size_t struct_size;
    int a, b;
} known_options;

typedef struct newer_options {
    size_t struct_size;
    int a, b;
    const char *later;
} newer_options;

static void none_is_all_defaults(void **state)
{
    (void)state;
    known_options o;
    memset(&o, 0xff, sizeof o);
    assert_int_equal(AT_OPTIONS(known_options, &o, NULL, NULL), AT_OK);
    assert_int_equal(o.struct_size, sizeof o);
    assert_int_equal(o.a | o.b, 0);
}

static void an_older_struct_is_read_to_its_end(void **state)
{
    (void)state;
    known_options o, given = {.struct_size = offsetof(known_options, b), .a = 5, .b = 6};
    assert_int_equal(AT_OPTIONS(known_options, &o, &given, NULL), AT_OK);
    assert_int_equal(o.a, 5);
    assert_int_equal(o.b, 0); // behind the caller's struct: not read
    assert_int_equal(o.struct_size, sizeof o);
}

static void a_newer_struct_may_not_ask_for_more(void **state)
{
    (void)state;
    at_error err = {0};
    known_options o;
    newer_options given = {.struct_size = sizeof given, .a = 5, .b = 6};
    assert_int_equal(AT_OPTIONS(known_options, &o, &given, &err), AT_OK);
    assert_int_equal(o.b, 6);
    given.later = "x";
    assert_int_equal(AT_OPTIONS(known_options, &o, &given, &err), AT_E_INVALID_PARAMETER);
    assert_non_null(strstr(err.text, "known_options: a field is set that this library"));
}

static void a_size_must_be_set(void **state)
{
    (void)state;
    at_error err = {0};
    known_options o, given = {.a = 5};
    assert_int_equal(AT_OPTIONS(known_options, &o, &given, &err), AT_E_INVALID_PARAMETER);
    assert_string_equal(err.text,
                        "known_options: struct_size is 0; set it to sizeof(known_options)");
    given.struct_size = SIZE_MAX; // never read so far
    assert_int_equal(AT_OPTIONS(known_options, &o, &given, &err), AT_E_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_all_defaults),
        cmocka_unit_test(an_older_struct_is_read_to_its_end),
        cmocka_unit_test(a_newer_struct_may_not_ask_for_more),
        cmocka_unit_test(a_size_must_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
