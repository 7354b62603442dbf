/* Memory, buffers, errors, files, hashes, the thread pool. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"

#include "tests_cmocka.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void errors_name_codes_and_exits(void **state)
{
    (void)state;
    at_error err = {0};
    assert_int_equal(at_fail(&err, AT_E_IMAGE_TOO_LARGE, "%s: %d MP", "a.tif", 412),
                     AT_E_IMAGE_TOO_LARGE);
    assert_string_equal(err.text, "a.tif: 412 MP");
    assert_string_equal(at_status_code(err.status), "image-too-large");
    assert_int_equal(at_status_exit_code(AT_E_MODEL_DAMAGED), 3);
    assert_int_equal(at_status_exit_code(AT_OK), 0);
    assert_int_equal(at_fail_prefix(&err, err.status, "x"), AT_E_IMAGE_TOO_LARGE);
    assert_string_equal(err.text, "x: a.tif: 412 MP");
    char *longer = malloc(5000);
    memset(longer, 'y', 4999);
    longer[4999] = 0;
    (void)at_fail(&err, AT_E_INTERNAL, "%s", longer); // cut, never past the end
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    free(longer);
    assert_int_equal(at_fail(NULL, AT_E_INTERNAL, "nobody listens"), AT_E_INTERNAL);
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t n = 7;
    assert_false(at_mul(SIZE_MAX / 2, 3, &n));
    assert_false(at_add(SIZE_MAX, 1, &n));
    assert_int_equal(n, 7);
    assert_null(at_calloc(NULL, SIZE_MAX / 2, 3));
    assert_null(at_alloc(NULL, SIZE_MAX));
}

static void a_buffer_has_a_ceiling(void **state)
{
    (void)state;
    at_buf b;
    at_buf_init(&b, NULL, 10);
    at_buf_str(&b, "12345");
    at_buf_fmt(&b, "%d", 678);
    assert_string_equal(at_buf_text(&b), "12345678");
    at_buf_str(&b, "9abc");
    assert_int_equal(b.status, AT_E_BODY_TOO_LARGE);
    at_buf_char(&b, 'x'); // does nothing any more
    assert_int_equal(b.len, 8);
    at_buf_reset(&b);
}

static void an_arena_plans_what_it_then_needs(void **state)
{
    (void)state;
    at_arena plan = {0};
    char *memory = NULL;
    for (int pass = 0; pass < 2; pass++) {
        at_arena a = pass ? (at_arena){.data = memory, .cap = plan.peak} : plan;
        assert_non_null(at_arena_push(&a, 100));
        const size_t mark = at_arena_mark(&a);
        float *x = at_arena_push(&a, 4000);
        assert_non_null(x);
        if (pass) memset(x, 1, 4000);
        at_arena_rewind(&a, mark);
        assert_non_null(at_arena_push(&a, 1000));
        if (pass) assert_null(at_arena_push(&a, 1 << 20));
        if (!pass) plan = a, memory = at_alloc(NULL, a.peak);
        plan.used = 0;
    }
    at_free(NULL, memory);
}

typedef struct counting {
    _Atomic int seen[1000];
    _Atomic int workers;
    int size;
} counting;

static void count(void *ctx, size_t chunk, int worker)
{
    counting *c = ctx;
    c->seen[chunk]++;
    if (worker < 0 || worker >= c->size) c->workers = -1000;
}

static void a_pool_runs_each_chunk_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        at_pool *pool;
        at_error err = {0};
        assert_int_equal(at_pool_open(&pool, threads, NULL, &err), AT_OK);
        counting c = {.size = at_pool_size(pool)};
        for (int round = 1; round <= 200; round++) {
            const size_t n = (size_t)round % 37 * 27;
            at_pool_run(pool, n, count, &c);
            if (n == 0) continue;
            int total = 0;
            for (size_t i = 0; i < n; i++)
                total += c.seen[i];
            for (size_t i = 0; i < n; i++)
                c.seen[i] = 0;
            assert_int_equal(total, n);
        }
        assert_true(c.workers >= 0);
        at_pool_close(pool);
    }
    counting alone = {.size = 1};
    at_pool_run(NULL, 3, count, &alone);
    assert_int_equal(alone.seen[2], 1);
}

static void files_are_read_in_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/anytag-test-XXXXXX";
    const int fd = mkstemp(path);
    static const char text[] = "one\r\ntwo \n\nlast";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close(fd);
    char **lines;
    size_t n;
    at_error err = {0};
    assert_int_equal(at_file_lines(path, 1000, &lines, &n, NULL, &err), AT_OK);
    assert_int_equal(n, 4);
    assert_string_equal(lines[0], "one");
    assert_string_equal(lines[1], "two ");
    assert_string_equal(lines[2], "");
    assert_string_equal(lines[3], "last");
    at_free(NULL, lines);
    assert_int_equal(at_file_lines(path, 5, &lines, &n, NULL, &err), AT_E_BODY_TOO_LARGE);
    assert_int_equal(at_file_lines("/nowhere/at/all", 5, &lines, &n, NULL, &err), AT_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    char hex[AT_SHA256_HEX];
    assert_int_equal(at_sha256("abc", 3, hex, &err), AT_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    (void)remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_codes_and_exits),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(a_buffer_has_a_ceiling),
        cmocka_unit_test(an_arena_plans_what_it_then_needs),
        cmocka_unit_test(a_pool_runs_each_chunk_once),
        cmocka_unit_test(files_are_read_in_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
