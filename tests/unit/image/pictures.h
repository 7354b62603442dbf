/* pictures.h - pictures made by the codecs' own encoders, and an allocator that counts and can fail. */
#ifndef PICTURES_H
#define PICTURES_H

#include "tests_cmocka.h"

#include "image/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

typedef struct bytes {
    char *data; // free()
    size_t size;
} bytes;

static inline uint64_t next_random(void)
{
    static uint64_t s = 88172645463325252u;
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return s;
}

static inline uint8_t *random_rgb(size_t pixels) // at_free
{
    uint8_t *rgb = at_alloc(NULL, pixels * 3);
    for (size_t i = 0; i < pixels * 3; i++)
        rgb[i] = (uint8_t)(next_random() >> 32);
    return rgb;
}

/* A TIFF block with an orientation and nothing else. */
enum { EXIF_BYTES = 26 };
static inline const uint8_t *exif_of(int orientation)
{
    static uint8_t exif[EXIF_BYTES] = {'M', 'M', 0,    42, 0, 0, 0, 8, 0,
                                       1,   1,   0x12, 0,  3, 0, 0, 0, 1};
    exif[19] = (uint8_t)orientation;
    return exif;
}

typedef struct png_spec {
    int width, height, color, depth, interlace;
    int orientation;        // eXIf, 0: none
    bool exif_behind;       // the pixels
    const uint8_t *palette; // [256, 3]
    size_t text;            // bytes of a compressed comment
} png_spec;

/* rows: packed as PNG has them, `stride` bytes apart. */
static inline bytes png_of(const png_spec *s, const uint8_t *rows, size_t stride)
{
    bytes out = {0};
    FILE *f = open_memstream(&out.data, &out.size);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, (unsigned)s->width, (unsigned)s->height, s->depth, s->color,
                 s->interlace, 0, 0);
    if (s->palette) {
        png_color colors[256];
        png_byte alpha[256] = {0}; // transparent everywhere: to be ignored
        for (int i = 0; i < 256; i++)
            colors[i] = (png_color){s->palette[3 * i], s->palette[3 * i + 1],
                                    s->palette[3 * i + 2]};
        png_set_PLTE(png, info, colors, 1 << s->depth);
        png_set_tRNS(png, info, alpha, 1 << s->depth, NULL);
    }
    char *comment = calloc(s->text + 1, 1);
    memset(comment, ' ', s->text);
    png_text text = {.compression = PNG_TEXT_COMPRESSION_zTXt,
                     .key = (png_charp)(uintptr_t) "Comment",
                     .text = comment,
                     .text_length = s->text};
    if (s->text) png_set_text(png, info, &text, 1);
    png_write_info(png, info);
    free(comment);
    static const png_byte name[] = "eXIf";

    if (s->orientation && !s->exif_behind)
        png_write_chunk(png, name, exif_of(s->orientation), EXIF_BYTES);
    const int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < s->height; y++)
            png_write_row(png, rows + (size_t)y * stride);
    }
    if (s->orientation && s->exif_behind)
        png_write_chunk(png, name, exif_of(s->orientation), EXIF_BYTES);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
    return out;
}

/* A header of any sides, and nothing behind it. */
static inline bytes png_head(uint32_t width, uint32_t height)
{
    png_byte ihdr[13] = {[8] = 8, [9] = PNG_COLOR_TYPE_RGB};
    png_save_uint_32(ihdr, width);
    png_save_uint_32(ihdr + 4, height);
    bytes out = {0};
    FILE *f = open_memstream(&out.data, &out.size);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_init_io(png, f);
    png_write_sig(png);
    png_write_chunk(png, (png_const_bytep) "IHDR", ihdr, sizeof ihdr);
    png_write_chunk(png, (png_const_bytep) "IDAT", ihdr, 0);
    png_destroy_write_struct(&png, NULL);
    fclose(f);
    return out;
}

static inline bytes png_of_rgb(const uint8_t *rgb, int width, int height)
{
    const png_spec s = {.width = width, .height = height, .color = PNG_COLOR_TYPE_RGB, .depth = 8};
    return png_of(&s, rgb, (size_t)width * 3);
}

/* 1, 3 or 4 components as they are stored (grey, RGB, CMYK inverted as Adobe does), at the best quality. */
static inline bytes jpeg_of(const uint8_t *pixels, int width, int height, int components,
                            bool progressive, int orientation)
{
    static const J_COLOR_SPACE spaces[] = {0, JCS_GRAYSCALE, 0, JCS_RGB, JCS_CMYK};
    bytes out = {0};
    FILE *f = open_memstream(&out.data, &out.size);
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = components;
    c.in_color_space = spaces[components];
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    if (progressive) jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (orientation) {
        uint8_t app1[6 + EXIF_BYTES] = "Exif\0";
        memcpy(app1 + 6, exif_of(orientation), EXIF_BYTES);
        jpeg_write_marker(&c, JPEG_APP0 + 1, app1, sizeof app1);
    }
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)c.next_scanline * (size_t)width *
                                                          (size_t)components);
        (void)jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    fclose(f);
    return out;
}

#if ANYTAG_WITH_WEBP
#include <webp/encode.h>

static inline bytes lossy_webp_of(const uint8_t *rgb, int width, int height)
{
    uint8_t *plain = NULL;
    const size_t n = WebPEncodeRGB(rgb, width, height, width * 3, 90, &plain);
    char *d = malloc(n);
    memcpy(d, plain, n);
    WebPFree(plain);
    return (bytes){d, n};
}

/* Lossless, in an extended container that holds an orientation. */
static inline bytes webp_of(const uint8_t *rgb, int width, int height, int orientation)
{
    uint8_t *plain = NULL;
    const size_t n = WebPEncodeLosslessRGB(rgb, width, height, width * 3, &plain);
    assert_true(n > 20);
    const size_t body = n - 12, all = 12 + 18 + body + 8 + EXIF_BYTES;
    uint8_t *d = calloc(all, 1);
    memcpy(d, plain, 12);
    memcpy(d + 12, "VP8X\x0a\0\0\0\x08", 9);
    const unsigned sides[] = {(unsigned)width - 1, (unsigned)height - 1};
    for (int i = 0; i < 6; i++)
        d[24 + i] = (uint8_t)(sides[i / 3] >> i % 3 * 8);
    memcpy(d + 30, plain + 12, body);
    memcpy(d + 30 + body, "EXIF\x1a\0\0\0", 8);
    memcpy(d + 38 + body, exif_of(orientation), EXIF_BYTES);
    for (int i = 0; i < 4; i++)
        d[4 + i] = (uint8_t)((all - 8) >> 8 * i);
    WebPFree(plain);
    return (bytes){(char *)d, all};
}
#endif

/* Counts what is held; the `fail_at`th allocation and, if `for_good`, all behind it fail. */
typedef struct counted {
    size_t calls, held, most_bytes;
    size_t fail_at; // 0: never
    bool for_good, fired;
} counted;

static inline void *counted_alloc(void *user, size_t size, size_t align)
{
    counted *c = user;
    c->calls++;
    if (c->fail_at && (c->calls == c->fail_at || (c->for_good && c->calls > c->fail_at))) {
        c->fired = true;
        return NULL;
    }
    if (size > c->most_bytes) c->most_bytes = size;
    c->held++;
    return aligned_alloc(align, size);
}

static inline void counted_release(void *user, void *ptr)
{
    if (ptr) ((counted *)user)->held--;
    free(ptr);
}

static inline at_allocator allocator_of(counted *c)
{
    return (at_allocator){.alloc = counted_alloc, .release = counted_release, .user = c};
}

static inline at_image *decoded(const bytes *b, const at_image_options *o)
{
    at_image *image = NULL;
    at_error err = {0};
    if (at_image_decode(b->data, b->size, "made", o, &image, &err) != AT_OK)
        fail_msg("%s", err.text);
    return image;
}

#endif
