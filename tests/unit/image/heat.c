/* Maps at a picture's size: grey, colours, boxes, and the PNG they become. */
#include "anytag/heat.h"
#include "base/base.h"
#include "tests_cmocka.h"

#include <string.h>

static const float cells[9] = {0, 0, 0, 0, 4, 2, -3, 0, 0};
static const at_heat_map map = {.cells = cells, .rows = 3, .cols = 3, .max = 4};

static void grey_is_the_map(void **state)
{
    uint8_t g[30 * 60];
    at_error err = {0};
    (void)state;
    // odd cells of 3 px: the middles lie on pixels
    assert_int_equal(at_heat_grey(&map, 9, 9, NULL, g, &err), AT_OK);
    assert_int_equal(g[4 * 9 + 4], 255);
    assert_int_equal(g[4 * 9 + 7], 128);
    assert_int_equal(g[4 * 9 + 8], 128); // beyond the last middle
    assert_int_equal(g[7 * 9 + 1], 0);   // below 0
    assert_int_equal(g[4 * 9 + 3], 170); // two thirds of the way
    // in a part: the same picture, moved; outside is nothing
    uint8_t part[30 * 60];
    assert_int_equal(at_heat_grey(&map, 60, 30, (const int[]){40, 10, 49, 19}, part, &err), AT_OK);
    for (size_t y = 0; y < 30; y++)
        for (size_t x = 0; x < 60; x++)
            assert_int_equal(part[y * 60 + x],
                             x >= 40 && x < 49 && y >= 10 && y < 19 ? g[(y - 10) * 9 + x - 40] : 0);
    const at_heat_map cold = {.cells = cells, .rows = 1, .cols = 1};
    assert_int_equal(at_heat_grey(&cold, 2, 2, NULL, g, &err), AT_OK);
    assert_memory_equal(g, "\0\0\0\0", 4);
    static const int wrong[][4] = {{0, 0, 0, 5},  {0, 0, 5, 0},  {-1, 0, 5, 5},
                                   {0, 0, 10, 5}, {0, 0, 5, 10}, {5, 0, 4, 5}};
    for (size_t i = 0; i < AT_COUNT(wrong); i++)
        assert_int_equal(at_heat_grey(&map, 9, 9, wrong[i], g, &err), AT_E_INVALID_PARAMETER);
}

/* Of an sRGB colour, 0..1. */
static double luminance(const uint8_t *c)
{
    return 0.2126 * c[0] * c[0] + 0.7152 * c[1] * c[1] + 0.0722 * c[2] * c[2];
}

static void colours_over_the_picture(void **state)
{
    enum { W = 256 };
    static uint8_t rgb[W * 3], out[W * 3];
    float ramp[W];
    at_image *image = NULL;
    at_error err = {0};
    (void)state;
    memset(rgb, 100, sizeof rgb);
    for (size_t i = 0; i < W; i++)
        ramp[i] = (float)i / (W - 1);
    const at_heat_map m = {.cells = ramp, .rows = 1, .cols = W, .max = 1};
    assert_int_equal(at_image_from_rgb(rgb, W, 1, sizeof rgb, NULL, &image, &err), AT_OK);
    assert_int_equal(at_heat_overlay(image, NULL, &m, 0, out, &err), AT_OK);
    assert_memory_equal(out, rgb, sizeof out);
    assert_int_equal(at_heat_overlay(image, NULL, &m, 1, out, &err), AT_OK);
    assert_memory_equal(out, rgb, 3); // what is cold stays
    for (size_t i = W / 2; i + 1 < W; i++)
        assert_true(luminance(out + 3 * i) < luminance(out + 3 * i + 3) + 1e-9);
    assert_true(luminance(out + 3 * (W - 1)) > 3 * luminance(out + 3 * (W / 2)));
    assert_int_equal(at_heat_overlay(image, (const int[]){2, 0, 5, 1}, &m, 1, out, &err), AT_OK);
    assert_memory_equal(out, rgb, 6);
    assert_memory_equal(out + 15, rgb + 15, sizeof out - 15);
    assert_memory_not_equal(out + 12, rgb + 12, 3);
    assert_int_equal(at_heat_overlay(image, NULL, &m, 1.5f, out, &err), AT_E_INVALID_PARAMETER);
    at_image_forget_pixels(image);
    assert_int_equal(at_heat_overlay(image, NULL, &m, 1, out, &err), AT_E_INVALID_PARAMETER);
    at_image_free(image);
}

static void boxes_of_what_is_warm(void **state)
{
    float two[25] = {0};
    two[0] = 1;                          // a corner, cooler
    two[2 * 5 + 3] = two[3 * 5 + 3] = 2; // two cells below each other
    const at_heat_map m = {.cells = two, .rows = 5, .cols = 5, .max = 2};
    at_heat_box b[4] = {{0}};
    (void)state;
    assert_int_equal(at_heat_boxes(&m, (const int[]){100, 0, 200, 50}, 0.4f, b, 4), 2);
    assert_true(b[0].peak == 1 && b[1].peak == 0.5f);
    // cells are 20 x 10 px: rows 2 and 3, column 3, and some of what lies between the middles
    assert_in_range(b[0].x0, 155, 162);
    assert_in_range(b[0].x1, 178, 185);
    assert_in_range(b[0].y0, 17, 22);
    assert_in_range(b[0].y1, 38, 43);
    assert_int_equal(b[1].x0, 100);
    assert_int_equal(b[1].y0, 0);
    at_heat_box first = b[0];
    assert_int_equal(at_heat_boxes(&m, (const int[]){100, 0, 200, 50}, 0.4f, b, 1), 2);
    assert_memory_equal(&b[0], &first, sizeof first);
    assert_int_equal(at_heat_boxes(&m, (const int[]){100, 0, 200, 50}, 0.9f, b, 0), 1);
    const at_heat_map cold = {.cells = two, .rows = 5, .cols = 5};
    assert_int_equal(at_heat_boxes(&cold, (const int[]){0, 0, 5, 5}, 0, b, 4), 0);
    const at_heat_map whole = {.cells = (const float[]){1}, .rows = 1, .cols = 1, .max = 1};
    assert_int_equal(at_heat_boxes(&whole, (const int[]){3, 4, 5, 6}, 0, b, 4), 1);
    assert_true(b[0].x0 == 3 && b[0].y0 == 4 && b[0].x1 == 5 && b[0].y1 == 6);
}

static void png_comes_back(void **state)
{
    uint8_t pixels[5 * 4 * 3];
    at_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37);
    for (int channels = 1; channels <= 3; channels += 2) {
        void *png = NULL;
        size_t size = 0;
        at_image *image = NULL;
        assert_int_equal(at_png_encode(pixels, 5, 4, channels, &png, &size, &err), AT_OK);
        assert_int_equal(at_image_decode(png, size, NULL, NULL, &image, &err), AT_OK);
        assert_int_equal(at_image_width(image), 5);
        assert_int_equal(at_image_height(image), 4);
        for (size_t i = 0; i < 60; i++)
            assert_int_equal(at_image_rgb(image)[i], pixels[channels == 3 ? i : i / 3]);
        at_image_free(image);
        at_buffer_free(png);
    }
    void *png = NULL;
    size_t size = 0;
    assert_int_equal(at_png_encode(pixels, 5, 4, 2, &png, &size, &err), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_png_encode(pixels, 0, 4, 1, &png, &size, &err), AT_E_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_is_the_map),
        cmocka_unit_test(colours_over_the_picture),
        cmocka_unit_test(boxes_of_what_is_warm),
        cmocka_unit_test(png_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
