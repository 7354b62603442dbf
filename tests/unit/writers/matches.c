/* Matches as csv and text: hostile names, a spreadsheet's formulas, an unknown format, a full disk. */
#include "anytag/match.h"

#include "base/buf.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <unistd.h>

static at_status collect(void *user, const void *data, size_t size, at_error *err)
{
    at_buf *b = user;
    if (!b) return at_fail(err, AT_E_DISK_FULL, "full");
    at_buf_add(b, data, size);
    return AT_OK;
}

static void every_format(void **state)
{
    (void)state;
    static const char path[] = "test_matches.tmp.gguf";
    static const char *const words[] = {"=a dog, of \"the\" house"}, *const names[] = {
                                                                         "a\n\x1b.jpg"};
    const at_tag_options all = {.struct_size = sizeof all, .threshold_mode = AT_THRESHOLD_NONE};
    const uint8_t rgb[4 * 4 * 3] = {9, 200, 30};
    at_error err = {0};
    at_model *model;
    at_session *s;
    at_image *image;
    at_features *f;
    at_texts *t;
    at_matches *m;
    if (tiny_model_write(path, "tag2text", &err) != AT_OK ||
        at_model_open(path, NULL, &model, &err) != AT_OK ||
        at_session_open(model, NULL, &s, &err) != AT_OK ||
        at_image_from_rgb(rgb, 4, 4, 12, NULL, &image, &err) != AT_OK ||
        at_session_features(s, image, &all, &f, &err) != AT_OK ||
        at_session_texts(s, words, 1, &t, &err) != AT_OK ||
        at_session_match(s, (const at_features *const *)&f, 1, t, NULL, &m, &err) != AT_OK)
        fail_msg("%s", err.text);
    at_buf b;
    at_buf_init(&b, NULL, 1 << 20);
    const at_match_writer_options o = {.struct_size = sizeof o, .excel = 1, .bom = 1};
    assert_int_equal(at_matches_write(m, "csv", names, &o, collect, &b, &err), AT_OK);
    assert_non_null(strstr(b.data,
                           "\xef\xbb\xbfquery,rank,path,text,score,cosine,tags,shared,match\r\n"
                           "0,1,\"a\n\x1b.jpg\",\"'=a dog, of \"\"the\"\" house\","));
    assert_non_null(strstr(b.data, ",1,dog,0."));
    at_buf_clear(&b);
    assert_int_equal(at_matches_write(m, "text", names, NULL, collect, &b, &err), AT_OK);
    assert_non_null(strstr(b.data, "=a dog, of \"the\" house\n   1  a\\n\\x1B.jpg  cosine "));
    assert_non_null(strstr(b.data, "tags 1.00 (dog), match 0."));
    assert_int_equal(at_matches_write(m, "html", names, NULL, collect, &b, &err),
                     AT_E_INVALID_PARAMETER);
    assert_non_null(strstr(err.text, "text, json, jsonl, csv"));
    assert_int_equal(at_matches_write(m, "json", names, NULL, collect, NULL, &err), AT_E_DISK_FULL);
    at_buf_reset(&b);
    at_matches_free(m);
    at_texts_free(t);
    at_features_free(f);
    at_image_free(image);
    at_session_close(s);
    at_model_close(model);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_format)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
