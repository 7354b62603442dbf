/* Thresholds from labelled pictures: small cases by hand, random ones against brute force, the metrics
 * against the official code's. */
#include "anytag/calibrate.h"

#include "base/base.h"
#include "tests_cmocka.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

static const at_calibrate_options f1 = {.struct_size = sizeof f1, .min_positives = 1};

/* The threshold of one label; a truth is '+', '-' or '?'. */
static float one(const float *scores, const char *truths, at_calibrate_options o, float before,
                 uint8_t *how)
{
    int8_t t[MOST];
    float after = -1;
    at_error err = {0};
    const size_t n = strlen(truths);
    for (size_t i = 0; i < n; i++)
        t[i] = truths[i] == '?' ? -1 : truths[i] == '+';
    if (at_calibrate(scores, t, n, 1, &before, &o, &after, how, &err) != AT_OK)
        fail_msg("%s", err.text);
    return after;
}

static at_calibrate_options precision(double p)
{
    return (at_calibrate_options){.struct_size = sizeof(at_calibrate_options),
                                  .target = AT_CALIBRATE_PRECISION,
                                  .value = p,
                                  .min_positives = 1};
}

static void near(float a, double b)
{
    if (fabs((double)a - b) > 1e-6) fail_msg("%.9g is not %.9g", (double)a, b);
}

static void by_hand(void **state)
{
    (void)state;
    uint8_t how = 9;
    const float s[] = {0.5f, 0.9f, 0.7f, 0.8f, 0.6f};
    // falling: .9 + .8 + .7 - .6 + .5 -, F1 of the cuts 1/2 4/5 2/3 6/7 3/4
    near(one(s, "-+-++", f1, 0.3f, &how), 0.55);
    assert_int_equal(how, AT_CALIBRATED_OWN);
    // precisions 1 1 2/3 3/4 3/5: the lowest threshold that still has it
    near(one(s, "-+-++", precision(0.9), 0.3f, &how), 0.75);
    near(one(s, "-+-++", precision(0.75), 0.3f, &how), 0.55);
    near(one(s, "-+-++", precision(0.6), 0.3f, &how), 0.25);
    assert_int_equal(how, AT_CALIBRATED_OWN);
    // out of reach: the best score is a picture without it
    near(one(s, "+-+++", precision(0.99), 0.3f, &how), 0.95);
    assert_int_equal(how, AT_CALIBRATED_SILENT);
}

static void equal_scores_are_not_parted(void **state)
{
    (void)state;
    const float s[] = {0.8f, 0.3f, 0.8f, 0.8f};
    near(one(s, "+---", f1, 0.5f, NULL), 0.55);
    near(one(s, "+---", precision(0.9), 0.5f, NULL), 0.9); // 1/3 at best: above all
    // equal F1: cut after .9 gives 2/3, after .6 too (2 of 4): the higher threshold
    const float t[] = {0.9f, 0.8f, 0.7f, 0.6f};
    near(one(t, "+--+", f1, 0.5f, NULL), 0.85);
    // neighbours among floats: the threshold parts them all the same
    float u[] = {0.5f, nextafterf(0.5f, 1)};
    for (int i = 0; i < 2; i++) { // halfway rounds to the lower, then to the upper
        const float cut = one(u, "-+", f1, 0.5f, NULL);
        assert_true(u[1] > cut && !(u[0] > cut));
        u[0] = u[1];
        u[1] = nextafterf(u[1], 1);
    }
    // a score of 1, and one of 0 that no threshold passes
    const float v[] = {1, 0, 0};
    near(one(v, "++-", f1, 0.5f, NULL), 0.5);
}

static void one_sided_labels_keep_theirs(void **state)
{
    (void)state;
    const float s[] = {0.9f, 0.2f, 0.4f};
    for (int target = 0; target < 2; target++) {
        at_calibrate_options o = precision(0.9);
        o.target = target;
        static const char *const truths[] = {"+++", "---", "???", "+?+", "-?-"};
        for (size_t i = 0; i < AT_COUNT(truths); i++) {
            uint8_t how = 9;
            assert_true(one(s, truths[i], o, 0.33f, &how) == 0.33f);
            assert_int_equal(how, AT_CALIBRATED_KEPT);
        }
    }
}

static void not_a_number_never_passes(void **state)
{
    (void)state;
    const float s[] = {NAN, 0.8f, NAN, 0.4f, 0.2f};
    near(one(s, "-+-+-", f1, 0.5f, NULL), 0.3);
    near(one(s, "++-+-", f1, 0.5f, NULL), 0.3);
    uint8_t how = 9;
    const float all[] = {NAN, NAN};
    assert_true(one(all, "+-", f1, 0.5f, &how) == 0.5f);
    assert_int_equal(how, AT_CALIBRATED_KEPT);
    const int8_t truths[] = {1, 0, 1};
    const float scores[] = {NAN, 0.6f, 0.7f}, t = 0.6f; // which 0.6 does not pass
    at_label_quality q;
    assert_int_equal(at_measure(scores, truths, 3, 1, &t, NULL, &q, NULL), AT_OK);
    assert_int_equal(q.said, 1);
    near((float)q.ap, (1 + 2.0 / 3) / 2); // the missing one ranks last
    near((float)q.f1, 2.0 / 3);
}

static void unknown_pictures_do_not_count(void **state)
{
    (void)state;
    const float s[] = {0.99f, 0.9f, 0.7f, 0.6f};
    near(one(s, "?+-?", f1, 0.5f, NULL), 0.8);
}

/* --- against brute force -------------------------------------------------------------------------------- */

static uint32_t seed = 1;
static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static at_label_quality quality(const float *s, const int8_t *t, size_t n, float threshold)
{
    at_label_quality q;
    assert_int_equal(at_measure(s, t, n, 1, &threshold, NULL, &q, NULL), AT_OK);
    return q;
}

/* No other threshold is better: every score, a little above and below each, 0 and 1. */
static void nothing_beats_it(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        float s[MOST], tried[3 * MOST + 2] = {0, 1};
        int8_t t[MOST];
        const size_t n = 2 + draw(MOST - 2);
        const uint32_t levels = round % 2 ? 8 : 100000, share = 1 + draw(9);
        for (size_t i = 0; i < n; i++) {
            s[i] = (float)(1 + draw(levels)) / (float)(levels + 1);
            t[i] = draw(12) == 0 ? -1 : draw(10) < share;
            const float near_by[] = {s[i], nextafterf(s[i], 0), nextafterf(s[i], 1)};
            memcpy(tried + 2 + 3 * i, near_by, sizeof near_by);
        }
        const at_calibrate_options p = precision((double)(1 + draw(10)) / 10);
        const float before = 0.5f;
        float best_f1, exact;
        uint8_t how;
        assert_int_equal(at_calibrate(s, t, n, 1, &before, &f1, &best_f1, &how, NULL), AT_OK);
        if (how == AT_CALIBRATED_KEPT) continue;
        assert_int_equal(at_calibrate(s, t, n, 1, &before, &p, &exact, &how, NULL), AT_OK);
        const at_label_quality f = quality(s, t, n, best_f1), e = quality(s, t, n, exact);
        if (how == AT_CALIBRATED_OWN && e.precision < p.value - 1e-9)
            fail_msg("round %d: precision %g, not %g", round, e.precision, p.value);
        for (size_t i = 0; i < 2 + 3 * n; i++) {
            const at_label_quality q = quality(s, t, n, tried[i]);
            if (q.f1 > f.f1 + 1e-12)
                fail_msg("round %d: F1 %g at %g, %g at %g", round, f.f1, (double)best_f1, q.f1,
                         (double)tried[i]);
            const bool has = q.said && q.precision >= p.value - 1e-9;
            if (how == AT_CALIBRATED_SILENT ? has || e.said : has && q.said > e.said)
                fail_msg("round %d: precision %g at %g says %zu, at %g %zu", round, p.value,
                         (double)exact, e.said, (double)tried[i], q.said);
        }
    }
}

/* --- labels with few pictures ------------------------------------------------------------------------------- */

static double logit(double p)
{
    return log(p / (1 - p));
}

enum { PICTURES = 40, LABELS = 14 };

/* Ten or eleven labels stand alone, their scores shifted so that 0.5 becomes 0.8; the last have few. */
static void few_pictures_lean_on_the_others(void **state)
{
    (void)state;
    float s[PICTURES * LABELS], before[LABELS], after[LABELS];
    int8_t t[PICTURES * LABELS];
    uint8_t how[LABELS];
    for (size_t l = 0; l < LABELS; l++) {
        before[l] = l == 13 ? 1.0f : 0.5f;
        for (size_t p = 0; p < PICTURES; p++) {
            const size_t positives = l < 10 ? 20 : l == 10 ? 5 : 0;
            t[p * LABELS + l] = p < positives;
            s[p * LABELS + l] = p < positives ? 0.9f : 0.7f;
            if (l == 10) s[p * LABELS + l] = p < positives ? 0.7f : 0.5f; // 0.6 its own
        }
    }
    const at_calibrate_options o = {.struct_size = sizeof o};
    assert_int_equal(at_calibrate(s, t, PICTURES, LABELS, before, &o, after, how, NULL), AT_OK);
    for (size_t l = 0; l < 10; l++) {
        near(after[l], 0.8);
        assert_int_equal(how[l], AT_CALIBRATED_OWN);
    }
    // a quarter of the way in logits, from 0.8 to 0.6
    const double quarter = logit(0.8) + 0.25 * (logit(0.6) - logit(0.8));
    near(after[10], 1 / (1 + exp(-quarter)));
    assert_int_equal(how[10], AT_CALIBRATED_SHRUNK);
    near(after[11], 0.8); // none of its own
    assert_int_equal(how[11], AT_CALIBRATED_MOVED);
    assert_true(after[13] == 1.0f && how[13] == AT_CALIBRATED_KEPT); // never stays never
    // nine that stand alone are too few to speak for the others
    for (size_t p = 0; p < PICTURES; p++)
        t[p * LABELS] = 0;
    assert_int_equal(at_calibrate(s, t, PICTURES, LABELS, before, &o, after, how, NULL), AT_OK);
    assert_true(after[11] == 0.5f && how[11] == AT_CALIBRATED_KEPT);
    near(after[10], 1 / (1 + exp(-0.25 * logit(0.6))));
}

/* --- so many a picture ------------------------------------------------------------------------------------- */

static void so_many_a_picture(void **state)
{
    (void)state;
    float s[PICTURES * LABELS], before[LABELS], after[LABELS];
    uint8_t how[LABELS];
    for (size_t l = 0; l < LABELS; l++)
        before[l] = l == 13 ? 1.0f : 0.2f + 0.05f * (float)l;
    for (size_t i = 0; i < PICTURES * LABELS; i++)
        s[i] = (float)(1 + draw(1000000)) / 1000001;
    static const double counts[] = {0.025, 1, 3.5, 7, 12.9};
    for (size_t k = 0; k < AT_COUNT(counts); k++) {
        const at_calibrate_options o = {
            .struct_size = sizeof o, .target = AT_CALIBRATE_COUNT, .value = counts[k]};
        assert_int_equal(at_calibrate(s, NULL, PICTURES, LABELS, before, &o, after, how, NULL),
                         AT_OK);
        size_t said = 0;
        for (size_t i = 0; i < PICTURES * LABELS; i++)
            said += s[i] > after[i % LABELS];
        assert_int_equal(said, (size_t)(counts[k] * PICTURES + 0.5));
        // all by one shift of the logits; never stays never
        const double by = logit((double)after[0]) - logit((double)before[0]);
        for (size_t l = 1; l < 13; l++)
            near((float)(logit((double)after[l]) - logit((double)before[l]) - by) / 1000, 0);
        assert_true(after[13] == 1.0f && how[13] == AT_CALIBRATED_KEPT);
        assert_int_equal(how[0], AT_CALIBRATED_MOVED);
    }
    // equal scores pass together: the nearer count
    const float same[] = {0.5f, 0.5f, 0.5f, 0.4f}, own = 0.3f;
    at_calibrate_options o = {.struct_size = sizeof o, .target = AT_CALIBRATE_COUNT, .value = 0.5};
    assert_int_equal(at_calibrate(same, NULL, 4, 1, &own, &o, after, how, NULL), AT_OK);
    assert_true(after[0] < 0.5f && after[0] >= 0.4f); // 3 are nearer to 2 than 0
}

/* --- the official metrics ----------------------------------------------------------------------------------- */

static void metrics_are_the_official_ones(void **state)
{
    (void)state;
    json_t *g = json_load_file("../shared/goldens/metrics/metrics.json", 0, NULL);
    if (!g) skip();
    const json_t *tags = json_object_get(g, "tags"), *rows = json_object_get(g, "scores");
    const size_t n = json_array_size(rows), k = json_array_size(tags);
    assert_true(n * k <= 1024 && k <= MOST);
    float s[1024], said[1024], half[MOST];
    int8_t t[1024] = {0};
    for (size_t i = 0; i < n * k; i++) {
        const char *tag = json_string_value(json_array_get(tags, i % k));
        s[i] = (float)json_number_value(json_array_get(json_array_get(rows, i / k), i % k));
        said[i] = 0;
        half[i % k] = 0.5f;
        const json_t *truth = json_array_get(json_object_get(g, "ground_truth"), i / k),
                     *pred = json_array_get(json_object_get(g, "predictions"), i / k);
        for (size_t j = 1; j < json_array_size(truth); j++)
            t[i] |= strcmp(json_string_value(json_array_get(truth, j)), tag) == 0;
        for (size_t j = 1; j < json_array_size(pred); j++)
            if (strcmp(json_string_value(json_array_get(pred, j)), tag) == 0) said[i] = 1;
    }
    at_label_quality q[MOST];
    assert_int_equal(at_measure(s, t, n, k, half, NULL, q, NULL), AT_OK);
    double mean = 0;
    for (size_t l = 0; l < k; l++) {
        near((float)q[l].ap, json_number_value(json_array_get(json_object_get(g, "APs"), l)));
        mean += q[l].ap / (double)k;
    }
    near((float)mean, json_number_value(json_object_get(g, "mAP")));
    assert_int_equal(at_measure(said, t, n, k, half, NULL, q, NULL), AT_OK);
    for (size_t l = 0; l < json_array_size(json_object_get(g, "P")); l++) { // names once each
        near((float)q[l].precision, json_number_value(json_array_get(json_object_get(g, "P"), l)));
        near((float)q[l].recall, json_number_value(json_array_get(json_object_get(g, "R"), l)));
    }
    json_decref(g);
}

/* --- what is refused ----------------------------------------------------------------------------------------- */

static void refuses(void **state)
{
    (void)state;
    const float s[] = {0.5f, 1.5f}, good[] = {0.5f, 0.4f}, high = 1.5f, t = 0.5f;
    const int8_t truth[] = {1, 0}, two[] = {2, 0};
    float after;
    at_error err = {0};
    at_label_quality q;
    at_calibrate_options o = f1;
    assert_int_equal(at_calibrate(s, truth, 2, 1, &t, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    assert_string_equal(err.text, "picture 1, label 0: score 1.5 is outside 0..1");
    assert_int_equal(at_calibrate(good, two, 2, 1, &t, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_calibrate(good, truth, 2, 1, &high, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_calibrate(good, truth, 0, 1, &t, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_calibrate(NULL, truth, 2, 1, &t, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_measure(good, NULL, 2, 1, &t, NULL, &q, &err), AT_E_INVALID_PARAMETER);
    o.min_positives = -1;
    assert_int_equal(at_calibrate(good, truth, 2, 1, &t, &o, &after, NULL, &err),
                     AT_E_INVALID_PARAMETER);
    const struct bad {
        int target;
        double value;
    } bad[] = {{3, 0}, {-1, 0}, {1, 0}, {1, 1.1}, {1, NAN}, {2, 0}, {2, 1.5}, {2, NAN}};
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        o = (at_calibrate_options){
            .struct_size = sizeof o, .target = bad[i].target, .value = bad[i].value};
        assert_int_equal(at_calibrate(good, truth, 2, 1, &t, &o, &after, NULL, &err),
                         AT_E_INVALID_PARAMETER);
    }
}

static int left;
static void *failing_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    return left-- > 0 ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;
}
static void plain_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void survives_no_memory(void **state)
{
    (void)state;
    const at_allocator al = {.alloc = failing_alloc, .release = plain_free};
    const float s[] = {0.9f, 0.2f}, t = 0.5f;
    const int8_t truth[] = {1, 0};
    at_calibrate_options o = f1;
    o.allocator = &al;
    at_status st = AT_E_OUT_OF_MEMORY;
    for (int n = 0; st != AT_OK && n < 20; n++) {
        float after = t;
        left = n;
        st = at_calibrate(s, truth, 2, 1, &t, &o, &after, NULL, NULL);
        assert_true(st == AT_OK || st == AT_E_OUT_OF_MEMORY);
        assert_true(st == AT_OK ? after != t : after == t);
    }
    assert_int_equal(st, AT_OK);
    at_label_quality q;
    left = 0;
    assert_int_equal(at_measure(s, truth, 2, 1, &t, &al, &q, NULL), AT_E_OUT_OF_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(equal_scores_are_not_parted),
        cmocka_unit_test(one_sided_labels_keep_theirs),
        cmocka_unit_test(not_a_number_never_passes),
        cmocka_unit_test(unknown_pictures_do_not_count),
        cmocka_unit_test(nothing_beats_it),
        cmocka_unit_test(few_pictures_lean_on_the_others),
        cmocka_unit_test(so_many_a_picture),
        cmocka_unit_test(metrics_are_the_official_ones),
        cmocka_unit_test(refuses),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
