/* config.h - the numbers that make one network of the family out of its code. One struct for all
 * architectures; what a network does not have is zero. Kept in the model file under `anytag.*`. */
#ifndef AT_MODELS_CONFIG_H
#define AT_MODELS_CONFIG_H

#include "formats/gguf_write.h"
#include "formats/weights.h"

enum { AT_STAGES = 4, AT_MAX_CONVS = 128 };

/* One layer of the small backbone; consecutive layers of one `block` share a residual. */
typedef struct at_conv_config {
    uint32_t block, layer, in, out, kernel, stride, groups, relu6, residual;
} at_conv_config;

typedef struct at_config {
    char arch[24];       // "ram", "ram_plus", "tag2text", "ram_lite", "bert_sentence", "clip_text"
    uint32_t image_size; // px
    float mean[3], std[3];
    uint32_t classes;   // tags
    uint32_t per_class; // descriptions a tag (RAM++), else 1
    uint32_t label_dim; // of a label embedding; of a text encoder's vectors

    uint32_t embed_dim, window; // Swin: channels of stage 0, window side before clipping
    uint32_t depths[AT_STAGES], heads[AT_STAGES];

    uint32_t n_convs; // MobileNetV2
    at_conv_config convs[AT_MAX_CONVS];

    uint32_t token_dim; // width of the image tokens after image_proj
    uint32_t head_layers, head_hidden, head_heads, head_ffn;
    float head_eps;

    /* The text part: encoder (Tag2Text) and decoder have the same numbers. text_layers 0: none. */
    uint32_t text_layers, text_hidden, text_heads, text_ffn, text_vocab, text_positions;
    uint32_t text_tags; // words of the tags' text (Tag2Text, 40), or recognised labels (12)
    float text_eps;
    uint32_t text_beams, text_min, text_max; // search: beams, least and most tokens
    float text_length_penalty;

    /* Retrieval: a stack with the text part's widths. retrieval_layers 0: none. */
    uint32_t retrieval_layers, retrieval_dim; // of the vectors that are compared
    uint32_t retrieval_max;                   // tokens of a text, its first and last included
} at_config;

/* Channels and side of stage s of a Swin; the window after clipping to the map. */
static inline size_t at_swin_dim(const at_config *c, int s)
{
    return (size_t)c->embed_dim << s;
}
static inline size_t at_swin_side(const at_config *c, int s)
{
    return c->image_size / 4 >> s;
}
static inline size_t at_swin_window(const at_config *c, int s)
{
    const size_t side = at_swin_side(c, s);
    return side < c->window ? side : c->window;
}

/* A text encoder: has text_* and label_dim, and no image part. */
bool at_config_encodes(const at_config *c);

/* Reads and checks every number; AT_E_MODEL_DAMAGED names the key that is wrong. */
at_status at_config_read(at_config *c, const at_weights *w, at_error *err);
/* The same check for numbers that come from elsewhere. */
at_status at_config_check(const at_config *c, at_status wrong, at_error *err);
void at_config_write(const at_config *c, at_gguf_writer *g);

#endif
