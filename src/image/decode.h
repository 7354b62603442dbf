/* decode.h - one decoder a format: encoded bytes in, upright-or-not RGB out. */
#ifndef AT_IMAGE_DECODE_H
#define AT_IMAGE_DECODE_H

#include "image/image.h"

/* What a decoder fills. Everything is the room's own memory (`al`). */
typedef struct at_decoded {
    int width, height;           // of rgb
    int full_width, full_height; // of the file; 0: the same
    uint8_t *rgb;                // [height, width, 3], at_free
    int orientation; // EXIF, 1..8; 1 when there is none, 0 when there was no memory to read it
} at_decoded;

typedef struct at_decode_job {
    const uint8_t *data;
    size_t size;
    const char *name; // for messages
    uint64_t max_pixels;
    bool official_pixels;
    int least_side; // both sides keep it when decoded smaller; 0: decode whole
    const at_allocator *al;
} at_decode_job;

/* NULL rgb on failure. The size is checked with at_check_pixels() before memory is taken. */
at_status at_decode_jpeg(const at_decode_job *job, at_decoded *out, at_error *err);
at_status at_decode_png(const at_decode_job *job, at_decoded *out, at_error *err);
at_status at_decode_webp(const at_decode_job *job, at_decoded *out, at_error *err);

typedef struct at_image_kind {
    const char *name; // "jpeg"; NULL: not an image
    const char *what; // for people: "a text file", or of images the plural, "HEIF pictures"
    at_status (*decode)(const at_decode_job *job, at_decoded *out,
                        at_error *err); // NULL: not read here
} at_image_kind;
at_image_kind at_image_sniff(const uint8_t *data, size_t size);

/* AT_E_IMAGE_TOO_LARGE, AT_E_DAMAGED_IMAGE (a side of 0). */
at_status at_check_pixels(const at_decode_job *job, uint64_t width, uint64_t height, at_error *err);
at_status at_no_memory_to_decode(const at_decode_job *job, at_error *err);
at_status at_damaged_image(const at_decode_job *job, const char *why, at_error *err);
/* Orientation of an EXIF block, with or without its "Exif" head, 1..8; 1 when it has none or is damaged,
 * 0 when there was no memory. */
int at_exif_orientation(const uint8_t *data, size_t size);
/* Turns out->rgb upright by its orientation; swaps sides for 5..8. AT_E_OUT_OF_MEMORY. */
at_status at_orient(at_decoded *out, const at_allocator *al, at_error *err);

#endif
