/* Tags that a text names: forms, longest names, the words of a name only once, hostile text. */
#include "text/tag_finder.h"

#include "tests_cmocka.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"dog",     "tree",  "tree house", "Glass",    "glasses",
                                    "t-shirt", "woman", "Dog",        NULL,       "caf\xc3\xa9",
                                    "run",     "city",  "",           "house cat"};
enum { NAMES = sizeof names / sizeof *names };

/* "0 2": what is found. */
static const char *found(const at_tag_finder *f, const char *text)
{
    static char out[256];
    at_buf ids;
    at_error err = {0};
    at_buf_init(&ids, NULL, 1 << 20);
    if (at_tag_finder_find(f, text, strlen(text), &ids, &err) != AT_OK) fail_msg("%s", err.text);
    size_t len = 0;
    out[0] = 0;
    for (size_t i = 0; i < ids.len / sizeof(uint32_t); i++) {
        uint32_t id;
        memcpy(&id, ids.data + i * sizeof id, sizeof id);
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%u", i ? " " : "", id);
    }
    at_buf_reset(&ids);
    return out;
}

static void finds(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a dog", "0"},
        {"DOGS, dogs and a dog.", "0"}, // once; the earlier of two names
        {"dogma and hotdog", ""},       // whole words
        {"a tree house", "2"},          // the longest; its words are taken
        {"trees by a house", "1"},
        {"a tree house cat", "2"}, // from the left
        {"a house cat in a tree", "13 1"},
        {"a glass", "3"},
        {"her glasses", "4"}, // its own name before another's plural
        {"two t-shirts", "5"},
        {"t - shirt", "5"},
        {"t shirt", ""},
        {"women", "6"},
        {"CAF\xc3\x89S", "9"}, // accents are dropped as BERT does
        {"a cafe", "9"},
        {"running ran", "10"}, // regular forms alone
        {"cities", "11"},
        {"", ""},
        {" .,; ", ""},
        {"\xe7\x8b\x97", ""},
    };
    at_tag_finder *f;
    at_error err = {0};
    if (at_tag_finder_open(&f, names, NAMES, NULL, &err) != AT_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        const char *got = found(f, cases[i][0]);
        if (strcmp(got, cases[i][1]) != 0)
            fail_msg("\"%s\": found \"%s\", expected \"%s\"", cases[i][0], got, cases[i][1]);
    }
    at_buf ids;
    at_buf_init(&ids, NULL, 1 << 20);
    assert_int_equal(at_tag_finder_find(f, "dog \xff", 5, &ids, &err), AT_E_INVALID_TEXT);
    assert_int_equal(ids.len, 0);
    at_tag_finder_close(f);
}

static void no_names(void **state)
{
    (void)state;
    at_tag_finder *f;
    assert_int_equal(at_tag_finder_open(&f, names + 8, 1, NULL, NULL), AT_OK); // NULL
    assert_string_equal(found(f, "a dog"), "");
    at_tag_finder_close(f);
    at_tag_finder_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(no_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
