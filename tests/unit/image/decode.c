/* Each kind of picture becomes the RGB that it holds; every orientation is turned upright. */
#include "pictures.h"

static const int sides[][2] = {{1, 1}, {7, 5}, {33, 20}, {9, 64}};

/* Sample `i` of a row of `depth`-bit samples. */
static void put_sample(uint8_t *row, size_t i, int depth, unsigned v)
{
    if (depth == 16) {
        row[2 * i] = (uint8_t)(v >> 8);
        row[2 * i + 1] = (uint8_t)v;
    } else {
        const size_t bit = i * (size_t)depth;
        row[bit / 8] |= (uint8_t)(v << (8 - (size_t)depth - bit % 8));
    }
}

static unsigned channels_of(int color)
{
    return (color & PNG_COLOR_MASK_COLOR && color != PNG_COLOR_TYPE_PALETTE ? 3u : 1u) +
           (color & PNG_COLOR_MASK_ALPHA ? 1u : 0u);
}

/* One PNG of random samples and what Pillow's convert("RGB") makes of it (SPEC 1.2). */
static void check_png(int color, int depth, int interlace, int width, int height, bool official)
{
    const size_t w = (size_t)width, h = (size_t)height, channels = channels_of(color),
                 stride = (w * channels * (size_t)depth + 7) / 8;
    uint8_t *rows = calloc(stride, h), *want = calloc(w * h, 3), palette[768];
    for (size_t i = 0; i < sizeof palette; i++)
        palette[i] = (uint8_t)(i * 151 + 7);
    for (size_t p = 0; p < w * h; p++) {
        for (size_t c = 0; c < channels; c++) {
            const unsigned v = (unsigned)(next_random() >> 20) & ((1u << depth) - 1) &
                               (official && p % 2 ? 0x1ff : 0xffff);
            put_sample(rows + p / w * stride, p % w * channels + c, depth, v);
            const unsigned byte = official      ? (v > 255 ? 255 : v)
                                  : depth == 16 ? v >> 8
                                                : v * 255 / ((1u << depth) - 1);
            for (size_t k = 0; k < 3; k++) {
                if (color == PNG_COLOR_TYPE_PALETTE)
                    want[3 * p + k] = palette[3 * v + k];
                else if (channels >= 3 ? c == k : c == 0)
                    want[3 * p + k] = (uint8_t)byte;
            }
        }
    }
    const png_spec s = {.width = width,
                        .height = height,
                        .color = color,
                        .depth = depth,
                        .interlace = interlace,
                        .palette = color == PNG_COLOR_TYPE_PALETTE ? palette : NULL};
    bytes b = png_of(&s, rows, stride);
    const at_image_options o = {.struct_size = sizeof o, .official_pixels = official};
    at_image *image = decoded(&b, &o);
    assert_int_equal(at_image_width(image), width);
    assert_int_equal(at_image_height(image), height);
    assert_string_equal(at_image_format(image), "png");
    if (memcmp(at_image_rgb(image), want, w * h * 3) != 0)
        fail_msg("color %d depth %d interlace %d %d x %d: other pixels", color, depth, interlace,
                 width, height);
    at_image_free(image);
    free(b.data);
    free(rows);
    free(want);
}

static void every_kind_of_png(void **state)
{
    (void)state;
    static const struct {
        int color, first_depth, last_depth;
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1, 16},       {PNG_COLOR_TYPE_PALETTE, 1, 8},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 16}, {PNG_COLOR_TYPE_RGB, 8, 16},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 16},
    };
    for (size_t k = 0; k < AT_COUNT(kinds); k++) {
        for (int depth = kinds[k].first_depth; depth <= kinds[k].last_depth; depth *= 2) {
            for (size_t s = 0; s < 2 * AT_COUNT(sides); s++)
                check_png(kinds[k].color, depth, s % 2 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                          sides[s / 2][0], sides[s / 2][1], false);
        }
    }
}

static void wide_grey_is_clipped_as_the_official_code_does(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2 * AT_COUNT(sides); s++)
        check_png(PNG_COLOR_TYPE_GRAY, 16, s % 2 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                  sides[s / 2][0], sides[s / 2][1], true);
}

/* Blocks of one colour: the transform loses nothing of them. */
static uint8_t *blocks(int width, int height, int components)
{
    uint8_t *p = malloc((size_t)width * (size_t)height * (size_t)components);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < components; c++)
                p[(y * width + x) * components + c] =
                    (uint8_t)((x / 16 * 37 + y / 16 * 11 + c * 70) % 256);
        }
    }
    return p;
}

static void grey_jpeg(void **state)
{
    (void)state;
    for (int progressive = 0; progressive <= 1; progressive++) {
        uint8_t *grey = blocks(50, 35, 1);
        bytes b = jpeg_of(grey, 50, 35, 1, progressive, 0);
        at_image *image = decoded(&b, NULL);
        for (size_t i = 0; i < 3 * 50 * 35; i++)
            assert_int_equal(at_image_rgb(image)[i], grey[i / 3]);
        assert_string_equal(at_image_format(image), "jpeg");
        assert_int_equal(at_image_bytes(image), b.size);
        at_image_free(image);
        free(b.data);
        free(grey);
    }
}

static void colour_jpeg(void **state)
{
    (void)state;
    for (int progressive = 0; progressive <= 1; progressive++) {
        uint8_t *rgb = blocks(64, 48, 3);
        bytes b = jpeg_of(rgb, 64, 48, 3, progressive, 0);
        at_image *image = decoded(&b, NULL);
        for (int i = 0; i < 3 * 64 * 48; i++) { // next to a block's edge chroma is mixed
            const int x = i / 3 % 64 % 16, y = i / 3 / 64 % 16;
            if (x > 1 && x < 14 && y > 1 && y < 14)
                assert_true(abs(at_image_rgb(image)[i] - rgb[i]) <= 2);
        }
        at_image_free(image);
        free(b.data);
        free(rgb);
    }
}

static void cmyk_jpeg(void **state)
{
    (void)state;
    static const uint8_t cases[][7] = {// SPEC 1.2: C M Y K and its R G B
                                       {255, 0, 0, 0, 0, 255, 255},
                                       {10, 200, 30, 77, 171, 38, 157},
                                       {0, 0, 0, 255, 0, 0, 0},
                                       {0, 0, 0, 0, 255, 255, 255}};
    for (size_t k = 0; k < AT_COUNT(cases); k++) {
        uint8_t stored[4 * 9 * 17];
        for (size_t i = 0; i < sizeof stored; i++)
            stored[i] = (uint8_t)(255 - cases[k][i % 4]); // Adobe's way
        bytes b = jpeg_of(stored, 9, 17, 4, false, 0);
        at_image *image = decoded(&b, NULL);
        for (size_t i = 0; i < 3 * 9 * 17; i++)
            assert_int_equal(at_image_rgb(image)[i], cases[k][4 + i % 3]);
        at_image_free(image);
        free(b.data);
    }
}

/* Where the pixel (x, y) of the upright picture lies in the stored one; EXIF 2.32, tag 0x0112. */
static void stored_at(int orientation, int x, int y, int w, int h, int *sx, int *sy)
{
    const int at[9][2] = {{0, 0},         {x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y},
                          {x, h - 1 - y}, {y, x}, {y, h - 1 - x}, {w - 1 - y, h - 1 - x},
                          {w - 1 - y, x}};
    *sx = at[orientation][0];
    *sy = at[orientation][1];
}

static void check_upright(const at_image *image, const uint8_t *rgb, int w, int h, int orientation)
{
    const int ow = orientation >= 5 ? h : w, oh = orientation >= 5 ? w : h;
    assert_int_equal(at_image_width(image), ow);
    assert_int_equal(at_image_height(image), oh);
    assert_int_equal(at_image_orientation(image), orientation);
    for (int y = 0; y < oh; y++) {
        for (int x = 0; x < ow; x++) {
            int sx, sy;
            stored_at(orientation, x, y, w, h, &sx, &sy);
            assert_memory_equal(at_image_rgb(image) + 3 * (y * ow + x), rgb + 3 * (sy * w + sx), 3);
        }
    }
}

static void every_orientation(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 3}, {31, 33}, {100, 70}, {1, 90}, {65, 1}};
    for (size_t s = 0; s < AT_COUNT(sizes); s++) {
        const int w = sizes[s][0], h = sizes[s][1];
        uint8_t *rgb = random_rgb((size_t)(w * h));
        for (int o = 1; o <= 8; o++) {
            for (int behind = 0; behind <= 1; behind++) { // eXIf may follow the pixels
                const png_spec spec = {.width = w,
                                       .height = h,
                                       .color = PNG_COLOR_TYPE_RGB,
                                       .depth = 8,
                                       .orientation = o,
                                       .exif_behind = behind};
                bytes b = png_of(&spec, rgb, (size_t)w * 3);
                at_image *image = decoded(&b, NULL);
                check_upright(image, rgb, w, h, o);
                at_image_free(image);
                free(b.data);
            }
#if ANYTAG_WITH_WEBP
            bytes b = webp_of(rgb, w, h, o);
            at_image *image = decoded(&b, NULL);
            check_upright(image, rgb, w, h, o);
            assert_string_equal(at_image_format(image), "webp");
            at_image_free(image);
            free(b.data);
#endif
        }
        at_free(NULL, rgb);
    }
}

static void orientation_of_a_jpeg(void **state)
{
    (void)state;
    uint8_t *grey = blocks(48, 32, 1), *rgb = malloc(3 * 48 * 32);
    for (size_t i = 0; i < 3 * 48 * 32; i++)
        rgb[i] = grey[i / 3];
    for (int o = 1; o <= 8; o++) {
        bytes b = jpeg_of(grey, 48, 32, 1, false, o);
        at_image *image = decoded(&b, NULL);
        check_upright(image, rgb, 48, 32, o);
        at_image_free(image);
        const at_image_options keep = {.struct_size = sizeof keep, .keep_rotated = 1};
        image = decoded(&b, &keep);
        assert_int_equal(at_image_width(image), 48);
        assert_memory_equal(at_image_rgb(image), rgb, 3 * 48 * 32);
        at_image_free(image);
        free(b.data);
    }
    free(grey);
    free(rgb);
}

static void wrong_orientations_are_none(void **state)
{
    (void)state;
    for (int o = 0; o < 300; o += o == 0 ? 9 : 58) {
        uint8_t exif[EXIF_BYTES];
        memcpy(exif, exif_of(1), sizeof exif);
        exif[18] = (uint8_t)(o >> 8);
        exif[19] = (uint8_t)o;
        assert_int_equal(at_exif_orientation(exif, sizeof exif), 1);
    }
    for (size_t n = 0; n < EXIF_BYTES; n++) { // cut off anywhere
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, exif_of(6), n);
        const int o = at_exif_orientation(cut, n);
        assert_true(o == 1 || (o == 6 && n >= 20));
        free(cut);
    }
}

static void long_and_thin(void **state)
{
    (void)state;
    static const int sizes[][2] = {{30000, 10}, {10, 30000}, {1, 200000}, {200000, 1}};
    for (size_t s = 0; s < AT_COUNT(sizes); s++) {
        const int w = sizes[s][0], h = sizes[s][1];
        counted c = {0};
        const at_allocator al = allocator_of(&c);
        const at_image_options o = {.struct_size = sizeof o, .allocator = &al};
        uint8_t *rgb = random_rgb((size_t)w * (size_t)h);
        bytes b = png_of_rgb(rgb, w, h);
        at_image *image = decoded(&b, &o);
        assert_memory_equal(at_image_rgb(image), rgb, (size_t)w * (size_t)h * 3);
        assert_in_range(c.most_bytes, 1, (size_t)w * (size_t)h * 3 + 1024); // the pixels are most
        at_image_free(image);
        assert_int_equal(c.held, 0);
        free(b.data);
        if (w <= 65500 && h <= 65500) { // a JPEG's largest side
            b = jpeg_of(rgb, w, h, 3, false, 6);
            image = decoded(&b, NULL);
            assert_int_equal(at_image_width(image), h);
            assert_int_equal(at_image_height(image), w);
            at_image_free(image);
            free(b.data);
        }
        at_free(NULL, rgb);
    }
}

static void pixels_of_the_caller(void **state)
{
    (void)state;
    uint8_t padded[5 * 20];
    for (size_t i = 0; i < sizeof padded; i++)
        padded[i] = (uint8_t)i;
    at_image *image = NULL;
    assert_int_equal(at_image_from_rgb(padded, 6, 5, 20, NULL, &image, NULL), AT_OK);
    for (int y = 0; y < 5; y++)
        assert_memory_equal(at_image_rgb(image) + y * 18, padded + y * 20, 18);
    assert_string_equal(at_image_sha256(image), "");
    at_image_free(image);
    assert_int_equal(at_image_from_rgb(padded, 6, 5, 17, NULL, &image, NULL),
                     AT_E_INVALID_PARAMETER);
    assert_int_equal(at_image_from_rgb(padded, 0, 5, 20, NULL, &image, NULL),
                     AT_E_INVALID_PARAMETER);
}

static void a_part_of_an_image(void **state)
{
    (void)state;
    uint8_t rgb[4 * 3 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)i;
    at_image *image, *part;
    assert_int_equal(at_image_from_rgb(rgb, 4, 3, 12, NULL, &image, NULL), AT_OK);
    assert_int_equal(at_image_crop(image, (const int[]){1, 1, 3, 3}, "x", &part, NULL), AT_OK);
    assert_int_equal(at_image_width(part), 2);
    assert_int_equal(at_image_height(part), 2);
    assert_memory_equal(at_image_rgb(part), rgb + 15, 6);
    assert_memory_equal(at_image_rgb(part) + 6, rgb + 27, 6);
    at_image_free(part);
    static const int bad[][4] = {
        {0, 0, 5, 3}, {0, 0, 4, 4}, {2, 0, 2, 1}, {0, 2, 1, 1}, {-1, 0, 2, 2}};
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        at_error err = {0};
        assert_int_equal(at_image_crop(image, bad[i], "x", &part, &err), AT_E_INVALID_PARAMETER);
        assert_null(part);
        assert_string_equal(err.text, "x: crop ends outside the picture (4 x 3)");
    }
    at_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png),
        cmocka_unit_test(wide_grey_is_clipped_as_the_official_code_does),
        cmocka_unit_test(grey_jpeg),
        cmocka_unit_test(colour_jpeg),
        cmocka_unit_test(cmyk_jpeg),
        cmocka_unit_test(every_orientation),
        cmocka_unit_test(orientation_of_a_jpeg),
        cmocka_unit_test(wrong_orientations_are_none),
        cmocka_unit_test(long_and_thin),
        cmocka_unit_test(pixels_of_the_caller),
        cmocka_unit_test(a_part_of_an_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
