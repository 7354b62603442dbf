/* orient.c - EXIF orientation: its number through libexif, and turning the pixels by it. */
#include "image/decode.h"

#include <stdlib.h>
#include <string.h>

#include <libexif/exif-data.h>

/* libexif's memory has no user pointer, and where there is none it goes on without the entry. */
static _Thread_local bool no_memory;
static void *noticed(void *ptr)
{
    if (!ptr) no_memory = true;
    return ptr;
}
static void *take(ExifLong size)
{
    return noticed(calloc(1, size ? size : 1));
}
static void *retake(void *ptr, ExifLong size)
{
    return noticed(realloc(ptr, size ? size : 1));
}

static int orientation_of(ExifMem *mem, const uint8_t *block, size_t size)
{
    ExifData *exif = exif_data_new_mem(mem);
    if (!exif) return 1;
    exif_data_unset_option(exif, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION); // read, do not mend
    exif_data_load_data(exif, block, (unsigned)size);
    int orientation = 1;
    const ExifEntry *e = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (e && e->format == EXIF_FORMAT_SHORT && e->size >= 2)
        orientation = exif_get_short(e->data, exif_data_get_byte_order(exif));
    exif_data_unref(exif);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

int at_exif_orientation(const uint8_t *d, size_t size)
{
    static const char head[] = {'E', 'x', 'i', 'f', 0, 0}; // JPEG has it, PNG and WebP may not
    enum { MOST = 1 << 20 };
    if (size < 8 || size > MOST) return 1;
    const size_t skip = memcmp(d, head, sizeof head) == 0 ? sizeof head : 0;
    no_memory = false;
    int orientation = 1;
    uint8_t *block = noticed(at_alloc(NULL, sizeof head + size));
    ExifMem *mem = noticed(exif_mem_new(take, retake, free));
    if (block && mem) {
        memcpy(block, head, sizeof head);
        memcpy(block + sizeof head, d + skip, size - skip);
        orientation = orientation_of(mem, block, sizeof head + size - skip);
    }
    if (mem) exif_mem_unref(mem);
    at_free(NULL, block);
    return no_memory ? 0 : orientation;
}

at_status at_orient(at_decoded *out, const at_allocator *al, at_error *err)
{
    enum { TILE = 32 }; // px: a column of the source is read while its lines are in the cache
    const int o = out->orientation;
    const size_t w = (size_t)out->width, h = (size_t)out->height;
    if (o <= 1 || o > 8) return AT_OK;
    const bool swap = o >= 5;
    const bool flip_x = o == 2 || o == 3 || o == 7 || o == 8; // of the source column
    const bool flip_y = o == 3 || o == 4 || o == 6 || o == 7; // of the source row
    const size_t ow = swap ? h : w, oh = swap ? w : h;
    uint8_t *to = at_alloc(al, ow * oh * 3);
    if (!to)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory to turn an image of %zu x %zu", w, h);
    // where the source goes when a column or a row of the result is passed
    const ptrdiff_t column = flip_x ? -3 : 3, row = (ptrdiff_t)(w * 3) * (flip_y ? -1 : 1);
    const ptrdiff_t dx = swap ? row : column, dy = swap ? column : row;
    const uint8_t *first = out->rgb + (flip_y ? (h - 1) * w * 3 : 0) + (flip_x ? (w - 1) * 3 : 0);
    for (size_t y0 = 0; y0 < oh; y0 += TILE) {
        for (size_t x0 = 0; x0 < ow; x0 += TILE) {
            const size_t y1 = at_min_size(y0 + TILE, oh), x1 = at_min_size(x0 + TILE, ow);
            for (size_t y = y0; y < y1; y++) {
                const uint8_t *from = first + (ptrdiff_t)y * dy + (ptrdiff_t)x0 * dx;
                uint8_t *at = to + (y * ow + x0) * 3;
                for (size_t x = x0; x < x1; x++, at += 3, from += dx) {
                    at[0] = from[0];
                    at[1] = from[1];
                    at[2] = from[2];
                }
            }
        }
    }
    at_free(al, out->rgb);
    out->rgb = to;
    out->width = (int)ow;
    out->height = (int)oh;
    if (swap) {
        const int across = out->full_width;
        out->full_width = out->full_height;
        out->full_height = across;
    }
    return AT_OK;
}
