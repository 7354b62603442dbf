/* tag2text.c - Tag2Text (arXiv 2303.05657): Swin, a tag head of learned label queries, and captions
 * that the tags guide: an encoder mixes the tags' words with the picture, a decoder reads the result.
 * The encoder's first layers attend and feed forward with the tag head's weights. A third stack compares
 * pictures with texts (retrieval.c). */
#include "models/networks.h"
#include "models/swin.h"

typedef struct tag2text {
    at_network base;
    at_swin swin;
    at_tag_head head;
    at_fixed_labels labels;
    at_bert tag_encoder;
    at_text_decoder decoder;
    at_retrieval retrieval; // of checkpoints that were trained for it
} tag2text;

static const at_text_head_names head_names = {
    .transform = "cls.predictions.transform.dense",
    .transform_norm = "cls.predictions.transform.LayerNorm",
    .words = "bert.embeddings.word_embeddings.weight", // cls.predictions.decoder.weight is the same
    .bias = "cls.predictions.bias",
};

static at_status tag2text_open(at_network *base, at_error *err)
{
    tag2text *m = (tag2text *)base;
    const at_config *c = &base->config;
    const at_allocator *al = base->al;
    m->head.own_classifier = true;
    at_status status = at_fixed_labels_open(&m->labels, c, al, err);
    if (status == AT_OK) status = at_swin_open(&m->swin, c, al, err);
    if (status == AT_OK) status = at_tag_head_open(&m->head, c, al, err);
    if (status == AT_OK) status = at_bert_open(&m->tag_encoder, c, m->swin.dim, &m->head, al, err);
    if (status == AT_OK) status = at_bert_open(&m->decoder.bert, c, c->text_hidden, NULL, al, err);
    if (status == AT_OK && c->retrieval_layers)
        status = at_retrieval_open(&m->retrieval, c, m->swin.dim, al, err);
    return status;
}

static void tag2text_params(at_network *base, at_params *p)
{
    tag2text *m = (tag2text *)base;
    at_swin_params(&m->swin, p);
    at_fixed_labels_params(&m->labels, p, "label_embed.weight", base->config.label_dim);
    at_tag_head_params(&m->head, p, &at_head_names_bert);
}

static void tag2text_text_params(at_network *base, at_params *p)
{
    tag2text *m = (tag2text *)base;
    at_scope scope = at_scope_enter(p, "e.", "tag_encoder.");
    at_bert_params(&m->tag_encoder, p, &at_bert_names_official);
    at_scope_leave(p, scope);
    scope = at_scope_enter(p, "d.", "text_decoder.bert.");
    at_bert_params(&m->decoder.bert, p, &at_bert_names_official);
    at_scope_leave(p, scope);
    scope = at_scope_enter(p, "d.", "text_decoder.");
    at_text_head_params(&m->decoder, p, &head_names);
    at_scope_leave(p, scope);
    if (base->config.retrieval_layers) at_retrieval_params(&m->retrieval, p);
}

static at_status tag2text_prepare(at_network *base, at_error *err)
{
    return at_swin_prepare(&((tag2text *)base)->swin, base->al, err);
}

static void tag2text_constants(at_network *base, at_exec *x)
{
    tag2text *m = (tag2text *)base;
    base->queries = at_fixed_labels_queries(x, &m->head, &m->labels);
}

static void tag2text_forward(const at_network *base, at_exec *x, at_tensor pixels,
                             const at_label_choice *labels, const at_forward_out *out)
{
    const tag2text *m = (const tag2text *)base;
    at_tensor tokens = at_swin_forward(x, &m->swin, pixels); // [B, 145, 1024]
    if (out->tokens) at_copy_to(x, tokens, at_tensor_of(out->tokens, tokens.n_dims, tokens.dims));
    at_network_logits(x, &m->head, labels, tokens, out->logits);
}

static void tag2text_close(at_network *base)
{
    tag2text *m = (tag2text *)base;
    at_swin_close(&m->swin, base->backend, base->al);
    at_tag_head_close(&m->head, base->backend, base->al);
    at_bert_close(&m->tag_encoder, base->backend, base->al);
    at_text_decoder_close(&m->decoder, base->backend, base->al);
    at_retrieval_close(&m->retrieval, base->backend, base->al);
    at_free(base->al, m->labels.queries);
}

static at_caption_shape tag2text_caption_shape(const at_network *base)
{
    const tag2text *m = (const tag2text *)base;
    const size_t side = at_swin_side(&base->config, AT_STAGES - 1), tags = base->config.text_tags;
    return (at_caption_shape){.decoder = &m->decoder,
                              .token_rows = 1 + side * side,
                              .token_dim = m->swin.dim,
                              .memory_rows = tags};
}

/* The encoder's output [B, 40, H]; the decoder attends to all of it, padding too, as officially. */
static void tag2text_memory(const at_network *base, at_exec *x, const at_caption_input *in,
                            at_text_state *state)
{
    const tag2text *m = (const tag2text *)base;
    const at_bert *e = &m->tag_encoder;
    const size_t images = in->tokens.dims[0], n = in->tokens.dims[1], tags = base->config.text_tags;
    at_head_keys keys[AT_BERT_LAYERS];
    for (size_t i = 0; i < e->n_layers; i++) {
        keys[i] = (at_head_keys){.k = at_tensor3(x, images, n, e->hidden),
                                 .v = at_tensor3(x, images, n, e->hidden)};
        at_bert_memory(x, e, i, in->tokens, &keys[i]);
    }
    const at_tensor y = at_bert_forward(x, e,
                                        &(at_bert_pass){.sequences = images,
                                                        .n = tags,
                                                        .ids = in->ids,
                                                        .key_mask = in->mask,
                                                        .memory = keys,
                                                        .stage = "tag_encoder"});
    at_text_memory(x, &m->decoder, y, state);
}

static const at_retrieval *tag2text_retrieval(const at_network *base)
{
    return &((const tag2text *)base)->retrieval;
}

static const at_caption_type caption = {
    .tags_are = AT_TAGS_WORDS,
    .shape = tag2text_caption_shape,
    .memory = tag2text_memory,
};

static at_heat_shape tag2text_heat_shape(const at_network *base)
{
    const tag2text *m = (const tag2text *)base;
    const size_t side = at_swin_side(&base->config, AT_STAGES - 1);
    return (at_heat_shape){.token_rows = 1 + side * side, .token_dim = m->swin.dim, .side = side};
}

static void tag2text_heat(const at_network *base, at_exec *x, at_tensor tokens,
                          const at_label_choice *labels, float *maps)
{
    at_network_heat(x, &((const tag2text *)base)->head, labels, tokens,
                    tag2text_heat_shape(base).side, maps);
}

static const at_heat_type heat = {.shape = tag2text_heat_shape, .maps = tag2text_heat};

const at_network_type at_network_tag2text = {
    .arch = "tag2text",
    .about = "Tag2Text, Swin, a tag head of learned queries, and captions guided by tags",
    .size = sizeof(tag2text),
    .open = tag2text_open,
    .params = tag2text_params,
    .text_params = tag2text_text_params,
    .prepare = tag2text_prepare,
    .constants = tag2text_constants,
    .forward = tag2text_forward,
    .close = tag2text_close,
    .heat = &heat,
    .caption = &caption,
    .retrieval = tag2text_retrieval,
};
