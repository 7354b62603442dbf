"""Reference forward in numpy: Swin, the tag head, RAM's and RAM++'s labels, Tag2Text, the small model.

Plain and slow on purpose. `weights` is a mapping of state-dict keys; `Stages`
collects every named stage. Work in the dtype of the weights given.
"""
import math

import numpy as np

import formula

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class FormulaWeights:
    """The formula's weights of a configuration, made when asked for."""

    def __init__(self, entries, hidden, plus, dtype=np.float64):
        self.shapes = {k: s for k, _, s in entries}
        self.hidden, self.plus, self.dtype = hidden, plus, dtype

    def __getitem__(self, key):
        v = formula.values(key, self.shapes[key], self.hidden, self.plus)
        return v.astype(self.dtype) if v.dtype.kind == "f" else v


def erf(x):
    """erf of an array; the C library's, exact to a last bit of double."""
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(w, name, x, eps):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    return x * w[name + ".weight"] + w[name + ".bias"]


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def _heads(x, heads):
    return x.reshape(x.shape[:-1] + (heads, -1)).swapaxes(-2, -3)


def attention(q, k, v, heads, extra=0):
    """extra is added to the scores, already scaled."""
    q, k, v = _heads(q, heads), _heads(k, heads), _heads(v, heads)
    p = softmax((q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2) + extra)
    o = (p @ v).swapaxes(-2, -3)
    return o.reshape(o.shape[:-2] + (-1,))


def pixels(image, size, mean, std):
    """The official transform of a PIL picture: bilinear, float32 arithmetic."""
    from PIL import Image
    rgb = np.asarray(image.convert("RGB").resize((size, size), Image.BILINEAR), np.float32)
    x = rgb / np.float32(255)
    return ((x - np.array(mean, np.float32)) / np.array(std, np.float32)).transpose(2, 0, 1)


def swin_block(w, name, x, side, window, heads, odd):
    shift = window // 2 if odd and side > window else 0
    window = min(window, side)
    n, c = window * window, x.shape[1]
    y = layer_norm(w, name + "norm1", x, 1e-5).reshape(side, side, c)
    y = np.roll(y, (-shift, -shift), (0, 1))
    grid = side // window
    y = y.reshape(grid, window, grid, window, c).transpose(0, 2, 1, 3, 4).reshape(-1, n, c)
    q, k, v = np.split(linear(w, name + "attn.qkv", y), 3, -1)
    bias = w[name + "attn.relative_position_bias_table"][formula.relative_position_index(n)]
    extra = bias.transpose(2, 0, 1)[None]
    if shift:
        extra = extra + formula.attn_mask(grid * grid, n)[:, None]
    y = linear(w, name + "attn.proj", attention(q, k, v, heads, extra))
    y = y.reshape(grid, grid, window, window, c).transpose(0, 2, 1, 3, 4).reshape(side, side, c)
    x = x + np.roll(y, (shift, shift), (0, 1)).reshape(-1, c)
    y = gelu(linear(w, name + "mlp.fc1", layer_norm(w, name + "norm2", x, 1e-5)))
    return x + linear(w, name + "mlp.fc2", y)


def swin(w, cfg, px, stages):
    pre, side = "visual_encoder.", cfg["image_res"] // 4
    patches = px.reshape(3, side, 4, side, 4).transpose(1, 3, 0, 2, 4).reshape(side * side, 48)
    conv = w[pre + "patch_embed.proj.weight"]
    x = patches @ conv.reshape(len(conv), 48).T + w[pre + "patch_embed.proj.bias"]
    x = layer_norm(w, pre + "patch_embed.norm", x, 1e-5)
    stages["patch_embed"] = x
    for s, depth in enumerate(cfg["depths"]):
        for b in range(depth):
            name = f"{pre}layers.{s}.blocks.{b}."
            x = swin_block(w, name, x, side, cfg["window_size"], cfg["num_heads"][s], b % 2 == 1)
            stages[f"swin.stage{s}.block{b}.out"] = x
        if s + 1 < len(cfg["depths"]):
            g = x.reshape(side, side, -1)
            g = np.concatenate([g[0::2, 0::2], g[1::2, 0::2], g[0::2, 1::2], g[1::2, 1::2]], -1)
            side //= 2
            name = f"{pre}layers.{s}.downsample."
            x = layer_norm(w, name + "norm", g.reshape(side * side, -1), 1e-5)
            x = x @ w[name + "reduction.weight"].T
            stages[f"swin.stage{s}.out"] = x
    x = layer_norm(w, pre + "norm", x, 1e-5)
    stages["swin.norm"] = x
    x = np.concatenate([x.mean(0, keepdims=True), x])
    stages["swin.out"] = x
    return x


def labels(w, cfg, image, stages):
    """The class embeddings; RAM++ weighs its descriptions by the image."""
    e = w["label_embed"]
    if cfg["model"] != "ram_plus":
        return e
    e = e.reshape(cfg["classes"], -1, e.shape[1])
    c = image[0] / np.linalg.norm(image[0])
    stages["reweight.logits"] = np.exp(w["reweight_scale"]) * (e @ c)
    stages["reweight.weights"] = softmax(stages["reweight.logits"])
    stages["reweight.label_embed"] = (stages["reweight.weights"][:, None] @ e)[:, 0]
    return stages["reweight.label_embed"]


def cross(w, n, heads, x, memory):
    """The cross-attention of layer n: x attends to memory."""
    a = n + "crossattention."
    q, k, v = (linear(w, f"{a}self.{p}", t) for p, t in (("query", x), ("key", memory), ("value", memory)))
    y = linear(w, a + "output.dense", attention(q, k, v, heads)) + x
    return layer_norm(w, a + "output.LayerNorm", y, 1e-12)


def feed_forward(w, n, y):
    x = linear(w, n + "output.dense", gelu(linear(w, n + "intermediate.dense", y))) + y
    return layer_norm(w, n + "output.LayerNorm", x, 1e-12)


def head(w, cfg, x, image, stages):
    for i in range(cfg["num_hidden_layers"]):
        n = f"tagging_head.encoder.layer.{i}."
        y = stages[f"head.layer{i}.cross"] = cross(w, n, cfg["num_attention_heads"], x, image)
        x = stages[f"head.layer{i}.out"] = feed_forward(w, n, y)
    return x


def probabilities(logits):
    return 1 / (1 + np.exp(-logits))


def forward(w, cfg, px):
    """Every stage of RAM or RAM++ on normalised pixels [3,S,S]."""
    stages = {"pixels": px}
    x = swin(w, cfg["swin"], px.astype(np.float64), stages)
    image = stages["image_embeds"] = linear(w, "image_proj", x)
    e = labels(w, cfg, image, stages)
    x = stages["head.input"] = np.maximum(linear(w, "wordvec_proj", e), 0)
    x = head(w, cfg["q2l"], x, image, stages)
    stages["logits"] = linear(w, "fc", x)[:, 0]
    stages["probs"] = probabilities(stages["logits"])
    return stages


# Tag2Text: the head reads Swin's tokens, then two BERTs: tags beside the picture, words beside those.

MASKED = -10000.0  # added to a score, as BERT does


def bert(w, cfg, pre, stage, ids, memory, extra, stages, segment=0.0):
    """The last layer's rows of words `ids`; extra is added to the scores of self-attention; memory None: none is read."""
    heads = cfg["num_attention_heads"]
    e = pre + "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:len(ids)] + segment
    x = stages[stage + ".embed"] = layer_norm(w, e + "LayerNorm", x, 1e-12)
    for i in range(cfg["num_hidden_layers"]):
        n = f"{pre}encoder.layer.{i}."
        q, k, v = (linear(w, f"{n}attention.self.{p}", x) for p in ("query", "key", "value"))
        y = linear(w, n + "attention.output.dense", attention(q, k, v, heads, extra)) + x
        y = layer_norm(w, n + "attention.output.LayerNorm", y, 1e-12)
        y = y if memory is None else cross(w, n, heads, y, memory)
        x = stages[f"{stage}.layer{i}.out"] = feed_forward(w, n, y)
    return x


def tag2text_tags(w, cfg, px):
    """Every stage of tagging on normalised pixels [3,S,S]."""
    stages = {"pixels": px}
    image = swin(w, cfg["swin"], px.astype(np.float64), stages)
    stages["head.input"] = w["label_embed.weight"]
    x = head(w, cfg["q2l"], stages["head.input"], image, stages)
    stages["logits"] = (w["fc.W"][0] * x).sum(-1) + w["fc.b"][0]
    stages["probs"] = probabilities(stages["logits"])
    return stages


def tag2text_memory(w, cfg, image, ids, stages):
    """What the decoder reads: the tags' ids, [ENC] ... [SEP] [PAD] ..., beside the image's tokens."""
    return bert(w, cfg["med"], "tag_encoder.", "tag_encoder", ids, image, np.where(ids == 0, MASKED, 0.0), stages)


def tag2text_logits(w, cfg, memory, ids, stages):
    """Logits of the word after `ids`. The memory's padding is attended to, as officially."""
    later = np.triu(np.full((len(ids), len(ids)), MASKED), 1)
    x = bert(w, cfg["med"], "text_decoder.bert.", "decoder", ids, memory, later, stages)[-1]
    n = "text_decoder.cls.predictions."
    x = layer_norm(w, n + "transform.LayerNorm", gelu(linear(w, n + "transform.dense", x)), 1e-12)
    return w[n + "decoder.weight"] @ x + w[n + "decoder.bias"]


# Retrieval: one stack, on the words alone or beside the picture. Texts are cut to `most` tokens and padded to it, as
# BLIP does; the program pads nothing.

def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def match_image(w, image):
    return unit(linear(w, "vision_proj", image[0]))


def match_stack(w, cfg, ids, image):
    """The first row of the alignment encoder; ids padded with 0; image None: the words alone."""
    med = dict(cfg["med"], num_hidden_layers=cfg["retrieval"]["num_hidden_layers"])
    return bert(w, med, "alignment_encoder.", "match", ids, image, np.where(ids == 0, MASKED, 0.0), {})[0]


def match_text(w, cfg, ids):
    return unit(linear(w, "text_proj", match_stack(w, cfg, ids, None)))


def match_logits(w, cfg, ids, image):
    """Logits no, yes; ids begins with [ENC]."""
    return linear(w, "itm_head", match_stack(w, cfg, ids, image))


# The small model: MobileNetV2 with folded norms, then a head of the same design.

def small_weights(path, dtype=np.float64):
    import json
    import struct
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        index, raw = json.loads(f.read(size)), f.read()
    kinds = {"F32": "<f4", "F16": "<f2"}
    return {k: np.frombuffer(raw[v["data_offsets"][0]:v["data_offsets"][1]], kinds[v["dtype"]])
            .reshape(v["shape"]).astype(dtype) for k, v in index.items() if k != "__metadata__"}


def conv(w, layer, x):
    k, stride, groups = layer["kernel"], layer["stride"], layer["groups"]
    before, after = (0, 1) if stride == 2 else (k // 2, k // 2)
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    size = (x.shape[1] - k) // stride + 1
    weight, out = w[layer["name"] + ".weight"], 0
    for dy in range(k):
        for dx in range(k):
            part = x[:, dy:dy + stride * size:stride, dx:dx + stride * size:stride]
            tap = weight[:, :, dy, dx]
            if groups == 1:
                out = out + np.tensordot(tap, part, 1)
            else:  # depthwise: one filter a channel
                out = out + tap[:, 0, None, None] * part
    out = out + w[layer["name"] + ".bias"][:, None, None]
    return np.clip(out, 0, 6) if layer["act"] == "relu6" else out


def small_tokens(w, cfg, px):
    x = px.astype(np.float64)
    for block in cfg["backbone"]:
        y = x
        for layer in block["layers"]:
            y = conv(w, layer, y)
        x = x + y if block["residual"] else y
    t = x.reshape(len(x), -1).T
    return linear(w, "image_proj", np.concatenate([t.mean(0, keepdims=True), t]))


def small_head(w, cfg, kv):
    q = np.maximum(linear(w, "wordvec_proj", w["label_embed"]), 0)
    eps = cfg["head"]["layer_norm_eps"]
    for i in range(cfg["head"]["layers"]):
        n = f"layer.{i}."
        a = attention(linear(w, n + "query", q), linear(w, n + "key", kv), linear(w, n + "value", kv),
                      cfg["head"]["heads"])
        q = layer_norm(w, n + "attention_norm", linear(w, n + "attention_out", a) + q, eps)
        y = linear(w, n + "ffn_out", gelu(linear(w, n + "ffn_in", q)))
        q = layer_norm(w, n + "ffn_norm", y + q, eps)
    return linear(w, "fc", q)[:, 0]


def small_forward(w, cfg, px):
    return small_head(w, cfg, small_tokens(w, cfg, px))


# Where tags were seen. A hidden cell is not there at all, so nothing of this depends on how the program hides it.

def heat(logits, image):
    """[T, side, side]: how far logits(tokens) [T] falls without a cell and those around it, the mean of three sizes."""
    side = round(math.sqrt(len(image) - 1))
    whole, y, x = logits(image), *np.divmod(np.arange(side * side), side)
    out = 0
    for i in range(3):
        r = (i * side + 3) // 7
        left = [np.concatenate([[0], 1 + np.flatnonzero((abs(y - y[c]) > r) | (abs(x - x[c]) > r))])
                for c in range(side * side)]
        out = out + np.stack([whole - logits(image[keep]) for keep in left], -1) / 3
    return out.reshape(-1, side, side)


def heat_of(w, cfg, stages):
    """Of a forward pass of RAM, RAM++ or Tag2Text: its queries and its tokens."""
    text = cfg["model"] == "tag2text"

    def logits(image):
        x = head(w, cfg["q2l"], stages["head.input"], image, {})
        return (w["fc.W"][0] * x).sum(-1) + w["fc.b"][0] if text else linear(w, "fc", x)[:, 0]
    return heat(logits, stages["swin.out" if text else "image_embeds"])
