"""Retrieval in plain PyTorch modules whose names are the checkpoint's keys (BLIP's MED BertModel): loaded strictly, so
that a key too many or too few is seen. Run by an interpreter that has torch:

    retrieval_torch.py IN.npz OUT.npz

IN has the weights by key, "#heads", "#tokens" [images, n, width] and "#ids" [texts, most], padded with 0, "#enc".
"""
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Group(nn.Module):
    def __init__(self, /, **parts):  # a part may be called "self"
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def attention_block(width, memory):
    return Group(self=Group(query=nn.Linear(width, width), key=nn.Linear(memory, width), value=nn.Linear(memory, width)),
                 output=Group(dense=nn.Linear(width, width), LayerNorm=nn.LayerNorm(width, eps=1e-12)))


def attend(block, heads, x, memory, mask):
    q, k, v = (getattr(block.get_submodule("self"), p)(t).unflatten(-1, (heads, -1)).transpose(1, 2)
               for p, t in (("query", x), ("key", memory), ("value", memory)))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    return block.output.LayerNorm(block.output.dense(y) + x)


def layer(width, memory, ffn):
    return Group(attention=attention_block(width, width), crossattention=attention_block(width, memory),
                 intermediate=Group(dense=nn.Linear(width, ffn)),
                 output=Group(dense=nn.Linear(ffn, width), LayerNorm=nn.LayerNorm(width, eps=1e-12)))


class Model(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        words, width = w["alignment_encoder.embeddings.word_embeddings.weight"].shape
        positions = len(w["alignment_encoder.embeddings.position_embeddings.weight"])
        first = "alignment_encoder.encoder.layer.0."
        memory, ffn = w[first + "crossattention.self.key.weight"].shape[1], len(w[first + "intermediate.dense.weight"])
        n = 1 + max(int(k.split(".")[3]) for k in w if k.startswith("alignment_encoder.encoder.layer."))
        self.heads = heads
        embeddings = Group(word_embeddings=nn.Embedding(words, width), position_embeddings=nn.Embedding(positions, width),
                           LayerNorm=nn.LayerNorm(width, eps=1e-12))
        embeddings.register_buffer("position_ids", torch.arange(positions)[None])
        self.alignment_encoder = Group(embeddings=embeddings,
                                       encoder=Group(layer=nn.ModuleList(layer(width, memory, ffn) for _ in range(n))))
        dim = len(w["vision_proj.weight"])
        self.vision_proj, self.text_proj = nn.Linear(memory, dim), nn.Linear(width, dim)
        self.itm_head, self.temp = nn.Linear(width, 2), nn.Parameter(torch.tensor(0.07))

    def encode(self, ids, image):
        e = self.alignment_encoder.embeddings
        x = e.LayerNorm(e.word_embeddings(ids) + e.position_embeddings(e.position_ids[:, :ids.shape[1]]))
        mask = ((ids == 0) * -10000.0).to(x.dtype)[:, None, None]
        for part in self.alignment_encoder.encoder.layer:
            x = attend(part.attention, self.heads, x, x, mask)
            if image is not None:
                x = attend(part.crossattention, self.heads, x, image, None)
            x = part.output.LayerNorm(part.output.dense(F.gelu(part.intermediate.dense(x))) + x)
        return x[:, 0]


@torch.no_grad()
def main(source, target):
    given = dict(np.load(source))
    w = {k: torch.from_numpy(v) for k, v in given.items() if not k.startswith("#")}
    model = Model(w, int(given["#heads"])).double()
    model.load_state_dict(w, strict=True)
    tokens, ids = torch.from_numpy(given["#tokens"]), torch.from_numpy(given["#ids"])
    beside = ids.clone()
    beside[:, 0] = int(given["#enc"])
    logits = [model.itm_head(model.encode(beside, t[None].expand(len(ids), -1, -1))) for t in tokens]
    np.savez(target, v=F.normalize(model.vision_proj(tokens[:, 0]), dim=-1),
             t=F.normalize(model.text_proj(model.encode(ids, None)), dim=-1), logits=torch.stack(logits))


if __name__ == "__main__":
    main(*sys.argv[1:])
