"""RAM in plain PyTorch with weights by formula: the peer anytag is timed against.

    ram_torch.py --check            errors against the recorded stages of street
    ram_torch.py --export OUT.onnx  for ONNX Runtime and OpenVINO
"""
import argparse
import os
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "parity"))
import configs  # noqa: E402
import formula  # noqa: E402


def weights(cfg):
    hidden = cfg["q2l"]["hidden_size"]
    return {k: torch.from_numpy(formula.values(k, s, hidden).copy()) for k, _, s in configs.entries(cfg)}


class Ram(torch.nn.Module):
    """What depends on the weights alone is computed once, as anytag does."""

    def __init__(self, cfg, w):
        super().__init__()
        self.cfg, self.w = cfg, w
        self.bias, side = {}, cfg["swin"]["image_res"] // 4
        for s, depth in enumerate(cfg["swin"]["depths"]):
            n = min(cfg["swin"]["window_size"], side) ** 2
            index = torch.from_numpy(formula.relative_position_index(n).copy())
            for b in range(depth):
                name = f"visual_encoder.layers.{s}.blocks.{b}."
                extra = w[name + "attn.relative_position_bias_table"][index].permute(2, 0, 1)[None]
                if name + "attn_mask" in w:
                    extra = extra + w[name + "attn_mask"][:, None]
                self.bias[name] = extra.contiguous()
            side //= 2
        self.query = F.relu(self.lin("wordvec_proj", w["label_embed"]))

    def lin(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, name, x, eps):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], eps)

    def attend(self, q, k, v, heads, extra=None):
        q, k, v = (t.reshape(t.shape[0], t.shape[1], heads, -1).transpose(1, 2) for t in (q, k, v))
        a = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        a = torch.softmax(a if extra is None else a + extra, -1) @ v
        return a.transpose(1, 2).flatten(2)

    def block(self, name, x, side, window, heads):
        w = min(window, side)
        shift = w // 2 if name + "attn_mask" in self.w else 0
        c, g = x.shape[-1], side // w
        y = self.norm(name + "norm1", x, 1e-5).view(side, side, c)
        if shift:
            y = torch.roll(y, (-shift, -shift), (0, 1))
        y = y.view(g, w, g, w, c).transpose(1, 2).reshape(g * g, w * w, c)
        y = self.attend(*self.lin(name + "attn.qkv", y).chunk(3, -1), heads, self.bias[name])
        y = self.lin(name + "attn.proj", y).view(g, g, w, w, c).transpose(1, 2).reshape(side, side, c)
        if shift:
            y = torch.roll(y, (shift, shift), (0, 1))
        x = x + y.reshape(side * side, c)
        return x + self.lin(name + "mlp.fc2", F.gelu(self.lin(name + "mlp.fc1", self.norm(name + "norm2", x, 1e-5))))

    def forward(self, px):
        """[1,3,S,S] -> [classes] logits"""
        pre, cfg = "visual_encoder.", self.cfg["swin"]
        side = cfg["image_res"] // 4
        x = F.conv2d(px, self.w[pre + "patch_embed.proj.weight"], self.w[pre + "patch_embed.proj.bias"], 4)
        x = self.norm(pre + "patch_embed.norm", x.flatten(2)[0].t(), 1e-5)
        for s, depth in enumerate(cfg["depths"]):
            for b in range(depth):
                x = self.block(f"{pre}layers.{s}.blocks.{b}.", x, side, cfg["window_size"], cfg["num_heads"][s])
            if s + 1 < len(cfg["depths"]):
                g = x.view(side, side, -1)
                g = torch.cat([g[0::2, 0::2], g[1::2, 0::2], g[0::2, 1::2], g[1::2, 1::2]], -1).flatten(0, 1)
                name, side = f"{pre}layers.{s}.downsample.", side // 2
                x = F.linear(self.norm(name + "norm", g, 1e-5), self.w[name + "reduction.weight"])
        x = self.norm(pre + "norm", x, 1e-5)
        image = self.lin("image_proj", torch.cat([x.mean(0, keepdim=True), x]))
        q = self.query
        for i in range(2):
            n = f"tagging_head.encoder.layer.{i}."
            a = n + "crossattention."
            y = self.attend(self.lin(a + "self.query", q)[None], self.lin(a + "self.key", image)[None],
                            self.lin(a + "self.value", image)[None], self.cfg["q2l"]["num_attention_heads"])[0]
            y = self.norm(a + "output.LayerNorm", self.lin(a + "output.dense", y) + q, 1e-12)
            q = self.lin(n + "output.dense", F.gelu(self.lin(n + "intermediate.dense", y))) + y
            q = self.norm(n + "output.LayerNorm", q, 1e-12)
        return self.lin("fc", q)[:, 0]


def shared():
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("ANYTAG_SHARED", root.parent / "shared"))


def pixels(path, size=384):
    from PIL import Image
    import reference
    return reference.pixels(Image.open(path), size, *reference.IMAGENET)[None].copy()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--check", action="store_true")
    p.add_argument("--export")
    p.add_argument("--config", default="ram_swin_l_384", choices=["ram_swin_l_384", "ram_swin_b_384"])
    a = p.parse_args()
    torch.set_num_threads(2)
    with torch.inference_mode(not a.export):
        model = Ram(configs.FULL[a.config], weights(configs.FULL[a.config])).eval()
        if a.check:
            goldens = shared() / "goldens"
            got = model(torch.from_numpy(pixels(goldens / "images" / "street.jpg"))).numpy()
            want = np.load(goldens / "forward" / a.config / "street" / "logits.npy")
            print(f"{a.config} street logits: max abs {np.abs(got - want).max():.2e}, "
                  f"relative L2 {np.linalg.norm(got - want) / np.linalg.norm(want):.2e}")
        if a.export:
            torch.onnx.export(model, torch.zeros(1, 3, 384, 384), a.export, input_names=["pixels"],
                              output_names=["logits"], opset_version=17)


if __name__ == "__main__":
    main()
