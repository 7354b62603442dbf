/* ram_plus.c - RAM++ (arXiv 2310.15200, section 3.3): as RAM, but a label is 51 descriptions, weighed
 * anew for each picture by their likeness to its mean token:
 *     c = I[0] / |I[0]|;  w_i = softmax_j(s c . e_ij);  e_i = sum_j w_ij e_ij;  s = exp(reweight_scale)
 * Only c is normalised; the descriptions, their sum and the tokens given to the head are not. */
#include "models/networks.h"
#include "models/swin.h"

#include <math.h>

typedef struct ram_plus {
    at_network base;
    at_swin swin;
    at_linear image_proj;
    at_tag_head head;
    at_rows_view descriptions;   // [classes * per_class, label_dim]
    const float *reweight_scale; // [] the exponent
} ram_plus;

static at_status ram_plus_open(at_network *base, at_error *err)
{
    ram_plus *m = (ram_plus *)base;
    const at_status status = at_swin_open(&m->swin, &base->config, base->al, err);
    return status == AT_OK ? at_tag_head_open(&m->head, &base->config, base->al, err) : status;
}

static void ram_plus_params(at_network *base, at_params *p)
{
    ram_plus *m = (ram_plus *)base;
    const at_config *c = &base->config;
    at_swin_params(&m->swin, p);
    at_param_linear(p, &m->image_proj, "h.image_proj", "image_proj", c->token_dim, m->swin.dim,
                    true);
    at_param_visit(p, AT_PARAM_MIXED, &m->descriptions, "h.label_embed", "label_embed", 2,
                   (const uint64_t[]){(uint64_t)c->classes * c->per_class, c->label_dim});
    at_param_visit(p, AT_PARAM_VECTOR, &m->reweight_scale, "h.reweight_scale", "reweight_scale", 0,
                   (const uint64_t[]){1});
    at_tag_head_params(&m->head, p, &at_head_names_bert);
}

static at_status ram_plus_prepare(at_network *base, at_error *err)
{
    if (base->config.token_dim != base->config.label_dim)
        return at_fail(err, AT_E_MODEL_DAMAGED,
                       "image tokens are %u wide, descriptions %u; they must agree",
                       base->config.token_dim, base->config.label_dim);
    return at_swin_prepare(&((ram_plus *)base)->swin, base->al, err);
}

// 0.5: inference_ram_plus_openset.py
static const at_open_set open_set = {.threshold = 0.5f, .descriptions = true};

/* The descriptions of a part's labels, weighed for each image: [B, n, label_dim]. */
static at_tensor reweigh(const ram_plus *m, at_exec *x, const at_label_part *part, at_tensor mean)
{
    const size_t batch = at_rows(mean), n = part->count, dim = m->head.label_dim;
    const size_t per = part->rows ? part->per_label : m->base.config.per_class;
    at_tensor embed = at_tensor3(x, batch, n, dim); // e
    at_tensor scores = {0}, weights = {0};
    if (x->observe) {
        scores = at_tensor3(x, batch, n, per);
        weights = at_tensor3(x, batch, n, per);
    }
    at_reweight(x, &(at_reweight_args){.batch = batch,
                                       .classes = n,
                                       .per_class = per,
                                       .dim = dim,
                                       .w = part->rows ? part->rows : m->descriptions.data,
                                       .type = part->rows ? AT_F32 : m->descriptions.type,
                                       .classes_index = part->ids,
                                       .x = mean.data,
                                       .scale = at_planning(x) ? 1.0f : expf(m->reweight_scale[0]),
                                       .logits = scores.data,
                                       .weights = weights.data,
                                       .y = embed.data});
    if (x->observe) {
        at_stage(x, scores, "reweight.logits");
        at_stage(x, weights, "reweight.weights");
    }
    at_stage(x, embed, "reweight.label_embed");
    return embed;
}

static void ram_plus_forward(const at_network *base, at_exec *x, at_tensor pixels,
                             const at_label_choice *labels, const at_forward_out *out)
{
    const ram_plus *m = (const ram_plus *)base;
    const size_t batch = pixels.dims[0];
    at_tensor features = at_swin_forward(x, &m->swin, pixels);
    if (out->tokens)
        at_copy_to(x, features, at_tensor_of(out->tokens, features.n_dims, features.dims));
    at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE); // [B, 145, 512]
    at_stage(x, tokens, "image_embeds");
    at_head_memory memory;
    at_tag_head_memory(x, &m->head, tokens, &memory);

    at_tensor mean = at_tensor2(x, batch, m->head.label_dim); // c
    for (size_t b = 0; b < batch; b++)
        at_unit_rows(x, at_row_range(tokens, b * tokens.dims[1], 1), at_row_range(mean, b, 1));
    for (size_t k = 0, done = 0; k < labels->n_parts; done += labels->parts[k++].count) {
        const size_t n = labels->parts[k].count, mark = at_arena_mark(&x->arena);
        at_tensor embed = reweigh(m, x, &labels->parts[k], mean);
        for (size_t b = 0; b < batch; b++) {
            const size_t inner = at_arena_mark(&x->arena);
            at_tensor input = at_tensor2(x, n, m->head.hidden);
            at_tag_head_input(x, &m->head, at_row_range(embed, b * n, n), input);
            const at_label_queries queries = {.count = n, .input = input.data};
            at_tag_head_forward(x, &m->head, &queries, &memory, b,
                                out->logits ? out->logits + b * labels->count + done : NULL);
            at_arena_rewind(&x->arena, inner);
        }
        at_arena_rewind(&x->arena, mark);
    }
}

static void ram_plus_close(at_network *base)
{
    ram_plus *m = (ram_plus *)base;
    at_swin_close(&m->swin, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    base->backend->unpack(&m->image_proj.w, base->al);
}

static at_heat_shape ram_plus_heat_shape(const at_network *base)
{
    const ram_plus *m = (const ram_plus *)base;
    const size_t side = at_swin_side(&base->config, AT_STAGES - 1);
    return (at_heat_shape){.token_rows = 1 + side * side, .token_dim = m->swin.dim, .side = side};
}

static void ram_plus_heat(const at_network *base, at_exec *x, at_tensor features,
                          const at_label_choice *labels, float *maps)
{
    const ram_plus *m = (const ram_plus *)base;
    const size_t side = ram_plus_heat_shape(base).side;
    const at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE);
    at_head_memory memory;
    at_tag_head_memory(x, &m->head, tokens, &memory);
    at_tensor mean = at_tensor2(x, 1, m->head.label_dim);
    at_unit_rows(x, at_row_range(tokens, 0, 1), mean);
    for (size_t k = 0; k < labels->n_parts; k++) {
        const size_t n = labels->parts[k].count, mark = at_arena_mark(&x->arena);
        at_tensor embed = reweigh(m, x, &labels->parts[k], mean);
        at_tensor input = at_tensor2(x, n, m->head.hidden);
        at_tag_head_input(x, &m->head, at_row_range(embed, 0, n), input);
        const at_label_queries queries = {.count = n, .input = input.data};
        at_tag_head_heat(x, &m->head, &queries, &memory, side, maps);
        if (maps) maps += n * side * side;
        at_arena_rewind(&x->arena, mark);
    }
}

static const at_heat_type heat = {.shape = ram_plus_heat_shape, .maps = ram_plus_heat};

const at_network_type at_network_ram_plus = {
    .arch = "ram_plus",
    .about = "RAM++, tags as 51 descriptions each, weighed for every picture",
    .size = sizeof(ram_plus),
    .open = ram_plus_open,
    .params = ram_plus_params,
    .prepare = ram_plus_prepare,
    .forward = ram_plus_forward,
    .close = ram_plus_close,
    .heat = &heat,
    .open_set = &open_set,
};
