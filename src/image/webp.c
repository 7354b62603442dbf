/* webp.c - still WebP, lossy and lossless, through libwebp. */
#include "image/decode.h"

#if ANYTAG_WITH_WEBP

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

static size_t le32(const uint8_t *p)
{
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* The EXIF chunk of the RIFF container. */
static int orientation(const uint8_t *d, size_t size)
{
    for (size_t at = 12; size >= 8 && at <= size - 8;) {
        const size_t n = le32(d + at + 4), rest = size - at - 8;
        if (n > rest) return 1;
        if (memcmp(d + at, "EXIF", 4) == 0) return at_exif_orientation(d + at + 8, n);
        at += 8 + n + (n & 1);
    }
    return 1;
}

/* libwebp calls some failures of malloc damage, or a wrong call: is there as much as a decoder may need,
 * 8 bytes a pixel? */
static bool no_memory_for(const WebPBitstreamFeatures *f)
{
    void *volatile probe = malloc(8 * (size_t)f->width * (size_t)f->height + (1 << 20));
    const bool none = !probe;
    free(probe);
    return none;
}

static at_status failed(const at_decode_job *job, const WebPBitstreamFeatures *f,
                        VP8StatusCode code, at_error *err)
{
    if (no_memory_for(f)) code = VP8_STATUS_OUT_OF_MEMORY;
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return at_no_memory_to_decode(job, err);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return at_damaged_image(job, "it ends too early", err);
    default: return at_damaged_image(job, "its data cannot be decoded", err);
    }
}

at_status at_decode_webp(const at_decode_job *job, at_decoded *out, at_error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return at_fail(err, AT_E_INTERNAL, "another libwebp");
    const VP8StatusCode found = WebPGetFeatures(job->data, job->size, &config.input);
    if (found != VP8_STATUS_OK) return failed(job, &config.input, found, err);
    const WebPBitstreamFeatures f = config.input;
    const at_status status = at_check_pixels(job, (uint64_t)f.width, (uint64_t)f.height, err);
    if (status != AT_OK) return status;
    if (f.has_animation)
        return at_fail(
            err, AT_E_UNSUPPORTED_IMAGE,
            "%s: an animated WebP; only still pictures are read, extract a frame (webpmux -get frame 1)",
            job->name);
    const size_t stride = (size_t)f.width * 3, bytes = stride * (size_t)f.height;
    out->rgb = at_alloc(job->al, bytes);
    if (!out->rgb)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for %d x %d pixels", job->name,
                       f.width, f.height);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){.rgba = out->rgb, .stride = (int)stride, .size = bytes};
    const VP8StatusCode code = WebPDecode(job->data, job->size, &config);
    if (code != VP8_STATUS_OK) {
        at_free(job->al, out->rgb);
        out->rgb = NULL;
        return failed(job, &f, code, err);
    }
    out->width = f.width;
    out->height = f.height;
    out->orientation = orientation(job->data, job->size);
    return AT_OK;
}

#else

typedef int at_webp_is_off; // a translation unit must not be empty

#endif
