/* image.c - fuzz target of the decoders: any bytes are an upright picture or one sentence. */
#include "anytag/image.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; // so that the reads stay

static void decode(const at_image_options *options, const uint8_t *data, size_t size)
{
    at_image *image = NULL;
    at_error err = {0};
    const at_status status = at_image_decode(data, size, "fuzz", options, &image, &err);
    if (status != AT_OK) {
        if (image || err.status != status || strncmp(err.text, "fuzz: ", 6) != 0 ||
            strchr(err.text, '\n') || err.text[at_utf8_valid(err.text, strlen(err.text))])
            abort();
        if (status != AT_E_NOT_AN_IMAGE && status != AT_E_DAMAGED_IMAGE &&
            status != AT_E_UNSUPPORTED_IMAGE && status != AT_E_IMAGE_TOO_LARGE &&
            status != AT_E_OUT_OF_MEMORY)
            abort();
        return;
    }
    const int width = at_image_width(image), height = at_image_height(image),
              turn = at_image_orientation(image);
    if (width < 1 || height < 1 || (uint64_t)width * (uint64_t)height > options->max_pixels ||
        at_image_full_width(image) < width || at_image_full_height(image) < height || turn < 1 ||
        turn > 8 || at_image_bytes(image) != size || strlen(at_image_sha256(image)) != 64)
        abort();
    const uint8_t *rgb = at_image_rgb(image);
    for (size_t i = 0; i < 3 * (size_t)width * (size_t)height; i++)
        sink ^= rgb[i];
    void *jpeg = NULL;
    size_t bytes = 0;
    if (at_image_thumbnail(image, 16, 50, &jpeg, &bytes, &err) != AT_OK || bytes < 4) abort();
    at_buffer_free(jpeg);
    at_image_free(image);
}

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A PNG whose chunks have the right checksums, or NULL: else libpng would look no further than those. */
static uint8_t *mended(const uint8_t *data, size_t size)
{
    uint8_t *copy = size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0 ? malloc(size) : NULL;
    if (!copy) return NULL;
    memcpy(copy, data, size);
    for (size_t at = 8; size - at >= 12 && big(copy + at) <= size - at - 12;) {
        const uint32_t n = big(copy + at), crc = (uint32_t)crc32(0, copy + at + 4, n + 4);
        for (int i = 0; i < 4; i++)
            copy[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + (size_t)n;
    }
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_image_options o = {.struct_size = sizeof o, .max_pixels = 1 << 18};
    decode(&o, data, size);
    o.least_side = 8; // of JPEG, smaller
    decode(&o, data, size);
    o.official_pixels = 1; // as they lie
    uint8_t *png = mended(data, size);
    decode(&o, png ? png : data, size);
    free(png);
    return 0;
}
