/* Pictures beside texts through the API: lengths, bits over threads and batches, shared tags, refusals. What the
 * numbers are is compared with a reference in tests/parity. */
#include "anytag/match.h"

#include "tests_cmocka.h"
#include "tiny_model.h"

#include <stdlib.h>
#include <unistd.h>

enum { IMAGES = 3, TEXTS = 5 };
static const char path[] = "test_match.tmp.gguf";
static const char *const words[TEXTS] = {"a dog", "the tree house, dogs", "a cat of the big dog",
                                         "a picture", "the big cat"};

typedef struct fix {
    at_model *model;
    at_session *session;
    at_pixels *pixels[IMAGES];
    at_features *features[IMAGES];
    at_texts *texts;
} fix;

static void look(fix *f, int threads, int batch)
{
    at_error err = {0}, errs[IMAGES] = {{0}};
    const at_session_options so = {
        .struct_size = sizeof so, .threads = threads, .max_batch = batch};
    const at_tag_options all = {.struct_size = sizeof all, .threshold_mode = AT_THRESHOLD_NONE};
    if (at_session_open(f->model, &so, &f->session, &err) != AT_OK ||
        at_session_features_pixels(f->session, (const at_pixels *const *)f->pixels, IMAGES, &all,
                                   f->features, errs) != AT_OK ||
        at_session_texts(f->session, words, TEXTS, &f->texts, &err) != AT_OK)
        fail_msg("%s%s", err.text, errs[0].text);
}

static void unlook(fix *f)
{
    for (int i = 0; i < IMAGES; i++)
        at_features_free(f->features[i]);
    at_texts_free(f->texts);
    at_session_close(f->session);
}

static void open_fix(fix *f, const char *arch)
{
    at_error err = {0};
    if (tiny_model_write(path, arch, &err) != AT_OK ||
        at_model_open(path, NULL, &f->model, &err) != AT_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < IMAGES; i++) {
        uint8_t rgb[20 * 30 * 3];
        at_image *image;
        for (size_t k = 0; k < sizeof rgb; k++)
            rgb[k] = (uint8_t)(k * (size_t)(7 + 40 * i));
        if (at_image_from_rgb(rgb, 20, 30, 60, NULL, &image, &err) != AT_OK ||
            at_pixels_prepare(f->model, image, &f->pixels[i], &err) != AT_OK)
            fail_msg("%s", err.text);
        at_image_free(image);
    }
}

static void close_fix(fix *f)
{
    for (int i = 0; i < IMAGES; i++)
        at_pixels_free(f->pixels[i]);
    at_model_close(f->model);
    (void)unlink(path);
}

static at_matches *match(const fix *f, const at_match_options *o)
{
    at_matches *m = NULL;
    at_error err = {0};
    if (at_session_match(f->session, (const at_features *const *)f->features, IMAGES, f->texts, o,
                         &m, &err) != AT_OK)
        fail_msg("%s", err.text);
    return m;
}

/* All pairs by place, so that orders can be compared. */
static void by_place(const at_matches *m, at_match out[IMAGES][TEXTS])
{
    for (size_t q = 0; q < at_matches_queries(m); q++) {
        for (size_t i = 0; i < at_matches_candidates(m); i++) {
            const at_match *p = at_matches_at(m, q, i);
            out[p->image][p->text] = *p;
        }
    }
}

static void assert_same(const at_match *a, const at_match *b)
{
    const float x[] = {a->cosine, a->tags, a->score, a->logits[0], a->logits[1], a->itm},
                y[] = {b->cosine, b->tags, b->score, b->logits[0], b->logits[1], b->itm};
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(a->looked, b->looked);
}

static void vectors_have_length_1(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "tag2text");
    look(&f, 1, 1);
    assert_int_equal(at_model_match_width(f.model), TINY_WIDTH);
    assert_int_equal(at_model_match_tokens(f.model), TINY_TOKENS);
    for (size_t i = 0; i < IMAGES + TEXTS; i++) {
        const float *v = i < IMAGES ? at_features_vector(f.features[i])
                                    : at_texts_vector(f.texts, i - IMAGES);
        double sum = 0;
        for (int k = 0; k < TINY_WIDTH; k++)
            sum += (double)v[k] * (double)v[k];
        assert_true(fabs(sum - 1) < 1e-6);
    }
    unlook(&f);
    close_fix(&f);
}

static void bits_depend_on_nothing_else(void **state)
{
    (void)state;
    fix f;
    at_match first[IMAGES][TEXTS] = {{{0}}}, again[IMAGES][TEXTS] = {{{0}}};
    open_fix(&f, "tag2text");
    for (int round = 0; round < 6; round++) {
        const at_match_options o = {
            .struct_size = sizeof o, .by = round % 2 ? AT_BY_IMAGE : AT_BY_TEXT, .top_k = 9};
        look(&f, 1 + round % 3, 1 + round / 2);
        at_matches *m = match(&f, &o);
        by_place(m, round ? again : first);
        for (int i = 0; round && i < IMAGES * TEXTS; i++)
            assert_same(&first[i / TEXTS][i % TEXTS], &again[i / TEXTS][i % TEXTS]);
        at_matches_free(m);
        unlook(&f);
    }
    for (int i = 0; i < IMAGES; i++)
        for (int t = 0; t < TEXTS; t++)
            assert_true(first[i][t].looked && first[i][t].itm > 0 && first[i][t].itm < 1);
    close_fix(&f);
}

static void parts_add_up(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "tag2text");
    look(&f, 2, 2);
    // cat, dog, Dog, tree house, x (deleted): every picture has the four
    static const uint32_t of_text[TEXTS][2] = {{1}, {3, 1}, {0, 1}, {0}, {0}};
    static const size_t n_of_text[TEXTS] = {1, 2, 2, 0, 1};
    static const float idf[TINY_TAGS] = {1, 3, 1, 0, 1};
    for (size_t t = 0; t < TEXTS; t++) {
        size_t n;
        const uint32_t *ids = at_texts_tags(f.texts, t, &n);
        assert_int_equal(n, n_of_text[t]);
        if (n) assert_memory_equal(ids, of_text[t], n * sizeof *ids);
    }
    const at_match_options o = {
        .struct_size = sizeof o, .lambda = 0.5f, .idf = idf, .top_k = 1, .by = AT_BY_IMAGE};
    at_matches *m = match(&f, &o);
    assert_int_equal(at_matches_queries(m), IMAGES);
    assert_int_equal(at_matches_candidates(m), TEXTS);
    for (size_t q = 0; q < IMAGES; q++) {
        for (size_t i = 0; i < TEXTS; i++) {
            const at_match *p = at_matches_at(m, q, i);
            uint32_t ids[1];
            assert_int_equal(p->image, q);
            assert_int_equal(p->looked, i == 0);
            assert_true(p->tags == (n_of_text[p->text] ? 1.0f : 0.0f));
            assert_true(p->score == p->cosine + 0.5f * p->tags);
            if (i > 1) assert_true(p->score <= at_matches_at(m, q, i - 1)->score);
            assert_int_equal(at_matches_shared(m, p, ids, 1), n_of_text[p->text]);
            if (n_of_text[p->text]) assert_int_equal(ids[0], of_text[p->text][0]);
        }
    }
    at_matches_free(m);
    unlook(&f);
    close_fix(&f);
}

static void texts_that_are_none(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "tag2text");
    look(&f, 1, 1);
    char *huge = malloc(AT_TEXT_BYTES_MOST + 2);
    memset(huge, 'a', AT_TEXT_BYTES_MOST + 1);
    huge[AT_TEXT_BYTES_MOST + 1] = 0;
    const char *const bad[] = {"", NULL, " \t\n", "a\xc3", "\xff", "\x01\x02", huge};
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        at_error err = {0};
        at_texts *t = (at_texts *)&f;
        const char *const two[] = {"a dog", bad[i]};
        assert_int_equal(at_session_texts(f.session, two, 2, &t, &err), AT_E_INVALID_TEXT);
        assert_null(t);
        assert_int_equal(strncmp(err.text, "text 2: ", 8), 0);
    }
    free(huge);
    // 30 words where 12 tokens fit, [CLS] and [SEP] among them
    static const char *const long_text[] = {
        "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a dog", "a a a a a a a a a a"};
    at_texts *t;
    assert_int_equal(at_session_texts(f.session, long_text, 2, &t, NULL), AT_OK);
    assert_int_equal(at_texts_cut(t, 0), 20);
    assert_int_equal(at_texts_cut(t, 1), 0);
    assert_memory_equal(at_texts_vector(t, 0), at_texts_vector(t, 1), TINY_WIDTH * sizeof(float));
    size_t n;
    (void)at_texts_tags(t, 0, &n);
    assert_int_equal(n, 1); // tags are read in the whole text
    at_texts_free(t);
    assert_int_equal(at_session_texts(f.session, long_text, 0, &t, NULL), AT_E_INVALID_PARAMETER);
    unlook(&f);
    close_fix(&f);
}

static int stop(void *user, size_t done, size_t all)
{
    (void)all;
    return ++*(int *)user > 1 && done > 0;
}

static void refusals(void **state)
{
    (void)state;
    fix f, other;
    open_fix(&f, "tag2text");
    open_fix(&other, "tag2text");
    look(&f, 1, 1);
    look(&other, 1, 1);
    const float negative[TINY_TAGS] = {1, -1}, not_a_number[TINY_TAGS] = {NAN};
    const at_match_options bad[] = {
        {.struct_size = sizeof bad[0], .by = 2},
        {.struct_size = sizeof bad[0], .top_k = -1},
        {.struct_size = sizeof bad[0], .lambda = -1},
        {.struct_size = sizeof bad[0], .lambda = NAN},
        {.struct_size = sizeof bad[0], .idf = negative},
        {.struct_size = sizeof bad[0], .idf = not_a_number},
    };
    at_matches *m;
    const at_features *const *mine = (const at_features *const *)f.features;
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        at_error err = {0};
        assert_int_equal(at_session_match(f.session, mine, IMAGES, f.texts, &bad[i], &m, &err),
                         AT_E_INVALID_PARAMETER);
        assert_null(m);
        assert_true(err.text[0]);
    }
    assert_int_equal(at_session_match(f.session, mine, IMAGES, other.texts, NULL, &m, NULL),
                     AT_E_MODEL_MISMATCH);
    const at_features *const mixed[] = {f.features[0], other.features[0]}, *const none[] = {NULL};
    assert_int_equal(at_session_match(f.session, mixed, 2, f.texts, NULL, &m, NULL),
                     AT_E_MODEL_MISMATCH);
    assert_int_equal(at_session_match(f.session, none, 1, f.texts, NULL, &m, NULL),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_session_match(f.session, mine, 0, f.texts, NULL, &m, NULL),
                     AT_E_INVALID_PARAMETER);
    int asked = 0;
    const at_match_options stopped = {
        .struct_size = sizeof stopped, .progress = stop, .progress_user = &asked};
    assert_int_equal(at_session_match(f.session, mine, IMAGES, f.texts, &stopped, &m, NULL),
                     AT_E_CANCELLED);
    assert_int_equal(asked, 2);
    m = match(&f, NULL); // and goes on
    at_matches_free(m);
    unlook(&f);
    unlook(&other);
    close_fix(&other);
    close_fix(&f);
}

static void models_without_it(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram");
    at_error err = {0}, errs[IMAGES] = {{0}};
    at_session *s;
    at_texts *t;
    assert_int_equal(at_model_match_width(f.model), 0);
    assert_int_equal(at_session_open(f.model, NULL, &s, &err), AT_OK);
    assert_int_equal(at_session_texts(s, words, 1, &t, &err), AT_E_MODEL_UNSUPPORTED);
    assert_non_null(strstr(err.text, "come from training"));
    assert_int_equal(at_session_features_pixels(s, (const at_pixels *const *)f.pixels, IMAGES, NULL,
                                                f.features, errs),
                     AT_E_MODEL_UNSUPPORTED);
    assert_null(f.features[2]);
    assert_int_equal(errs[2].status, AT_E_MODEL_UNSUPPORTED);
    at_session_close(s);
    close_fix(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_have_length_1),
        cmocka_unit_test(bits_depend_on_nothing_else),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(refusals),
        cmocka_unit_test(models_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
