/* map.h - a file mapped read-only. */
#ifndef AT_BASE_MAP_H
#define AT_BASE_MAP_H

#include "base/base.h"

typedef struct at_map {
    const uint8_t *data; // NULL for an empty file
    size_t size;
    bool owned; // false: memory somebody else holds (the model in the box)
} at_map;

/* Maps a regular file. AT_E_NOT_FOUND, AT_E_OUT_OF_MEMORY; the text names the path and the reason. */
at_status at_map_open(at_map *map, const char *path, at_error *err);
void at_map_close(at_map *map); // a zeroed one is fine
/* Says that [offset, offset + size) will not be read soon: whole pages inside leave our resident
 * memory and come back from the file when touched again. Never fails. */
void at_map_drop(const at_map *map, size_t offset, size_t size);
/* Says that it will be: whole pages around it are read ahead, if they are not in the page cache. Never fails. */
void at_map_need(const at_map *map, size_t offset, size_t size);

#endif
