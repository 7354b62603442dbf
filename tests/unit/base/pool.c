/* The thread pool: each chunk of each job runs once, by a worker there is, and is done when run returns;
 * also when there are more threads than processors and jobs are too short for all to wake up. */
#include "tests_cmocka.h"

#include "base/pool.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MOST = 100 };

struct job {
    atomic_int runs[MOST];
    int plain[MOST]; // written without atomics: run must order it
    int workers;
    size_t value;
    atomic_int wrong;
};

static void chunk_fn(void *ctx, size_t chunk, int worker)
{
    struct job *j = ctx;
    if (chunk >= MOST || worker < 0 || worker >= j->workers) {
        atomic_fetch_add(&j->wrong, 1);
        return;
    }
    atomic_fetch_add(&j->runs[chunk], 1);
    j->plain[chunk] = (int)(j->value + chunk);
}

static void test_each_chunk_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        at_pool *pool = NULL;
        assert_int_equal(at_pool_open(&pool, threads, NULL, NULL), AT_OK);
        assert_in_range(at_pool_size(pool), 1, threads);
        struct job *j = calloc(1, sizeof *j);
        assert_non_null(j);
        j->workers = at_pool_size(pool);
        for (size_t round = 0; round < 3000; round++) {
            const size_t n = round * 7 % (MOST + 1);
            j->value = round;
            at_pool_run(pool, n, chunk_fn, j);
            for (size_t i = 0; i < MOST; i++) {
                assert_int_equal(atomic_exchange(&j->runs[i], 0), i < n);
                if (i < n) assert_int_equal(j->plain[i], (int)(round + i));
            }
        }
        assert_int_equal(j->wrong, 0);
        free(j);
        at_pool_close(pool);
    }
}

static void test_without_a_pool(void **state)
{
    (void)state;
    struct job j = {.workers = 1};
    at_pool_run(NULL, 10, chunk_fn, &j);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(j.runs[i], 1);
    at_pool_close(NULL);
    assert_int_equal(at_pool_size(NULL), 1);
}

static void test_too_many_threads_are_not_made(void **state)
{
    (void)state;
    at_error err = {0};
    at_pool *pool;
    assert_int_equal(at_pool_open(&pool, INT_MAX, NULL, &err), AT_OK);
    assert_in_range(at_pool_size(pool), 1, AT_MAX_THREADS);
    at_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_chunk_once),
        cmocka_unit_test(test_without_a_pool),
        cmocka_unit_test(test_too_many_threads_are_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
