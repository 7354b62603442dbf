/* The resize against its definition in plain loops, whatever the shape; previews. */
#include "pictures.h"

#include <math.h>

/* One axis of SPEC 1.3, all rows at once: src [rows, n, 3] with steps given, to [rows, m, 3]. */
static void naive_axis(const uint8_t *src, size_t rows, int n, size_t row_step, size_t step,
                       uint8_t *dst, int m, size_t dst_row, size_t dst_step)
{
    const double scale = (double)n / m, fs = scale > 1 ? scale : 1, support = fs;
    for (int x = 0; x < m; x++) {
        const double c = (x + 0.5) * scale;
        int lo = (int)(c - support + 0.5), hi = (int)(c + support + 0.5);
        if (lo < 0) lo = 0;
        if (hi > n) hi = n;
        double *w = calloc((size_t)(hi - lo), sizeof *w), sum = 0;
        for (int i = lo; i < hi; i++) {
            const double t = fabs((i - c + 0.5) * (1 / fs));
            sum += w[i - lo] = t < 1 ? 1 - t : 0;
        }
        for (size_t r = 0; r < rows; r++) {
            for (size_t ch = 0; ch < 3; ch++) {
                int64_t acc = 1 << 21;
                for (int i = lo; i < hi; i++)
                    acc += (int64_t)(w[i - lo] / sum * (1 << 22) + 0.5) *
                           src[r * row_step + (size_t)i * step + ch];
                acc >>= 22;
                dst[r * dst_row + (size_t)x * dst_step + ch] = (uint8_t)(acc > 255 ? 255 : acc);
            }
        }
        free(w);
    }
}

static uint8_t *naive(const uint8_t *src, int w, int h, int ow, int oh)
{
    const size_t row = (size_t)w * 3, out = (size_t)ow * 3;
    uint8_t *middle = malloc((size_t)h * out), *dst = malloc((size_t)oh * out);
    if (w == ow)
        memcpy(middle, src, (size_t)h * out);
    else
        naive_axis(src, (size_t)h, w, row, 3, middle, ow, out, 3);
    if (h == oh)
        memcpy(dst, middle, (size_t)h * out);
    else
        naive_axis(middle, (size_t)ow, h, 3, out, dst, oh, 3, out);
    free(middle);
    return dst;
}

static void check(int w, int h, int ow, int oh)
{
    const size_t n = (size_t)ow * (size_t)oh * 3;
    uint8_t *src = random_rgb((size_t)w * (size_t)h), *want = naive(src, w, h, ow, oh),
            *got = at_alloc(NULL, n + 1);
    got[n] = 0xa5;
    assert_int_equal(at_resize_bilinear(src, w, h, got, ow, oh, NULL, NULL), AT_OK);
    for (size_t i = 0; i < n; i++) {
        if (got[i] != want[i])
            fail_msg("%d x %d -> %d x %d: byte %zu is %d, not %d", w, h, ow, oh, i, got[i],
                     want[i]);
    }
    assert_int_equal(got[n], 0xa5);
    at_free(NULL, src);
    at_free(NULL, got);
    free(want);
}

static void random_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < 150; i++) {
        const int most = i % 3 ? 60 : 300;
        int side[4];
        for (int k = 0; k < 4; k++)
            side[k] = 1 + (int)(next_random() % (uint64_t)most);
        if (i % 10 == 0) side[2] = side[0];
        if (i % 10 == 1) side[3] = side[1];
        if (i % 10 == 2) side[2] = side[3] = 1;
        check(side[0], side[1], side[2], side[3]);
    }
}

static void shapes_of_every_kind(void **state)
{
    (void)state;
    static const int cases[][4] = {{1, 1, 384, 384},    {384, 384, 384, 384}, {30000, 10, 64, 64},
                                   {10, 30000, 64, 64}, {1, 70000, 32, 32},   {600000, 1, 5, 1},
                                   {300000, 2, 5, 2},   {2, 2, 100, 1},       {640, 480, 384, 384}};
    for (size_t i = 0; i < AT_COUNT(cases); i++)
        check(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
}

/* Beside source and result a resize takes little, even where one pass makes a thin picture wide. */
static void memory_is_bounded_by_the_picture(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 300000}, {300000, 1}, {1000, 700}};
    uint8_t *out = at_alloc(NULL, 384 * 384 * 3);
    for (size_t i = 0; i < AT_COUNT(sizes); i++) {
        counted c = {0};
        const at_allocator al = allocator_of(&c);
        const size_t pixels = (size_t)sizes[i][0] * (size_t)sizes[i][1];
        uint8_t *src = at_calloc(NULL, pixels, 3);
        assert_int_equal(
            at_resize_bilinear(src, sizes[i][0], sizes[i][1], out, 384, 384, &al, NULL), AT_OK);
        assert_in_range(c.most_bytes, 1, 7 * pixels);
        assert_int_equal(c.held, 0);
        bool fired = true;
        for (size_t nth = 1; fired; nth++) {
            c = (counted){.fail_at = nth};
            const at_status status = at_resize_bilinear(src, sizes[i][0], sizes[i][1], out, 384,
                                                        384, &al, NULL);
            fired = c.fired;
            assert_int_equal(status, fired ? AT_E_OUT_OF_MEMORY : AT_OK);
            assert_int_equal(c.held, 0);
        }
        at_free(NULL, src);
    }
    at_free(NULL, out);
}

static void normal_values(void **state)
{
    (void)state;
    const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
    uint8_t rgb[256 * 3];
    float y[256 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i / 3 + i % 3);
    at_normalise(rgb, 256, mean, std, y);
    for (size_t i = 0; i < sizeof rgb; i++) {
        const float v = (float)rgb[i] / 255.0f, d = v - mean[i % 3];
        assert_true(y[i] == d / std[i % 3]);
    }
}

static void previews(void **state)
{
    (void)state;
    static const int cases[][5] = {// w, h, side, and the preview's
                                   {400, 300, 200, 200, 150},
                                   {300, 400, 200, 150, 200},
                                   {50, 20, 200, 50, 20},
                                   {5000, 1, 100, 100, 1},
                                   {1, 1, 1, 1, 1}};
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        const int *k = cases[i];
        uint8_t *rgb = random_rgb((size_t)k[0] * (size_t)k[1]);
        counted c = {0};
        const at_allocator al = allocator_of(&c);
        const at_image_options o = {.struct_size = sizeof o, .allocator = &al};
        at_image *image = NULL;
        assert_int_equal(at_image_from_rgb(rgb, k[0], k[1], (size_t)k[0] * 3, &o, &image, NULL),
                         AT_OK);
        const size_t before = c.held;
        bool fired = true;
        for (size_t nth = 1; fired; nth++) { // each allocation fails in turn, and then none
            void *jpeg = NULL;
            size_t size = 0;
            at_error err = {0};
            c.fail_at = c.calls + nth;
            c.fired = false;
            const at_status status = at_image_thumbnail(image, k[2], 100, &jpeg, &size, &err);
            fired = c.fired;
            c.fail_at = 0;
            assert_int_equal(status, fired ? AT_E_OUT_OF_MEMORY : AT_OK);
            assert_true(fired == (jpeg == NULL));
            assert_int_equal(c.held, before + !fired);
            if (fired) continue;
            const bytes b = {jpeg, size};
            at_image *small = decoded(&b, NULL);
            assert_int_equal(at_image_width(small), k[3]);
            assert_int_equal(at_image_height(small), k[4]);
            at_image_free(small);
            at_image_free(image); // the bytes outlive the picture
            at_buffer_free(jpeg);
        }
        assert_int_equal(c.held, 0);
        at_free(NULL, rgb);
    }
    at_buffer_free(NULL);
}

static void wrong_previews(void **state)
{
    (void)state;
    const uint8_t rgb[3] = {1, 2, 3};
    at_image *image = NULL;
    void *jpeg = NULL;
    size_t size = 0;
    assert_int_equal(at_image_from_rgb(rgb, 1, 1, 3, NULL, &image, NULL), AT_OK);
    assert_int_equal(at_image_thumbnail(image, 0, 80, &jpeg, &size, NULL), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_image_thumbnail(image, 9, 101, &jpeg, &size, NULL), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_image_thumbnail(NULL, 9, 80, &jpeg, &size, NULL), AT_E_INVALID_PARAMETER);
    assert_int_equal(at_image_thumbnail(image, 9, 80, &jpeg, &size, NULL), AT_OK);
    at_buffer_free(jpeg);
    at_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sizes),
        cmocka_unit_test(shapes_of_every_kind),
        cmocka_unit_test(memory_is_bounded_by_the_picture),
        cmocka_unit_test(normal_values),
        cmocka_unit_test(previews),
        cmocka_unit_test(wrong_previews),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
