/* Every format to the byte, on a tiny model, with names made to break it. */
#include "anytag/writer.h"
#include "base/buf.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "test_writers.tmp.gguf";

typedef struct fix {
    at_model *model;
    at_session *session;
    at_image *image;
    at_tags *tags; // two: best first
    at_buf out;
    at_status answer; // of the sink
} fix;

static int open_fix(void **state)
{
    static fix f;
    at_error err = {0};
    static const size_t only[2] = {1, 3};
    const at_session_options so = {
        .struct_size = sizeof so, .threads = 1, .only = only, .n_only = 2};
    const at_tag_options to = {.struct_size = sizeof to, .threshold_mode = AT_THRESHOLD_NONE};
    const uint8_t rgb[4 * 2 * 3] = {200, 100};
    if (tiny_model_write(path, "ram", &err) != AT_OK ||
        at_model_open(path, NULL, &f.model, &err) != AT_OK ||
        at_session_open(f.model, &so, &f.session, &err) != AT_OK ||
        at_image_from_rgb(rgb, 4, 2, 12, NULL, &f.image, &err) != AT_OK ||
        at_session_tag(f.session, f.image, &to, &f.tags, &err) != AT_OK)
        return -1;
    at_buf_init(&f.out, NULL, 1 << 20);
    *state = &f;
    return 0;
}

static int close_fix(void **state)
{
    fix *f = *state;
    at_buf_reset(&f->out);
    at_tags_free(f->tags);
    at_image_free(f->image);
    at_session_close(f->session);
    at_model_close(f->model);
    (void)unlink(path);
    return 0;
}

static at_status sink(void *user, const void *data, size_t size, at_error *err)
{
    fix *f = user;
    if (f->answer != AT_OK) return at_fail(err, f->answer, "the sink is full");
    at_buf_add(&f->out, data, size);
    return AT_OK;
}

/* One good record of that path and one error. */
static const char *written(fix *f, const char *format, at_writer_options o, const char *name)
{
    at_error err = {0};
    const at_error wrong = {.status = AT_E_NOT_FOUND, .text = "gone.jpg: \"<no>\" such file"};
    at_writer *w;
    o.struct_size = sizeof o;
    at_buf_clear(&f->out);
    const at_record good = {.struct_size = sizeof good,
                            .name = "n",
                            .path = name,
                            .model = f->model,
                            .image = f->image,
                            .tags = f->tags};
    const at_record bad = {.struct_size = sizeof bad,
                           .name = "gone.jpg",
                           .path = "gone.jpg",
                           .model = f->model,
                           .error = &wrong};
    if (at_writer_open(format, &o, sink, f, &w, &err) != AT_OK ||
        at_writer_add(w, &good, &err) != AT_OK || at_writer_add(w, &bad, &err) != AT_OK ||
        at_writer_finish(w, &err) != AT_OK)
        fail_msg("%s: %s", format, err.text);
    at_writer_close(w);
    return at_buf_text(&f->out);
}

/* "dog" or "tree house", the i-th best. */
static const char *en(const fix *f, size_t i)
{
    return at_tags_name(f->tags, i, "en");
}

static void text_has_a_line_a_picture(void **state)
{
    fix *f = *state;
    char want[256];
    (void)snprintf(want, sizeof want, "a\\nb\\x1B.jpg\t%s, %s\n", en(f, 0), en(f, 1));
    assert_string_equal(written(f, "text", (at_writer_options){0}, "a\nb\33.jpg"), want);
    (void)snprintf(want, sizeof want, "a\nb\t%s:%.2f, %s:%.2f", en(f, 0),
                   (double)at_tags_score(f->tags, 0), en(f, 1), (double)at_tags_score(f->tags, 1));
    const char *got = written(f, "text", (at_writer_options){.null_ends = 1, .scores = 1}, "a\nb");
    assert_string_equal(got, want);
    assert_int_equal(f->out.len, strlen(want) + 1); // and a NUL
}

static void json_is_json_whatever_the_name(void **state)
{
    fix *f = *state;
    static const char name[] = "a\"\\\n\1/\xff\xfe狗.jpg";
    json_error_t why;
    json_t *run = json_loads(written(f, "json", (at_writer_options){.all_scores = 1}, name), 0,
                             &why);
    if (!run) fail_msg("%s at %d: %s", why.text, why.position, at_buf_text(&f->out));
    json_t *results = json_object_get(run, "results"), *first = json_array_get(results, 0);
    assert_int_equal(json_array_size(results), 2);
    const json_t *source = json_object_get(first, "source");
    assert_string_equal(json_string_value(json_object_get(source, "path")),
                        "a\"\\\n\1/\xef\xbf\xbd\xef\xbf\xbd狗.jpg");
    assert_non_null(json_object_get(source, "path_base64")); // the bytes themselves
    const json_t *tag = json_array_get(json_object_get(first, "tags"), 0);
    assert_string_equal(json_string_value(json_object_get(tag, "name")), en(f, 0));
    const double score = json_number_value(json_object_get(tag, "score"));
    assert_true(fabs(score - (double)at_tags_score(f->tags, 0)) < 1e-6);
    assert_int_equal(strlen(json_string_value(json_object_get(first, "scores"))), 12); // 8 bytes
    const json_t *bad = json_object_get(json_array_get(results, 1), "error");
    assert_string_equal(json_string_value(json_object_get(bad, "code")), "not-found");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(run, "summary"), "failed")),
                     1);
    json_decref(run);
}

static void csv_quotes(void **state)
{
    fix *f = *state;
    char begin[96];
    (void)snprintf(begin, sizeof begin,
                   "path,tag_id,tag,tag_zh,score,threshold\r\n\"a,\"\"b\"\"\n\",%zu,%s,",
                   at_tags_id(f->tags, 0), en(f, 0));
    const char *got = written(f, "csv", (at_writer_options){0}, "a,\"b\"\n");
    if (strncmp(got, begin, strlen(begin)) != 0) fail_msg("%s", got);
    got = written(f, "csv-wide", (at_writer_options){.bom = 1, .excel = 1}, "=1+1");
    (void)snprintf(begin, sizeof begin, "\xef\xbb\xbfpath,tags,scores,caption\r\n'=1+1,%s;%s,",
                   en(f, 0), en(f, 1));
    if (strncmp(got, begin, strlen(begin)) != 0) fail_msg("%s", got);
}

static void official_is_in_index_order(void **state)
{
    fix *f = *state;
    const char *got = written(f, "official", (at_writer_options){.lang = "en,zh"}, "x");
    assert_string_equal(got, "dog | tree house\n狗  | \n");
}

static void html_escapes_and_has_the_picture(void **state)
{
    fix *f = *state;
    const char *got = written(f, "html", (at_writer_options){0}, "<script>&\"'\xff");
    assert_null(strstr(got, "<script>"));
    assert_non_null(strstr(got, "&#60;script&#62;&#38;&#34;&#39;"));
    assert_null(strchr(got, '\xff'));
    assert_non_null(strstr(got, "<img alt=\"\" src=\"data:image/jpeg;base64,/9j/"));
    assert_non_null(strstr(got, "&#34;&#60;no&#62;&#34; such file"));
    assert_non_null(strstr(got, "1 pictures, 1 failed"));
    assert_null(strstr(got, "no tag is above"));
    at_tags *const some = f->tags;
    const at_tag_options none = {
        .struct_size = sizeof none, .threshold_mode = AT_THRESHOLD_ONE, .threshold = 1};
    at_error err = {0};
    assert_int_equal(at_session_tag(f->session, f->image, &none, &f->tags, &err), AT_OK);
    assert_non_null(strstr(written(f, "html", (at_writer_options){0}, "x"), "no tag is above"));
    at_tags_free(f->tags);
    f->tags = some;
}

static void a_full_sink_is_told_and_not_counted(void **state)
{
    fix *f = *state;
    at_error err = {0};
    at_writer *w;
    const at_record good = {.struct_size = sizeof good,
                            .name = "n",
                            .model = f->model,
                            .image = f->image,
                            .tags = f->tags};
    at_buf_clear(&f->out);
    assert_int_equal(at_writer_open("json", NULL, sink, f, &w, &err), AT_OK);
    assert_int_equal(at_writer_add(w, &good, &err), AT_OK);
    f->answer = AT_E_DISK_FULL;
    assert_int_equal(at_writer_add(w, &good, &err), AT_E_DISK_FULL);
    assert_string_equal(err.text, "the sink is full");
    f->answer = AT_OK;
    assert_int_equal(at_writer_finish(w, &err), AT_OK);
    assert_non_null(strstr(at_buf_text(&f->out), "\"ok\":1,\"failed\":0"));
    at_writer_close(w);
    assert_int_equal(at_writer_open("xml", NULL, sink, f, &w, &err), AT_E_INVALID_PARAMETER);
    assert_null(w);
    for (const char *const *name = at_writer_formats(); *name; name++)
        assert_non_null(strstr(err.text, *name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_a_line_a_picture),
        cmocka_unit_test(json_is_json_whatever_the_name),
        cmocka_unit_test(csv_quotes),
        cmocka_unit_test(official_is_in_index_order),
        cmocka_unit_test(html_escapes_and_has_the_picture),
        cmocka_unit_test(a_full_sink_is_told_and_not_counted),
    };
    return cmocka_run_group_tests(tests, open_fix, close_fix);
}
