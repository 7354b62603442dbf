/* png_write.c - 8-bit grey or RGB to PNG, through libpng. */
#include "anytag/heat.h"
#include "base/buf.h"
#include "image/image.h"

#include <setjmp.h>

#include <png.h>

enum { LEVEL = 3 }; // of zlib: maps are smooth, photographs do not get smaller by more

typedef struct encoder {
    png_structp png;
    png_infop info;
    at_buf out;
} encoder;

static void on_error(png_structp png, png_const_charp why)
{
    (void)why; // memory: there is nothing else to fail
    png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}
static void put(png_structp png, png_bytep data, size_t n)
{
    encoder *e = png_get_io_ptr(png);
    at_buf_add(&e->out, data, n);
    if (e->out.status != AT_OK) png_error(png, "no memory");
}
static void flush(png_structp png)
{
    (void)png;
}

static bool encode(encoder *e, const uint8_t *pixels, int width, int height, int channels)
{
    static const char head[AT_BUFFER_HEAD];
    if (setjmp(png_jmpbuf(e->png))) return false;
    at_buf_add(&e->out, head, sizeof head);
    if (e->out.status != AT_OK) return false;
    png_set_write_fn(e->png, e, put, flush);
    png_set_compression_level(e->png, LEVEL);
    png_set_IHDR(e->png, e->info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(e->png, e->info);
    for (size_t y = 0; y < (size_t)height; y++)
        png_write_row(e->png, pixels + y * (size_t)width * (size_t)channels);
    png_write_end(e->png, e->info);
    return true;
}

at_status at_png_encode(const uint8_t *pixels, int width, int height, int channels, void **png,
                        size_t *size, at_error *err)
{
    if (!pixels || !png || !size || width < 1 || height < 1 || (channels != 1 && channels != 3))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_png_encode: %d x %d pixels of %d channels; 1 or 3 are known", width,
                       height, channels);
    *png = NULL;
    *size = 0;
    encoder e = {0};
    at_buf_init(&e.out, NULL, (size_t)1 << 31);
    e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e, on_error, on_warning);
    if (e.png) e.info = png_create_info_struct(e.png);
    const bool ok = e.info && encode(&e, pixels, width, height, channels);
    png_destroy_write_struct(&e.png, &e.info);
    if (!ok) {
        const bool large = e.out.status == AT_E_BODY_TOO_LARGE;
        at_buf_reset(&e.out);
        return at_fail(err, large ? AT_E_IMAGE_TOO_LARGE : AT_E_OUT_OF_MEMORY,
                       large ? "a PNG of %d x %d is larger than 2 GiB"
                             : "no memory for a PNG of %d x %d",
                       width, height);
    }
    *png = at_buffer_of(e.out.data, NULL);
    *size = e.out.len - AT_BUFFER_HEAD;
    return AT_OK;
}
