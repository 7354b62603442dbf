/* Files that lie, are cut off, are something else, or meet a machine without memory. */
#include "pictures.h"

/* One sentence that begins with the name, no picture, nothing kept. */
static at_status refusal(const void *data, size_t size, const at_image_options *options,
                         at_error *err)
{
    counted c = {0};
    const at_allocator al = allocator_of(&c);
    at_image_options o = {.struct_size = sizeof o};
    if (options) o = *options;
    if (!o.allocator) o.allocator = &al;
    void *copy = malloc(size ? size : 1); // ends where the file does
    if (size) memcpy(copy, data, size);
    at_image *image = NULL;
    *err = (at_error){0};
    const at_status status = at_image_decode(copy, size, "x", &o, &image, err);
    if (status != AT_OK) {
        assert_null(image);
        assert_int_equal(err->status, status);
        assert_true(strncmp(err->text, "x: ", 3) == 0);
        assert_null(strchr(err->text, '\n'));
    }
    at_image_free(image);
    assert_int_equal(c.held, 0);
    free(copy);
    return status;
}

static void expect(const void *data, size_t size, at_status status, const char *text)
{
    at_error err;
    const at_status found = refusal(data, size, NULL, &err);
    if (found != status || !strstr(err.text, text))
        fail_msg("wanted %s and \"%s\", found %s and \"%s\"", at_status_code(status), text,
                 at_status_code(found), err.text);
}

#define KIND(bytes, status, text) expect(bytes, sizeof(bytes) - 1, status, text)

static void other_kinds_are_named(void **state)
{
    (void)state;
    const at_status no = AT_E_UNSUPPORTED_IMAGE, not_image = AT_E_NOT_AN_IMAGE;
    KIND("\0\0\0\x18"
         "ftypheic\0\0\0\0mif1heic",
         no, "x: HEIF pictures are not supported yet");
    KIND("\0\0\0\x18"
         "ftyphevx\0\0\0\0",
         no, "HEIF");
    KIND("\0\0\0\x18"
         "ftypmif1\0\0\0\0mif1heic",
         no, "HEIF");
    KIND("\0\0\0\x1c"
         "ftypmif1\0\0\0\0mif1miafavif",
         no, "AVIF");
    KIND("\0\0\0\x14"
         "ftypmif1\0\0\0\0mif1xxxxavif",
         no, "HEIF"); // behind the box
    KIND("\0\0\0\x18"
         "ftypmif1",
         no, "HEIF"); // cut off
    KIND("\0\0\0\x18"
         "ftypavif\0\0\0\0",
         no, "AVIF");
    KIND("\0\0\0\x18"
         "ftypavis\0\0\0\0",
         no, "AVIF");
    KIND("\0\0\0\x18"
         "ftypcrx \0\0\0\0",
         no, "CR3");
    KIND("\0\0\0\x18"
         "ftypisom\0\0\0\0",
         not_image, "a video");
    KIND("II*\0\x08\0\0\0", no, "TIFF");
    KIND("MM\0*\0\0\0\x08", no, "TIFF");
    KIND("II+\0\x08\0\0\0", no, "BigTIFF");
    KIND("MM\0+\0\x08\0\0", no, "BigTIFF");
    KIND("\0\0\0\x0cjP  \r\n\x87\n", no, "JPEG 2000");
    KIND("\xff\x4f\xff\x51\0\0", no, "JPEG 2000");
    KIND("\xff\x0a\0\0", no, "JPEG XL");
    KIND("8BPS\0\1", no, "Photoshop");
    KIND("%PDF-1.7\n", no, "PDF documents");
    KIND("GIF89a\0\0", no, "GIF");
    KIND("BM\x36\0\0\0", no, "BMP");
    KIND("BMW is a car maker.", not_image, "a text file");
    KIND("<svg xmlns='http://www.w3.org/2000/svg'/>", no, "SVG drawings");
    KIND("\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made > by -> hand -->\n<svg/>", no, "SVG");
    KIND("<?xml version='1.0'?><!DOCTYPE svg [\n<!ENTITY a 'b'>\n]><svg/>", no, "SVG");
    KIND("<?xml version='1.0'?><page><svg/></page>", not_image, "an XML file");
    KIND("<!DOCTYPE html><html>", not_image, "a web page");
    KIND("<", not_image, "a text file");
    KIND("<!--", not_image, "a text file");
    KIND("RIFF\x10\0\0\0WAVEfmt ", not_image, "a sound");
    KIND("RIFF\x10\0\0\0AVI LIST", not_image, "a video");
    KIND("12345678WEBPVP8 ", not_image, "a text file"); // WEBP without RIFF
    KIND("PK\3\4zip", not_image, "a zip archive");
    KIND("", not_image, "an empty file");
    KIND("hello", not_image, "a text file");
    KIND("\1\2\3\4", not_image, "unknown content");
    KIND("\xff\xd8\xff", AT_E_DAMAGED_IMAGE, "it ends too early");
}

static void a_cut_file_is_damaged(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(23 * 17);
    const png_spec s = {.width = 23,
                        .height = 17,
                        .color = PNG_COLOR_TYPE_RGB,
                        .depth = 8,
                        .interlace = PNG_INTERLACE_ADAM7,
                        .orientation = 6,
                        .exif_behind = true};
    const struct {
        bytes b;
        size_t spare; // bytes at the end that the pixels do not need
    } files[] = {
        {png_of_rgb(rgb, 23, 17), 12 + 8}, // IEND; a checksum of the pixels is not waited for
        {png_of(&s, rgb, 23 * 3), 12 + 12 + EXIF_BYTES + 8},
        {jpeg_of(rgb, 23, 17, 3, false, 3), 2 + 2}, // the end marker; the decoder looks ahead
        {jpeg_of(rgb, 23, 17, 3, true, 3), 2},
#if ANYTAG_WITH_WEBP
        {webp_of(rgb, 23, 17, 8), 0},
#endif
    };
    for (size_t f = 0; f < AT_COUNT(files); f++) {
        const bytes b = files[f].b;
        for (size_t n = 0; n <= b.size; n++) {
            at_error err;
            const at_status status = refusal(b.data, n, NULL, &err);
            const bool whole = n + files[f].spare >= b.size;
            if (n == b.size ? status != AT_OK
                : n < 16    ? status != AT_E_NOT_AN_IMAGE && status != AT_E_DAMAGED_IMAGE
                            : status != AT_E_DAMAGED_IMAGE && !whole)
                fail_msg("file %zu, %zu of %zu bytes: %s \"%s\"", f, n, b.size,
                         at_status_code(status), err.text);
        }
        free(b.data);
    }
    at_free(NULL, rgb);
}

static void a_changed_file_does_no_harm(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(9 * 5);
    bytes files[] = {
        png_of_rgb(rgb, 9, 5),
        jpeg_of(rgb, 9, 5, 3, false, 3),
        jpeg_of(rgb, 9, 5, 3, true, 0),
#if ANYTAG_WITH_WEBP
        webp_of(rgb, 9, 5, 8)
#endif
    };
    const at_image_options o = {.struct_size = sizeof o, .max_pixels = 100000};
    size_t refused = 0;
    for (size_t f = 0; f < AT_COUNT(files); f++) {
        for (size_t i = 0; i < files[f].size; i++) {
            for (int bit = 0; bit < 8; bit += 3) {
                at_error err;
                files[f].data[i] = (char)(files[f].data[i] ^ (1 << bit));
                refused += refusal(files[f].data, files[f].size, &o, &err) != AT_OK;
                files[f].data[i] = (char)(files[f].data[i] ^ (1 << bit));
            }
        }
        free(files[f].data);
    }
    assert_in_range(refused, 100, SIZE_MAX);
    at_free(NULL, rgb);
}

/* A header may say what it likes; memory is taken for what is allowed. */
static void sizes_that_lie(void **state)
{
    (void)state;
    uint8_t rgb[12] = {0};
    counted c = {0};
    const at_allocator al = allocator_of(&c);
    const at_image_options o = {.struct_size = sizeof o, .allocator = &al};
    at_error err;
    bytes b = png_head(0x7fffffff, 0x7fffffff);
    assert_int_equal(refusal(b.data, b.size, &o, &err), AT_E_IMAGE_TOO_LARGE);
    free(b.data);
    b = png_head(0, 0x7fffffff);
    assert_int_equal(refusal(b.data, b.size, &o, &err), AT_E_DAMAGED_IMAGE);
    free(b.data);
    b = jpeg_of(rgb, 2, 2, 3, false, 0);
    for (size_t i = 0; i + 9 < b.size; i++) {
        if ((uint8_t)b.data[i] == 0xff && (uint8_t)b.data[i + 1] == 0xc0)
            memcpy(b.data + i + 5, "\xff\xdc\xff\xdc", 4); // 65500 x 65500
    }
    assert_int_equal(refusal(b.data, b.size, &o, &err), AT_E_IMAGE_TOO_LARGE);
    assert_non_null(strstr(err.text, "4290.25 MP, limit 120 MP"));
    free(b.data);
#if ANYTAG_WITH_WEBP
    b = webp_of(rgb, 2, 2, 1);
    memset(b.data + 24, 0xff, 4); // of VP8X
    b.data[26] = b.data[29] = 0;
    b.data[27] = b.data[28] = (char)0xff;
    (void)refusal(b.data, b.size, &o, &err); // VP8L says otherwise: damaged or too large
    assert_true(err.status == AT_E_IMAGE_TOO_LARGE || err.status == AT_E_DAMAGED_IMAGE);
    free(b.data);
#endif
    assert_in_range(c.most_bytes, 1, 100000);
    assert_int_equal(c.held, 0);

    const at_image_options few = {.struct_size = sizeof few, .max_pixels = 3};
    b = png_of_rgb(rgb, 2, 2);
    assert_int_equal(refusal(b.data, b.size, &few, &err), AT_E_IMAGE_TOO_LARGE);
    const at_image_options enough = {.struct_size = sizeof enough, .max_pixels = 4};
    assert_int_equal(refusal(b.data, b.size, &enough, &err), AT_OK);
    const at_image_options short_ = {.struct_size = sizeof short_, .max_bytes = b.size - 1};
    assert_int_equal(refusal(b.data, b.size, &short_, &err), AT_E_IMAGE_TOO_LARGE);
    assert_non_null(strstr(err.text, "--max-bytes"));
    free(b.data);
}

/* A few kilobytes of compressed text could ask for gigabytes. */
static void text_in_a_png_is_not_unpacked(void **state)
{
    (void)state;
    uint8_t rgb[12] = {0};
    const png_spec s = {
        .width = 2, .height = 2, .color = PNG_COLOR_TYPE_RGB, .depth = 8, .text = (size_t)8 << 20};
    bytes b = png_of(&s, rgb, 6);
    counted c = {0};
    const at_allocator al = allocator_of(&c);
    const at_image_options o = {.struct_size = sizeof o, .allocator = &al};
    at_image_free(decoded(&b, &o));
    assert_in_range(c.most_bytes, 1, 200000);
    free(b.data);
}

/* Damage behind the pixels is none, as in Pillow. */
static void damage_behind_the_pixels(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(6);
    bytes b = png_of_rgb(rgb, 3, 2);
    b.data[b.size - 1] ^= 1; // IEND's checksum
    at_image *image = decoded(&b, NULL);
    assert_memory_equal(at_image_rgb(image), rgb, 18);
    at_image_free(image);
    free(b.data);
    at_free(NULL, rgb);
}

static void too_many_scans(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(16 * 16);
    bytes b = jpeg_of(rgb, 16, 16, 3, true, 0);
    size_t last = 0;
    for (size_t i = 0; i + 1 < b.size; i++) {
        if ((uint8_t)b.data[i] == 0xff && (uint8_t)b.data[i + 1] == 0xda) last = i;
    }
    const size_t scan = b.size - 2 - last;
    for (size_t times = 80; times <= 100; times += 20) { // beside the ten that there are
        char *many = malloc(b.size + times * scan);
        memcpy(many, b.data, last);
        for (size_t i = 0; i <= times; i++)
            memcpy(many + last + i * scan, b.data + last, scan);
        memcpy(many + last + (times + 1) * scan, "\xff\xd9", 2);
        at_error err;
        const at_status status = refusal(many, b.size + times * scan, NULL, &err);
        assert_int_equal(status, times == 80 ? AT_OK : AT_E_DAMAGED_IMAGE);
        if (times == 100) assert_non_null(strstr(err.text, "more than 100 scans"));
        free(many);
    }
    free(b.data);
    at_free(NULL, rgb);
}

/* Every allocation through the caller's allocator fails in turn. */
static void no_memory_of_ours(void **state)
{
    (void)state;
    uint8_t *rgb = random_rgb(40 * 30);
    const png_spec s = {.width = 40,
                        .height = 30,
                        .color = PNG_COLOR_TYPE_RGB,
                        .depth = 8,
                        .orientation = 6,
                        .exif_behind = true};
    bytes files[] = {
        png_of(&s, rgb, 120),
        jpeg_of(rgb, 40, 30, 3, false, 6),
        jpeg_of(rgb, 40, 30, 3, true, 6),
#if ANYTAG_WITH_WEBP
        webp_of(rgb, 40, 30, 6)
#endif
    };
    for (size_t f = 0; f < AT_COUNT(files); f++) {
        for (int for_good = 0; for_good <= 1; for_good++) {
            bool fired = true;
            size_t nth = 0;
            while (fired) {
                counted c = {.fail_at = ++nth, .for_good = for_good};
                const at_allocator al = allocator_of(&c);
                const at_image_options o = {.struct_size = sizeof o, .allocator = &al};
                at_error err = {0};
                at_image *image = NULL;
                const at_status status = at_image_decode(files[f].data, files[f].size, "x", &o,
                                                         &image, &err);
                fired = c.fired;
                assert_int_equal(status, fired ? AT_E_OUT_OF_MEMORY : AT_OK);
                if (image) assert_int_equal(at_image_width(image), 30);
                at_image_free(image);
                assert_int_equal(c.held, 0);
            }
            assert_in_range(nth, 3, 1000);
        }
        free(files[f].data);
    }
    at_free(NULL, rgb);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1

/* Everybody's malloc, also the libraries': the `left`th call from now on fails and, if `for_good`,
 * all behind it. */
static size_t left;
static bool failed, for_good;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *ptr, size_t size);

static bool fails(void)
{
    if (!left || (left > 1 && left--)) return false;
    if (!for_good) left = 0;
    failed = true;
    return true;
}
AT_API void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}
AT_API void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}
AT_API void *realloc(void *ptr, size_t size)
{
    return fails() ? NULL : __libc_realloc(ptr, size);
}
#endif

static void no_memory_of_the_libraries(void **state)
{
    (void)state;
#if OWN_MALLOC
    enum { LOSSLESS = 2 };
    uint8_t *rgb = random_rgb(40 * 30);
    bytes files[] = {
        jpeg_of(rgb, 40, 30, 3, false, 6),
        jpeg_of(rgb, 40, 30, 3, true, 6),
#if ANYTAG_WITH_WEBP
        webp_of(rgb, 40, 30, 6),
        lossy_webp_of(rgb, 40, 30),
#endif
    };
    for (size_t f = 0; f < AT_COUNT(files); f++) {
        for (int once = 0; once <= 1; once++) {
            size_t nth = 0;
            failed = true;
            // libwebp 1.2 itself crashes where memory ends later in a lossless picture
            while (failed && !(f == LOSSLESS && (once || nth >= 2))) {
                at_error err = {0};
                at_image *image = NULL;
                failed = false;
                for_good = !once;
                left = ++nth;
                const at_status status = at_image_decode(files[f].data, files[f].size, "x", NULL,
                                                         &image, &err);
                left = 0;
                // of one failure alone libjpeg may not mind, and others may give another reason
                if (failed && once ? image != NULL && status != AT_OK
                                   : status != (failed ? AT_E_OUT_OF_MEMORY : AT_OK))
                    fail_msg("file %zu, allocation %zu: %s \"%s\"", f, nth, at_status_code(status),
                             err.text);
                if (image) assert_int_equal(at_image_orientation(image), f > LOSSLESS ? 1 : 6);
                at_image_free(image);
            }
            if (f != LOSSLESS) assert_in_range(nth, 5, 1000);
        }
        free(files[f].data);
    }
    at_free(NULL, rgb);
#else
    skip(); // a sanitizer has its own malloc
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_kinds_are_named),
        cmocka_unit_test(a_cut_file_is_damaged),
        cmocka_unit_test(a_changed_file_does_no_harm),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(text_in_a_png_is_not_unpacked),
        cmocka_unit_test(damage_behind_the_pixels),
        cmocka_unit_test(too_many_scans),
        cmocka_unit_test(no_memory_of_ours),
        cmocka_unit_test(no_memory_of_the_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
