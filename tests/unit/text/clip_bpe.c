/* CLIP's tokenizer: rules on a small list of merges, and the official tokenizer's ids. */
#include "text/clip_bpe.h"
#include "text/clip_clean.h"

#include "tests_cmocka.h"
#include "unit/text/official.h"

#include <stdlib.h>
#include <string.h>

static const char *const small[] = {"l o",  "lo w</w>", "e r</w>", "n e",
                                    "ne w", "lo w",     "a a",     "' s</w>"};
enum { MERGED = 512, FIRST = MERGED + 8, LAST };

static void ids_are(const at_clip_bpe *b, const char *text, const char *expected)
{
    int32_t *ids;
    size_t n;
    at_error err = {0};
    char got[256] = "";
    if (at_clip_bpe_encode(b, text, strlen(text), &ids, &n, &err) != AT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", i ? " " : "", ids[i]);
    at_free(NULL, ids);
    assert_string_equal(got, expected);
}

static void pairs_merge_in_order(void **state)
{
    (void)state;
    at_clip_bpe *b;
    at_error err = {0};
    assert_int_equal(at_clip_bpe_open(&b, small, AT_COUNT(small), NULL, &err), AT_OK);
    assert_int_equal(at_clip_bpe_first(b), FIRST);
    assert_int_equal(at_clip_bpe_last(b), LAST);
    ids_are(b, "", "");
    ids_are(b, " \t\n ", "");
    ids_are(b, "low LOW", "513 513");
    ids_are(b, "lower newer", "517 514 516 514");
    ids_are(b, "aaa", "518 320"); // the leftmost pair; the last a ends a word
    ids_are(b, "low's", "513 519");
    ids_are(b, "<|startoftext|>low<|EndOfText|>", "520 513 521");
    ids_are(b, "1l", "272 331"); // a digit is a word
    at_clip_bpe_close(b);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"l o", "lo"},     {"l o", "lo "}, {"l o", " o"},
                                           {"l o", "lo wer"}, {"l o", "l o"}, {"l o", ""},
                                           {"low er", "l o"}};
    at_clip_bpe *b;
    for (size_t i = 0; i < AT_COUNT(wrong); i++) {
        at_error err = {0};
        assert_int_equal(at_clip_bpe_open(&b, wrong[i], 2, NULL, &err), AT_E_MODEL_MISMATCH);
        assert_null(b);
        assert_non_null(strstr(err.text, "bpe_simple_vocab_16e6.txt.gz"));
    }
    at_error err = {0};
    int32_t *ids;
    size_t n;
    assert_int_equal(at_clip_bpe_open(&b, small, 2, NULL, &err), AT_OK);
    assert_int_equal(at_clip_bpe_encode(b, "low \xff", 5, &ids, &n, &err), AT_E_INVALID_TEXT);
    assert_non_null(strstr(err.text, "byte 4"));
    at_clip_bpe_close(b);
}

static void text_is_cleaned(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"  A \t b\n", "a b"},
        {"&amp;amp; &lt;B&gt;", "& <b>"},
        {"<b> &amp;amp;amp;", "<b> &amp;"}, // markup: ftfy leaves it, html.unescape goes twice
        {"&eacute;&EACUTE;&#233;&#xE9;", "\u00e9\u00e9\u00e9\u00e9"},
        {"&copyx &notit; &#x41 &bogus; & &#; &", "\u00a9x \u00acit; a &bogus; & &#; &"},
        {"&#0;&#128;x&#1;&#xD800;&#99999999;", "\ufffd\u20acx\ufffd\ufffd"},
        {"\u2018q\u2019 \u201cq\u201d", "'q' \"q\""},
        {"\ufb01n \u0133s \u0149", "fin ijs 'n"},
        {"\uff21\uff22\u3000\uff76\uff9e", "ab \u30ac"},
        {"e\u0301 A\u030a", "\u00e9 \u00e5"},
        {"a\x01\x7f\ufeff\xc2\x85", "a\u2026"},
        {"\x1b[31mred\x1b[0m", "red"},
        {"\u0130 \u1e9e \u03a3\u0391\u03a3", "i\u0307 \u00df \u03c3\u03b1\u03c2"},
        {"a\u00a0\u2003b\u200bc", "a b\u200bc"},
    };
    for (size_t i = 0; i < AT_COUNT(pairs); i++) {
        at_buf b;
        at_error err = {0};
        at_buf_init(&b, NULL, 1000);
        assert_int_equal(at_clip_clean(pairs[i][0], strlen(pairs[i][0]), &b, &err), AT_OK);
        assert_string_equal(at_buf_text(&b), pairs[i][1]);
        at_buf_reset(&b);
    }
}

/* A word that would take the simple loop hours. */
static void long_words_take_no_long_time(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    at_clip_bpe *b;
    at_error err = {0};
    int32_t *ids;
    size_t n;
    char *text = malloc(N);
    memset(text, 'a', N);
    assert_int_equal(at_clip_bpe_open(&b, small, AT_COUNT(small), NULL, &err), AT_OK);
    assert_int_equal(at_clip_bpe_encode(b, text, N, &ids, &n, &err), AT_OK);
    assert_int_equal(n, N / 2 + 1); // the last two do not merge: one of them ends the word
    at_free(NULL, ids);
    at_clip_bpe_close(b);
    free(text);
}

static void ids_equal_the_official_tokenizer(void **state)
{
    (void)state;
    char **lines;
    size_t n_lines;
    at_error err = {0};
    json_t *root = official_open("clip", "bpe_simple_vocab_16e6.txt.gz", &lines, &n_lines);
    assert_true(n_lines > 48895);
    at_clip_bpe *b;
    if (at_clip_bpe_open(&b, (const char *const *)lines + 1, 48894, NULL, &err) != AT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(at_clip_bpe_first(b), json_integer_value(json_object_get(root, "sot")));
    size_t k, wrong = 0;
    json_t *one;
    json_array_foreach(json_object_get(root, "encode"), k, one)
    {
        const json_t *text = json_object_get(one, "text"), *ids = json_object_get(one, "ids");
        int32_t *got;
        size_t n;
        assert_int_equal(at_clip_bpe_encode(b, json_string_value(text), json_string_length(text),
                                            &got, &n, &err),
                         AT_OK);
        bool same = n == json_array_size(ids);
        for (size_t i = 0; same && i < n; i++)
            same = got[i] == json_integer_value(json_array_get(ids, i));
        if (!same) {
            wrong++;
            print_error("%zu: \"%s\": ids differ\n", k, json_string_value(text));
        }
        at_free(NULL, got);
    }
    assert_true(k > 200);
    assert_int_equal(wrong, 0);
    at_clip_bpe_close(b);
    at_free(NULL, lines);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_merge_in_order),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(text_is_cleaned),
        cmocka_unit_test(long_words_take_no_long_time),
        cmocka_unit_test(ids_equal_the_official_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
