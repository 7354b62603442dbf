/* Which plan the tuner takes on machines whose times are made up. */
#include "tag_tune.h"

#include "tests_cmocka.h"

#include <stdint.h>

enum { PASS_BYTES = 1 << 20 };

/* Seconds a picture: `batch` [1, 2, 4, 8, 16], in one lane and in several. */
typedef struct machine {
    double one[5], several[5];
    size_t memory; // of a picture in a pass; 0: PASS_BYTES
} machine;

static double seconds(const machine *m, tag_plan p)
{
    int k = 0;
    while (1 << k < p.batch)
        k++;
    return p.lanes == 1 ? m->one[k] : m->several[k];
}

/* Runs `n` pictures; the plan of the last slice. *tried: pictures that went by before. */
static tag_plan run(const machine *m, tag_plan start, int threads, size_t n, size_t *tried)
{
    tag_tuner t;
    tag_tune_begin(&t, start, threads, false);
    const size_t memory = m->memory ? m->memory : PASS_BYTES;
    tag_plan plan = start;
    *tried = 0;
    for (size_t left = n, k; left; left -= k) {
        plan = tag_tune_next(&t, left, &k);
        assert_true(k >= 1 && k <= left);
        if (!t.settled) *tried += k;
        // the first slice of a plan is slow, and other programs disturb every third
        const double slow = t.slices == 0 ? 5 : left % 3 == 0 ? 1.5 : 1;
        tag_tune_told(&t, k, slow * seconds(m, plan) * (double)k, memory * (size_t)plan.batch);
    }
    return plan;
}

static void is(tag_plan got, int lanes, int batch)
{
    assert_int_equal(got.lanes, lanes);
    assert_int_equal(got.batch, batch);
}

static void the_fastest_plan_is_taken(void **state)
{
    (void)state;
    size_t tried;
    const machine flat = {.one = {1, 1, 1, 1, 1}, .several = {1, 1, 1, 1, 1}};
    is(run(&flat, (tag_plan){1, 1}, 4, 1000, &tried), 1, 1); // nothing is gained: the least memory
    const machine batches = {.one = {1, .8, .6, .7, .1}, .several = {2, 2, 2, 2, 2}};
    is(run(&batches, (tag_plan){1, 1}, 4, 1000, &tried), 1, 4);
    const machine lanes = {.one = {1, .9, .9, .9, .9}, .several = {.5, .1, .1, .1, .1}};
    is(run(&lanes, (tag_plan){1, 1}, 4, 1000, &tried), 4, 1);
    const machine small = {.one = {9, 9, 9, 9, 9}, .several = {.02, .01, .009, .0089, .001}};
    is(run(&small, (tag_plan){4, 1}, 4, 100000, &tried), 4, 4);
    assert_true(tried < 2000); // no longer than it needs
}

static void a_short_run_is_not_experimented_with(void **state)
{
    (void)state;
    size_t tried;
    const machine m = {.one = {1, .5, .5, .5, .5}, .several = {.1, .1, .1, .1, .1}};
    for (size_t n = 1; n < 4; n++) {
        is(run(&m, (tag_plan){1, 1}, 4, n, &tried), 1, 1);
        assert_int_equal(tried, 0);
    }
}

static void memory_is_bounded(void **state)
{
    (void)state;
    size_t tried;
    const machine m = {
        .one = {1, .5, .2, .1, .05}, .several = {.01, .01, .01, .01, .01}, .memory = 200u << 20};
    is(run(&m, (tag_plan){1, 1}, 64, 1000, &tried), 1,
       4); // a pass of 8, or 64 lanes, took too much
}

static void what_the_user_says_stays(void **state)
{
    (void)state;
    tag_tuner t;
    size_t n;
    tag_tune_begin(&t, (tag_plan){4, 3}, 4, true);
    is(tag_tune_next(&t, SIZE_MAX, &n), 4, 3);
    assert_true(n == SIZE_MAX && t.settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_plan_is_taken),
        cmocka_unit_test(a_short_run_is_not_experimented_with),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(what_the_user_says_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
