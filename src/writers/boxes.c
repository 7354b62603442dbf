/* boxes.c - what has a map as the boxes of a record. */
#include "anytag/heat.h"
#include "anytag/writer.h"

size_t at_record_boxes(const at_tags *tags, const int area[4], at_record_box *boxes, size_t most)
{
    size_t n = 0;
    for (size_t k = 0; tags && area && boxes && k < at_tags_count(tags); k++) {
        at_heat_map map;
        at_heat_box found[AT_RECORD_BOXES];
        if (!at_tags_heat(tags, at_tags_id(tags, k), &map)) continue;
        const size_t all = at_heat_boxes(&map, area, 0, found, AT_RECORD_BOXES);
        for (size_t b = 0; b < all && b < AT_RECORD_BOXES && n < most; b++)
            boxes[n++] = (at_record_box){.tag = k,
                                         .box = {found[b].x0, found[b].y0, found[b].x1,
                                                 found[b].y1},
                                         .heat = found[b].peak};
    }
    return n;
}
