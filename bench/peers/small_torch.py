"""The model in the box in plain PyTorch, from its safetensors and config.json: the peer of small pictures.

    small_torch.py --check FOLDER     errors against the recorded logits of the folder's golden pictures
"""
import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import picture
from picture import reference

SIZE = picture.MODELS["small"].SIZE


class Small(torch.nn.Module):
    """What depends on the weights alone is computed once, as anytag does."""

    def __init__(self, cfg, w):
        super().__init__()
        self.cfg, self.w, head = cfg, w, cfg["head"]
        self.query = F.relu(self.lin("wordvec_proj", w["label_embed"]))[None]
        self.heads, self.eps, self.layers = head["heads"], head["layer_norm_eps"], head["layers"]
        self.first = self.lin("layer.0.query", self.query)

    def lin(self, n, x):
        return F.linear(x, self.w[n + ".weight"], self.w[n + ".bias"])

    def norm(self, n, x):
        w = self.w[n + ".weight"]
        return F.layer_norm(x, w.shape, w, self.w[n + ".bias"], self.eps)

    def conv(self, x, layer):
        pad = layer["kernel"] // 2
        if layer["stride"] == 2:  # one row below and one column right, as TensorFlow's SAME
            x, pad = F.pad(x, (0, 1, 0, 1)), 0
        n = layer["name"]
        x = F.conv2d(x, self.w[n + ".weight"], self.w[n + ".bias"], layer["stride"], pad, 1, layer["groups"])
        return F.relu6(x) if layer["act"] == "relu6" else x

    def split(self, x):
        n, width = int(x.shape[1]), int(x.shape[2])
        return x.view(-1, n, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x):
        """[B,3,S,S] -> [B, tags] logits"""
        x = x.to(self.query.dtype)
        for block in self.cfg["backbone"]:
            y = x
            for layer in block["layers"]:
                y = self.conv(y, layer)
            x = x + y if block["residual"] else y
        x = x.flatten(2).transpose(1, 2)
        image = self.lin("image_proj", torch.cat([x.mean(1, keepdim=True), x], 1))
        q, projected = self.query, self.first
        for i in range(self.layers):
            n = f"layer.{i}."
            k, v = self.split(self.lin(n + "key", image)), self.split(self.lin(n + "value", image))
            s = self.split(projected if i == 0 else self.lin(n + "query", q))
            a = torch.softmax(s * int(s.shape[-1]) ** -0.5 @ k.transpose(-1, -2), -1) @ v
            q = self.norm(n + "attention_norm", self.lin(n + "attention_out", a.transpose(1, 2).flatten(2)) + q)
            q = self.norm(n + "ffn_norm", self.lin(n + "ffn_out", F.gelu(self.lin(n + "ffn_in", q))) + q)
        return self.lin("fc", q)[..., 0].float()


def build(folder, dtype=torch.float32):
    """The folder of model.safetensors and config.json."""
    folder = pathlib.Path(folder)
    w = reference.small_weights(folder / "model.safetensors", np.float32)
    cfg = json.loads((folder / "config.json").read_text("utf-8"))
    return Small(cfg, {k: torch.from_numpy(v.copy()).to(dtype) for k, v in w.items()}).eval()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", type=pathlib.Path, required=True, metavar="FOLDER")
    a = p.parse_args()
    with torch.inference_mode():
        model = build(a.check)
        for picture in sorted((a.check / "golden").glob("*.png")):
            want = np.load(picture.with_suffix(".npy"))
            got = model(torch.from_numpy(picture.pixels(picture, "small")[None].copy())).numpy()[0]
            print(f"{picture.stem}: max abs {np.abs(got - want).max():.2e}")


if __name__ == "__main__":
    main()
