/* Captions of the model in the box through the API: pieces add up to the text and name the image of the
 * call, over several batches;
 * captions of a batch, whose images end one after another, are those of each image alone. */
#include "anytag/caption.h"

#include "tests_cmocka.h"

#include <string.h>

enum { IMAGES = 3, MANY = 6 };

static struct {
    char text[IMAGES][256];
} told;

static void piece(void *user, size_t image, const char *text)
{
    (void)user;
    assert_in_range(image, 0, IMAGES - 1);
    strcat(told.text[image], text);
}

static void pieces_add_up(void **state)
{
    (void)state;
    at_error err = {0};
    at_model *m = NULL;
    at_session *s = NULL;
    if (at_model_open(NULL, NULL, &m, &err) == AT_E_MODEL_NOT_FOUND) skip();
    const at_session_options so = {.struct_size = sizeof so, .max_batch = 2};
    if (at_session_open(m, &so, &s, &err) != AT_OK) fail_msg("%s", err.text);
    at_pixels *pixels[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        uint8_t rgb[8 * 8 * 3];
        for (size_t k = 0; k < sizeof rgb; k++)
            rgb[k] = (uint8_t)(k * (size_t)(7 + 31 * i));
        at_image *image = NULL;
        if (at_image_from_rgb(rgb, 8, 8, 24, NULL, &image, &err) != AT_OK ||
            at_pixels_prepare(m, image, &pixels[i], &err) != AT_OK)
            fail_msg("%s", err.text);
        at_image_free(image);
    }
    for (int sample = 0; sample < 2; sample++) {
        memset(&told, 0, sizeof told);
        const at_caption_options o = {
            .struct_size = sizeof o, .sample = sample, .seed = 5, .piece = piece};
        at_captions *c[IMAGES];
        at_error errs[IMAGES] = {{0}};
        assert_int_equal(at_session_caption_pixels(s, (const at_pixels *const *)pixels, IMAGES, &o,
                                                   c, errs),
                         AT_OK);
        for (int i = 0; i < IMAGES; i++) {
            assert_string_equal(told.text[i], at_captions_text(c[i], 0));
            at_captions_free(c[i]);
        }
    }
    for (int i = 0; i < IMAGES; i++)
        at_pixels_free(pixels[i]);
    at_session_close(s);
    at_model_close(m);
}

/* Stripes, spots and grains of several sizes: captions of different lengths. */
static at_pixels *made_pixels(const at_model *m, size_t i)
{
    enum { SIDE = 40 };
    uint8_t rgb[SIDE * SIDE * 3];
    at_error err = {0};
    for (size_t k = 0; k < sizeof rgb; k++) {
        const size_t x = k / 3 % SIDE, y = k / 3 / SIDE;
        rgb[k] = (uint8_t)((x / (i + 1) * 37 + y / (2 * i + 1) * 53) * (k % 3 + i) + i * 41);
    }
    at_image *image = NULL;
    at_pixels *pixels = NULL;
    if (at_image_from_rgb(rgb, SIDE, SIDE, 3 * SIDE, NULL, &image, &err) != AT_OK ||
        at_pixels_prepare(m, image, &pixels, &err) != AT_OK)
        fail_msg("%s", err.text);
    at_image_free(image);
    return pixels;
}

static void alone_as_in_a_batch(void **state)
{
    (void)state;
    at_error err = {0};
    at_model *m = NULL;
    at_session *s = NULL;
    if (at_model_open(NULL, NULL, &m, &err) == AT_E_MODEL_NOT_FOUND) skip();
    const at_session_options so = {.struct_size = sizeof so, .max_batch = MANY};
    if (at_session_open(m, &so, &s, &err) != AT_OK) fail_msg("%s", err.text);
    at_pixels *pixels[MANY];
    for (size_t i = 0; i < MANY; i++)
        pixels[i] = made_pixels(m, i);
    for (int sample = 0; sample < 2; sample++) {
        const at_caption_options o = {
            .struct_size = sizeof o, .sample = sample, .seed = 11, .num = 2};
        at_captions *together[MANY], *alone;
        at_error errs[MANY] = {{0}};
        size_t least = SIZE_MAX, most = 0;
        assert_int_equal(at_session_caption_pixels(s, (const at_pixels *const *)pixels, MANY, &o,
                                                   together, errs),
                         AT_OK);
        for (size_t i = 0; i < MANY; i++) {
            const at_pixels *one = pixels[i];
            assert_int_equal(at_session_caption_pixels(s, &one, 1, &o, &alone, errs), AT_OK);
            for (size_t k = 0; k < 2; k++) {
                size_t n, n_alone;
                const int32_t *ids = at_captions_ids(together[i], k, &n),
                              *ids_alone = at_captions_ids(alone, k, &n_alone);
                assert_int_equal(n, n_alone);
                assert_memory_equal(ids, ids_alone, n * sizeof *ids);
                assert_true(at_captions_log_prob(together[i], k) == at_captions_log_prob(alone, k));
                least = n < least ? n : least;
                most = n > most ? n : most;
            }
            at_captions_free(alone);
            at_captions_free(together[i]);
        }
        assert_true(least < most); // or no image ended before another
    }
    for (size_t i = 0; i < MANY; i++)
        at_pixels_free(pixels[i]);
    at_session_close(s);
    at_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_add_up),
                                       cmocka_unit_test(alone_as_in_a_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
