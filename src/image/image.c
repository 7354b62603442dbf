/* image.c - reading a picture: bytes, kind, decoding, orientation. */
#include "image/image.h"

#include "base/file.h"
#include "base/hash.h"
#include "image/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t MAX_PIXELS = 120000000, MAX_BYTES = (uint64_t)512 << 20;

at_status at_damaged_image(const at_decode_job *job, const char *why, at_error *err)
{
    return at_fail(err, AT_E_DAMAGED_IMAGE, "%s: damaged image (%s)", job->name, why);
}

at_status at_no_memory_to_decode(const at_decode_job *job, at_error *err)
{
    return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory to decode it", job->name);
}

at_status at_check_pixels(const at_decode_job *job, uint64_t width, uint64_t height, at_error *err)
{
    if (width == 0 || height == 0) return at_damaged_image(job, "a side of 0 pixels", err);
    // no decoder gives more than 2^31 on a side; the product cannot wrap
    if (width <= INT32_MAX && height <= INT32_MAX && width * height <= job->max_pixels)
        return AT_OK;
    return at_fail(err, AT_E_IMAGE_TOO_LARGE,
                   "%s: image too large (%.6g MP, limit %.6g MP; raise with --max-pixels)",
                   job->name, (double)width * (double)height / 1e6, (double)job->max_pixels / 1e6);
}

/* Options with their defaults filled in. */
static at_status read_options(at_image_options *o, const at_image_options *given, at_error *err)
{
    const at_status known = AT_OPTIONS(at_image_options, o, given, err);
    if (known != AT_OK) return known;
    if (!o->max_pixels) o->max_pixels = MAX_PIXELS;
    if (!o->max_bytes) o->max_bytes = MAX_BYTES;
    if (o->least_side < 0)
        return at_fail(err, AT_E_INVALID_PARAMETER, "least_side: %d is below 0", o->least_side);
    if (o->official_pixels) {
        o->keep_rotated = 1;
        o->least_side = 0;
    }
    return AT_OK;
}

static at_status decode(const uint8_t *data, size_t size, const char *name,
                        const at_image_options *o, at_image **out, at_error *err)
{
    *out = NULL;
    if (size > o->max_bytes)
        return at_fail(err, AT_E_IMAGE_TOO_LARGE,
                       "%s: %zu bytes, limit %llu; raise with --max-bytes", name, size,
                       (unsigned long long)o->max_bytes);
    const at_decode_job job = {.data = data,
                               .size = size,
                               .name = name,
                               .max_pixels = o->max_pixels,
                               .official_pixels = o->official_pixels != 0,
                               .least_side = o->least_side,
                               .al = o->allocator};
    const at_image_kind kind = at_image_sniff(data, size);
    if (!kind.name)
        return at_fail(err, AT_E_NOT_AN_IMAGE, "%s: not an image (%s)", name, kind.what);
    if (!kind.decode)
        return at_fail(err, AT_E_UNSUPPORTED_IMAGE,
                       "%s: %s are not supported yet (JPEG, PNG%s are); convert it", name,
                       kind.what, ANYTAG_WITH_WEBP ? " and WebP" : "");
    at_decoded d = {.orientation = 1};
    at_status status = kind.decode(&job, &d, err);
    if (status == AT_OK && d.orientation == 0) status = at_no_memory_to_decode(&job, err);
    if (!d.full_width) {
        d.full_width = d.width;
        d.full_height = d.height;
    }
    if (status == AT_OK && !o->keep_rotated) status = at_orient(&d, o->allocator, err);
    at_image *image = status == AT_OK ? at_new(o->allocator, at_image) : NULL;
    if (status == AT_OK && !image) status = at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", name);
    if (image) {
        *image = (at_image){.al = o->allocator,
                            .width = d.width,
                            .height = d.height,
                            .full_width = d.full_width,
                            .full_height = d.full_height,
                            .rgb = d.rgb,
                            .format = kind.name,
                            .orientation = d.orientation,
                            .bytes = size};

        status = at_sha256(data, size, image->sha256, err);
    }
    if (status != AT_OK) {
        at_free(o->allocator, d.rgb);
        at_free(o->allocator, image);
        return status;
    }
    *out = image;
    return AT_OK;
}

at_status at_image_decode(const void *data, size_t size, const char *name,
                          const at_image_options *options, at_image **image, at_error *err)
{
    if (!image || (!data && size))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_image_decode: data and image must not be NULL");
    *image = NULL;
    at_image_options o;
    const at_status known = read_options(&o, options, err);
    if (known != AT_OK) return known;
    return decode(data, size, name ? name : "image", &o, image, err);
}

at_status at_image_read(const char *path, const at_image_options *options, at_image **image,
                        at_error *err)
{
    if (!path || !image)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_image_read: path and image must not be NULL");
    *image = NULL;
    at_image_options o;
    const at_status known = read_options(&o, options, err);
    if (known != AT_OK) return known;
    struct stat st;
    if (stat(path, &st) != 0)
        return at_fail(err, at_status_of_errno(errno), "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return at_fail(err, AT_E_NOT_AN_IMAGE, "%s: a directory, not an image", path);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > o.max_bytes)
        return at_fail(err, AT_E_IMAGE_TOO_LARGE,
                       "%s: %lld bytes, limit %llu; raise with --max-bytes", path,
                       (long long)st.st_size, (unsigned long long)o.max_bytes);
    char *data;
    size_t size;
    at_status status = at_file_read(path, (size_t)o.max_bytes, &data, &size, o.allocator, err);
    if (status == AT_E_BODY_TOO_LARGE)
        status = at_fail(err, AT_E_IMAGE_TOO_LARGE,
                         "%s: more than %llu bytes; raise with --max-bytes", path,
                         (unsigned long long)o.max_bytes);
    if (status != AT_OK) return status;
    status = decode((const uint8_t *)data, size, path, &o, image, err);
    at_free(o.allocator, data);
    return status;
}

at_status at_image_from_rgb(const uint8_t *rgb, int width, int height, size_t stride,
                            const at_image_options *options, at_image **image, at_error *err)
{
    if (!rgb || !image || width < 1 || height < 1 || stride < (size_t)width * 3)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_image_from_rgb: pixels of %d x %d, rows %zu bytes apart", width, height,
                       stride);
    *image = NULL;
    at_image_options o;
    const at_status known = read_options(&o, options, err);
    if (known != AT_OK) return known;
    const at_decode_job job = {.name = "image", .max_pixels = o.max_pixels};
    const at_status status = at_check_pixels(&job, (uint64_t)width, (uint64_t)height, err);
    if (status != AT_OK) return status;
    at_image *i = at_new(o.allocator, at_image);
    uint8_t *copy = at_alloc(o.allocator, (size_t)width * (size_t)height * 3);
    if (!i || !copy) {
        at_free(o.allocator, i);
        at_free(o.allocator, copy);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for an image of %d x %d", width, height);
    }
    for (int y = 0; y < height; y++)
        memcpy(copy + (size_t)y * (size_t)width * 3, rgb + (size_t)y * stride, (size_t)width * 3);
    *i = (at_image){.al = o.allocator,
                    .width = width,
                    .height = height,
                    .full_width = width,
                    .full_height = height,
                    .rgb = copy,
                    .format = "rgb",
                    .orientation = 1};

    *image = i;
    return AT_OK;
}

at_status at_image_crop(const at_image *image, const int box[4], const char *name, at_image **part,
                        at_error *err)
{
    if (!image || !box || !part)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_image_crop: no argument may be NULL");
    *part = NULL;
    const int width = box[2] - box[0], height = box[3] - box[1];
    if (box[0] < 0 || box[1] < 0 || box[0] >= box[2] || box[1] >= box[3] || box[2] > image->width ||
        box[3] > image->height)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%s: crop ends outside the picture (%d x %d)",
                       name ? name : "image", image->width, image->height);
    const size_t stride = 3 * (size_t)image->width;
    return at_image_from_rgb(image->rgb + (size_t)box[1] * stride + 3 * (size_t)box[0], width,
                             height, stride, NULL, part, err);
}

int at_image_width(const at_image *image)
{
    return image->width;
}
int at_image_height(const at_image *image)
{
    return image->height;
}
int at_image_full_width(const at_image *image)
{
    return image->full_width;
}
int at_image_full_height(const at_image *image)
{
    return image->full_height;
}
const uint8_t *at_image_rgb(const at_image *image)
{
    return image->rgb;
}
const char *at_image_format(const at_image *image)
{
    return image->format;
}
int at_image_orientation(const at_image *image)
{
    return image->orientation;
}
const char *at_image_sha256(const at_image *image)
{
    return image->sha256;
}
uint64_t at_image_bytes(const at_image *image)
{
    return image->bytes;
}

void at_image_forget_pixels(at_image *image)
{
    if (!image) return;
    at_free(image->al, image->rgb);
    image->rgb = NULL;
}

void at_image_free(at_image *image)
{
    if (!image) return;
    const at_allocator *al = image->al;
    at_free(al, image->rgb);
    at_free(al, image);
}
