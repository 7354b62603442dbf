/* Descriptions: sentences of a dictionary written for the tests; as many as asked for, no two alike. */
#include "text/describe.h"

#include "tests_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static at_wordnet *open_own(void)
{
    const at_wordnet_options o = {.struct_size = sizeof o, .dir = "tests/wordnet"};
    at_wordnet *w = NULL;
    at_error err = {0};
    if (at_wordnet_open(&o, &w, &err) != AT_OK) fail_msg("%s", err.text);
    return w;
}

static void describe(const at_wordnet *w, const char *word, size_t count, at_buf *out)
{
    at_sense *s = NULL;
    at_error err = {0};
    at_buf_init(out, NULL, 1 << 24);
    const at_status found = at_sense_find(w, word, &s, &err);
    assert_true(found == AT_OK || found == AT_E_NOT_FOUND);
    if (at_describe(w, s ? at_sense_word(s) : word, s, count, out, &err) != AT_OK)
        fail_msg("%s", err.text);
    at_sense_free(s);
}

static void check(const at_wordnet *w, const char *word, const char *const *expected)
{
    size_t count = 0;
    while (expected[count])
        count++;
    at_buf out;
    describe(w, word, count, &out);
    const char *at = out.data;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        assert_string_equal(at, expected[i]);
    assert_true(at == out.data + out.len);
    at_buf_reset(&out);
}

static void facts_become_sentences(void **state)
{
    (void)state;
    at_wordnet *w = open_own();
    static const char *const crane[] = {
        "a photo of a crane.",
        "A crane is a tall grey bird with a long neck; lives in wet meadows.",
        "A photo of a crane, a kind of wading bird.",
        "A crane has a wing.", // as birds have
        "This is a close-up photo of a crane, seen from far away.",
        "A photo of a crane: a tall grey bird with a long neck.", // the next template, the next fact
        "A crane is a kind of bird.",
        "A photo of a crane showing a beak.",
        NULL};
    check(w, "crane (bird)", crane);
    static const char *const dog[] = {"a photo of a dog.",
                                      "A dog is a tame animal that barks.",
                                      "A photo of a dog, a kind of canine.",
                                      "A dog has a tail.",
                                      "A dog is also called domestic dog.",
                                      "A dog can be a puppy.",
                                      NULL};
    check(w, "dog", dog);
    static const char *const riding[] = {"a photo of someone riding.",
                                         "To ride is to go on the back of an animal.",
                                         "To ride is a way to move.", "To ride is also to sit.",
                                         NULL};
    check(w, "ride.v.01", riding);
    static const char *const brown[] = {"a photo of something brown.",
                                        "Something brown is of the colour of earth.",
                                        "Something brown is coloured.", NULL};
    check(w, "brown", brown);
    static const char *const sand[] = {"a photo of sand.", "Sand is fine loose grains of stone.",
                                       NULL};
    check(w, "sand", sand);
    static const char *const wings[] = {"a photo of wings.", "Wings are what birds fly with.",
                                        NULL};
    check(w, "wings", wings);
    static const char *const wing[] = {"a photo of a wing.",
                                       "A wing is what birds fly with.",
                                       "A wing is part of a bird.",
                                       "This is a close-up photo of a wing, seen from far away.",
                                       "A photo of a wing: what birds fly with.",
                                       "A photo of a bird with its wing.",
                                       "A picture that shows a wing, outdoors.",
                                       NULL};
    check(w, "wing", wing);
    static const char *const unknown[] = {
        "a photo of an umbrella.", "This is a close-up photo of an umbrella, seen from far away.",
        "A picture that shows an umbrella, outdoors.", NULL};
    check(w, "umbrella", unknown);
    at_wordnet_close(w);
}

static void each_fact_meets_each_template(void **state)
{
    (void)state;
    static const char *const some[] = {
        "A crane is a tall grey bird with a long neck; lives in wet meadows.",
        "A photo of a crane: a tall grey bird with a long neck; lives in wet meadows.",
        "A picture that shows a crane, a tall grey bird with a long neck; lives in wet meadows.",
        "A crane is a tall grey bird with a long neck.",
        "A photo of a crane: a tall grey bird with a long neck.",
        "One can tell a crane by this: a tall grey bird with a long neck.",
        "The bird in this photo: a crane.",
        "A crane with a beak in a close-up photo."};
    at_wordnet *w = open_own();
    at_buf out;
    describe(w, "crane (bird)", 51, &out);
    for (size_t i = 0; i < AT_COUNT(some); i++) { // each once: with the NUL before and behind
        const size_t size = strlen(some[i]) + 1;
        const char *at = memmem(out.data, out.len, some[i], size);
        if (!at || at[-1]) fail_msg("missing: %s", some[i]);
        assert_null(memmem(at + 1, out.len - (size_t)(at + 1 - out.data), some[i], size));
    }
    at_buf_reset(&out);
    at_wordnet_close(w);
}

static int by_text(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void as_many_as_asked_for_and_no_two_alike(void **state)
{
    (void)state;
    at_wordnet *w = open_own();
    static const char *const words[] = {"dog",     "crane (bird)", "brown", "ride.v.01",
                                        "quickly", "tan",          "xyzzy"};
    for (size_t i = 0; i < AT_COUNT(words); i++) {
        at_buf out, again;
        describe(w, words[i], AT_LABEL_ROWS_MOST, &out);
        describe(w, words[i], AT_LABEL_ROWS_MOST, &again);
        assert_int_equal(out.len, again.len);
        assert_memory_equal(out.data, again.data, out.len);
        static const char *all[AT_LABEL_ROWS_MOST];
        const char *at = out.data;
        for (size_t k = 0; k < AT_LABEL_ROWS_MOST; k++, at += strlen(at) + 1) {
            all[k] = at;
            const size_t len = strlen(at);
            assert_true(len > 5 && len < 300 && at[len - 1] == '.');
            assert_null(strpbrk(at, "{}_"));
        }
        assert_true(at == out.data + out.len);
        qsort(all, AT_LABEL_ROWS_MOST, sizeof *all, by_text);
        for (size_t k = 1; k < AT_LABEL_ROWS_MOST; k++) {
            if (strcasecmp(all[k - 1], all[k]) == 0) fail_msg("twice: %s", all[k]);
        }
        at_buf_reset(&out);
        at_buf_reset(&again);
    }
    at_wordnet_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_become_sentences),
        cmocka_unit_test(each_fact_meets_each_template),
        cmocka_unit_test(as_many_as_asked_for_and_no_two_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
