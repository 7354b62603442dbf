/* thumbnail.c - a small JPEG of a picture, through libjpeg-turbo. */
#include "image/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct encoder {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr to;
    jmp_buf failed;
    char why[JMSG_LENGTH_MAX];
    const at_allocator *al;
    uint8_t *buffer; // AT_BUFFER_HEAD and `cap` bytes
    size_t cap;
} encoder;

static void on_error(j_common_ptr c)
{
    encoder *e = (encoder *)c;
    c->err->format_message(c, e->why);
    longjmp(e->failed, 1);
}
static void on_message(j_common_ptr c)
{
    (void)c;
}

static void begin(j_compress_ptr c)
{
    encoder *e = (encoder *)c;
    e->cap = (size_t)16 << 10;
    e->buffer = at_alloc(e->al, AT_BUFFER_HEAD + e->cap);
    if (!e->buffer) ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
    e->to.next_output_byte = e->buffer + AT_BUFFER_HEAD;
    e->to.free_in_buffer = e->cap;
}

static boolean grow(j_compress_ptr c) // called when the buffer is full
{
    encoder *e = (encoder *)c;
    const size_t full = AT_BUFFER_HEAD + e->cap;
    uint8_t *larger = at_realloc(e->al, e->buffer, full, full + e->cap);
    if (!larger) ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
    e->buffer = larger;
    e->to.next_output_byte = larger + full;
    e->to.free_in_buffer = e->cap;
    e->cap *= 2;
    return TRUE;
}

static void end(j_compress_ptr c)
{
    (void)c;
}

static bool encode(encoder *e, const uint8_t *rgb, int w, int h, int quality)
{
    if (setjmp(e->failed)) return false;
    jpeg_create_compress(&e->c);
    e->c.dest = &e->to;
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
    if (!image->rgb)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_image_thumbnail: the pixels were forgotten");
    const int w = image->width, h = image->height, longer = w > h ? w : h;
    const double scale = longer > side ? (double)side / longer : 1.0;
    const int ow = (int)(w * scale + 0.5) > 0 ? (int)(w * scale + 0.5) : 1,
              oh = (int)(h * scale + 0.5) > 0 ? (int)(h * scale + 0.5) : 1;
    uint8_t *small = at_alloc(image->al, (size_t)ow * (size_t)oh * 3);
    if (!small) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a preview");
    at_status status = at_resize_bilinear(image->rgb, w, h, small, ow, oh, image->al, err);
    encoder e = {
        .al = image->al,
        .to = {.init_destination = begin, .empty_output_buffer = grow, .term_destination = end}};
    if (status == AT_OK) {
        e.c.err = jpeg_std_error(&e.errors);
        e.errors.error_exit = on_error;
        e.errors.output_message = on_message;
        if (!encode(&e, small, ow, oh, quality))
            status = e.errors.msg_code == JERR_OUT_OF_MEMORY
                         ? at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a preview")
                         : at_fail(err, AT_E_INTERNAL, "a preview: %s", e.why);
        jpeg_destroy_compress(&e.c);
    }
    at_free(image->al, small);
    if (status != AT_OK) {
        at_free(image->al, e.buffer);
        return status;
    }
    *jpeg = at_buffer_of(e.buffer, image->al);
    *size = e.cap - e.to.free_in_buffer;
    return AT_OK;
}
