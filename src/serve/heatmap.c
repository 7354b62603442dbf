/* heatmap.c - where in a picture a tag was seen: /v1/heatmap, a grey PNG, and boxes for records. The map itself is the library's
 * (anytag/heat.h); it comes through the batcher and the cache as tags do. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>

bool heatmap_read(request *r, wants *w)
{
    const char *name = r->values[Q_TAG];
    size_t found[1];
    if (!name || !*name) {
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "tag: say which");
        problem_point(&r->problem, "tag");
        return false;
    }
    if (r->n_pictures != 1) {
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "one picture at a time, not %zu",
                   r->n_pictures);
        if (r->body == BODY_JSON) problem_point(&r->problem, "images");
        return false;
    }
    if (!at_model_find_tags(r->s->tag, name, found, 1)) return unknown_tag(r, "/tag", name);
    w->heat_id = found[0];
    w->tag.heat = AT_HEAT_IDS;
    w->tag.heat_ids = &w->heat_id;
    w->tag.n_heat = 1;
    return true;
}

at_record_box *heatmap_boxes(const request *r, const result *x, size_t *n)
{
    const int whole[4] = {0, 0, at_image_width(x->image), at_image_height(x->image)};
    const size_t most = AT_RECORD_BOXES * at_tags_count(x->tags);
    at_record_box *boxes = calloc(most + 1, sizeof *boxes);
    const int *area = r->want.crop[2] ? r->want.crop : whole;
    *n = boxes ? at_record_boxes(x->tags, area, boxes, most) : 0;
    return boxes;
}

void heatmap_answer(request *r)
{
    const wants *w = &r->want;
    const result *x = r->pictures[0]->result;
    const bool cells = r->values[Q_SIZE] && strcmp(r->values[Q_SIZE], "model") == 0;
    at_error err = {0};
    at_heat_map map;
    if (!at_tags_heat(x->tags, w->heat_id, &map)) {
        (void)fail(&r->problem, AT_E_INTERNAL, "there is no map");
        return;
    }
    const int width = cells ? map.cols : at_image_width(x->image),
              height = cells ? map.rows : at_image_height(x->image);
    uint8_t *grey = malloc((size_t)width * (size_t)height);
    void *png = NULL;
    size_t size = 0;
    at_status status = grey ? at_heat_grey(&map, width, height,
                                           w->crop[2] && !cells ? w->crop : NULL, grey, &err)
                            : AT_E_OUT_OF_MEMORY;
    if (status == AT_OK) status = at_png_encode(grey, width, height, 1, &png, &size, &err);
    free(grey);
    char *body = status == AT_OK ? malloc(size) : NULL; // an answer is freed with free()
    if (body) memcpy(body, png, size);
    at_buffer_free(png);
    if (err.status) {
        (void)fail_error(&r->problem, &err);
    } else if (!body) {
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the map");
    } else {
        (void)snprintf(r->heat_max, sizeof r->heat_max, "%.6g", (double)map.max);
        answer(r, 200, "image/png", body, size);
    }
}
