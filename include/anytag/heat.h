/* anytag/heat.h - where in the picture was a tag seen?
 *
 *     at_tag_options o = {.struct_size = sizeof o, .heat = AT_HEAT_FOUND};
 *     if (at_session_tag(session, image, &o, &tags, &err) != AT_OK) return complain(err.text);
 *     for (size_t i = 0; i < at_tags_count(tags); i++) {
 *         at_heat_map map;
 *         if (at_tags_heat(tags, at_tags_id(tags, i), &map))
 *             at_heat_overlay(image, NULL, &map, 0.6f, rgb, &err);
 *     }
 *
 * A map has one value for each cell of the model's last stage (7 x 7 in the small model, 12 x 12 at
 * 384 px), in logits: how far the tag's logit falls when the cell and those around it are hidden from
 * both layers of the tag head. It is occlusion (Zeiler and Fergus, arXiv 1311.2901, section 4.2), on
 * tokens, so that the backbone runs once:
 *
 *     map[c] = mean over r of (z - z[hidden: cells within r rows and columns of c])
 *
 * with r = 0, 1/7 and 2/7 of the side, rounded. Every layer and head takes part as it does in tagging;
 * softmax runs over what is not hidden; the mean token in front of the cells is never hidden and has no
 * place in the map. Nothing is normalised: maps of two tags can be compared, and a value below 0 says
 * that the cell spoke against the tag. No detector is asked: a map is coarse, says which part of the
 * picture decided, and joins things of one kind that stand side by side. docs/heatmap.md has figures. */
#ifndef ANYTAG_HEAT_H
#define ANYTAG_HEAT_H

#include "anytag/image.h"
#include "anytag/tag.h"

AT_C_BEGIN

/* Row 0 is the top of what the model saw: of the picture, or of the part that was cut out of it. */
typedef struct at_heat_map {
    const float *cells; /* [rows, cols], borrowed from the at_tags */
    int rows, cols;
    float max; /* the largest value, 0 when none is above 0 */
} at_heat_map;

/* 1 and the map of a tag, by its key (at_tags_id()); 0 when it was not asked for. */
AT_API int at_tags_heat(const at_tags *tags, size_t id, at_heat_map *map);

/* The map at a picture's size: 255 is map->max, 0 is 0 and below, bilinear between the middles of the
 * cells.
 *   area  x0, y0, x1, y1 in px: where the map lies in the picture, outside it is 0; NULL: all of it
 *   grey  [height, width], written
 * AT_E_INVALID_PARAMETER: the area is empty or ends outside. Safe from any thread, as all below. */
AT_API at_status at_heat_grey(const at_heat_map *map, int width, int height, const int area[4],
                              uint8_t *grey, at_error *err);
/* The picture with the map laid over it: dark violet to pale yellow, lightness rising evenly, so that it
 * can be read without colour; cold parts stay as they are.
 *   opacity  of the hottest part, 0..1       rgb  [height, width, 3] of the image, written */
AT_API at_status at_heat_overlay(const at_image *image, const int area[4], const at_heat_map *map,
                                 float opacity, uint8_t *rgb, at_error *err);

/* Boxes around what is warmer than `share` of the maximum, the hottest first. */
typedef struct at_heat_box {
    int x0, y0, x1, y1; /* px, x1 and y1 just outside */
    float peak;         /* its hottest place as a share of the map's maximum, (0, 1] */
} at_heat_box;
/*   share  (0, 1); 0: 0.4         area  as above, never NULL
 *   boxes  [most], written        returns how many there are; 0 for a map without anything above 0 */
AT_API size_t at_heat_boxes(const at_heat_map *map, const int area[4], float share,
                            at_heat_box *boxes, size_t most);

/* A PNG of 8-bit pixels.   pixels [height, width, channels], channels 1 (grey) or 3 (RGB)
 *   png returns, at_buffer_free(); size its length in bytes
 * AT_E_INVALID_PARAMETER, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_png_encode(const uint8_t *pixels, int width, int height, int channels,
                               void **png, size_t *size, at_error *err);

AT_C_END
#endif
