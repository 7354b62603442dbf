/* pixels.c - parity_pixels WIDTH HEIGHT FILE [WIDTH HEIGHT FILE ...]: of each picture its sides (two
 * 32-bit numbers), its RGB and its RGB resized, to stdout; official pixels. */
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>

static int show(const char *path, int width, int height)
{
    const at_image_options o = {.struct_size = sizeof o, .official_pixels = 1};
    at_image *image = NULL;
    at_error err = {0};
    at_status status = at_image_read(path, &o, &image, &err);
    const size_t n = (size_t)width * (size_t)height * 3;
    uint8_t *out = at_alloc(NULL, n);
    if (status == AT_OK && out)
        status = at_resize_bilinear(image->rgb, image->width, image->height, out, width, height,
                                    NULL, &err);
    if (status == AT_OK && out) {
        const int32_t sides[] = {image->width, image->height};
        fwrite(sides, sizeof sides, 1, stdout);
        fwrite(image->rgb, 3, (size_t)image->width * (size_t)image->height, stdout);
        fwrite(out, 1, n, stdout);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    at_free(NULL, out);
    at_image_free(image);
    return status != AT_OK;
}

int main(int argc, char **argv)
{
    int failed = argc < 4;
    for (int i = 1; i + 2 < argc; i += 3)
        failed |= show(argv[i + 2], atoi(argv[i]), atoi(argv[i + 1]));
    return failed;
}
