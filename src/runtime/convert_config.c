/* convert_config.c - the numbers of a network: from the user's JSON, the folder's config.json, or the
 * shapes of the tensors, which tell all but the image size and the heads of the tag head. */
#include "runtime/convert.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f},
                   imagenet_std[3] = {0.229f, 0.224f, 0.225f};
/* What the small decoder's configuration says in words only. */
#define LITE_LENGTH_PENALTY 0.8f
enum { LITE_TAGS = 12 };
enum { OFFICIAL_HEADS = 4, OFFICIAL_DESCRIPTIONS = 51, OFFICIAL_TEXT_HEAD = 64 };

uint32_t at_source_dim(const at_source *s, const char *key, int i)
{
    const at_weight *t = at_source_find(s, key);
    return t && i < t->n_dims && t->dims[i] < UINT32_MAX ? (uint32_t)t->dims[i] : 0;
}

uint32_t at_json_u32(const json_t *object, const char *key)
{
    const json_int_t v = json_integer_value(json_object_get(object, key));
    return v > 0 && v < INT32_MAX ? (uint32_t)v : 0;
}

bool at_is_tag2text(const at_source *s)
{
    return at_source_find(s, "fc.W") || at_source_find(s, "label_embed.weight");
}

static at_status not_ours(const at_source *s, const char *missing, at_error *err)
{
    const at_weight *first = at_weights_at(s->weights, 0);
    return at_fail(
        err, AT_E_MODEL_MISMATCH,
        "%s: not a checkpoint of RAM, RAM++ or Tag2Text (no %s among its %zu tensors; the first is %s)",
        s->path, missing, at_weights_count(s->weights), first ? first->name : "none");
}

/* Which network the keys belong to; `asked` NULL or "auto" leaves it to them. */
static at_status find_arch(at_config *c, const at_source *s, const char *asked, at_error *err)
{
    static const char *const needed[] = {
        "visual_encoder.patch_embed.proj.weight",
        "tagging_head.encoder.layer.0.crossattention.self.query.weight",
        "image_proj.weight",
        "wordvec_proj.weight",
        "label_embed",
        "fc.weight"};
    static const char *const needed_tag2text[] = {
        "visual_encoder.patch_embed.proj.weight",
        "tagging_head.encoder.layer.0.crossattention.self.query.weight",
        "label_embed.weight",
        "fc.W",
        "tag_encoder.embeddings.word_embeddings.weight",
        "text_decoder.bert.embeddings.word_embeddings.weight"};
    const bool tag2text = at_is_tag2text(s);
    const char *const *keys = tag2text ? needed_tag2text : needed;
    const char *arch = tag2text                              ? "tag2text"
                       : at_source_find(s, "reweight_scale") ? "ram_plus"
                                                             : "ram";
    for (size_t i = 0; i < (tag2text ? AT_COUNT(needed_tag2text) : AT_COUNT(needed)); i++) {
        if (!at_source_find(s, keys[i])) return not_ours(s, keys[i], err);
    }
    const bool free_choice = !asked || strcmp(asked, "auto") == 0;
    if (!free_choice && strcmp(asked, arch) != 0)
        return at_fail(err, AT_E_MODEL_MISMATCH, "%s: its keys are those of %s, not of %s", s->path,
                       arch, asked);
    (void)snprintf(c->arch, sizeof c->arch, "%s", arch);
    return AT_OK;
}

/* side of a bias table [(2w-1)^2, heads] to w. */
static uint32_t window_of(uint32_t rows)
{
    uint32_t w = 1;
    while (w < 256 && (2 * w - 1) * (2 * w - 1) < rows)
        w++;
    return (2 * w - 1) * (2 * w - 1) == rows ? w : 0;
}

static void shapes_swin(at_config *c, const at_source *s)
{
    char key[160];
    c->embed_dim = at_source_dim(s, "visual_encoder.patch_embed.proj.weight", 0);
    for (int stage = 0; stage < AT_STAGES; stage++) {
        uint32_t depth = 0;
        for (;; depth++) {
            (void)snprintf(key, sizeof key, "visual_encoder.layers.%d.blocks.%u.attn.qkv.weight",
                           stage, depth);
            if (depth > 256 || !at_source_find(s, key)) break;
        }
        c->depths[stage] = depth;
        (void)snprintf(key, sizeof key,
                       "visual_encoder.layers.%d.blocks.0.attn.relative_position_bias_table",
                       stage);
        c->heads[stage] = at_source_dim(s, key, 1);
        if (stage == 0) c->window = window_of(at_source_dim(s, key, 0));
    }
    c->image_size = c->window * 32; // every official size: 12 x 32 = 384, 7 x 32 = 224
}

static void shapes_head(at_config *c, const at_source *s, const at_lists *l)
{
    char key[160];
    for (c->head_layers = 0; c->head_layers < 64; c->head_layers++) {
        (void)snprintf(key, sizeof key,
                       "tagging_head.encoder.layer.%u.crossattention.self.query.weight",
                       c->head_layers);
        if (!at_source_find(s, key)) break;
    }
    const bool tag2text = strcmp(c->arch, "tag2text") == 0;
    c->head_hidden = at_source_dim(
        s, "tagging_head.encoder.layer.0.crossattention.self.query.weight", 0);
    c->head_ffn = at_source_dim(s, "tagging_head.encoder.layer.0.intermediate.dense.weight", 0);
    c->head_heads = OFFICIAL_HEADS;
    c->head_eps = 1e-12f;
    c->label_dim = at_source_dim(s, tag2text ? "label_embed.weight" : "label_embed", 1);
    c->token_dim = at_source_dim(s, "tagging_head.encoder.layer.0.crossattention.self.key.weight",
                                 1);
    const uint32_t rows = at_source_dim(s, "label_embed", 0);
    const bool plus = strcmp(c->arch, "ram_plus") == 0;
    c->classes = (uint32_t)l->n_tags;
    c->per_class = plus && l->n_tags && rows % l->n_tags == 0 ? rows / (uint32_t)l->n_tags
                   : plus                                     ? OFFICIAL_DESCRIPTIONS
                                                              : 1;
}

/* Tag2Text's text layers; heads are 64 wide in every official size. */
static void shapes_text(at_config *c, const at_source *s)
{
    char key[160];
    for (; c->text_layers < AT_BERT_LAYERS; c->text_layers++) {
        (void)snprintf(key, sizeof key,
                       "text_decoder.bert.encoder.layer.%u.attention.self.query.weight",
                       c->text_layers);
        if (!at_source_find(s, key)) break;
    }
    c->text_vocab = at_source_dim(s, "text_decoder.bert.embeddings.word_embeddings.weight", 0);
    c->text_hidden = at_source_dim(s, "text_decoder.bert.embeddings.word_embeddings.weight", 1);
    c->text_positions = at_source_dim(s, "text_decoder.bert.embeddings.position_embeddings.weight",
                                      0);
    c->text_heads = c->text_hidden / OFFICIAL_TEXT_HEAD;
    c->text_ffn = at_source_dim(s, "text_decoder.bert.encoder.layer.0.intermediate.dense.weight",
                                0);
    c->text_eps = 1e-12f;
    c->text_tags = 40;
    c->text_beams = 3; // what inference_tag2text.py passes
    c->text_min = 10;
    c->text_max = 50;
    c->text_length_penalty = 1;
}

/* What compares pictures with texts, of checkpoints that were trained for it (BLIP's key names); widths
 * and heads are the text layers'. */
static void shapes_retrieval(at_config *c, const at_source *s)
{
    enum { BLIP_TOKENS = 35 };
    char key[160];
    for (; c->retrieval_layers < AT_BERT_LAYERS; c->retrieval_layers++) {
        (void)snprintf(key, sizeof key,
                       "alignment_encoder.encoder.layer.%u.attention.self.query.weight",
                       c->retrieval_layers);
        if (!at_source_find(s, key)) break;
    }
    if (c->retrieval_layers == 0) return;
    c->retrieval_dim = at_source_dim(s, "vision_proj.weight", 0);
    c->retrieval_max = c->text_positions < BLIP_TOKENS ? c->text_positions : BLIP_TOKENS;
}

/* The official field names, as in the configurations of the official repository. */
static at_status from_json(at_config *c, const char *path, at_error *err)
{
    json_t *root = NULL;
    const at_status read = at_json_read(path, &root, err);
    if (read != AT_OK) return read;
    const json_t *swin = json_object_get(root, "swin"), *q2l = json_object_get(root, "q2l");
    const char *model = json_string_value(json_object_get(root, "model"));
    at_status status = AT_OK;
    if (model && strcmp(model, c->arch) != 0)
        status = at_fail(err, AT_E_MODEL_MISMATCH,
                         "%s: model \"%.40s\", but the checkpoint's keys are those of %s", path,
                         model, c->arch);
    else if (!json_is_object(swin) || !json_is_object(q2l))
        status = at_fail(err, AT_E_INVALID_PARAMETER,
                         "%s: \"swin\" and \"q2l\" must be objects with the official field names",
                         path);
    const json_t *depths = json_object_get(swin, "depths"),
                 *heads = json_object_get(swin, "num_heads");
    if (status == AT_OK &&
        (json_array_size(depths) != AT_STAGES || json_array_size(heads) != AT_STAGES))
        status = at_fail(err, AT_E_INVALID_PARAMETER,
                         "%s: swin.depths and swin.num_heads must list four stages", path);
    if (status == AT_OK) {
        c->embed_dim = at_json_u32(swin, "embed_dim");
        c->window = at_json_u32(swin, "window_size");
        c->image_size = at_json_u32(swin, "image_res");
        for (size_t i = 0; i < AT_STAGES; i++) {
            c->depths[i] = (uint32_t)json_integer_value(json_array_get(depths, i));
            c->heads[i] = (uint32_t)json_integer_value(json_array_get(heads, i));
        }
        c->head_hidden = at_json_u32(q2l, "hidden_size");
        c->head_heads = at_json_u32(q2l, "num_attention_heads");
        c->head_layers = at_json_u32(q2l, "num_hidden_layers");
        c->head_ffn = at_json_u32(q2l, "intermediate_size");
        if (at_json_u32(root, "classes")) c->classes = at_json_u32(root, "classes");
        const json_t *med = json_object_get(root, "med");
        if (c->text_layers && at_json_u32(med, "num_attention_heads"))
            c->text_heads = at_json_u32(med, "num_attention_heads");
    }
    json_decref(root);
    return status;
}

/* The small model's config.json: every layer with its shape. */
static at_status lite_convs(at_config *c, const json_t *backbone, const char *path, at_error *err)
{
    for (size_t b = 0; b < json_array_size(backbone); b++) {
        const json_t *block = json_array_get(backbone, b),
                     *layers = json_object_get(block, "layers");
        const size_t n = json_array_size(layers);
        for (size_t i = 0; i < n; i++) {
            if (c->n_convs == AT_MAX_CONVS)
                return at_fail(err, AT_E_MODEL_UNSUPPORTED, "%s: more than %d layers", path,
                               AT_MAX_CONVS);
            const json_t *layer = json_array_get(layers, i),
                         *shape = json_object_get(layer, "weight");
            const char *act = json_string_value(json_object_get(layer, "act"));
            const uint32_t out = (uint32_t)json_integer_value(json_array_get(shape, 0));
            const uint32_t groups = at_json_u32(layer, "groups");
            c->convs[c->n_convs++] = (at_conv_config){
                .block = (uint32_t)b,
                .layer = (uint32_t)i,
                .in = (uint32_t)json_integer_value(json_array_get(shape, 1)) * groups,
                .out = out,
                .kernel = at_json_u32(layer, "kernel"),
                .stride = at_json_u32(layer, "stride"),
                .groups = groups,
                .relu6 = act && strcmp(act, "relu6") == 0,
                .residual = i + 1 == n && json_is_true(json_object_get(block, "residual")),
            };
        }
    }
    return AT_OK;
}

static void json_floats3(const json_t *array, float out[3])
{
    for (size_t i = 0; i < 3; i++)
        out[i] = (float)json_number_value(json_array_get(array, i));
}

static at_status from_lite(at_config *c, const json_t *root, const at_lists *l, const char *path,
                           at_error *err)
{
    const json_t *pre = json_object_get(root, "preprocess"), *head = json_object_get(root, "head");
    (void)snprintf(c->arch, sizeof c->arch, "ram_lite");
    c->image_size = at_json_u32(pre, "size");
    json_floats3(json_object_get(pre, "mean"), c->mean);
    json_floats3(json_object_get(pre, "std"), c->std);
    c->classes = (uint32_t)l->n_tags;
    c->per_class = 1;
    c->label_dim = (uint32_t)json_integer_value(
        json_array_get(json_object_get(head, "label_embed"), 1));
    c->token_dim = at_json_u32(head, "encoder_width");
    c->head_layers = at_json_u32(head, "layers");
    c->head_hidden = at_json_u32(head, "hidden");
    c->head_heads = at_json_u32(head, "heads");
    c->head_ffn = at_json_u32(head, "intermediate");
    c->head_eps = (float)json_number_value(json_object_get(head, "layer_norm_eps"));
    return lite_convs(c, json_object_get(root, "backbone"), path, err);
}

/* caption_config.json beside it: the small decoder. */
static at_status lite_captions(at_config *c, const at_source *s, at_error *err)
{
    json_t *root = NULL;
    const at_status read = at_json_read(s->captions_config, &root, err);
    if (read != AT_OK) return read;
    const json_t *decode = json_object_get(root, "decode");
    c->text_layers = at_json_u32(root, "layers");
    c->text_hidden = at_json_u32(root, "hidden");
    c->text_heads = at_json_u32(root, "heads");
    c->text_ffn = at_json_u32(root, "intermediate");
    c->text_vocab = at_json_u32(root, "vocab");
    c->text_positions = at_json_u32(root, "max_positions");
    c->text_eps = (float)json_number_value(json_object_get(root, "layer_norm_eps"));
    c->text_tags = LITE_TAGS;
    c->text_beams = at_json_u32(decode, "beam");
    c->text_min = at_json_u32(decode, "min_length");
    c->text_max = at_json_u32(decode, "max_length");
    c->text_length_penalty = LITE_LENGTH_PENALTY;
    json_decref(root);
    return AT_OK;
}

static at_status from_folder(at_config *c, const at_source *s, const at_lists *l, bool *found,
                             at_error *err)
{
    json_t *root = NULL;
    const at_status read = at_json_read(s->config_path, &root, err);
    if (read != AT_OK) return read;
    *found = json_is_array(json_object_get(root, "backbone"));
    const at_status status = *found ? from_lite(c, root, l, s->config_path, err) : AT_OK;
    json_decref(root);
    if (status == AT_OK && *found && s->captions) return lite_captions(c, s, err);
    return status;
}

static at_status check_labels(const at_config *c, const at_source *s, const at_lists *l,
                              at_error *err)
{
    const uint64_t rows = at_source_dim(s, at_is_tag2text(s) ? "label_embed.weight" : "label_embed",
                                        0);
    if (c->classes == l->n_tags && rows == (uint64_t)c->classes * c->per_class) return AT_OK;
    if (c->per_class > 1)
        return at_fail(
            err, AT_E_MODEL_MISMATCH,
            "%s: label_embed has %llu rows, which is not a number of descriptions for each of the %zu tags of %s (not the same model); pass the list it was trained with: --tags FILE",
            s->path, (unsigned long long)rows, l->n_tags, l->tags_from);
    return at_fail(
        err, AT_E_MODEL_MISMATCH,
        "%s: label_embed has %llu rows, the tag list %zu (not the same model); pass the list it was trained with: --tags FILE",
        s->path, (unsigned long long)rows, l->n_tags);
}

at_status at_config_find(at_config *c, const at_source *s, const at_lists *l,
                         const at_convert_options *o, at_error *err)
{
    memset(c, 0, sizeof *c);
    if (s->ours) {
        const at_status status = at_config_read(c, s->weights, err);
        if (status == AT_OK && c->classes != l->n_tags)
            return at_fail(err, AT_E_MODEL_MISMATCH, "%s: a model of %u tags, the list has %zu",
                           s->path, c->classes, l->n_tags);
        return status;
    }
    if (at_source_encodes(s)) return at_encoder_config(c, s, l, o, err);
    bool lite = false;
    at_status status = s->config_path ? from_folder(c, s, l, &lite, err) : AT_OK;
    if (status == AT_OK && !lite) {
        memcpy(c->mean, imagenet_mean, sizeof c->mean);
        memcpy(c->std, imagenet_std, sizeof c->std);
        status = find_arch(c, s, o->arch, err);
        if (status != AT_OK) return status;
        shapes_swin(c, s);
        shapes_head(c, s, l);
        if (at_is_tag2text(s)) {
            shapes_text(c, s);
            shapes_retrieval(c, s);
        }
        if (o->model_config) status = from_json(c, o->model_config, err);
    }
    if (status == AT_OK) status = check_labels(c, s, l, err);
    if (status == AT_OK && c->text_layers && l->n_vocab != c->text_vocab)
        return at_fail(
            err, AT_E_MODEL_MISMATCH,
            "%s: word embeddings of %u words, the vocabulary has %zu; pass the one it was "
            "trained with: --vocab FILE (bert-base-uncased's vocab.txt for Tag2Text)",
            s->path, c->text_vocab, l->n_vocab);
    return status == AT_OK ? at_config_check(c, AT_E_MODEL_MISMATCH, err) : status;
}
