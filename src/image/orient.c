/* orient.c - EXIF orientation: its number through libexif, and turning the pixels by it. */
#include "image/decode.h"

#include <string.h>

#include <libexif/exif-data.h>

int at_exif_orientation(const uint8_t *d, size_t size)
{
    static const char head[] = {'E', 'x', 'i', 'f', 0, 0}; // JPEG has it, PNG and WebP may not
    enum { MOST = 1 << 20 };
    if (size < 8 || size > MOST) return 1;
    const bool there = memcmp(d, head, sizeof head) == 0;
    uint8_t *block = at_alloc(NULL, sizeof head + size);
    ExifData *exif = block ? exif_data_new() : NULL;
    int orientation = 1;
    if (exif) {
        memcpy(block, head, sizeof head);
        memcpy(block + (there ? 0 : sizeof head), d, size);
        exif_data_unset_option(exif, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION); // read, do not mend
        exif_data_load_data(exif, block, (unsigned)(size + (there ? 0 : sizeof head)));
        const ExifEntry *e = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
        if (e && e->format == EXIF_FORMAT_SHORT && e->size >= 2)
            orientation = exif_get_short(e->data, exif_data_get_byte_order(exif));
        exif_data_unref(exif);
    }
    at_free(NULL, block);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

at_status at_orient(at_decoded *out, const at_allocator *al, at_error *err)
{
    const int o = out->orientation, w = out->width, h = out->height;
    if (o <= 1 || o > 8) return AT_OK;
    const bool swap = o >= 5;
    const bool flip_x = o == 2 || o == 3 || o == 7 || o == 8; // of the source column
    const bool flip_y = o == 3 || o == 4 || o == 6 || o == 7; // of the source row
    const int ow = swap ? h : w, oh = swap ? w : h;
    uint8_t *to = at_alloc(al, (size_t)ow * (size_t)oh * 3);
    if (!to) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory to turn an image of %d x %d", w, h);
    for (int y = 0; y < oh; y++) {
        uint8_t *row = to + (size_t)y * (size_t)ow * 3;
        for (int x = 0; x < ow; x++) {
            const int sx0 = swap ? y : x, sy0 = swap ? x : y;
            const int sx = flip_x ? w - 1 - sx0 : sx0, sy = flip_y ? h - 1 - sy0 : sy0;
            memcpy(row + 3 * (size_t)x, out->rgb + ((size_t)sy * (size_t)w + (size_t)sx) * 3, 3);
        }
    }
    at_free(al, out->rgb);
    out->rgb = to;
    out->width = ow;
    out->height = oh;
    return AT_OK;
}
