/* sniff.c - what a file is, by its first bytes. */
#include "image/decode.h"

#include <string.h>

#if ANYTAG_WITH_WEBP
#define WEBP at_decode_webp
#else
#define WEBP NULL
#endif

typedef struct magic {
    size_t offset;
    const char *bytes;
    size_t size;
    at_image_kind kind;
} magic;

#define M(offset, bytes, ...)             \
    {                                     \
        offset, bytes, sizeof(bytes) - 1, \
        {                                 \
            __VA_ARGS__                   \
        }                                 \
    }
static const magic pictures[] = {
    M(0, "\xff\xd8\xff", "jpeg", "JPEG", at_decode_jpeg),
    M(0, "\x89PNG\r\n\x1a\n", "png", "PNG", at_decode_png),
    M(8, "WEBP", "webp", "WebP", WEBP),
    M(0, "GIF87a", "gif", "GIF", NULL),
    M(0, "GIF89a", "gif", "GIF", NULL),
    M(0, "BM", "bmp", "BMP", NULL),
    M(0, "II*\0", "tiff", "TIFF or camera raw", NULL),
    M(0, "MM\0*", "tiff", "TIFF or camera raw", NULL),
    M(4, "ftypavif", "avif", "AVIF", NULL),
    M(4, "ftypheic", "heif", "HEIF", NULL),
    M(4, "ftypheix", "heif", "HEIF", NULL),
    M(4, "ftypmif1", "heif", "HEIF", NULL),
    M(0, "\0\0\0\x0cJXL ", "jxl", "JPEG XL", NULL),
    M(0, "\xff\x0a", "jxl", "JPEG XL", NULL),
    M(0, "8BPS", "psd", "Photoshop", NULL),
    M(0, "\0\0\1\0", "ico", "icon", NULL),
};
static const magic others[] = {
    M(0, "%PDF", NULL, "a PDF document", NULL),
    M(0, "PK\3\4", NULL, "a zip archive", NULL),
    M(0, "\x1f\x8b", NULL, "a gzip file", NULL),
    M(0, "<svg", NULL, "an SVG drawing", NULL),
    M(4, "ftyp", NULL, "a video", NULL),
    M(0, "\x1a\x45\xdf\xa3", NULL, "a video", NULL),
    M(0, "RIFF", NULL, "a RIFF file", NULL),
    M(0,
      "\x7f"
      "ELF",
      NULL, "a program", NULL),
    M(0, "GGUF", NULL, "a model file", NULL),
    M(0, "<?xml", NULL, "an XML file", NULL),
    M(0, "<!DOCTYPE", NULL, "a web page", NULL),
    M(0, "<html", NULL, "a web page", NULL),
};

static const magic *find(const magic *list, size_t n, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        if (size >= list[i].offset + list[i].size &&
            memcmp(data + list[i].offset, list[i].bytes, list[i].size) == 0)
            return &list[i];
    }
    return NULL;
}

static bool looks_like_text(const uint8_t *data, size_t size)
{
    const size_t n = at_min_size(size, 512);
    for (size_t i = 0; i < n; i++) {
        if (data[i] < 32 && !memchr("\t\n\r\f\x1b", data[i], 5)) return false;
    }
    return true;
}

at_image_kind at_image_sniff(const uint8_t *data, size_t size)
{
    if (size == 0) return (at_image_kind){.what = "an empty file"};
    const bool bitmap = size > 2 && data[0] == 'B' &&
                        looks_like_text(data, size); // "BM..." may begin a text
    const magic *m = bitmap ? NULL : find(pictures, AT_COUNT(pictures), data, size);
    if (!m) m = find(others, AT_COUNT(others), data, size);
    if (m) return m->kind;
    return (at_image_kind){.what = looks_like_text(data, size) ? "a text file" : "unknown content"};
}
