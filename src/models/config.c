/* config.c - one table of keys reads and writes the numbers of a network. */
#include "models/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FIELD(name) offsetof(at_config, name)

static const struct number {
    const char *key;
    size_t offset;
    uint32_t max; // 0 is always allowed here; at_config_check() knows what a network needs
} numbers[] = {
    {"anytag.image_size", FIELD(image_size), 4096},
    {"anytag.classes", FIELD(classes), 1u << 20},
    {"anytag.per_class", FIELD(per_class), 4096},
    {"anytag.label_dim", FIELD(label_dim), 65536},
    {"anytag.swin.embed_dim", FIELD(embed_dim), 4096},
    {"anytag.swin.window", FIELD(window), 256},
    {"anytag.token_dim", FIELD(token_dim), 65536},
    {"anytag.head.layers", FIELD(head_layers), 64},
    {"anytag.head.hidden", FIELD(head_hidden), 65536},
    {"anytag.head.heads", FIELD(head_heads), 1024},
    {"anytag.head.ffn", FIELD(head_ffn), 1u << 20},
    {"anytag.text.layers", FIELD(text_layers), 64},
    {"anytag.text.hidden", FIELD(text_hidden), 65536},
    {"anytag.text.heads", FIELD(text_heads), 1024},
    {"anytag.text.ffn", FIELD(text_ffn), 1u << 20},
    {"anytag.text.vocab_size", FIELD(text_vocab), 1u << 20},
    {"anytag.text.positions", FIELD(text_positions), 4096},
    {"anytag.text.tags", FIELD(text_tags), 512},
    {"anytag.text.beams", FIELD(text_beams), 64},
    {"anytag.text.min_length", FIELD(text_min), 4096},
    {"anytag.text.max_length", FIELD(text_max), 4096},
    {"anytag.retrieval.layers", FIELD(retrieval_layers), 64},
    {"anytag.retrieval.dim", FIELD(retrieval_dim), 4096},
    {"anytag.retrieval.max_length", FIELD(retrieval_max), 512},
};

static const struct conv_field {
    const char *key;
    size_t offset;
} conv_fields[] = {
    {"anytag.conv.block", offsetof(at_conv_config, block)},
    {"anytag.conv.layer", offsetof(at_conv_config, layer)},
    {"anytag.conv.in", offsetof(at_conv_config, in)},
    {"anytag.conv.out", offsetof(at_conv_config, out)},
    {"anytag.conv.kernel", offsetof(at_conv_config, kernel)},
    {"anytag.conv.stride", offsetof(at_conv_config, stride)},
    {"anytag.conv.groups", offsetof(at_conv_config, groups)},
    {"anytag.conv.relu6", offsetof(at_conv_config, relu6)},
    {"anytag.conv.residual", offsetof(at_conv_config, residual)},
};

static uint32_t *u32_at(void *base, size_t offset)
{
    return (uint32_t *)(void *)((char *)base + offset);
}

static at_status damaged(at_error *err, const char *key)
{
    return at_fail(err, AT_E_MODEL_DAMAGED, "the model's %s is missing or absurd; convert it again",
                   key);
}

static at_status read_list(const at_weights *w, const char *key, uint32_t *out, size_t n,
                           at_error *err)
{
    size_t count;
    const uint64_t *list = at_weights_ints(w, key, &count);
    if (!list || count != n) return damaged(err, key);
    for (size_t i = 0; i < n; i++) {
        if (list[i] > 4096) return damaged(err, key);
        out[i] = (uint32_t)list[i];
    }
    return AT_OK;
}

static at_status read_convs(at_config *c, const at_weights *w, at_error *err)
{
    size_t n;
    if (!at_weights_ints(w, conv_fields[0].key, &n)) return AT_OK; // not this kind of backbone
    if (n == 0 || n > AT_MAX_CONVS) return damaged(err, conv_fields[0].key);
    for (size_t f = 0; f < AT_COUNT(conv_fields); f++) {
        uint32_t column[AT_MAX_CONVS];
        const at_status status = read_list(w, conv_fields[f].key, column, n, err);
        if (status != AT_OK) return status;
        for (size_t i = 0; i < n; i++)
            *u32_at(&c->convs[i], conv_fields[f].offset) = column[i];
    }
    c->n_convs = (uint32_t)n;
    return AT_OK;
}

at_status at_config_read(at_config *c, const at_weights *w, at_error *err)
{
    memset(c, 0, sizeof *c);
    (void)snprintf(c->arch, sizeof c->arch, "%s", at_weights_str(w, "general.architecture", ""));
    for (size_t i = 0; i < AT_COUNT(numbers); i++) {
        const uint64_t v = at_weights_u64(w, numbers[i].key, 0);
        if (v > numbers[i].max) return damaged(err, numbers[i].key);
        *u32_at(c, numbers[i].offset) = (uint32_t)v;
    }
    c->head_eps = (float)at_weights_f64(w, "anytag.head.eps", 1e-12);
    c->text_eps = (float)at_weights_f64(w, "anytag.text.eps", 1e-12);
    c->text_length_penalty = (float)at_weights_f64(w, "anytag.text.length_penalty", 1);
    if (at_config_encodes(c)) return at_config_check(c, AT_E_MODEL_DAMAGED, err);
    const char *const pair_keys[2] = {"anytag.preprocess.mean", "anytag.preprocess.std"};
    float *const pairs[2] = {c->mean, c->std};
    for (int i = 0; i < 2; i++) {
        size_t n;
        const float *v = at_weights_floats(w, pair_keys[i], &n);
        if (!v || n != 3) return damaged(err, pair_keys[i]);
        memcpy(pairs[i], v, sizeof c->mean);
    }
    at_status status = AT_OK;
    if (c->embed_dim) {
        status = read_list(w, "anytag.swin.depths", c->depths, AT_STAGES, err);
        if (status == AT_OK) status = read_list(w, "anytag.swin.heads", c->heads, AT_STAGES, err);
    } else {
        status = read_convs(c, w, err);
    }
    return status == AT_OK ? at_config_check(c, AT_E_MODEL_DAMAGED, err) : status;
}

void at_config_write(const at_config *c, at_gguf_writer *g)
{
    at_config copy = *c;
    for (size_t i = 0; i < AT_COUNT(numbers); i++) {
        const uint32_t v = *u32_at(&copy, numbers[i].offset);
        if (v) at_gguf_u32(g, numbers[i].key, v);
    }
    if (c->text_layers) at_gguf_f32(g, "anytag.text.eps", c->text_eps);
    if (at_config_encodes(c)) return;
    at_gguf_f32(g, "anytag.head.eps", c->head_eps);
    if (c->text_layers) { at_gguf_f32(g, "anytag.text.length_penalty", c->text_length_penalty); }
    at_gguf_floats(g, "anytag.preprocess.mean", c->mean, 3);
    at_gguf_floats(g, "anytag.preprocess.std", c->std, 3);
    if (c->embed_dim) {
        at_gguf_u32s(g, "anytag.swin.depths", c->depths, AT_STAGES);
        at_gguf_u32s(g, "anytag.swin.heads", c->heads, AT_STAGES);
    }
    for (size_t f = 0; c->n_convs && f < AT_COUNT(conv_fields); f++) {
        uint32_t column[AT_MAX_CONVS];
        for (size_t i = 0; i < c->n_convs; i++)
            column[i] = *u32_at(&copy.convs[i], conv_fields[f].offset);
        at_gguf_u32s(g, conv_fields[f].key, column, c->n_convs);
    }
}

static at_status check_swin(const at_config *c, at_status wrong, at_error *err)
{
    if (c->image_size % 32 != 0 || c->window == 0)
        return at_fail(err, wrong,
                       "image size %u with window %u: a Swin needs a size divisible by 32",
                       c->image_size, c->window);
    for (int s = 0; s < AT_STAGES; s++) {
        const size_t dim = at_swin_dim(c, s), side = at_swin_side(c, s),
                     window = at_swin_window(c, s);
        if (c->depths[s] == 0 || c->depths[s] > 256)
            return at_fail(err, wrong, "stage %d has %u blocks", s, c->depths[s]);
        if (c->heads[s] == 0 || dim % c->heads[s] != 0)
            return at_fail(err, wrong, "stage %d: %zu channels do not split into %u heads", s, dim,
                           c->heads[s]);
        if (window > 64 || side % window != 0)
            return at_fail(err, wrong,
                           "stage %d: a map of %zux%zu does not split into windows of %zu", s, side,
                           side, window);
    }
    return AT_OK;
}

static at_status check_convs(const at_config *c, at_status wrong, at_error *err)
{
    uint32_t channels = 3, side = c->image_size;
    for (uint32_t i = 0; i < c->n_convs; i++) {
        const at_conv_config *v = &c->convs[i];
        const bool depthwise = v->groups > 1;
        if (v->in != channels || v->out == 0 || (v->stride != 1 && v->stride != 2) ||
            (v->kernel != 1 && v->kernel != 3) ||
            (depthwise && (v->groups != v->in || v->out != v->in || v->kernel != 3)) ||
            (v->stride == 2 && (side % 2 != 0 || v->kernel != 3)) || v->groups == 0)
            return at_fail(err, wrong, "layer %u.%u of the backbone does not fit the one before it",
                           v->block, v->layer);
        channels = v->out;
        side /= v->stride;
    }
    return c->n_convs && side ? AT_OK : at_fail(err, wrong, "the backbone has no layers");
}

/* The attention's scratch has limits (backend.h), which a wrong file must not pass. */
static at_status check_text_layers(const at_config *c, at_status wrong, at_error *err)
{
    if (c->text_hidden == 0 || c->text_ffn == 0 || c->text_heads == 0 ||
        c->text_hidden % c->text_heads != 0 || c->text_hidden / c->text_heads > 256)
        return at_fail(err, wrong,
                       "text layers of width %u, %u heads, feed-forward %u are not possible",
                       c->text_hidden, c->text_heads, c->text_ffn);
    return AT_OK;
}

static at_status check_encoder(const at_config *c, at_status wrong, at_error *err)
{
    if (c->text_layers == 0 || c->text_vocab == 0 || c->text_positions < 8 || c->label_dim == 0)
        return at_fail(err, wrong,
                       "a text encoder of %u layers, %u words, %u positions, vectors of %u is not "
                       "possible",
                       c->text_layers, c->text_vocab, c->text_positions, c->label_dim);
    return check_text_layers(c, wrong, err);
}

static at_status check_text(const at_config *c, at_status wrong, at_error *err)
{
    if (c->text_layers == 0) return AT_OK;
    const at_status status = check_text_layers(c, wrong, err);
    if (status != AT_OK) return status;
    if (c->text_vocab == 0 || c->text_tags == 0 || c->text_positions < 8 ||
        c->text_positions < c->text_max ||
        (strcmp(c->arch, "tag2text") == 0 && c->text_positions < c->text_tags))
        return at_fail(err, wrong, "text of %u words, %u positions, %u tags is not possible",
                       c->text_vocab, c->text_positions, c->text_tags);
    if (c->text_beams == 0 || c->text_max == 0 || c->text_min > c->text_max ||
        !(c->text_length_penalty >= 0))
        return at_fail(err, wrong, "captions of %u to %u tokens with %u beams are not possible",
                       c->text_min, c->text_max, c->text_beams);
    return AT_OK;
}

static at_status check_retrieval(const at_config *c, at_status wrong, at_error *err)
{
    if (c->retrieval_layers == 0 ||
        (strcmp(c->arch, "tag2text") == 0 && c->retrieval_dim && c->retrieval_max >= 3 &&
         c->retrieval_max <= c->text_positions))
        return AT_OK;
    return at_fail(err, wrong,
                   "retrieval with vectors of %u and texts of %u tokens is not possible in a %s",
                   c->retrieval_dim, c->retrieval_max, c->arch);
}

bool at_config_encodes(const at_config *c)
{
    return strcmp(c->arch, "bert_sentence") == 0 || strcmp(c->arch, "clip_text") == 0;
}

at_status at_config_check(const at_config *c, at_status wrong, at_error *err)
{
    if (at_config_encodes(c)) return check_encoder(c, wrong, err);
    if (c->image_size == 0 || c->classes == 0 || c->label_dim == 0 || c->per_class == 0)
        return at_fail(
            err, wrong,
            "image size %u, %u tags, %u descriptions a tag, label width %u: none may be 0",
            c->image_size, c->classes, c->per_class, c->label_dim);
    if (c->head_layers == 0 || c->head_hidden == 0 || c->head_ffn == 0 || c->token_dim == 0 ||
        c->head_heads == 0 || c->head_hidden % c->head_heads != 0)
        return at_fail(
            err, wrong,
            "a tag head of %u layers, width %u, %u heads, feed-forward %u is not possible",
            c->head_layers, c->head_hidden, c->head_heads, c->head_ffn);
    for (int i = 0; i < 3; i++) {
        if (!(c->std[i] > 0))
            return at_fail(err, wrong, "the pixels' standard deviation must be positive");
    }
    const bool tag2text = strcmp(c->arch, "tag2text") == 0;
    if (tag2text && (c->text_layers == 0 || c->head_hidden != c->text_hidden ||
                     c->head_ffn != c->text_ffn || c->label_dim != c->head_hidden ||
                     !c->embed_dim || c->token_dim != at_swin_dim(c, AT_STAGES - 1)))
        return at_fail(err, wrong,
                       "a Tag2Text whose text layers (width %u) and tag head (width %u, labels %u, "
                       "image tokens %u) do not fit together",
                       c->text_hidden, c->head_hidden, c->label_dim, c->token_dim);
    at_status status = check_text(c, wrong, err);
    if (status == AT_OK) status = check_retrieval(c, wrong, err);
    if (status != AT_OK) return status;
    return c->embed_dim ? check_swin(c, wrong, err) : check_convs(c, wrong, err);
}
