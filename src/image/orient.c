/* orient.c - EXIF orientation: its number from a TIFF block, and turning the pixels by it. */
#include "image/decode.h"

#include <string.h>

static unsigned get(const uint8_t *p, int bytes, bool big)
{
    unsigned v = 0;
    for (int i = 0; i < bytes; i++) v |= (unsigned)p[big ? bytes - 1 - i : i] << (8 * i);
    return v;
}

int at_exif_orientation(const uint8_t *d, size_t size)
{
    if (size >= 6 && memcmp(d, "Exif\0\0", 6) == 0) d += 6, size -= 6;
    if (size < 14 || (memcmp(d, "II", 2) != 0 && memcmp(d, "MM", 2) != 0)) return 1;
    const bool big = d[0] == 'M';
    const size_t ifd = get(d + 4, 4, big);
    if (get(d + 2, 2, big) != 42 || ifd > size - 2) return 1;
    const unsigned n = get(d + ifd, 2, big);
    for (unsigned i = 0; i < n; i++) {
        const size_t at = ifd + 2 + 12 * (size_t)i;
        if (at > size - 12) return 1;
        if (get(d + at, 2, big) != 0x0112) continue;
        const unsigned type = get(d + at + 2, 2, big), v = type == 4 ? get(d + at + 8, 4, big) : get(d + at + 8, 2, big);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
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
