/* thumbnail.c - a small JPEG of a picture, through libjpeg-turbo. */
#include "image/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct encoder {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
} encoder;

static void on_error(j_common_ptr c)
{
    longjmp(((encoder *)c)->failed, 1);
}
static void on_message(j_common_ptr c)
{
    (void)c;
}

static bool encode(encoder *e, const uint8_t *rgb, int w, int h, int quality, unsigned char **jpeg,
                   unsigned long *size)
{
    if (setjmp(e->failed)) return false;
    jpeg_create_compress(&e->c);
    jpeg_mem_dest(&e->c, jpeg, size);
    e->c.image_width = (JDIMENSION)w;
    e->c.image_height = (JDIMENSION)h;
    e->c.input_components = 3;
    e->c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->c);
    jpeg_set_quality(&e->c, quality, TRUE);
    jpeg_start_compress(&e->c, TRUE);
    while (e->c.next_scanline < e->c.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)e->c.next_scanline * (size_t)w * 3);
        (void)jpeg_write_scanlines(&e->c, &row, 1);
    }
    jpeg_finish_compress(&e->c);
    return true;
}

at_status at_image_thumbnail(const at_image *image, int side, int quality, void **jpeg,
                             size_t *size, at_error *err)
{
    if (!image || !jpeg || !size || side < 1 || side > 4096 || quality < 1 || quality > 100)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_image_thumbnail: side %d is not in 1..4096 or quality %d not in 1..100",
                       side, quality);
    *jpeg = NULL;
    *size = 0;
    const int w = image->width, h = image->height, longer = w > h ? w : h;
    const double scale = longer > side ? (double)side / longer : 1.0;
    const int ow = (int)(w * scale + 0.5) > 0 ? (int)(w * scale + 0.5) : 1,
              oh = (int)(h * scale + 0.5) > 0 ? (int)(h * scale + 0.5) : 1;
    uint8_t *small = at_alloc(image->al, (size_t)ow * (size_t)oh * 3);
    if (!small) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a preview");
    at_status status = at_resize_bilinear(image->rgb, w, h, small, ow, oh, image->al, err);
    unsigned char *data = NULL;
    unsigned long n = 0;
    if (status == AT_OK) {
        encoder e = {0};
        e.c.err = jpeg_std_error(&e.errors);
        e.errors.error_exit = on_error;
        e.errors.output_message = on_message;
        if (!encode(&e, small, ow, oh, quality, &data, &n))
            status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a preview");
        jpeg_destroy_compress(&e.c);
    }
    at_free(image->al, small);
    if (status != AT_OK) {
        free(data);
        return status;
    }
    *jpeg = data; // libjpeg's malloc: at_buffer_free() is free()
    *size = n;
    return AT_OK;
}

void at_buffer_free(void *buffer)
{
    free(buffer);
}
