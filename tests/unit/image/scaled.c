/* A JPEG decoded smaller: which size, that it keeps the picture, its orientation and its full size. */
#include "pictures.h"

#include <limits.h>

static const int SIDE = 24;

static at_image_options fast(int least_side)
{
    return (at_image_options){.struct_size = sizeof(at_image_options), .least_side = least_side};
}

/* A dark left and a light right half: where a turn would show. */
static uint8_t *halves(int w, int h) // free()
{
    uint8_t *grey = malloc((size_t)w * (size_t)h);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++)
            grey[(size_t)y * (size_t)w + (size_t)x] = x < w / 2 ? 40 : 200;
    }
    return grey;
}

static void check_sides(const at_image *image, int w, int h, int full_w, int full_h)
{
    assert_int_equal(at_image_width(image), w);
    assert_int_equal(at_image_height(image), h);
    assert_int_equal(at_image_full_width(image), full_w);
    assert_int_equal(at_image_full_height(image), full_h);
}

static void both_sides_keep_it(void **state)
{
    (void)state;
    static const int cases[][5] = {
        // width, height, least, then what is decoded
        {400, 200, 24, 50, 25},  {400, 191, 24, 50, 24}, {401, 185, 24, 51, 24},
        {400, 184, 24, 100, 46}, {47, 400, 24, 24, 200}, {46, 400, 24, 46, 400},
        {20, 30, 24, 20, 30},    {24, 24, 24, 24, 24},   {400, 200, 1, 50, 25},
        {400, 200, 0, 400, 200}, {3, 2, 1, 1, 1},        {400, 200, INT_MAX, 400, 200}};
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        const int *k = cases[i];
        uint8_t *grey = halves(k[0], k[1]);
        for (int progressive = 0; progressive <= 1; progressive++) {
            bytes b = jpeg_of(grey, k[0], k[1], 1, progressive, 0);
            const at_image_options o = fast(k[2]);
            at_image *image = decoded(&b, &o);
            check_sides(image, k[3], k[4], k[0], k[1]);
            at_image_free(image);
            free(b.data);
        }
        free(grey);
    }
}

static void official_pixels_are_whole(void **state)
{
    (void)state;
    uint8_t *grey = halves(400, 200);
    bytes b = jpeg_of(grey, 400, 200, 1, false, 6);
    at_image_options o = fast(SIDE);
    o.official_pixels = 1;
    at_image *image = decoded(&b, &o), *never = NULL;
    check_sides(image, 400, 200, 400, 200);
    at_image_free(image);
    const at_image_options below = fast(-1);
    at_error err = {0};
    assert_int_equal(at_image_decode(b.data, b.size, "x", &below, &never, &err),
                     AT_E_INVALID_PARAMETER);
    assert_null(never);
    free(b.data);
    free(grey);
}

/* Its mean colour in the middle of a quarter: 0 left or top, 1 right or bottom. */
static int sample(const at_image *image, bool across, int second)
{
    const int w = at_image_width(image), h = at_image_height(image);
    const int x = across ? (second ? 3 * w / 4 : w / 4) : w / 2,
              y = across ? h / 2 : (second ? 3 * h / 4 : h / 4);
    return at_image_rgb(image)[3 * ((size_t)y * (size_t)w + (size_t)x)];
}

static void turned_with_its_full_size(void **state)
{
    (void)state;
    uint8_t *grey = halves(400, 200);
    for (int o = 1; o <= 8; o++) {
        bytes b = jpeg_of(grey, 400, 200, 1, false, o);
        const at_image_options small = fast(SIDE);
        at_image *image = decoded(&b, &small), *whole = decoded(&b, NULL);
        if (o >= 5)
            check_sides(image, 25, 50, 200, 400);
        else
            check_sides(image, 50, 25, 400, 200);
        for (int second = 0; second <= 1; second++)
            assert_in_range(sample(image, o < 5, second) - sample(whole, o < 5, second) + 4, 0, 8);
        assert_string_equal(at_image_sha256(image), at_image_sha256(whole));
        at_image_free(image);
        at_image_free(whole);
        free(b.data);
    }
    free(grey);
}

static void four_inks_too(void **state)
{
    (void)state;
    uint8_t *inks = malloc((size_t)4 * 400 * 200);
    memset(inks, 128, (size_t)4 * 400 * 200);
    bytes b = jpeg_of(inks, 400, 200, 4, false, 0);
    const at_image_options o = fast(SIDE);
    at_image *image = decoded(&b, &o), *whole = decoded(&b, NULL);
    check_sides(image, 50, 25, 400, 200);
    assert_memory_equal(at_image_rgb(image), at_image_rgb(whole), (size_t)3 * 50 * 25);
    at_image_free(image);
    at_image_free(whole);
    free(b.data);
    free(inks);
}

/* Cut off anywhere and with bytes changed: a picture of that size, or one sentence. */
static void damaged(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(200 * 100);
    for (int progressive = 0; progressive <= 1; progressive++) {
        bytes b = jpeg_of(rgb, 200, 100, 3, progressive, 3);
        counted c = {0};
        const at_allocator al = allocator_of(&c);
        at_image_options o = fast(SIDE);
        o.allocator = &al;
        for (size_t k = 1; k < 60; k++) {
            const size_t at = k < 30 ? b.size * k / 30 : (size_t)next_random() % b.size;
            const char was = b.data[at];
            if (k >= 30) b.data[at] = (char)~was;
            at_image *image = NULL;
            at_error err = {0};
            const at_status status = at_image_decode(b.data, k < 30 ? at : b.size, "x", &o, &image,
                                                     &err);
            if (k < 30) assert_int_equal(status, AT_E_DAMAGED_IMAGE);
            assert_true((status == AT_OK) == (image != NULL));
            if (image) assert_true(at_image_width(image) >= 1 && at_image_height(image) >= 1);
            if (!image) assert_memory_equal(err.text, "x: ", 3);
            at_image_free(image);
            assert_int_equal(c.held, 0);
            b.data[at] = was;
        }
        o.max_pixels = 200 * 100 - 1; // of the file, whatever is decoded
        at_image *image = NULL;
        assert_int_equal(at_image_decode(b.data, b.size, "x", &o, &image, NULL),
                         AT_E_IMAGE_TOO_LARGE);
        free(b.data);
    }
    at_free(NULL, rgb);
}

static void other_kinds_are_whole(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(200 * 100);
    bytes b = png_of_rgb(rgb, 200, 100);
    const at_image_options o = fast(SIDE);
    at_image *image = decoded(&b, &o);
    check_sides(image, 200, 100, 200, 100);
    assert_memory_equal(at_image_rgb(image), rgb, (size_t)3 * 200 * 100);
    at_image_free(image);
    free(b.data);
    at_free(NULL, rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_keep_it),
        cmocka_unit_test(official_pixels_are_whole),
        cmocka_unit_test(turned_with_its_full_size),
        cmocka_unit_test(four_inks_too),
        cmocka_unit_test(damaged),
        cmocka_unit_test(other_kinds_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
