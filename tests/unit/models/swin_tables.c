/* Geometry of Swin: windows, shifts, cells, position bias, and its resizing. */
#include "models/swin_tables.h"

#include "tests_cmocka.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void windows_are_a_permutation_of_the_map(void **state)
{
    (void)state;
    static const size_t cases[][3] = {{12, 12, 0}, {12, 6, 3}, {24, 12, 6}, {6, 3, 1}, {9, 3, 1}};
    for (size_t k = 0; k < AT_COUNT(cases); k++) {
        const size_t side = cases[k][0], window = cases[k][1], shift = cases[k][2];
        at_window_map map = {0};
        assert_true(at_window_map_make(&map, side, window, shift, NULL));
        assert_int_equal(map.groups * map.tokens, side * side);
        char *seen = calloc(side * side, 1);
        for (size_t i = 0; i < side * side; i++) {
            assert_in_range(map.index[i], 0, side * side - 1);
            assert_int_equal(seen[map.index[i]]++, 0);
        }
        // the first token of the first window of the rolled map comes from (shift, shift)
        assert_int_equal(map.index[0], shift * side + shift);
        free(seen);
        at_window_map_free(&map, NULL);
    }
}

static void regions_join_only_what_is_adjacent(void **state)
{
    (void)state;
    const size_t side = 12, window = 6, shift = 3;
    at_window_map map = {0};
    assert_true(at_window_map_make(&map, side, window, shift, NULL));
    for (size_t g = 0; g < map.groups; g++) {
        for (size_t i = 0; i < map.tokens; i++) {
            for (size_t j = 0; j < map.tokens; j++) {
                const size_t a = g * map.tokens + i, b = g * map.tokens + j;
                const long dy = map.index[a] / (long)side - map.index[b] / (long)side;
                const long dx = map.index[a] % (long)side - map.index[b] % (long)side;
                const int near = labs(dy) < (long)window && labs(dx) < (long)window;
                assert_int_equal(map.region[a] == map.region[b], near);
            }
        }
    }
    at_window_map_free(&map, NULL);
}

static void cells_run_down_first(void **state)
{
    (void)state;
    int32_t *map = at_merge_map_make(4, NULL);
    static const int32_t first[] = {0, 4, 1, 5}, last[] = {10, 14, 11, 15};
    assert_memory_equal(map, first, sizeof first);
    assert_memory_equal(map + 12, last, sizeof last);
    at_free(NULL, map);
}

static void bias_index_is_query_minus_key(void **state)
{
    (void)state;
    float table[529];
    for (int i = 0; i < 529; i++)
        table[i] = (float)i;
    float *bias = at_bias_matrix_make(table, 12, 1, NULL);
    static const int expected[][3] = {
        {0, 0, 264}, {0, 1, 263}, {0, 12, 241}, {0, 143, 0}, {143, 0, 528}};
    for (size_t i = 0; i < AT_COUNT(expected); i++)
        assert_int_equal(bias[expected[i][0] * 144 + expected[i][1]], expected[i][2]);
    at_free(NULL, bias);
}

static void resizing_keeps_constants_and_mirrors(void **state)
{
    (void)state;
    float in[13 * 13 * 2], out[23 * 23 * 2];
    at_error err = {0};
    for (int i = 0; i < 169; i++) {
        in[2 * i] = 0.75f;
        in[2 * i + 1] = (float)((i / 13 - 6) * (i / 13 - 6) - (i % 13 - 6));
    }
    assert_int_equal(at_bias_table_resize(in, 13, out, 23, 2, NULL, &err), AT_OK);
    for (int y = 0; y < 23; y++) {
        for (int x = 0; x < 23; x++) {
            assert_float_equal(out[(y * 23 + x) * 2], 0.75f, 1e-6f);
            // even in y about the middle, as the table was
            assert_float_equal(out[(y * 23 + x) * 2 + 1], out[((22 - y) * 23 + x) * 2 + 1], 1e-4f);
        }
    }
    assert_float_equal(out[(11 * 23 + 11) * 2 + 1], 0.0f, 1e-6f); // the middle stays the middle
    assert_int_equal(at_bias_table_resize(in, 12, out, 23, 1, NULL, &err), AT_E_MODEL_MISMATCH);
}

/* The weight formula of the official goldens (goldens/README.md, rule 3). */
static float formula(const char *key, uint64_t i)
{
    uint64_t z = 0xcbf29ce484222325ull;
    for (; *key; key++)
        z = (z ^ (uint8_t)*key) * 0x100000001b3ull;
    z += i + 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (float)((double)((z ^ z >> 31) >> 40) * 0x1p-23 - 1);
}

static void resizing_equals_the_official_loader(void **state)
{
    (void)state;
    static const int cases[][3] = {{7, 12, 3}, {12, 7, 2}, {3, 6, 1}, {6, 5, 2}, {7, 24, 1}};
    const char *shared = getenv("ANYTAG_SHARED");
    for (size_t k = 0; k < AT_COUNT(cases); k++) {
        const int from = cases[k][0], to = cases[k][1], heads = cases[k][2];
        const size_t side_in = 2 * (size_t)from - 1, side_out = 2 * (size_t)to - 1;
        char path[512], key[96];
        (void)snprintf(path, sizeof path, "%s/goldens/loader/bias_%d_to_%d.npy",
                       shared ? shared : "../shared", from, to);
        FILE *f = fopen(path, "rb");
        if (!f) {
            print_message("skipped: %s is not here\n", path);
            skip();
        }
        const size_t n_in = side_in * side_in * (size_t)heads,
                     n_out = side_out * side_out * (size_t)heads;
        float *in = malloc(n_in * 4), *out = malloc(n_out * 4), *golden = malloc(n_out * 4);
        (void)snprintf(key, sizeof key, "loader.bias.%d.%d.relative_position_bias_table", from, to);
        for (size_t i = 0; i < n_in; i++)
            in[i] = formula(key, i);
        at_error err = {0};
        assert_int_equal(
            at_bias_table_resize(in, side_in, out, side_out, (size_t)heads, NULL, &err), AT_OK);
        assert_int_equal(fseek(f, -(long)(n_out * 4), SEEK_END), 0);
        assert_int_equal(fread(golden, 4, n_out, f), n_out);
        for (size_t i = 0; i < n_out; i++)
            assert_float_equal(out[i], golden[i], 2e-6f);
        free(in), free(out), free(golden);
        (void)fclose(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_a_permutation_of_the_map),
        cmocka_unit_test(regions_join_only_what_is_adjacent),
        cmocka_unit_test(cells_run_down_first),
        cmocka_unit_test(bias_index_is_query_minus_key),
        cmocka_unit_test(resizing_keeps_constants_and_mirrors),
        cmocka_unit_test(resizing_equals_the_official_loader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
