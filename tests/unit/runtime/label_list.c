/* Labels as people write them down: what each form gives, and what is said of a wrong one. */
#include "anytag/labels.h"
#include "base/base.h"
#include "tests_cmocka.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char path[] = "test_label_list.tmp";

static at_status read_back(const char *text, size_t size, at_label_list **list, at_error *err)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    const at_status status = at_label_list_read(path, list, err);
    (void)unlink(path);
    return status;
}

/* "name|zh|threshold|description/description;..." of a list. */
static void shown(const at_label_list *list, char *out, size_t size)
{
    out[0] = 0;
    for (size_t i = 0; i < at_label_list_count(list); i++) {
        const at_label *l = &at_label_list_labels(list)[i];
        (void)snprintf(out + strlen(out), size - strlen(out), "%s|%s|%g|", l->name,
                       l->name_zh ? l->name_zh : "-", (double)l->threshold);
        for (size_t k = 0; k < l->n_descriptions; k++)
            (void)snprintf(out + strlen(out), size - strlen(out), "%s%s", k ? "/" : "",
                           l->descriptions[k]);
        (void)snprintf(out + strlen(out), size - strlen(out), ";");
    }
}

static void every_form_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"dog\n  red bicycle \r\n\n# a note\ncat", "dog|-|0|;red bicycle|-|0|;cat|-|0|;"},
        {"\xef\xbb\xbf"
         "dog\t狗\t0.25\ncat\t\t\ncow\t牛\n",
         "dog|狗|0.25|;cat|-|0|;cow|牛|0|;"},
        {"{\"dog\": [\"a dog.\", \"it barks\"], \"cat\": \"meow\", \"cow\": []}",
         "dog|-|0|a dog./it barks;cat|-|0|meow;cow|-|0|;"},
        {" [{\"dog\": [\"a dog.\"]}, {\"cat\": [\"x\", \"y\"]}, \"bird\"]",
         "dog|-|0|a dog.;cat|-|0|x/y;bird|-|0|;"},
        {"tag,description\r\ndog,a dog\r\ndog,\"it \"\"barks\"\", loudly\"\r\n\r\ncat,\r\n",
         "dog|-|0|a dog/it \"barks\", loudly;cat|-|0|;"},
        {"tag, description\n dog , \" a dog\" \r\n\"cat\",\"two\nlines, a\"\n\n\"co\"\"w\",5\" tall",
         "dog|-|0| a dog;cat|-|0|two\nlines, a;co\"w|-|0|5\" tall;"},
        {"threshold,tag,tag_zh\n0.5,dog,狗\n,cat,\n", "dog|狗|0.5|;cat||0|;"},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        at_label_list *list = NULL;
        at_error err = {0};
        char text[512];
        if (read_back(cases[i].text, strlen(cases[i].text), &list, &err) != AT_OK)
            fail_msg("case %zu: %s", i, err.text);
        shown(list, text, sizeof text);
        assert_string_equal(text, cases[i].want);
        at_label_list_free(list);
    }
    at_label_list *list = NULL;
    at_error err = {0};
    char text[128];
    assert_int_equal(at_label_list_parse(" red bicycle ,dog,, cat", &list, &err), AT_OK);
    shown(list, text, sizeof text);
    assert_string_equal(text, "red bicycle|-|0|;dog|-|0|;cat|-|0|;");
    at_label_list_free(list);
}

static void a_wrong_one_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size; // 0: strlen
        const char *says;
    } cases[] = {
        {"", 0, "no label"},
        {"# only a note\n\n", 0, "no label"},
        {"dog\tx\t2\n", 0, "line 1: \"2\""},
        {"dog\ncat\tx\thigh\n", 0, "line 2: \"high\""},
        {"do\0g\n", 5, "NUL"},
        {"{\"dog\": [1]}", 0, "\"dog\": description 1 is no text"},
        {"{\"dog\": [\"a\", \"\"]}", 0, "description 2 is empty"},
        {"{\"dog\": \"\"}", 0, "\"dog\": description 1 is empty"},
        {"{\"dog\": 7}", 0, "\"dog\": expected a list"},
        {"[{\"dog\": []}, 3]", 0, "entry 2"},
        {"{\"dog\": [}", 0, "line 1"},
        {"{\"dog\": [], \"dog\": []}", 0, "duplicate"},
        {"tag,description\ndog,a,b\n", 0, "line 2: 3 cells"},
        {"tag,description\ndog\n", 0, "line 2: 1 cells"},
        {"tag,description\ndog,\"a\nb\n", 0, "line 2: a quote"},
        {"tag,description\n\ndog,\"a\"b\n", 0, "line 3: the quotes"},
        {"tag,description\ndog,\"a\"\"", 0, "line 2: a quote"},
        {"tag,threshold\ndog,1.5\n", 0, "1.5"},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        at_label_list *list = NULL;
        at_error err = {0};
        const size_t size = cases[i].size ? cases[i].size : strlen(cases[i].text);
        assert_int_equal(read_back(cases[i].text, size, &list, &err), AT_E_INVALID_PARAMETER);
        assert_null(list);
        if (!strstr(err.text, cases[i].says) || !strstr(err.text, path))
            fail_msg("case %zu: %s", i, err.text);
    }
    at_label_list *list = NULL;
    at_error err = {0};
    assert_int_equal(at_label_list_read("nowhere.txt", &list, &err), AT_E_NOT_FOUND);
    assert_int_equal(at_label_list_parse(" , ", &list, &err), AT_E_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(a_wrong_one_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
