/* image.h - inside the image room: what an at_image is, and the resize the models need. */
#ifndef AT_IMAGE_IMAGE_H
#define AT_IMAGE_IMAGE_H

#include "anytag/image.h"
#include "base/base.h"

struct at_image {
    const at_allocator *al;
    int width, height;           // px of rgb, upright
    int full_width, full_height; // px of the file, upright
    uint8_t *rgb;                // [height, width, 3]
    const char *format;          // static
    int orientation;             // as found, 1..8
    uint64_t bytes;              // encoded
    char sha256[65];
};

/* Pillow 12's resize(BILINEAR) of [h, w, 3] bytes to [out_h, out_w, 3], bit for bit: triangle filter
 * whose support grows when shrinking, fixed point 22 - 8 bits, horizontal pass first, each pass
 * rounded to 8 bits. AT_E_OUT_OF_MEMORY. */
at_status at_resize_bilinear(const uint8_t *src, int w, int h, uint8_t *dst, int out_w, int out_h,
                             const at_allocator *al, at_error *err);

/* y[out, out, 3] = (v / 255 - mean) / std in float32, the order of torchvision's ToTensor and
 * Normalize (div, sub, div; each rounded). */
void at_normalise(const uint8_t *rgb, size_t pixels, const float mean[3], const float std[3],
                  float *y);

/* Bytes that the caller gets and frees with at_buffer_free(): they begin AT_BUFFER_HEAD behind the start of a
 * block of `al`, which becomes theirs. buffer.c */
enum { AT_BUFFER_HEAD = AT_ALIGN };
void *at_buffer_of(void *block, const at_allocator *al);

#endif
