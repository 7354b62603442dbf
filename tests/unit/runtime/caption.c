/* Captions of the model in the box through the API: pieces add up to the text and name the image of the
 * call, over several batches. */
#include "anytag/caption.h"

#include "tests_cmocka.h"

#include <string.h>

enum { IMAGES = 3 };

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_add_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
