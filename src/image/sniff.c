/* sniff.c - what a file is, by its first bytes. */
#include "image/decode.h"

#include <string.h>

#if ANYTAG_WITH_WEBP
#define WEBP at_decode_webp
#else
#define WEBP NULL
#endif

typedef struct magic {
    const char *bytes; // '?' stands for any byte
    size_t size;
    at_image_kind kind;
} magic;

// clang-format off
#define M(bytes, ...) {bytes, sizeof(bytes) - 1, {__VA_ARGS__}}
static const magic pictures[] = {
    M("\xff\xd8\xff", "jpeg", "JPEG pictures", at_decode_jpeg),
    M("\x89PNG\r\n\x1a\n", "png", "PNG pictures", at_decode_png),
    M("RIFF????WEBP", "webp", "WebP pictures", WEBP),
    M("GIF87a", "gif", "GIF pictures", NULL),
    M("GIF89a", "gif", "GIF pictures", NULL),
    M("BM", "bmp", "BMP pictures", NULL),
    M("II*\0", "tiff", "TIFF and camera raw pictures", NULL),
    M("MM\0*", "tiff", "TIFF and camera raw pictures", NULL),
    M("II+\0", "tiff", "BigTIFF pictures", NULL),
    M("MM\0+", "tiff", "BigTIFF pictures", NULL),
    M("????ftypavi", "avif", "AVIF pictures", NULL), // avif, avis
    M("????ftyphe", "heif", "HEIF pictures", NULL), // heic heix heim heis hevc hevx hevm hevs
    M("????ftypcrx ", "raw", "camera raw pictures (CR3)", NULL),
    M("\0\0\0\x0cjP  \r\n\x87\n", "jp2", "JPEG 2000 pictures", NULL),
    M("\xff\x4f\xff\x51", "jp2", "JPEG 2000 pictures", NULL),
    M("\0\0\0\x0cJXL ", "jxl", "JPEG XL pictures", NULL),
    M("\xff\x0a", "jxl", "JPEG XL pictures", NULL),
    M("8BPS", "psd", "Photoshop pictures", NULL),
    M("\0\0\1\0", "ico", "icons", NULL),
    M("%PDF-", "pdf", "PDF documents", NULL),
};
static const magic others[] = {
    M("PK\3\4", NULL, "a zip archive", NULL),
    M("\x1f\x8b", NULL, "a gzip file", NULL),
    M("????ftyp", NULL, "a video", NULL),
    M("\x1a\x45\xdf\xa3", NULL, "a video", NULL),
    M("RIFF????AVI ", NULL, "a video", NULL),
    M("RIFF????WAVE", NULL, "a sound", NULL),
    M("RIFF", NULL, "a RIFF file", NULL),
    M("\x7f" "ELF", NULL, "a program", NULL),
    M("GGUF", NULL, "a model file", NULL),
    M("<?xml", NULL, "an XML file", NULL),
    M("<!DOCTYPE", NULL, "a web page", NULL),
    M("<html", NULL, "a web page", NULL),
};
// clang-format on

static bool begins(const uint8_t *data, size_t size, const char *bytes, size_t n)
{
    if (size < n) return false;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '?' && data[i] != (uint8_t)bytes[i]) return false;
    }
    return true;
}

static const magic *find(const magic *list, size_t n, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        if (begins(data, size, list[i].bytes, list[i].size)) return &list[i];
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

/* ISO 23008-12: the brands mif1 and msf1 say "a picture"; which codec is among those behind them. */
static at_image_kind kind_of_mif1(const uint8_t *data, size_t size)
{
    const size_t box = (size_t)data[2] << 8 | data[3]; // 64 KiB of brands are enough
    for (size_t at = 16; at + 4 <= at_min_size(box, size); at += 4) {
        if (memcmp(data + at, "avi", 3) == 0)
            return (at_image_kind){.name = "avif", .what = "AVIF pictures"};
    }
    return (at_image_kind){.name = "heif", .what = "HEIF pictures"};
}

/* XML whose first element is <svg, behind a byte order mark, blanks, a declaration and comments. */
static bool is_svg(const uint8_t *data, size_t size)
{
    if (begins(data, size, "\xef\xbb\xbf", 3)) {
        data += 3;
        size -= 3;
    }
    for (size_t i = 0, n = at_min_size(size, 4096); i + 4 <= n; i++) {
        if (memchr(" \t\r\n]>", data[i], 6)) continue; // the last two: of a DOCTYPE
        if (begins(data + i, n - i, "<svg", 4)) return true;
        const bool comment = begins(data + i, n - i, "<!--", 4);
        if (data[i] != '<' || (data[i + 1] != '!' && data[i + 1] != '?')) return false;
        while (i < n && !(data[i] == '>' && (!comment || memcmp(data + i - 2, "--", 2) == 0)))
            i++;
    }
    return false;
}

at_image_kind at_image_sniff(const uint8_t *data, size_t size)
{
    if (size == 0) return (at_image_kind){.what = "an empty file"};
    if (begins(data, size, "????ftypmif1", 12) || begins(data, size, "????ftypmsf1", 12))
        return kind_of_mif1(data, size);
    if (is_svg(data, size)) return (at_image_kind){.name = "svg", .what = "SVG drawings"};
    const bool text = looks_like_text(data, size);
    const bool bitmap = size > 2 && data[0] == 'B' && text; // "BM..." may begin a text
    const magic *m = bitmap ? NULL : find(pictures, AT_COUNT(pictures), data, size);
    if (!m) m = find(others, AT_COUNT(others), data, size);
    if (m) return m->kind;
    return (at_image_kind){.what = text ? "a text file" : "unknown content"};
}
