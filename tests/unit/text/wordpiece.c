/* WordPiece: rules on a small vocabulary, and the official tokenizer's ids. */
#include "text/wordpiece.h"

#include "tests_cmocka.h"
#include "unit/text/official.h"

#include <stdlib.h>
#include <string.h>

static const char *const small[] = {"[PAD]", "[UNK]",  "[CLS]",    "[SEP]",    "un",
                                    "##aff", "##able", "dog",      "cafe",     "'",
                                    "s",     ",",      "##s",      "\u72d7",   "##\u72d7",
                                    "[ENC]", "\u03c3", "##\u03c3", "##\u03c2", "."};

static void check(const at_wordpiece *w, const char *text, const char *expected)
{
    int32_t *ids;
    size_t n;
    at_error err = {0};
    char got[256] = "";
    assert_int_equal(at_wordpiece_encode(w, text, strlen(text), &ids, &n, &err), AT_OK);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "",
                       at_wordpiece_token(w, ids[i]));
    }
    at_free(NULL, ids);
    assert_string_equal(got, expected);
}

static void words_become_pieces(void **state)
{
    (void)state;
    at_wordpiece *w;
    at_error err = {0};
    assert_int_equal(at_wordpiece_open(&w, small, AT_COUNT(small), NULL, &err), AT_OK);
    check(w, "", "");
    check(w, "Unaffable dogs", "un ##aff ##able dog ##s");
    check(w, "unx", "[UNK]"); // no rest fits: the whole word is unknown
    check(w, "dog's,dog", "dog ' s , dog");
    check(w, "CAF\u00c9 \tcafe\u0301", "cafe cafe");
    check(w, "dog\u72d7dog", "dog \u72d7 dog");
    check(w, "do\u200bg", "dog"); // a format character is dropped
    check(w, "d\x01og", "dog");
    check(w, "[ENC]dog[enc]", "[ENC] dog [UNK] [UNK] [UNK]");   // special tokens keep their case
    check(w, "\u03a3\u03a3\u03a3", "\u03c3 ##\u03c3 ##\u03c2"); // the last one is final
    char longer[102];
    memset(longer, 's', 101);
    longer[101] = 0;
    check(w, longer, "[UNK]");
    longer[100] = 0;
    int32_t *ids;
    size_t n;
    assert_int_equal(at_wordpiece_encode(w, longer, 100, &ids, &n, &err), AT_OK);
    assert_int_equal(n, 100);
    at_free(NULL, ids);
    assert_int_equal(at_wordpiece_encode(w, "dog \xff", 5, &ids, &n, &err), AT_E_INVALID_TEXT);
    assert_non_null(strstr(err.text, "byte 4"));
    at_wordpiece_close(w);
    assert_int_equal(at_wordpiece_open(&w, small + 4, 4, NULL, &err), AT_E_MODEL_MISMATCH);
}

static void marks_lose_the_blank_before_them(void **state)
{
    (void)state;
    at_wordpiece *w;
    at_error err = {0};
    assert_int_equal(at_wordpiece_open(&w, small, AT_COUNT(small), NULL, &err), AT_OK);
    static const int32_t ids[] = {2, 7, 9, 10, 7, 12, 11, 1, 7, 19, 3};
    at_buf b;
    at_buf_init(&b, NULL, 1000);
    at_wordpiece_decode(w, ids, AT_COUNT(ids), &b);
    assert_string_equal(at_buf_text(&b), "dog's dogs, dog.");
    at_buf_reset(&b);
    at_wordpiece_close(w);
}

static void ids_equal_the_official_tokenizer(void **state)
{
    (void)state;
    char **lines;
    size_t n_lines;
    at_error err = {0};
    json_t *root = official_open("bert", "bert-base-uncased-vocab.txt", &lines, &n_lines);
    const char **vocab = calloc(n_lines + 2, sizeof *vocab);
    for (size_t i = 0; i < n_lines; i++)
        vocab[i] = lines[i];
    vocab[n_lines] = "[DEC]";
    vocab[n_lines + 1] = "[ENC]";
    at_wordpiece *w;
    assert_int_equal(at_wordpiece_open(&w, vocab, n_lines + 2, NULL, &err), AT_OK);
    size_t k, wrong = 0;
    json_t *one;
    json_array_foreach(json_object_get(root, "encode"), k, one)
    {
        const json_t *text = json_object_get(one, "text"), *ids = json_object_get(one, "ids");
        int32_t *got;
        size_t n;
        assert_int_equal(at_wordpiece_encode(w, json_string_value(text), json_string_length(text),
                                             &got, &n, &err),
                         AT_OK);
        bool same = n + 2 == json_array_size(ids); // [CLS] and [SEP] are the caller's
        for (size_t i = 0; same && i < n; i++)
            same = got[i] == json_integer_value(json_array_get(ids, i + 1));
        at_buf b;
        at_buf_init(&b, NULL, 1 << 20);
        at_wordpiece_decode(w, got, n, &b);
        const bool text_same = strcmp(at_buf_text(&b),
                                      json_string_value(json_object_get(one, "decoded"))) == 0;
        if (!same || !text_same) {
            wrong++;
            print_error("%s: ids %s, text \"%s\"\n", json_string_value(text),
                        same ? "same" : "differ", at_buf_text(&b));
        }
        at_buf_reset(&b);
        at_free(NULL, got);
    }
    assert_true(k > 200);
    assert_int_equal(wrong, 0);
    at_wordpiece_close(w);
    free(vocab);
    at_free(NULL, lines);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_pieces),
        cmocka_unit_test(marks_lose_the_blank_before_them),
        cmocka_unit_test(ids_equal_the_official_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
