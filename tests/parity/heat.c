/* heat.c - parity_heat MODEL PICTURE ID...: the maps of these tags to stdout, a line "rows cols", then the floats
 * of all. What test_heat.py compares with the reference. */
#include "anytag.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    at_model *model = NULL;
    at_session *session = NULL;
    at_image *image = NULL;
    at_tags *tags = NULL;
    at_error err = {0};
    size_t ids[256], n = 0;
    for (int i = 3; i < argc && n < 256; i++)
        ids[n++] = strtoul(argv[i], NULL, 10);
    const at_tag_options o = {
        .struct_size = sizeof o, .heat = AT_HEAT_IDS, .heat_ids = ids, .n_heat = n};
    const at_image_options official = {.struct_size = sizeof official, .official_pixels = 1};
    at_status status = argc < 4 ? AT_E_INVALID_PARAMETER
                                : at_model_open(argv[1], NULL, &model, &err);
    if (status == AT_OK) status = at_session_open(model, NULL, &session, &err);
    if (status == AT_OK) status = at_image_read(argv[2], &official, &image, &err);
    if (status == AT_OK) status = at_session_tag(session, image, &o, &tags, &err);
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        at_heat_map map;
        if (!at_tags_heat(tags, ids[i], &map)) status = AT_E_INTERNAL;
        if (status == AT_OK && i == 0) printf("%d %d\n", map.rows, map.cols);
        if (status == AT_OK)
            fwrite(map.cells, sizeof *map.cells, (size_t)map.rows * (size_t)map.cols, stdout);
    }
    if (status != AT_OK) fprintf(stderr, "%s\n", err.text);
    at_tags_free(tags);
    at_image_free(image);
    at_session_close(session);
    at_model_close(model);
    return status != AT_OK;
}
