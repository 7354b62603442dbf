/* png.c - PNG through libpng, to the pixels of Pillow's convert("RGB"): palettes looked up, grey
 * scaled to 8 bits, 16-bit samples cut to their high byte, alpha dropped and never composited, gamma
 * and profiles left alone. */
#include "image/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

typedef struct decoder {
    const at_decode_job *job;
    const uint8_t *at;
    size_t left;
    png_structp png;
    png_infop info;
    uint8_t *wide; // 16-bit grey, when it has to be clipped
    bool no_memory;
    char why[128];
} decoder;

static void on_error(png_structp png, png_const_charp why)
{
    decoder *d = png_get_error_ptr(png);
    (void)snprintf(d->why, sizeof d->why, "%s", why);
    png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static png_voidp alloc(png_structp png, png_alloc_size_t n)
{
    decoder *d = png_get_mem_ptr(png);
    void *ptr = at_alloc(d->job->al, n);
    if (!ptr) d->no_memory = true; // the library's error speaks of something else
    return ptr;
}
static void release(png_structp png, png_voidp ptr)
{
    const decoder *d = png_get_mem_ptr(png);
    at_free(d->job->al, ptr);
}

static void take(png_structp png, png_bytep to, size_t n)
{
    decoder *d = png_get_io_ptr(png);
    if (n > d->left) png_error(png, "it ends too early");
    memcpy(to, d->at, n);
    d->at += n;
    d->left -= n;
}

static void find_orientation(decoder *d, at_decoded *out)
{
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(d->png, d->info, &size, &exif) && exif)
        out->orientation = at_exif_orientation(exif, size);
}

/* 16-bit grey without alpha: the official code clips at 255, which turns nearly all of it white. */
static void clip_wide(const uint8_t *wide, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t v = wide[2 * i] ? 255 : wide[2 * i + 1];
        memset(rgb + 3 * i, v, 3);
    }
}

static at_status read_pixels(decoder *d, at_decoded *out, at_error *err)
{
    // a small file could unpack a thousand of these to 64 MB each
    static const png_byte ignored[] = "tEXt\0zTXt\0iTXt\0iCCP\0sPLT";
    const at_decode_job *job = d->job;
    if (setjmp(png_jmpbuf(d->png)))
        return d->no_memory ? at_no_memory_to_decode(job, err) : at_damaged_image(job, d->why, err);
    png_set_read_fn(d->png, d, take);
    png_set_user_limits(d->png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(d->png, 64 << 20);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, ignored, sizeof ignored / 5);
    png_read_info(d->png, d->info);
    const size_t width = png_get_image_width(d->png, d->info),
                 height = png_get_image_height(d->png, d->info);
    const at_status status = at_check_pixels(job, width, height, err);
    if (status != AT_OK) return status;
    const int color = png_get_color_type(d->png, d->info),
              depth = png_get_bit_depth(d->png, d->info);
    const bool clip = job->official_pixels && color == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (!clip) {
        if (depth == 16) png_set_strip_16(d->png);
        if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(d->png);
        if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(d->png);
        if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(d->png);
        png_set_strip_alpha(d->png);
    }
    const int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    const size_t row = clip ? width * 2 : width * 3;
    if (png_get_rowbytes(d->png, d->info) != row) png_error(d->png, "rows of an unexpected length");
    out->rgb = at_alloc(job->al, width * height * 3);
    if (clip) d->wide = at_alloc(job->al, width * height * 2);
    if (!out->rgb || (clip && !d->wide))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for %zu x %zu pixels", job->name,
                       width, height);
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < height; y++)
            png_read_row(d->png, (clip ? d->wide : out->rgb) + y * row, NULL);
    }
    if (clip) clip_wide(d->wide, width * height, out->rgb);
    out->width = (int)width;
    out->height = (int)height;
    return AT_OK;
}

/* Chunks behind the pixels. Damage there is no damage to the picture; Pillow does not mind it either. */
static void read_rest(decoder *d)
{
    if (!setjmp(png_jmpbuf(d->png))) png_read_end(d->png, d->info);
}

at_status at_decode_png(const at_decode_job *job, at_decoded *out, at_error *err)
{
    decoder d = {.job = job, .at = job->data, .left = job->size};
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, alloc,
                                     release);
    if (d.png) d.info = png_create_info_struct(d.png);
    at_status status = d.info ? read_pixels(&d, out, err) : at_no_memory_to_decode(job, err);
    if (status == AT_OK) {
        read_rest(&d);
        find_orientation(&d, out);
        if (d.no_memory) status = at_no_memory_to_decode(job, err); // for a chunk: was it eXIf?
    }
    png_destroy_read_struct(&d.png, &d.info, NULL);
    at_free(job->al, d.wide);
    if (status != AT_OK) {
        at_free(job->al, out->rgb);
        out->rgb = NULL;
    }
    return status;
}
