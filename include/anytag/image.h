/* anytag/image.h - a picture from a file or from memory, upright RGB.
 *
 *     at_image *image = NULL;
 *     if (at_image_read("a.jpg", NULL, &image, &err) != AT_OK) return complain(err.text);
 *     ... at_session_tag(session, image, ...) ...
 *     at_image_free(image);
 *
 * Kind is decided by content, never by the file's name. Pixels equal Pillow's
 * `Image.open(f).convert("RGB")` bit for bit, after the EXIF orientation is applied. */
#ifndef ANYTAG_IMAGE_H
#define ANYTAG_IMAGE_H

#include "anytag/base.h"

AT_C_BEGIN

typedef struct at_image at_image; /* immutable after reading; may be shared between threads */

/* Zero is the default of every field, NULL of the whole struct. */
typedef struct at_image_options {
    size_t struct_size;  /* sizeof(at_image_options); newer fields are added at the end */
    uint64_t max_pixels; /* 0: 120,000,000. Checked on the header, before memory is taken */
    uint64_t max_bytes;  /* 0: 512 MiB of encoded bytes */
    int keep_rotated;    /* 1: the EXIF orientation is not applied (--no-rotate) */
    int official_pixels; /* 1: as the official code: keep_rotated, and 16-bit grey clipped to 255 */
    /* keeps until at_image_free(); NULL: malloc. What libjpeg, libwebp and libexif need while they
     * decode is malloc's in any case. */
    const at_allocator *allocator;
    /* 0: every pixel. N: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, the smallest whose sides
     * both keep N px; faster, and no longer the pixels of Pillow. Other kinds and official_pixels: whole. */
    int least_side;
} at_image_options;

/* Reads and decodes a file.   path, options borrow   image returns, at_image_free()
 * AT_E_NOT_FOUND, _NOT_AN_IMAGE, _DAMAGED_IMAGE (also truncated), _UNSUPPORTED_IMAGE,
 * _IMAGE_TOO_LARGE, _OUT_OF_MEMORY; err.text begins with the path. Safe from any thread. */
AT_API at_status at_image_read(const char *path, const at_image_options *options, at_image **image,
                               at_error *err);
/* The same from memory; `name` (borrows, may be NULL) begins the error text. */
AT_API at_status at_image_decode(const void *data, size_t size, const char *name,
                                 const at_image_options *options, at_image **image, at_error *err);
/* An image of the caller's pixels, copied.   rgb [height, width, 3], rows `stride` bytes apart */
AT_API at_status at_image_from_rgb(const uint8_t *rgb, int width, int height, size_t stride,
                                   const at_image_options *options, at_image **image,
                                   at_error *err);
/* A part of an image, copied.   box x0, y0, x1, y1 in px of at_image_rgb(), x1 and y1 just outside it
 *   name borrows, NULL is fine; begins the error text   part returns, at_image_free()
 * AT_E_INVALID_PARAMETER: it is empty or ends outside the image. */
AT_API at_status at_image_crop(const at_image *image, const int box[4], const char *name,
                               at_image **part, at_error *err);

AT_API int at_image_width(const at_image *image);          /* px, upright; of at_image_rgb() */
AT_API int at_image_height(const at_image *image);         /* px, upright; of at_image_rgb() */
AT_API int at_image_full_width(const at_image *image);     /* of the file, which least_side may */
AT_API int at_image_full_height(const at_image *image);    /* leave larger; upright; in records */
AT_API const uint8_t *at_image_rgb(const at_image *image); /* [height, width, 3], borrowed */
AT_API const char *at_image_format(const at_image *image); /* "jpeg", "png", "webp", "rgb" */
AT_API int at_image_orientation(const at_image *image);    /* as found in EXIF, 1..8; 1 if none */
AT_API const char *at_image_sha256(const at_image *image); /* of the encoded bytes, "" for rgb */
AT_API uint64_t at_image_bytes(const at_image *image);     /* encoded bytes, 0 for rgb */
/* Gives the pixels' memory back; the facts stay, for a record. The caller must be its only user. From then
 * on it cannot be tagged nor shown small (AT_E_INVALID_PARAMETER). NULL is fine. */
AT_API void at_image_forget_pixels(at_image *image);
AT_API void at_image_free(at_image *image); /* NULL is fine */

/* A small JPEG of the picture, its longer side at most `side` px, aspect kept; for previews.
 *   jpeg  returns, at_buffer_free(); from the image's allocator, which must still be there then, as
 *         the image need not;  size  its length in bytes */
AT_API at_status at_image_thumbnail(const at_image *image, int side, int quality, void **jpeg,
                                    size_t *size, at_error *err);
AT_API void at_buffer_free(void *buffer); /* NULL is fine */

AT_C_END
#endif
