/* What the public objects promise, on a tiny RAM and RAM++: labels, thresholds, subsets, batches. */
#include "anytag/inspect.h"
#include "runtime/runtime.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "test_runtime.tmp.gguf";

typedef struct fix {
    at_model *model;
    at_session *session;
    at_image *images[3];
} fix;

static void open_fix(fix *f, const char *arch, int batch)
{
    at_error err = {0};
    const at_session_options o = {.struct_size = sizeof o, .threads = 1, .max_batch = batch};
    if (tiny_model_write(path, arch, &err) != AT_OK ||
        at_model_open(path, NULL, &f->model, &err) != AT_OK ||
        at_session_open(f->model, &o, &f->session, &err) != AT_OK)
        fail_msg("%s", err.text);
    for (int k = 0; k < 3; k++) {
        uint8_t rgb[9 * 7 * 3];
        for (size_t i = 0; i < sizeof rgb; i++)
            rgb[i] = (uint8_t)(i * (size_t)(k + 3));
        assert_int_equal(at_image_from_rgb(rgb, 9, 7, 27, NULL, &f->images[k], &err), AT_OK);
    }
}

static void close_fix(fix *f)
{
    for (int k = 0; k < 3; k++)
        at_image_free(f->images[k]);
    at_session_close(f->session);
    at_model_close(f->model);
    (void)unlink(path);
}

static at_tags *tags_of(at_session *s, const at_image *image, const at_tag_options *o)
{
    at_error err = {0};
    at_tags *t = NULL;
    if (at_session_tag(s, image, o, &t, &err) != AT_OK) fail_msg("%s", err.text);
    return t;
}

static void the_tag_list_is_read(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram", 1);
    const at_model *m = f.model;
    assert_string_equal(at_model_architecture(m), "ram");
    assert_string_equal(at_model_vocabulary(m), "tiny-5");
    assert_string_equal(at_model_precision(m), "f32");
    assert_int_equal(at_model_tags(m), TINY_TAGS);
    assert_string_equal(at_model_tag(m, 1, "zh"), "狗");
    assert_string_equal(at_model_tag_verbatim(m, 1, "zh"), "狗 ");
    assert_string_equal(at_model_tag(m, TINY_TAGS, "en"), "");
    assert_int_equal(at_model_find_tag(m, "Dog"), 2); // exact first
    assert_int_equal(at_model_find_tag(m, "DOG"), 1); // then the first without regard to case
    assert_int_equal(at_model_find_tag(m, "tree"), -1);
    size_t same[2];
    assert_int_equal(at_model_find_tags(m, "DOG", same, 2), 1);
    assert_int_equal(at_model_find_tags(m, "犬", same, 2), 1);
    assert_int_equal(same[0], 2);
    assert_int_equal(at_model_find_tags(m, "", same, 2), 0);
    size_t near[2];
    assert_int_equal(at_model_nearest_tags(m, "tree hous", near, 2), 1);
    assert_int_equal(near[0], 3);
    assert_int_equal(at_model_nearest_tags(m, "nothing like it", near, 2), 0);
    assert_true(at_model_tag_deleted(m, 4) && !at_model_tag_deleted(m, 3));
    close_fix(&f);
}

static void thresholds_choose(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram", 1);
    static const float own[TINY_TAGS] = {0.2f, 0.5f, 0.9f, 1.0f, 0.0f};
    at_tags *all = tags_of(f.session, f.images[0],
                           &(at_tag_options){.struct_size = sizeof(at_tag_options),
                                             .threshold_mode = AT_THRESHOLD_NONE});
    assert_int_equal(at_tags_count(all), TINY_TAGS - 1); // the deleted one is never reported
    for (size_t i = 1; i < at_tags_count(all); i++)
        assert_true(at_tags_score(all, i - 1) >= at_tags_score(all, i));
    const float *score = at_tags_scores(all), *logit = at_tags_logits(all);
    for (size_t i = 0; i < TINY_TAGS; i++)
        assert_true(fabsf(score[i] - 1 / (1 + expf(-logit[i]))) < 1e-6f);
    const float exactly = at_tags_score(all, 0);
    static const int modes[] = {AT_THRESHOLD_OWN, AT_THRESHOLD_SHIFT, AT_THRESHOLD_ONE};
    for (size_t k = 0; k < AT_COUNT(modes); k++) {
        const float value = modes[k] == AT_THRESHOLD_ONE     ? exactly
                            : modes[k] == AT_THRESHOLD_SHIFT ? -0.3f
                                                             : 0;
        at_tags *t = tags_of(f.session, f.images[0],
                             &(at_tag_options){.struct_size = sizeof(at_tag_options),
                                               .threshold_mode = modes[k],
                                               .threshold = value});
        size_t want = 0;
        for (size_t id = 0; id < TINY_TAGS - 1; id++) {
            const float limit = modes[k] == AT_THRESHOLD_ONE ? value : own[id] + value;
            want += score[id] > limit; // strictly
        }
        if (at_tags_count(t) != want)
            fail_msg("mode %d: %zu tags, expected %zu", modes[k], at_tags_count(t), want);
        at_tags_free(t);
    }
    at_tags *one = tags_of(f.session, f.images[0],
                           &(at_tag_options){.struct_size = sizeof(at_tag_options),
                                             .threshold_mode = AT_THRESHOLD_NONE,
                                             .top = 1});
    assert_int_equal(at_tags_count(one), 1);
    assert_int_equal(at_tags_id(one, 0), at_tags_id(all, 0));
    at_tags_free(one);
    at_tags_free(all);
    close_fix(&f);
}

static void a_subset_has_the_bits_of_all(void **state)
{
    (void)state;
    static const char *const archs[] = {"ram", "ram_plus"};
    for (size_t a = 0; a < AT_COUNT(archs); a++) {
        fix f;
        open_fix(&f, archs[a], 1);
        at_error err = {0};
        const size_t only[3] = {3, 0, 2};
        const at_session_options o = {
            .struct_size = sizeof o, .threads = 2, .only = only, .n_only = 3};
        at_session *s;
        assert_int_equal(at_session_open(f.model, &o, &s, &err), AT_OK);
        at_tags *all = tags_of(f.session, f.images[1], NULL), *some = tags_of(s, f.images[1], NULL);
        assert_int_equal(at_tags_scores_count(some), 3);
        for (size_t i = 0; i < 3; i++) {
            if (at_tags_logits(some)[i] != at_tags_logits(all)[only[i]])
                fail_msg("%s, tag %zu: %.9g alone, %.9g among all", archs[a], only[i],
                         (double)at_tags_logits(some)[i], (double)at_tags_logits(all)[only[i]]);
        }
        at_tags_free(all);
        at_tags_free(some);
        at_session_close(s);
        close_fix(&f);
    }
}

static void a_batch_has_the_bits_of_one_by_one(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram_plus", 2);
    const at_image *four[4] = {f.images[0], f.images[1], NULL, f.images[2]};
    at_tags *tags[4];
    at_error errs[4] = {{0}};
    assert_int_equal(at_session_tag_batch(f.session, four, 4, NULL, tags, errs), AT_E_PARTIAL);
    assert_null(tags[2]);
    assert_int_equal(errs[2].status, AT_E_INVALID_PARAMETER);
    at_pixels *pixels[3];
    at_tags *more[4] = {NULL};
    for (int k = 0; k < 3; k++)
        assert_int_equal(at_pixels_prepare(f.model, f.images[k], &pixels[k], errs), AT_OK);
    assert_int_equal(at_session_tag_pixels(f.session, (const at_pixels *const *)pixels, 3, NULL,
                                           more, NULL),
                     AT_OK); // more than max_batch
    more[3] = more[2];
    for (int i = 0; i < 4; i++) {
        if (i < 3) at_pixels_free(pixels[i]);
        if (i == 2) continue;
        at_tags *one = tags_of(f.session, four[i], NULL);
        assert_memory_equal(at_tags_logits(one), at_tags_logits(tags[i]),
                            TINY_TAGS * sizeof(float));
        assert_memory_equal(at_tags_logits(one), at_tags_logits(more[i]),
                            TINY_TAGS * sizeof(float));
        at_tags_free(one);
        at_tags_free(tags[i]);
        at_tags_free(more[i]);
    }
    assert_int_equal(at_session_tag_batch(f.session, four, 0, NULL, tags, NULL), AT_OK);
    close_fix(&f);
}

static void wrong_calls_are_told_to_every_picture(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram", 2);
    const at_image *two[2] = {f.images[0], f.images[1]}, *none[2] = {NULL, NULL};
    at_tags *tags[2] = {(at_tags *)&f, (at_tags *)&f}; // must not stay
    at_error errs[2] = {{0}};
    at_tag_options o = {.struct_size = sizeof o, .top = -1};
    assert_int_equal(at_session_tag_batch(f.session, two, 2, &o, tags, errs),
                     AT_E_INVALID_PARAMETER);
    for (int i = 0; i < 2; i++) {
        assert_null(tags[i]);
        assert_non_null(strstr(errs[i].text, "top: -1"));
    }
    assert_int_equal(at_session_tag_batch(f.session, none, 2, NULL, tags, errs),
                     AT_E_INVALID_PARAMETER); // all failed: not "partial"
    o = (at_tag_options){.struct_size = sizeof o, .threshold = NAN};
    assert_int_equal(at_session_tag(f.session, two[0], &o, tags, errs), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_session_tag_pixels(f.session, NULL, 1, NULL, tags, errs),
                     AT_E_INVALID_PARAMETER);
    const size_t only = TINY_TAGS;
    at_session *s;
    const at_session_options so = {.struct_size = sizeof so, .only = &only, .n_only = 1};
    assert_int_equal(at_session_open(f.model, &so, &s, errs), AT_E_INVALID_PARAMETER);
    close_fix(&f);
}

static at_status stop_at(void *user, const char *stage, const float *data, const size_t *dims,
                         int n_dims)
{
    (void)data, (void)dims, (void)n_dims;
    return strcmp(stage, user) == 0 ? AT_E_CANCELLED : AT_OK;
}

static void an_observer_may_stop_and_the_session_lives(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "ram", 1);
    at_tags *before = tags_of(f.session, f.images[0], NULL), *t = NULL;
    static const char *const stages[] = {"pixels", "image_embeds", "logits", "probs"};
    for (size_t i = 0; i < AT_COUNT(stages); i++) {
        at_error err = {0};
        const at_status status = at_session_inspect(f.session, f.images[0], NULL, stop_at,
                                                    (void *)(uintptr_t)stages[i], &t, &err);
        assert_int_equal(status, AT_E_CANCELLED);
        assert_null(t);
        if (!strstr(err.text, stages[i])) fail_msg("stage %s: \"%s\"", stages[i], err.text);
    }
    at_tags *after = tags_of(f.session, f.images[0], NULL);
    assert_memory_equal(at_tags_logits(before), at_tags_logits(after), TINY_TAGS * sizeof(float));
    at_tags_free(before);
    at_tags_free(after);
    close_fix(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tag_list_is_read),
        cmocka_unit_test(thresholds_choose),
        cmocka_unit_test(a_subset_has_the_bits_of_all),
        cmocka_unit_test(a_batch_has_the_bits_of_one_by_one),
        cmocka_unit_test(wrong_calls_are_told_to_every_picture),
        cmocka_unit_test(an_observer_may_stop_and_the_session_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
