/* tiny_model.h - a real model file of a tiny network: every part of RAM, RAM++, or a Tag2Text that also
 * compares pictures with texts, 8 channels wide. */
#ifndef AT_TESTS_TINY_MODEL_H
#define AT_TESTS_TINY_MODEL_H

#include "models/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TINY_TAGS = 5, TINY_SIDE = 64, TINY_TOKENS = 12, TINY_WIDTH = 6 };

typedef struct tiny_writer {
    at_params base;
    at_gguf_writer *g;
    bool data; // the second telling: bytes behind the list
    unsigned n;
} tiny_writer;

static void tiny_visit(at_params *base, const at_param *p)
{
    tiny_writer *w = (tiny_writer *)base;
    if (p->kind == AT_PARAM_TIED) return; // it is there as rows
    uint64_t dims[4], n = 1;
    const int n_dims = at_param_stored(p, dims);
    for (int i = 0; i < n_dims; i++)
        n *= dims[i];
    if (!w->data) at_gguf_tensor(w->g, p->name, AT_F32, dims, n_dims);
    const bool gain = p->kind == AT_PARAM_VECTOR && strstr(p->name, "norm");
    for (uint64_t i = 0; w->data && i < n; i++) {
        const float v = sinf((float)w->n++) * 0.4f + (gain ? 1.0f : 0.0f);
        at_gguf_data(w->g, &v, sizeof v);
    }
}

static const char *const tiny_vocab[] = {"[PAD]", "a",     "picture", "of",     "dog",   "##s",
                                         "cat",   "tree",  "house",   ",",      "the",   "big",
                                         "[UNK]", "[CLS]", "[SEP]",   "[MASK]", "[DEC]", "[ENC]"};

/* `arch`: "ram", "ram_plus" or "tag2text". The same bytes each time. */
static inline at_status tiny_model_write(const char *path, const char *arch, at_error *err)
{
    static const char *const tags[TINY_TAGS] = {"cat", "dog", "Dog", "tree house", "x"};
    static const char *const tags_zh[TINY_TAGS] = {"猫", "狗 ", " 犬", "", "叉"};
    static const float thresholds[TINY_TAGS] = {0.2f, 0.5f, 0.9f, 1.0f, 0.0f};
    const uint32_t deleted = 4;
    at_config c = {.image_size = TINY_SIDE,
                   .std = {1, 1, 1},
                   .classes = TINY_TAGS,
                   .per_class = strcmp(arch, "ram") == 0 ? 1 : 3,
                   .label_dim = 8,
                   .embed_dim = 8,
                   .window = 2,
                   .depths = {2, 1, 1, 1},
                   .heads = {1, 2, 2, 2},
                   .token_dim = 8,
                   .head_layers = 2,
                   .head_hidden = 8,
                   .head_heads = 2,
                   .head_ffn = 16,
                   .head_eps = 1e-12f};
    (void)snprintf(c.arch, sizeof c.arch, "%s", arch);
    const bool text = strcmp(arch, "tag2text") == 0;
    if (text) {
        c.per_class = 1;
        c.token_dim = 64; // Swin's last stage
        c.text_layers = c.retrieval_layers = c.text_heads = 2;
        c.text_hidden = 8;
        c.text_ffn = 16;
        c.text_vocab = sizeof tiny_vocab / sizeof *tiny_vocab;
        c.text_positions = 24;
        c.text_tags = c.text_max = 10;
        c.text_beams = c.text_min = 1;
        c.text_eps = 1e-12f;
        c.text_length_penalty = 1;
        c.retrieval_dim = TINY_WIDTH;
        c.retrieval_max = TINY_TOKENS;
    }
    at_network *net;
    at_status status = at_network_open(&net, &c, &at_backend_cpu, NULL, err);
    if (status != AT_OK) return status;
    tiny_writer w = {.base = {.visit = tiny_visit, .err = err}};
    status = at_gguf_create(&w.g, path, NULL, err);
    if (status == AT_OK) {
        at_gguf_str(w.g, "general.architecture", arch);
        at_gguf_str(w.g, "general.name", "tiny");
        at_gguf_u32(w.g, "anytag.version", 1);
        at_config_write(&c, w.g);
        at_gguf_str(w.g, "anytag.vocabulary", "tiny-5");
        at_gguf_strings(w.g, "anytag.tags", tags, TINY_TAGS);
        at_gguf_strings(w.g, "anytag.tags_zh", tags_zh, TINY_TAGS);
        at_gguf_floats(w.g, "anytag.thresholds", thresholds, TINY_TAGS);
        at_gguf_u32s(w.g, "anytag.delete_indices", &deleted, 1);
        if (text) at_gguf_strings(w.g, "anytag.text.vocab", tiny_vocab, c.text_vocab);
        at_network_params(net, &w.base);
        w.data = true;
        at_network_params(net, &w.base);
        status = at_gguf_finish(w.g, err);
    }
    at_network_close(net);
    return status;
}

#endif
