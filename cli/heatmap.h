/* heatmap.h - maps of where tags were seen, beside the results of anytag tag. */
#ifndef ANYTAG_CLI_HEATMAP_H
#define ANYTAG_CLI_HEATMAP_H

#include "done.h"
#include "files.h"
#include "tag.h"

typedef struct tag_heat tag_heat;

/* What --heatmap, --heatmap-tags, --heatmap-raw and --boxes-from-heatmap ask; setup->tags gets it too and borrows.
 * *heat NULL: nothing. 0 or an exit code. */
int tag_heat_open(tag_heat **heat, const cli_options *o, const at_model *model, tag_setup *setup);
void tag_heat_close(tag_heat *h); // NULL is fine
/* Where the maps of picture i go, freed by the caller; NULL: nowhere. Each picture is to be asked for, in any
 * order and from any thread: it waits until those before it have their names. `h` may be NULL. */
char *tag_heat_folder(tag_heat *h, cli_files *files, size_t i);
/* The maps of a picture into its folder. From any thread. */
at_status tag_heat_write(const tag_heat *h, const char *folder, const at_image *image,
                         const at_model *model, const at_tags *tags, at_error *err);
/* Boxes of a picture's tags, hottest first within a tag; freed by the caller. `h` may be NULL. */
size_t tag_heat_boxes(const tag_heat *h, const at_image *image, const at_tags *tags,
                      at_record_box **boxes);

#endif
