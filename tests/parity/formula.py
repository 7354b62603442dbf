"""Weights by formula: every weight is a closed function of its key and index.

A model built from these weights exists without a weight file, so a test can
compare two programs on the same model. The value of element i of a tensor is
float32(offset + scale * u(key, i)); `rule` gives offset and scale of a key.
"""
import math

import numpy as np

FNV_OFFSET, FNV_PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
CHUNK = 1 << 20
DESCRIPTIONS = 51
SEP = 102

# Rule 16's gains, first match; a second word is a prefix that must match too.
GAINS = (
    ("wordvec_proj.weight", "", 24.0),
    ("attention.self.query.weight", "", 3.0),
    ("attention.self.key.weight", "", 2.0),
    ("output.dense.weight", "text_decoder.", 0.25),
    ("output.dense.weight", "", 0.5),
    ("attn.qkv.weight", "", 1.5),
    ("attn.proj.weight", "", 0.5),
)
TIED_PARTS = ("crossattention.", "intermediate.", "output.")


def fnv1a64(text):
    h = FNV_OFFSET
    for b in text.encode("utf-8"):
        h = ((h ^ b) * FNV_PRIME) & MASK
    return h


def splitmix64(z):
    """Accepts a Python int or an array of uint64 (which wraps by itself)."""
    if isinstance(z, int):
        return int(splitmix64(np.array([z], np.uint64))[0])
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def u(key, index):
    """Uniform in [-1, 1), exact in float32; index: an array of integers."""
    z = np.asarray(index).astype(np.uint64) + np.uint64(fnv1a64(key))
    return (splitmix64(z) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def canonical(key):
    """Tied tensors share one stream: the key under which it is drawn."""
    for n in (0, 1):
        head = f"tag_encoder.encoder.layer.{n}."
        if key.startswith(head) and key[len(head):].startswith(TIED_PARTS):
            return "tagging_head" + key[len("tag_encoder"):]
    if key == "text_decoder.cls.predictions.decoder.weight":
        return "text_decoder.bert.embeddings.word_embeddings.weight"
    if key == "text_decoder.cls.predictions.decoder.bias":
        return "text_decoder.cls.predictions.bias"
    return key


def f32(x):
    return float(np.float32(x))


def rule(key, shape):
    """(offset, scale) of a canonical key; rule 4b is told apart by `values`."""
    owner, _, leaf = key.rpartition(".")
    owner = owner.rpartition(".")[2]
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    if key == "reweight_scale":
        return 4.0, 0.0
    if key == "temp":
        return f32(0.07), 0.0
    if key == "logit_scale":
        return f32(math.log(1 / 0.07)), 0.0
    if leaf == "relative_position_bias_table":
        return 0.0, 1.0
    if key == "label_embed":
        return 0.0, f32(math.sqrt(3 / 512))
    if key == "label_embed.weight":
        return 0.0, f32(math.sqrt(3))
    if key in ("fc.W", "fc.weight"):
        return 0.0, f32(2 * math.sqrt(3 / shape[-1]))
    if key == "fc.b":
        return -2.5, 0.5
    if key == "fc.bias":
        raise ValueError("fc.bias needs the head's width: call values() with hidden")
    if "norm" in owner.lower() or owner.startswith("ln_"):
        return (1.0, f32(0.2)) if leaf == "weight" else (0.0, f32(0.1))
    if owner == "word_embeddings":
        return 0.0, f32(2.5 * math.sqrt(3 / shape[-1]))
    if owner == "position_embeddings":
        return 0.0, f32(4 * math.sqrt(3 / shape[-1]))
    if key in ("token_embedding.weight", "positional_embedding"):
        return 0.0, f32(0.5 * math.sqrt(3))
    if key == "text_projection":
        return 0.0, f32(math.sqrt(3 / shape[0]))
    if leaf in ("bias", "in_proj_bias"):
        return 0.0, f32(0.1)
    for part, prefix, gain in GAINS:
        if part in key and key.startswith(prefix):
            return 0.0, f32(gain * math.sqrt(3 / fan_in))
    return 0.0, f32(math.sqrt(3 / fan_in))


def relative_position_index(tokens):
    w = math.isqrt(tokens)
    y, x = np.divmod(np.arange(tokens), w)
    row = y[:, None] - y[None] + w - 1
    return (row * (2 * w - 1) + x[:, None] - x[None] + w - 1).astype("<i8")


def attn_mask(windows, tokens):
    """0 inside one region of the rolled map, -100 across regions."""
    side, w = math.isqrt(windows), math.isqrt(tokens)
    r, shift = side * w, w // 2
    band = np.zeros(r, np.int64)
    band[r - w:r - shift], band[r - shift:] = 1, 2
    region = 3 * band[:, None] + band[None]
    region = region.reshape(side, w, side, w).transpose(0, 2, 1, 3).reshape(windows, tokens)
    return np.where(region[:, :, None] == region[:, None, :], 0.0, -100.0).astype("<f4")


def buffer(key, shape):
    leaf = key.rpartition(".")[2]
    if leaf == "relative_position_index":
        return relative_position_index(shape[0])
    if leaf == "attn_mask":
        return attn_mask(shape[0], shape[1])
    if leaf == "position_ids":
        return np.arange(shape[1], dtype="<i8").reshape(shape)
    return None


def chunks(key, shape, hidden=768, descriptions=False):
    """Yields the tensor's values, flat, in pieces of at most CHUNK elements."""
    fixed = buffer(key, shape)
    if fixed is not None:
        yield fixed.reshape(-1)
        return
    name, count = canonical(key), int(np.prod(shape, dtype=np.int64))
    if name == "fc.bias":
        offset, scale = (-4.5 if hidden == 768 else -1.0), 0.0
    else:
        offset, scale = rule(name, shape)
    for at in range(0, count, CHUNK):
        i = np.arange(at, min(at + CHUNK, count), dtype=np.int64)
        if name == "label_embed" and descriptions:
            d = shape[1]
            part = i // (DESCRIPTIONS * d) * d + i % d
            a, c = f32(0.8 * math.sqrt(3 / d)), f32(0.6 * math.sqrt(3 / d))
            v = a * u("label_embed#class", part) + c * u("label_embed", i)
        else:
            v = offset + scale * u(name, i)
        if name == "text_decoder.cls.predictions.bias":
            v[i == SEP] = 6.5
        yield v.astype("<f4")


def values(key, shape, hidden=768, descriptions=False):
    return np.concatenate(list(chunks(key, shape, hidden, descriptions))).reshape(shape)
