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

static void ram_forward(const at_network *base, at_exec *x, at_tensor pixels,
                        const at_labels *labels, const at_forward_out *out)
{
    const ram *m = (const ram *)base;
    at_tensor features = at_swin_forward(x, &m->swin, pixels);                  // [B, 145, 1536]
    at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE); // [B, 145, 512]
    at_stage(x, tokens, "image_embeds");
    at_head_memory memory;
    at_tag_head_memory(x, &m->head, tokens, &memory);
    for (size_t b = 0; b < pixels.dims[0]; b++)
        at_tag_head_forward(x, &m->head, &labels->queries, &memory, b,
                            out->logits ? out->logits + b * labels->count : NULL);
}

static void ram_close(at_network *base)
{
    ram *m = (ram *)base;
    at_swin_close(&m->swin, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    base->backend->unpack(&m->image_proj.w, base->al);
    at_free(base->al, m->labels.queries);
}

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
};
