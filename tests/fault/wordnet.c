/* Every allocation of looking a word up and of describing it fails in turn, alone (0) or with all behind it (1):
 * out-of-memory is said, nothing is left behind, and the next time it works. */
#include "anytag/wordnet.h"
#include "base/base.h"
#include "tests_cmocka.h"

#include <stdlib.h>
#include <string.h>

static struct {
    long left; // allocations until the one that fails
    bool armed, fired, from_then_on;
} fault;

void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    const bool fails = fault.armed && (fault.left == 0 || (fault.left < 0 && fault.from_then_on));
    if (fault.armed) fault.left--;
    fault.fired |= fails;
    return fails ? NULL : __real_aligned_alloc(align, size);
}

static at_status look_up(at_error *err)
{
    const at_wordnet_options o = {.struct_size = sizeof o, .dir = "tests/wordnet"};
    at_wordnet *w = NULL;
    at_sense *s = NULL;
    at_status status = at_wordnet_open(&o, &w, err);
    assert_true((status == AT_OK) == (w != NULL));
    if (status == AT_OK) {
        status = at_sense_find(w, "cranes (birds)", &s, err);
        assert_true((status == AT_OK) == (s != NULL));
    }
    if (s) assert_string_equal(at_sense_key(s), "crane#3");
    at_sense_free(s);
    at_wordnet_close(w);
    return status;
}

static at_status describe(at_error *err)
{
    const at_wordnet_options o = {.struct_size = sizeof o, .dir = "tests/wordnet"};
    const at_describe_options d = {.struct_size = sizeof d, .count = 5};
    at_wordnet *w = NULL;
    at_label_list *list = NULL, *described = NULL;
    at_status status = at_wordnet_open(&o, &w, err);
    if (status == AT_OK) status = at_label_list_parse("crane#3,dog,nowhere", &list, err);
    if (status == AT_OK) {
        status = at_label_list_describe(w, list, &d, &described, err);
        assert_true((status == AT_OK) == (described != NULL));
    }
    if (described) {
        assert_int_equal(at_label_list_count(described), 3);
        assert_int_equal(at_label_list_labels(described)[0].n_descriptions, 5);
    }
    at_label_list_free(described);
    at_label_list_free(list);
    at_wordnet_close(w);
    return status;
}

static void fail_each(at_status (*call)(at_error *), const char *name)
{
    long n = 0;
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        bool fired = true;
        for (n = 0; fired; n++) {
            at_error err = {0};
            fault.left = n;
            fault.fired = false;
            fault.from_then_on = from_then_on;
            fault.armed = true;
            const at_status status = call(&err);
            fault.armed = false;
            fired = fault.fired;
            if (status != (fired ? AT_E_OUT_OF_MEMORY : AT_OK) || err.status != status ||
                fired != (err.text[0] != 0))
                fail_msg("%s, allocation %ld (%d): %s, \"%s\"", name, n, from_then_on,
                         at_status_code(status), err.text);
        }
    }
    assert_in_range(n, 3, 5000);
}

static void no_memory(void **state)
{
    (void)state;
    fail_each(look_up, "at_sense_find");
    fail_each(describe, "at_label_list_describe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
