/* ram.c - Recognize Anything Model (arXiv 2306.03514): Swin, projected tokens, tag head. The label
 * queries do not depend on the picture and are made once. */
#include "models/networks.h"
#include "models/swin.h"

typedef struct ram {
    at_network base;
    at_swin swin;
    at_linear image_proj; // [token_dim, swin.dim]
    at_tag_head head;
    at_fixed_labels labels;
} ram;

static at_status ram_open(at_network *base, at_error *err)
{
    ram *m = (ram *)base;
    const at_config *c = &base->config;
    at_status status = at_fixed_labels_open(&m->labels, c, base->al, err);
    if (status == AT_OK) status = at_swin_open(&m->swin, c, base->al, err);
    return status == AT_OK ? at_tag_head_open(&m->head, c, base->al, err) : status;
}

static void ram_params(at_network *base, at_params *p)
{
    ram *m = (ram *)base;
    const at_config *c = &base->config;
    at_swin_params(&m->swin, p);
    at_param_linear(p, &m->image_proj, "h.image_proj", "image_proj", c->token_dim, m->swin.dim,
                    true);
    at_fixed_labels_params(&m->labels, p, "label_embed", c->label_dim);
    at_tag_head_params(&m->head, p, &at_head_names_bert);
}

static at_status ram_prepare(at_network *base, at_error *err)
{
    return at_swin_prepare(&((ram *)base)->swin, base->al, err);
}

static void ram_constants(at_network *base, at_exec *x)
{
    ram *m = (ram *)base;
    base->queries = at_fixed_labels_queries(x, &m->head, &m->labels);
}

static void ram_queries(const at_network *base, at_exec *x, at_tensor rows, float *queries)
{
    at_tag_head_queries(x, &((const ram *)base)->head, rows, queries);
}

// 0.5: inference_ram_openset.py
static const at_open_set open_set = {.threshold = 0.5f, .queries = ram_queries};

static void ram_forward(const at_network *base, at_exec *x, at_tensor pixels,
                        const at_label_choice *labels, const at_forward_out *out)
{
    const ram *m = (const ram *)base;
    at_tensor features = at_swin_forward(x, &m->swin, pixels); // [B, 145, 1536]
    if (out->tokens)
        at_copy_to(x, features, at_tensor_of(out->tokens, features.n_dims, features.dims));
    at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE); // [B, 145, 512]
    at_stage(x, tokens, "image_embeds");
    at_network_logits(x, &m->head, labels, tokens, out->logits);
}

static void ram_close(at_network *base)
{
    ram *m = (ram *)base;
    at_swin_close(&m->swin, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    base->backend->unpack(&m->image_proj.w, base->al);
    at_free(base->al, m->labels.queries);
}

static at_heat_shape ram_heat_shape(const at_network *base)
{
    const ram *m = (const ram *)base;
    const size_t side = at_swin_side(&base->config, AT_STAGES - 1);
    return (at_heat_shape){.token_rows = 1 + side * side, .token_dim = m->swin.dim, .side = side};
}

static void ram_heat(const at_network *base, at_exec *x, at_tensor tokens,
                     const at_label_choice *labels, float *maps)
{
    const ram *m = (const ram *)base;
    at_network_heat(x, &m->head, labels, at_linear_new(x, tokens, &m->image_proj, AT_ACT_NONE),
                    ram_heat_shape(base).side, maps);
}

static const at_heat_type heat = {.shape = ram_heat_shape, .maps = ram_heat};

const at_network_type at_network_ram = {
    .arch = "ram",
    .about = "Recognize Anything Model, Swin and a cross-attention tag head",
    .size = sizeof(ram),
    .open = ram_open,
    .params = ram_params,
    .prepare = ram_prepare,
    .constants = ram_constants,
    .forward = ram_forward,
    .close = ram_close,
    .heat = &heat,
    .open_set = &open_set,
};
