/* convert_encoder.c - the numbers of a text encoder: of a BERT in the Hugging Face layout, with the
 * config.json that lies beside it; of a CLIP's text tower in the official layout or Hugging Face's. */
#include "runtime/convert.h"

#include <stdio.h>
#include <string.h>

static const char bert_words[] = "embeddings.word_embeddings.weight",
                  bert_query[] = "encoder.layer.%u.attention.self.query.weight";

static const char clip_words[] = "token_embedding.weight";

/* --- CLIP in the Hugging Face layout ------------------------------------------------------------- */

static const char hf[] = "text_model.";
static const struct place {
    const char *official, *there[3];
    bool turned;
} places[] = {
    {"token_embedding.weight", {"text_model.embeddings.token_embedding.weight"}, false},
    {"positional_embedding", {"text_model.embeddings.position_embedding.weight"}, false},
    {"ln_final.weight", {"text_model.final_layer_norm.weight"}, false},
    {"ln_final.bias", {"text_model.final_layer_norm.bias"}, false},
    {"text_projection", {"text_projection.weight"}, true},
};
/* Below "transformer.resblocks.N." and "text_model.encoder.layers.N.". */
static const struct place layer_places[] = {
    {"attn.in_proj_weight",
     {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"},
     false},
    {"attn.in_proj_bias",
     {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"},
     false},
    {"attn.out_proj.weight", {"self_attn.out_proj.weight"}, false},
    {"attn.out_proj.bias", {"self_attn.out_proj.bias"}, false},
    {"ln_1.weight", {"layer_norm1.weight"}, false},
    {"ln_1.bias", {"layer_norm1.bias"}, false},
    {"ln_2.weight", {"layer_norm2.weight"}, false},
    {"ln_2.bias", {"layer_norm2.bias"}, false},
    {"mlp.c_fc.weight", {"mlp.fc1.weight"}, false},
    {"mlp.c_fc.bias", {"mlp.fc1.bias"}, false},
    {"mlp.c_proj.weight", {"mlp.fc2.weight"}, false},
    {"mlp.c_proj.bias", {"mlp.fc2.bias"}, false},
};

bool at_source_find_clip(const at_source *s, const char *official, const at_weight *parts[3],
                         bool *turned)
{
    static const char layers[] = "transformer.resblocks.";
    const struct place *table = places;
    size_t n = AT_COUNT(places);
    char key[160], before[64] = "";
    const char *name = official;
    if (strncmp(official, layers, sizeof layers - 1) == 0) {
        const char *number = official + sizeof layers - 1;
        const size_t digits = strspn(number, "0123456789");
        (void)snprintf(before, sizeof before, "%sencoder.layers.%.*s.", hf,
                       (int)at_min_size(digits, 8), number);
        name = number + digits + 1;
        table = layer_places;
        n = AT_COUNT(layer_places);
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].official, name) != 0) continue;
        *turned = table[i].turned;
        for (size_t k = 0; k < 3; k++) {
            (void)snprintf(key, sizeof key, "%s%s", before,
                           table[i].there[k] ? table[i].there[k] : "");
            parts[k] = table[i].there[k] ? at_source_find(s, key) : NULL;
            if (table[i].there[k] && !parts[k]) return false;
        }
        return true;
    }
    return false;
}

/* A tensor of a CLIP in either layout: the first of several. */
static const at_weight *clip_find(const at_source *s, const char *official)
{
    const at_weight *parts[3], *own = at_source_find(s, official);
    bool turned;
    if (own) return own;
    return at_source_find_clip(s, official, parts, &turned) ? parts[0] : NULL;
}

static uint32_t clip_dim(const at_source *s, const char *official, int i)
{
    const at_weight *t = clip_find(s, official);
    return t && i < t->n_dims && t->dims[i] < UINT32_MAX ? (uint32_t)t->dims[i] : 0;
}

uint32_t at_clip_vocab(const at_source *s)
{
    if (s->ours) return (uint32_t)at_weights_u64(s->weights, "anytag.text.vocab_size", 0);
    return clip_dim(s, clip_words, 0);
}

/* config.json beside it, or the user's: both call the heads of the text tower by one of these. */
static at_status clip_heads(at_config *c, const char *path, at_error *err)
{
    json_t *root = NULL;
    const at_status status = at_json_read(path, &root, err);
    if (status != AT_OK) return status;
    const json_t *text = json_object_get(root, "text_config");
    const char *act = json_string_value(json_object_get(text ? text : root, "hidden_act"));
    uint32_t heads = at_json_u32(text ? text : root, "num_attention_heads");
    if (!heads) heads = at_json_u32(root, "transformer_heads");
    if (heads) c->text_heads = heads;
    const at_status known = !act || strcmp(act, "quick_gelu") == 0
                                ? AT_OK
                                : at_fail(err, AT_E_MODEL_UNSUPPORTED,
                                          "%s: hidden_act is \"%.20s\", expected \"quick_gelu\"",
                                          path, act);
    json_decref(root);
    return known;
}

static at_status clip_numbers(at_config *c, const at_source *s, const at_convert_options *o,
                              at_error *err)
{
    char key[96];
    for (; c->text_layers < 64; c->text_layers++) {
        (void)snprintf(key, sizeof key, "transformer.resblocks.%u.ln_1.weight", c->text_layers);
        if (!clip_find(s, key)) break;
    }
    const bool turned = !at_source_find(s, "text_projection");
    c->text_vocab = clip_dim(s, clip_words, 0);
    c->text_hidden = clip_dim(s, clip_words, 1);
    c->text_positions = clip_dim(s, "positional_embedding", 0);
    c->text_ffn = clip_dim(s, "transformer.resblocks.0.mlp.c_fc.weight", 0);
    c->label_dim = clip_dim(s, "text_projection", turned ? 0 : 1);
    c->text_heads = c->text_hidden / 64; // in every official size
    c->text_eps = 1e-5f;
    if (!c->label_dim)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "%s: text_projection is missing, without which its vectors are not those of "
                       "pictures; take the whole CLIP, or CLIPTextModelWithProjection",
                       s->path);
    at_status status = AT_OK;
    if (s->config_path) status = clip_heads(c, s->config_path, err);
    if (status == AT_OK && o->model_config) status = clip_heads(c, o->model_config, err);
    return status;
}

/* --- both ------------------------------------------------------------------------------------------ */

const char *at_source_encodes(const at_source *s)
{
    static const char *const archs[] = {"bert_sentence", "clip_text"};
    if (s->ours) {
        const char *arch = at_weights_str(s->weights, "general.architecture", "");
        for (size_t i = 0; i < AT_COUNT(archs); i++)
            if (strcmp(arch, archs[i]) == 0) return archs[i];
        return NULL;
    }
    if (clip_find(s, clip_words) && clip_find(s, "positional_embedding")) return "clip_text";
    return at_source_find(s, bert_words) ? "bert_sentence" : NULL;
}

static at_status bert_numbers(at_config *c, const at_source *s, at_error *err)
{
    char key[96];
    for (; c->text_layers < 64; c->text_layers++) {
        (void)snprintf(key, sizeof key, bert_query, c->text_layers);
        if (!at_source_find(s, key)) break;
    }
    c->text_vocab = at_source_dim(s, bert_words, 0);
    c->text_hidden = c->label_dim = at_source_dim(s, bert_words, 1);
    c->text_positions = at_source_dim(s, "embeddings.position_embeddings.weight", 0);
    c->text_ffn = at_source_dim(s, "encoder.layer.0.intermediate.dense.weight", 0);
    if (!s->config_path)
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "%s: the weights do not tell how many heads a layer has; give the folder "
                       "that has config.json beside them",
                       s->path);
    json_t *root = NULL;
    const at_status status = at_json_read(s->config_path, &root, err);
    if (status != AT_OK) return status;
    const char *act = json_string_value(json_object_get(root, "hidden_act"));
    const json_t *eps = json_object_get(root, "layer_norm_eps");
    const bool gelu = !act || strcmp(act, "gelu") == 0;
    c->text_heads = at_json_u32(root, "num_attention_heads");
    c->text_eps = json_is_number(eps) ? (float)json_number_value(eps) : 1e-12f;
    const at_status known = gelu ? AT_OK
                                 : at_fail(err, AT_E_MODEL_UNSUPPORTED,
                                           "%s: hidden_act is \"%.20s\", expected \"gelu\"",
                                           s->config_path, act);
    json_decref(root);
    return known;
}

at_status at_encoder_config(at_config *c, const at_source *s, const at_lists *l,
                            const at_convert_options *o, at_error *err)
{
    (void)snprintf(c->arch, sizeof c->arch, "%s", at_source_encodes(s));
    const bool clip = strcmp(c->arch, "clip_text") == 0;
    at_status status = clip ? clip_numbers(c, s, o, err) : bert_numbers(c, s, err);
    if (status == AT_OK && !clip && l->n_vocab != c->text_vocab)
        status = at_fail(err, AT_E_MODEL_MISMATCH,
                         "%s: word embeddings of %u words, the vocabulary has %zu; pass the one it "
                         "was trained with: --vocab FILE",
                         s->path, c->text_vocab, l->n_vocab);
    return status == AT_OK ? at_config_check(c, AT_E_MODEL_MISMATCH, err) : status;
}
