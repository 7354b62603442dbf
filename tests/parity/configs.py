"""Configurations of reduced and full-size models, and their state-dict entries in order."""
TINY_SWIN = {"embed_dim": 32, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 4, 8], "window_size": 3,
             "image_res": 96, "vision_width": 256}
# A window that divides no map, uneven depths and head widths of 12 and 24.
ODD_SWIN = {"embed_dim": 24, "depths": [1, 3, 2, 1], "num_heads": [2, 2, 4, 8], "window_size": 12,
            "image_res": 96, "vision_width": 192}
BIG_SWIN = {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12,
            "image_res": 384, "vision_width": 1536}
BASE_SWIN = dict(BIG_SWIN, embed_dim=128, num_heads=[4, 8, 16, 32], vision_width=1024)


def q2l(hidden, heads, ffn):
    return {"hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": 2,
            "intermediate_size": ffn}


WORDS = 30524  # bert-base-uncased's and the two that the family adds

OWN = {
    "own_ram": {"model": "ram", "swin": TINY_SWIN, "q2l": q2l(96, 4, 192), "classes": 33},
    "own_ram_odd": {"model": "ram", "swin": ODD_SWIN, "q2l": q2l(64, 2, 160), "classes": 29},
    "own_ram_plus": {"model": "ram_plus", "swin": TINY_SWIN, "q2l": q2l(96, 4, 384), "classes": 7},
}
# Tag2Text with a vocabulary of its own, which vocabulary() spells.
OWN_TEXT = {
    "own_tag2text": {"model": "tag2text", "swin": TINY_SWIN, "q2l": q2l(96, 4, 192), "classes": 21, "words": 131,
                     "positions": 64,
                     "med": {"hidden_size": 96, "num_attention_heads": 6, "num_hidden_layers": 3,
                             "intermediate_size": 192}},
}
# The same with what compares pictures with texts, fewer layers than the text part.
OWN_MATCH = {"own_match": dict(OWN_TEXT["own_tag2text"], retrieval={"num_hidden_layers": 2, "dim": 40})}
FULL = {
    "ram_swin_l_384": {"model": "ram", "swin": BIG_SWIN, "q2l": q2l(768, 4, 3072), "classes": 4585},
    "ram_swin_b_384": {"model": "ram", "swin": BASE_SWIN, "q2l": q2l(768, 4, 3072), "classes": 4585},
    "ram_plus_swin_l_384": {"model": "ram_plus", "swin": BIG_SWIN, "q2l": q2l(768, 4, 3072),
                            "classes": 4585},
    "tag2text_swin_b_384": {"model": "tag2text", "swin": BASE_SWIN, "q2l": q2l(768, 4, 3072),
                            "med": {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12,
                                    "intermediate_size": 3072}, "classes": 3429},
}


def vocabulary(words):
    """As many tokens as `words`, the special ones where BERT has them, enough to spell "tag 17"."""
    out = ["[PAD]", "a", "picture", "of", "tag", "|", "1", *"234567890", *(f"##{i}" for i in range(10))]
    out += [f"word{i}" for i in range(100 - len(out))] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    out += [f"more{i}" for i in range(words - 2 - len(out))]
    return out + ["[DEC]", "[ENC]"]


def linear(name, out, inp, bias=True):
    yield name + ".weight", "float32", (out, inp)
    if bias:
        yield name + ".bias", "float32", (out,)


def norm(name, width):
    yield name + ".weight", "float32", (width,)
    yield name + ".bias", "float32", (width,)


def swin_entries(swin):
    pre, c = "visual_encoder.", swin["embed_dim"]
    yield pre + "patch_embed.proj.weight", "float32", (c, 3, 4, 4)
    yield pre + "patch_embed.proj.bias", "float32", (c,)
    yield from norm(pre + "patch_embed.norm", c)
    side = swin["image_res"] // 4
    for s, depth in enumerate(swin["depths"]):
        w = min(swin["window_size"], side)
        for b in range(depth):
            n = f"{pre}layers.{s}.blocks.{b}."
            if b % 2 and side > swin["window_size"]:
                yield n + "attn_mask", "float32", ((side // w) ** 2, w * w, w * w)
            yield from norm(n + "norm1", c)
            yield n + "attn.relative_position_bias_table", "float32", ((2 * w - 1) ** 2, swin["num_heads"][s])
            yield n + "attn.relative_position_index", "int64", (w * w, w * w)
            yield from linear(n + "attn.qkv", 3 * c, c)
            yield from linear(n + "attn.proj", c, c)
            yield from norm(n + "norm2", c)
            yield from linear(n + "mlp.fc1", 4 * c, c)
            yield from linear(n + "mlp.fc2", c, 4 * c)
        if s < len(swin["depths"]) - 1:
            n = f"{pre}layers.{s}.downsample."
            yield from linear(n + "reduction", 2 * c, 4 * c, bias=False)
            yield from norm(n + "norm", 4 * c)
            c, side = 2 * c, side // 2
    yield from norm(pre + "norm", c)


def bert_entries(name, cfg, memory):
    med, positions = cfg["med"], cfg.get("positions", 512)
    h, ffn = med["hidden_size"], med["intermediate_size"]
    yield name + "embeddings.position_ids", "int64", (1, positions)
    yield name + "embeddings.word_embeddings.weight", "float32", (cfg.get("words", WORDS), h)
    yield name + "embeddings.position_embeddings.weight", "float32", (positions, h)
    yield from norm(name + "embeddings.LayerNorm", h)
    for i in range(med["num_hidden_layers"]):
        n = f"{name}encoder.layer.{i}."
        for part in ("query", "key", "value"):
            yield from linear(f"{n}attention.self.{part}", h, h)
        yield from linear(n + "attention.output.dense", h, h)
        yield from norm(n + "attention.output.LayerNorm", h)
        yield from cross_entries(n, h, memory, ffn)


def cross_entries(n, h, memory, ffn):
    yield from linear(n + "crossattention.self.query", h, h)
    yield from linear(n + "crossattention.self.key", h, memory)
    yield from linear(n + "crossattention.self.value", h, memory)
    yield from linear(n + "crossattention.output.dense", h, h)
    yield from norm(n + "crossattention.output.LayerNorm", h)
    yield from linear(n + "intermediate.dense", ffn, h)
    yield from linear(n + "output.dense", h, ffn)
    yield from norm(n + "output.LayerNorm", h)


def tag2text_entries(cfg):
    h, med, vision = cfg["q2l"]["hidden_size"], cfg["med"], cfg["swin"]["vision_width"]
    words = cfg.get("words", WORDS)
    yield from swin_entries(cfg["swin"])
    yield from bert_entries("tag_encoder.", cfg, vision)
    yield from bert_entries("text_decoder.bert.", cfg, med["hidden_size"])
    n = "text_decoder.cls.predictions."
    yield n + "bias", "float32", (words,)
    yield from linear(n + "transform.dense", med["hidden_size"], med["hidden_size"])
    yield from norm(n + "transform.LayerNorm", med["hidden_size"])
    yield n + "decoder.weight", "float32", (words, med["hidden_size"])
    yield n + "decoder.bias", "float32", (words,)
    for i in range(cfg["q2l"]["num_hidden_layers"]):
        yield from cross_entries(f"tagging_head.encoder.layer.{i}.", h, vision, cfg["q2l"]["intermediate_size"])
    yield "label_embed.weight", "float32", (cfg["classes"], h)
    yield "fc.W", "float32", (1, cfg["classes"], h)
    yield "fc.b", "float32", (1, cfg["classes"])
    if "retrieval" in cfg:
        yield from retrieval_entries(cfg)


def retrieval_entries(cfg):
    """BLIP's key names, with the paper's "alignment encoder" for its text encoder."""
    vision, h, dim = cfg["swin"]["vision_width"], cfg["med"]["hidden_size"], cfg["retrieval"]["dim"]
    med = dict(cfg["med"], num_hidden_layers=cfg["retrieval"]["num_hidden_layers"])
    yield from bert_entries("alignment_encoder.", dict(cfg, med=med), vision)
    yield from linear("vision_proj", dim, vision)
    yield from linear("text_proj", dim, h)
    yield from linear("itm_head", 2, h)
    yield "temp", "float32", ()


def entries(cfg):
    """What tagging and captions need, in the official order of the state dict."""
    if cfg["model"] == "tag2text":
        yield from tag2text_entries(cfg)
        return
    plus, h, ffn = cfg["model"] == "ram_plus", cfg["q2l"]["hidden_size"], cfg["q2l"]["intermediate_size"]
    yield "label_embed", "float32", (cfg["classes"] * (51 if plus else 1), 512)
    if plus:
        yield "reweight_scale", "float32", ()
    yield from swin_entries(cfg["swin"])
    for i in range(cfg["q2l"]["num_hidden_layers"]):
        n = f"tagging_head.encoder.layer.{i}."
        yield from cross_entries(n, h, 512, ffn)
    yield from linear("wordvec_proj", h, 512)
    yield from linear("fc", 1, h)
    yield from linear("image_proj", 512, cfg["swin"]["vision_width"])


def of_golden(config):
    """Entries of a golden's config.json, all of the official state dict."""
    return [(k, t, tuple(s)) for k, (s, t) in config["parameters"].items()]
