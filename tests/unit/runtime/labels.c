/* Sets of labels from outside, on a tiny RAM and RAM++: a model's own embeddings given as a set score as
 * its own labels do, to the bit, alone, mixed, over batches, swapped while the session runs. */
#include "formats/weights.h"
#include "runtime/runtime.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <stdlib.h>
#include <unistd.h>

static const char path[] = "test_labels.tmp.gguf", set_path[] = "test_labels.set.tmp.gguf";
static const at_label names[TINY_TAGS] = {{.name = "Katze"},
                                          {.name = "Hund", .name_zh = "狗", .threshold = 0.25f},
                                          {.name = "third"},
                                          {.name = "fourth"},
                                          {.name = "an eye"}};

typedef struct fix {
    at_model *model;
    at_session *session;
    at_image *image;
    float *rows; // the model's own embeddings
    size_t per;  // rows of a label
    at_error err;
} fix;

static void open_fix(fix *f, const char *arch)
{
    *f = (fix){.per = strcmp(arch, "ram") == 0 ? 1 : 3};
    at_weights *w = NULL;
    const at_session_options o = {.struct_size = sizeof o, .threads = 1, .max_batch = 2};
    if (tiny_model_write(path, arch, &f->err) != AT_OK ||
        at_model_open(path, NULL, &f->model, &f->err) != AT_OK ||
        at_session_open(f->model, &o, &f->session, &f->err) != AT_OK ||
        at_weights_open(&w, path, NULL, &f->err) != AT_OK)
        fail_msg("%s", f->err.text);
    const at_weight *t = at_weights_find(w, "h.label_embed");
    assert_non_null(f->rows = malloc(t->bytes));
    memcpy(f->rows, t->data, t->bytes);
    at_weights_close(w);
    uint8_t rgb[9 * 7 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 5);
    assert_int_equal(at_image_from_rgb(rgb, 9, 7, 27, NULL, &f->image, &f->err), AT_OK);
}

static void close_fix(fix *f)
{
    at_image_free(f->image);
    at_session_close(f->session);
    at_model_close(f->model);
    free(f->rows);
    (void)unlink(path);
}

static at_labels *make(fix *f, size_t n)
{
    size_t n_rows[TINY_TAGS];
    for (size_t i = 0; i < n; i++)
        n_rows[i] = f->per;
    at_labels *set = NULL;
    if (at_labels_from_rows(f->model, names, n, f->rows, n_rows, &set, &f->err) != AT_OK)
        fail_msg("%s", f->err.text);
    return set;
}

static at_tags *all_tags(fix *f)
{
    const at_tag_options o = {.struct_size = sizeof o, .threshold_mode = AT_THRESHOLD_NONE};
    at_tags *t = NULL;
    if (at_session_tag(f->session, f->image, &o, &t, &f->err) != AT_OK) fail_msg("%s", f->err.text);
    return t;
}

static void own_rows_score_as_own_labels(void **state)
{
    static const char *const archs[] = {"ram", "ram_plus"};
    (void)state;
    for (size_t k = 0; k < AT_COUNT(archs); k++) {
        fix f;
        open_fix(&f, archs[k]);
        at_tags *own = all_tags(&f);
        at_labels *set = make(&f, 3);
        for (int only = 0; only < 2; only++) {
            assert_int_equal(at_session_set_labels(f.session, set, only, &f.err), AT_OK);
            at_tags *t = all_tags(&f);
            const size_t n = only ? 0 : TINY_TAGS;
            assert_int_equal(at_tags_scores_count(t), n + 3);
            assert_memory_equal(at_tags_logits(t), at_tags_logits(own), n * sizeof(float));
            assert_memory_equal(at_tags_logits(t) + n, at_tags_logits(own), 3 * sizeof(float));
            size_t custom = 0;
            for (size_t i = 0; i < at_tags_count(t); i++) {
                if (!at_tags_custom(t, i)) continue;
                const size_t which = at_tags_id(t, i) - TINY_TAGS;
                assert_string_equal(at_tags_name(t, i, "en"), names[which].name);
                custom++;
            }
            assert_int_equal(custom, 3);
            at_tags_free(t);
        }
        at_labels_free(set); // the session holds it still
        at_tags *held = all_tags(&f);
        assert_int_equal(at_session_set_labels(f.session, NULL, 0, &f.err), AT_OK);
        at_tags *t = all_tags(&f);
        assert_string_equal(at_tags_custom(held, 0) ? at_tags_name(held, 0, "en") : "",
                            names[at_tags_id(held, 0) - TINY_TAGS].name); // and so do results
        assert_int_equal(at_tags_scores_count(t), TINY_TAGS);
        at_tags_free(held);
        at_tags_free(own);
        at_tags_free(t);
        close_fix(&f);
    }
}

static void thresholds_are_the_sets(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram");
    at_labels *set = make(&f, TINY_TAGS), *other = NULL;
    assert_true(at_labels_threshold(set, 0) == at_model_label_threshold(f.model));
    assert_true(at_labels_threshold(set, 1) == 0.25f);
    at_tags *all = all_tags(&f);
    float t[TINY_TAGS]; // at the score: strictly above only
    for (size_t i = 0; i < TINY_TAGS; i++)
        t[i] = at_tags_scores(all)[i] + (i == 2 ? -1e-3f : 0);
    assert_int_equal(at_labels_with_thresholds(set, t, &other, &f.err), AT_OK);
    assert_int_equal(at_session_set_labels(f.session, other, 1, &f.err), AT_OK);
    at_tags *got = NULL;
    assert_int_equal(at_session_tag(f.session, f.image, NULL, &got, &f.err), AT_OK);
    assert_int_equal(at_tags_count(got), 1);
    assert_int_equal(at_tags_id(got, 0), TINY_TAGS + 2);
    assert_true(at_tags_threshold(got, 0) == t[2]);
    t[0] = 0;
    at_labels *bad = NULL;
    assert_int_equal(at_labels_with_thresholds(set, t, &bad, &f.err), AT_E_INVALID_PARAMETER);
    at_tags_free(got);
    at_tags_free(all);
    at_labels_free(set);
    at_labels_free(other);
    close_fix(&f);
}

static void a_file_gives_the_set_back(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram_plus");
    at_labels *set = make(&f, TINY_TAGS), *back = NULL;
    if (at_labels_save(set, set_path, &f.err) != AT_OK ||
        at_labels_open(set_path, NULL, &back, &f.err) != AT_OK)
        fail_msg("%s", f.err.text);
    assert_int_equal(at_labels_count(back), TINY_TAGS);
    assert_string_equal(at_labels_model(back), at_model_name(f.model));
    assert_int_equal(at_labels_check(back, f.model, &f.err), AT_OK);
    for (size_t i = 0; i < TINY_TAGS; i++) {
        assert_string_equal(at_labels_name(back, i, "en"), names[i].name);
        assert_string_equal(at_labels_name(back, i, "zh"), i == 1 ? "狗" : "");
        assert_true(at_labels_threshold(back, i) == at_labels_threshold(set, i));
        assert_int_equal(at_labels_rows(back, i), 3);
    }
    assert_memory_equal(back->rows, f.rows, TINY_TAGS * 3 * back->dim * sizeof(float));
    at_labels_free(back);
    assert_int_equal(at_labels_open(path, NULL, &back, &f.err), AT_E_MODEL_UNSUPPORTED);
    fix g; // another model writes over the first one's file; f has it mapped no longer in use
    at_session_close(f.session);
    f.session = NULL;
    at_model *first = f.model;
    f.model = NULL;
    (void)unlink(path);
    open_fix(&g, "ram");
    assert_int_equal(at_session_set_labels(g.session, set, 0, &g.err), AT_E_MODEL_MISMATCH);
    at_tags *t = all_tags(&g); // and works on as before
    assert_int_equal(at_tags_scores_count(t), TINY_TAGS);
    at_tags_free(t);
    close_fix(&g);
    at_labels_free(set);
    at_model_close(first);
    close_fix(&f);
    (void)unlink(set_path);
}

static void bad_labels_are_named(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram");
    static char long_name[10001];
    memset(long_name, 'a', sizeof long_name - 1);
    const struct {
        at_label labels[2];
        const char *says;
    } cases[] = {
        {{{.name = "a"}, {.name = ""}}, "label 2 has no name"},
        {{{.name = "a"}, {.name = "a"}}, "\"a\" is there twice"},
        {{{.name = "a"}, {.name = "\xff"}}, "not UTF-8"},
        {{{.name = "a"}, {.name = "b\n"}}, "control character"},
        {{{.name = "a"}, {.name = "x\xe2\x80\xae"}}, "control character at byte 2"},
        {{{.name = long_name}, {.name = "b"}}, "10000 bytes"},
        {{{.name = "a", .threshold = 1.5f}, {.name = "b"}}, "threshold 1.5"},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        at_labels *set = NULL;
        assert_int_equal(at_labels_from_rows(f.model, cases[i].labels, 2, f.rows, NULL, &set,
                                             &f.err),
                         AT_E_INVALID_PARAMETER);
        assert_null(set);
        if (!strstr(f.err.text, cases[i].says)) fail_msg("case %zu: %s", i, f.err.text);
    }
    at_labels *set = NULL;
    f.rows[3] = NAN;
    assert_int_equal(at_labels_from_rows(f.model, names, 2, f.rows, NULL, &set, &f.err),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_labels_from_rows(f.model, names, 2, f.rows, (const size_t[]){1, 2}, &set,
                                         &f.err),
                     AT_E_INVALID_PARAMETER);
    close_fix(&f);
}

typedef struct swapper {
    at_session *session;
    at_labels *sets[2];
    atomic_bool stop;
} swapper;

static void *swap(void *user)
{
    swapper *w = user;
    at_error err;
    for (int i = 0; !atomic_load(&w->stop); i++)
        (void)at_session_set_labels(w->session, w->sets[i % 2], i % 3 == 0, &err);
    return NULL;
}

static void a_set_is_swapped_while_the_session_runs(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram");
    at_tags *own = all_tags(&f);
    swapper w = {.session = f.session, .sets = {make(&f, 2), make(&f, 4)}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap, &w), 0);
    for (int i = 0; i < 200; i++) {
        at_tags *t = all_tags(&f);
        const size_t n = at_tags_scores_count(t), extra = n % TINY_TAGS;
        assert_true(extra == 2 || extra == 4 || n == TINY_TAGS);
        assert_memory_equal(at_tags_logits(t) + n - extra, at_tags_logits(own),
                            extra * sizeof(float));
        at_tags_free(t);
    }
    atomic_store(&w.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    at_labels_free(w.sets[0]);
    at_labels_free(w.sets[1]);
    at_tags_free(own);
    close_fix(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_rows_score_as_own_labels),
        cmocka_unit_test(thresholds_are_the_sets),
        cmocka_unit_test(a_file_gives_the_set_back),
        cmocka_unit_test(bad_labels_are_named),
        cmocka_unit_test(a_set_is_swapped_while_the_session_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
