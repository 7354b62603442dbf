/* ram_lite.c - the small model in the box: RAM's head, small, on a MobileNetV2. */
#include "models/mobilenet.h"
#include "models/networks.h"

typedef struct ram_lite {
    at_network base;
    at_mobilenet backbone;
    at_linear image_proj;
    at_tag_head head;
    at_fixed_labels labels;
    at_text_decoder decoder;              // config.text_layers 0: none
    at_linear caption_image, caption_tag; // of the decoder's memory
    at_norm caption_norm;
} ram_lite;

static const at_text_head_names head_names = {.transform = "transform",
                                              .transform_norm = "transform_norm",
                                              .words = "word_embeddings.weight",
                                              .bias = "lm_bias"};

static at_status ram_lite_open(at_network *base, at_error *err)
{
    ram_lite *m = (ram_lite *)base;
    const at_config *c = &base->config;
    at_status status = at_fixed_labels_open(&m->labels, c, base->al, err);
    if (status == AT_OK) status = at_mobilenet_open(&m->backbone, c, base->al, err);
    if (status == AT_OK) status = at_tag_head_open(&m->head, c, base->al, err);
    if (status == AT_OK && c->text_layers)
        status = at_bert_open(&m->decoder.bert, c, c->text_hidden, NULL, base->al, err);
    return status;
}

static void ram_lite_params(at_network *base, at_params *p)
{
    ram_lite *m = (ram_lite *)base;
    const at_config *c = &base->config;
    at_mobilenet_params(&m->backbone, p);
    at_param_linear(p, &m->image_proj, "h.image_proj", "image_proj", c->token_dim, m->backbone.dim,
                    true);
    at_fixed_labels_params(&m->labels, p, "label_embed", c->label_dim);
    at_tag_head_params(&m->head, p, &at_head_names_lite);
}

static void ram_lite_text_params(at_network *base, at_params *p)
{
    ram_lite *m = (ram_lite *)base;
    const at_config *c = &base->config;
    if (!c->text_layers) return;
    const at_scope scope = at_scope_enter(p, "d.", "caption.");
    at_param_linear(p, &m->caption_image, "image_proj", "image_proj", c->text_hidden,
                    m->backbone.dim, true);
    at_param_linear(p, &m->caption_tag, "tag_proj", "tag_proj", c->text_hidden, c->label_dim, true);
    at_param_norm(p, &m->caption_norm, "memory_norm", "memory_norm", c->text_hidden, c->text_eps);
    at_bert_params(&m->decoder.bert, p, &at_bert_names_lite);
    at_text_head_params(&m->decoder, p, &head_names);
    at_scope_leave(p, scope);
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

static void ram_lite_queries(const at_network *base, at_exec *x, at_tensor rows, float *queries)
{
    at_tag_head_queries(x, &((const ram_lite *)base)->head, rows, queries);
}

/* What its labels were made with (models/README.md), mean of the normalised vectors, normalised. */
static const char *const templates[] = {"{}",
                                        "a photo of a {}.",
                                        "a photo of {}.",
                                        "there is a {} in the picture.",
                                        "a picture showing {}.",
                                        "{} in the scene.",
                                        NULL};
/* 0.65: the best mean F1 of one threshold for its tags as words (bench/words/quality.py). */
static const at_open_set open_set = {
    .threshold = 0.65f, .queries = ram_lite_queries, .templates = templates};

static void ram_lite_forward(const at_network *base, at_exec *x, at_tensor pixels,
                             const at_label_choice *labels, const at_forward_out *out)
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
    if (out->tokens)
        at_copy_to(x, features, at_tensor_of(out->tokens, features.n_dims, features.dims));

    at_tensor tokens = at_linear_new(x, features, &m->image_proj, AT_ACT_NONE);
    at_stage(x, tokens, "image_embeds");
    at_network_logits(x, &m->head, labels, tokens, out->logits);
}

static void ram_lite_close(at_network *base)
{
    ram_lite *m = (ram_lite *)base;
    at_mobilenet_close(&m->backbone, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    base->backend->unpack(&m->image_proj.w, base->al);
    base->backend->unpack(&m->caption_image.w, base->al);
    base->backend->unpack(&m->caption_tag.w, base->al);
    at_text_decoder_close(&m->decoder, base->backend, base->al);
    at_free(base->al, m->labels.queries);
}

static at_caption_shape ram_lite_caption_shape(const at_network *base)
{
    const ram_lite *m = (const ram_lite *)base;
    const size_t rows = 1 + m->backbone.side * m->backbone.side;
    return (at_caption_shape){.decoder = &m->decoder,
                              .token_rows = rows,
                              .token_dim = m->backbone.dim,
                              .memory_rows = rows + base->config.text_tags,
                              .masked = true};
}

/* LN of the projected tokens, then of the projected embeddings of up to 12 labels; rows of absent
 * labels are masked, so that an image's caption does not depend on its neighbours in the batch. */
static void ram_lite_memory(const at_network *base, at_exec *x, const at_caption_input *in,
                            at_text_state *state)
{
    const ram_lite *m = (const ram_lite *)base;
    const at_config *c = &base->config;
    const size_t images = in->tokens.dims[0], n = in->tokens.dims[1], tags = c->text_tags;
    const size_t rows = n + tags, width = c->text_hidden;
    at_tensor memory = at_tensor3(x, images, rows, width);
    at_tensor embeddings = at_tensor2(x, tags, c->label_dim);
    for (size_t b = 0; b < images; b++) {
        at_linear_to(x, at_row_range(in->tokens, b * n, n), &m->caption_image, AT_ACT_NONE, NULL,
                     at_row_range(memory, b * rows, n));
        for (size_t i = 0; i < tags; i++) {
            const int32_t id = in->ids ? in->ids[b * tags + i] : -1;
            at_rows_to(x, &m->labels.embed, id < 0 ? 0 : (size_t)id,
                       at_row_range(embeddings, i, 1));
            if (state->mask) state->mask[b * rows + n + i] = id < 0 ? -1e30f : 0.0f;
        }
        at_linear_to(x, embeddings, &m->caption_tag, AT_ACT_NONE, NULL,
                     at_row_range(memory, b * rows + n, tags));
    }
    at_norm_to(x, memory, &m->caption_norm, memory);
    at_text_memory(x, &m->decoder, memory, state);
}

static const at_caption_type caption = {
    .tags_are = AT_TAGS_LABELS,
    .shape = ram_lite_caption_shape,
    .memory = ram_lite_memory,
};

static at_heat_shape ram_lite_heat_shape(const at_network *base)
{
    const ram_lite *m = (const ram_lite *)base;
    const size_t side = m->backbone.side;
    return (
        at_heat_shape){.token_rows = 1 + side * side, .token_dim = m->backbone.dim, .side = side};
}

static void ram_lite_heat(const at_network *base, at_exec *x, at_tensor tokens,
                          const at_label_choice *labels, float *maps)
{
    const ram_lite *m = (const ram_lite *)base;
    at_network_heat(x, &m->head, labels, at_linear_new(x, tokens, &m->image_proj, AT_ACT_NONE),
                    ram_lite_heat_shape(base).side, maps);
}

static const at_heat_type heat = {.shape = ram_lite_heat_shape, .maps = ram_lite_heat};

const at_network_type at_network_ram_lite = {
    .arch = "ram_lite",
    .about = "a small tagger in RAM's design on MobileNetV2",
    .size = sizeof(ram_lite),
    .open = ram_lite_open,
    .params = ram_lite_params,
    .text_params = ram_lite_text_params,
    .prepare = ram_lite_prepare,
    .constants = ram_lite_constants,
    .forward = ram_lite_forward,
    .close = ram_lite_close,
    .heat = &heat,
    .open_set = &open_set,
    .caption = &caption,
};
