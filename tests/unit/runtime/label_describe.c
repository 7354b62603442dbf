/* at_label_list_describe: which labels get descriptions, and what they are called then. */
#include "anytag/wordnet.h"

#include "tests_cmocka.h"

#include <string.h>

static at_wordnet *w;

static int open_own(void **state)
{
    (void)state;
    const at_wordnet_options o = {.struct_size = sizeof o, .dir = "tests/wordnet"};
    at_error err = {0};
    return at_wordnet_open(&o, &w, &err);
}
static int close_own(void **state)
{
    (void)state;
    at_wordnet_close(w);
    return 0;
}

static at_label_list *describe(const char *words, at_describe_options o)
{
    at_label_list *list, *described;
    at_error err = {0};
    o.struct_size = sizeof o;
    assert_int_equal(at_label_list_parse(words, &list, &err), AT_OK);
    if (at_label_list_describe(w, list, &o, &described, &err) != AT_OK) fail_msg("%s", err.text);
    at_label_list_free(list);
    return described;
}

static void each_label_gets_as_many(void **state)
{
    (void)state;
    at_label_list *l = describe("dog,crane (bird),crane#2,Soup (food),xyzzy",
                                (at_describe_options){0});
    static const char *const names[] = {"dog", "crane (bird)", "crane#2", "Soup", "xyzzy"};
    const at_label *labels = at_label_list_labels(l);
    assert_int_equal(at_label_list_count(l), 5);
    for (size_t i = 0; i < 5; i++) { // the two cranes keep what tells them apart
        assert_string_equal(labels[i].name, names[i]);
        assert_int_equal(labels[i].n_descriptions, 51);
    }
    assert_string_equal(labels[0].descriptions[1], "A dog is a tame animal that barks.");
    assert_string_equal(labels[2].descriptions[0], "a photo of a crane.");
    at_label_list_free(l);
}

static void names_alone_need_no_dictionary(void **state)
{
    (void)state;
    at_wordnet *was = w;
    w = NULL;
    at_label_list *l = describe("dog", (at_describe_options){.count = 3, .templates_only = 1});
    assert_int_equal(at_label_list_labels(l)[0].n_descriptions, 3);
    assert_string_equal(at_label_list_labels(l)[0].descriptions[2],
                        "A picture that shows a dog, outdoors.");
    at_label_list_free(l);
    w = was;
}

static void marked_labels_alone(void **state)
{
    (void)state;
    at_label_list *l = describe("dog,crane#2,crane (bird)",
                                (at_describe_options){.marked_only = 1});
    const at_label *labels = at_label_list_labels(l);
    assert_int_equal(labels[0].n_descriptions, 0);
    assert_string_equal(labels[1].name, "crane");
    assert_int_equal(labels[1].n_descriptions, 51);
    assert_string_equal(labels[2].name, "crane (bird)");
    assert_int_equal(labels[2].n_descriptions, 0);
    at_label_list_free(l);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        size_t count;
        at_status status;
        const char *text;
    } rows[] = {
        {"crane#9", 0, AT_E_UNKNOWN_TAG, "\"crane#9\": the word has no such sense; it has crane#1"},
        {"dog", 1001, AT_E_INVALID_PARAMETER, "1001 descriptions of a label; at most 1000"},
        {"dog,cat,dog", 0, AT_E_INVALID_PARAMETER, "dog"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        at_label_list *list, *described = NULL;
        at_error err = {0};
        const at_describe_options o = {.struct_size = sizeof o, .count = rows[i].count};
        assert_int_equal(at_label_list_parse(rows[i].words, &list, &err), AT_OK);
        assert_int_equal(at_label_list_describe(w, list, &o, &described, &err), rows[i].status);
        assert_null(described);
        assert_non_null(strstr(err.text, rows[i].text));
        at_label_list_free(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_label_gets_as_many),
        cmocka_unit_test(names_alone_need_no_dictionary),
        cmocka_unit_test(marked_labels_alone),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, open_own, close_own);
}
