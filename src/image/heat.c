/* heat.c - a map of cells at a picture's size: grey, colours over the picture, boxes. */
#include "anytag/heat.h"
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

/* Violet, red, yellow: OKLab lightness 0.28 to 0.95 in steps that differ by 3 %, hue 290 to 470 degrees, as
 * much chroma as sRGB has there (at most 0.22). Lightness alone orders the colours, whatever eyes see. */
static const uint8_t colours[][3] = {
    {46, 4, 109},   {68, 5, 119},   {92, 7, 126},   {117, 9, 128},  {142, 10, 125}, {168, 12, 119},
    {193, 16, 109}, {216, 27, 94},  {235, 47, 74},  {248, 75, 50},  {252, 107, 35}, {253, 135, 38},
    {253, 160, 49}, {253, 182, 63}, {254, 204, 72}, {254, 225, 62}, {247, 249, 58},
};

/* Between which two cells a place lies; `at` counts cells from the first one's edge. */
typedef struct between {
    int low, high;
    float part; // of high
} between;

static between between_of(float at, int n)
{
    const float middle = at - 0.5f;
    if (middle <= 0) return (between){0, 0, 0};
    const int low = (int)middle;
    if (low >= n - 1) return (between){n - 1, n - 1, 0};
    return (between){low, low + 1, middle - (float)low};
}

/* The map between the middles of four cells, of its maximum: 0..1. */
static float warmth(const at_heat_map *m, between y, between x)
{
    if (!(m->max > 0)) return 0;
    const float *a = m->cells + (ptrdiff_t)y.low * m->cols,
                *b = m->cells + (ptrdiff_t)y.high * m->cols;
    const float top = a[x.low] + (a[x.high] - a[x.low]) * x.part;
    const float low = b[x.low] + (b[x.high] - b[x.low]) * x.part;
    const float v = (top + (low - top) * y.part) / m->max;
    return v > 0 ? v < 1 ? v : 1 : 0;
}

typedef struct place {
    int x0, y0, x1, y1;
} place;

static at_status place_of(int width, int height, const int area[4], place *p, at_error *err)
{
    *p = (place){0, 0, width, height};
    if (area) *p = (place){area[0], area[1], area[2], area[3]};
    if (width < 1 || height < 1 || p->x0 < 0 || p->y0 < 0 || p->x0 >= p->x1 || p->y0 >= p->y1 ||
        p->x1 > width || p->y1 > height)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "a map's area %d,%d,%d,%d is empty or outside %d x %d", p->x0, p->y0, p->x1,
                       p->y1, width, height);
    return AT_OK;
}

static between at_pixel(int i, int from, int to, int cells)
{
    return between_of(((float)(i - from) + 0.5f) * (float)cells / (float)(to - from), cells);
}

at_status at_heat_grey(const at_heat_map *map, int width, int height, const int area[4],
                       uint8_t *grey, at_error *err)
{
    place p;
    if (!map || !grey)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_heat_grey: map and grey must not be NULL");
    const at_status status = place_of(width, height, area, &p, err);
    if (status != AT_OK) return status;
    memset(grey, 0, (size_t)width * (size_t)height);
    for (int y = p.y0; y < p.y1; y++) {
        uint8_t *row = grey + (size_t)y * (size_t)width;
        const between by = at_pixel(y, p.y0, p.y1, map->rows);
        for (int x = p.x0; x < p.x1; x++)
            row[x] = (uint8_t)(255 * warmth(map, by, at_pixel(x, p.x0, p.x1, map->cols)) + 0.5f);
    }
    return AT_OK;
}

/* One pixel: the hotter, the less is left of the picture. */
static void lay_over(uint8_t *rgb, float warm, float opacity)
{
    enum { LAST = (int)(sizeof colours / sizeof *colours) - 1 };
    const float at = warm * LAST;
    const int low = at < LAST ? (int)at : LAST - 1;
    const float part = at - (float)low, cover = opacity * (warm < 0.5f ? 2 * warm : 1);
    for (int c = 0; c < 3; c++) {
        const float colour = (float)colours[low][c] +
                             (float)(colours[low + 1][c] - colours[low][c]) * part;
        rgb[c] = (uint8_t)((float)rgb[c] + (colour - (float)rgb[c]) * cover + 0.5f);
    }
}

at_status at_heat_overlay(const at_image *image, const int area[4], const at_heat_map *map,
                          float opacity, uint8_t *rgb, at_error *err)
{
    place p;
    if (!image || !map || !rgb || !image->rgb || !(opacity >= 0 && opacity <= 1))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "at_heat_overlay: an image with its pixels, a map, and an opacity in 0..1");
    const at_status status = place_of(image->width, image->height, area, &p, err);
    if (status != AT_OK) return status;
    memcpy(rgb, image->rgb, (size_t)image->width * (size_t)image->height * 3);
    for (int y = p.y0; y < p.y1; y++) {
        uint8_t *row = rgb + (size_t)y * (size_t)image->width * 3;
        const between by = at_pixel(y, p.y0, p.y1, map->rows);
        for (int x = p.x0; x < p.x1; x++)
            lay_over(row + 3 * (ptrdiff_t)x, warmth(map, by, at_pixel(x, p.x0, p.x1, map->cols)),
                     opacity);
    }
    return AT_OK;
}

/* --- boxes: the map five times as fine, what is warm and connected ------------------------------------- */

enum {
    FINE = 5,
    SIDE_MOST = 64
}; // places a cell, odd: one is its middle; cells a side, more than any model has

typedef struct fine {
    int rows, cols;
    uint8_t warm[FINE * SIDE_MOST * FINE * SIDE_MOST]; // 1: warm and not visited
    int todo[FINE * SIDE_MOST * FINE * SIDE_MOST];     // places to visit
    float value[FINE * SIDE_MOST * FINE * SIDE_MOST];
} fine;

/* All that is connected with place `start` by sides; in places. */
static at_heat_box spread(fine *f, int start)
{
    at_heat_box b = {.x0 = f->cols, .y0 = f->rows};
    int n = 0;
    f->todo[n++] = start;
    f->warm[start] = 0;
    while (n) {
        const int at = f->todo[--n], y = at / f->cols, x = at % f->cols;
        if (x < b.x0) b.x0 = x;
        if (y < b.y0) b.y0 = y;
        if (x >= b.x1) b.x1 = x + 1;
        if (y >= b.y1) b.y1 = y + 1;
        if (f->value[at] > b.peak) b.peak = f->value[at];
        const int next[4] = {x > 0 ? at - 1 : -1, x + 1 < f->cols ? at + 1 : -1,
                             y > 0 ? at - f->cols : -1, y + 1 < f->rows ? at + f->cols : -1};
        for (int k = 0; k < 4; k++) {
            if (next[k] < 0 || !f->warm[next[k]]) continue;
            f->warm[next[k]] = 0;
            f->todo[n++] = next[k];
        }
    }
    return b;
}

/* Places to pixels, outward to whole ones. */
static at_heat_box in_pixels(at_heat_box b, const fine *f, const int area[4])
{
    const long w = area[2] - area[0], h = area[3] - area[1];
    return (at_heat_box){.x0 = area[0] + (int)(b.x0 * w / f->cols),
                         .y0 = area[1] + (int)(b.y0 * h / f->rows),
                         .x1 = area[0] + (int)((b.x1 * w + f->cols - 1) / f->cols),
                         .y1 = area[1] + (int)((b.y1 * h + f->rows - 1) / f->rows),
                         .peak = b.peak};
}

size_t at_heat_boxes(const at_heat_map *map, const int area[4], float share, at_heat_box *boxes,
                     size_t most)
{
    if (!map || !area || !(map->max > 0) || map->rows > SIDE_MOST || map->cols > SIDE_MOST)
        return 0;
    fine *f = calloc(1, sizeof *f);
    if (!f) return 0;
    const float limit = share > 0 ? share : 0.4f;
    f->rows = FINE * map->rows;
    f->cols = FINE * map->cols;
    for (int i = 0; i < f->rows * f->cols; i++) {
        f->value[i] = warmth(map, at_pixel(i / f->cols, 0, f->rows, map->rows),
                             at_pixel(i % f->cols, 0, f->cols, map->cols));
        f->warm[i] = f->value[i] >= limit;
    }
    size_t n = 0;
    for (int i = 0; i < f->rows * f->cols; i++) {
        if (!f->warm[i]) continue;
        const at_heat_box b = in_pixels(spread(f, i), f, area);
        size_t at = n < most ? n : most; // those with a lower peak move back, the last may fall out
        while (at && boxes[at - 1].peak < b.peak) {
            if (at < most) boxes[at] = boxes[at - 1];
            at--;
        }
        if (at < most) boxes[at] = b;
        n++;
    }
    free(f);
    return n;
}
