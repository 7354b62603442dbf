/* ram_lite.c - the small model in the box: RAM's head, small, on a MobileNetV2. */
#include "models/mobilenet.h"
#include "models/networks.h"

typedef struct ram_lite {
    at_network base;
    at_mobilenet backbone;
    at_linear image_proj;
    at_tag_head head;
    at_fixed_labels labels;
} ram_lite;

static at_status ram_lite_open(at_network *base, at_error *err)
{
    ram_lite *m = (ram_lite *)base;
    const at_config *c = &base->config;
    at_status status = at_fixed_labels_open(&m->labels, c, base->al, err);
    if (status == AT_OK) status = at_mobilenet_open(&m->backbone, c, base->al, err);
    return status == AT_OK ? at_tag_head_open(&m->head, c, base->al, err) : status;
}

static void ram_lite_params(at_network *base, at_params *p)
{
    ram_lite *m = (ram_lite *)base;
    const at_config *c = &base->config;
    at_mobilenet_params(&m->backbone, p);
    at_param_linear(p, &m->image_proj, "h.image_proj", "image_proj", c->token_dim, m->backbone.dim,
                    true);
    at_fixed_labels_params(&m->labels, p, c->label_dim);
    at_tag_head_params(&m->head, p, &at_head_names_lite);
}

static at_status ram_lite_prepare(at_network *base, at_error *err)
{
    (void)base;
    (void)err;
    return AT_OK;
}

static void ram_lite_constants(at_network *base, at_exec *x)
{
    ram_lite *m = (ram_lite *)base;
    base->queries = at_fixed_labels_queries(x, &m->head, &m->labels);
}

static void ram_lite_forward(const at_network *base, at_exec *x, at_tensor pixels,
                             const at_labels *labels, float *logits)
{
    const ram_lite *m = (const ram_lite *)base;
    const size_t batch = pixels.dims[0], cells = m->backbone.side * m->backbone.side,
                 dim = m->backbone.dim;
    at_tensor features = at_tensor3(x, batch, 1 + cells, dim); // the mean in front, then row by row
    const size_t mark = at_arena_mark(&x->arena);
    at_tensor map = at_mobilenet_forward(x, &m->backbone, pixels);
    for (size_t b = 0; b < batch; b++)
        at_copy_to(x, at_row_range(map, b * cells, cells),
                   at_row_range(features, b * (1 + cells) + 1, cells));
    at_mean_rows(x, map, features.data, (1 + cells) * dim);
    at_arena_rewind(&x->arena, mark);
    at_stage(x, features, "backbone.out");

    at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE);
    at_stage(x, tokens, "image_embeds");
    at_head_memory memory;
    at_tag_head_memory(x, &m->head, tokens, &memory);
    for (size_t b = 0; b < batch; b++)
        at_tag_head_forward(x, &m->head, &labels->queries, &memory, b,
                            logits ? logits + b * labels->count : NULL);
}

static void ram_lite_close(at_network *base)
{
    ram_lite *m = (ram_lite *)base;
    at_mobilenet_close(&m->backbone, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    base->backend->unpack(&m->image_proj.w, base->al);
    at_free(base->al, m->labels.queries);
}

const at_network_type at_network_ram_lite = {
    .arch = "ram_lite",
    .about = "a small tagger in RAM's design on MobileNetV2",
    .size = sizeof(ram_lite),
    .open = ram_lite_open,
    .params = ram_lite_params,
    .prepare = ram_lite_prepare,
    .constants = ram_lite_constants,
    .forward = ram_lite_forward,
    .close = ram_lite_close,
};
