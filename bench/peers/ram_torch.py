"""RAM in plain PyTorch with weights by formula: the peer anytag is timed against.

    ram_torch.py [--pth FILE]       errors against the recorded logits of street

export.py makes files of it for ONNX Runtime and OpenVINO.
"""
import argparse

import numpy as np
import torch
import torch.nn.functional as F

import picture
import configs
import formula


def weights(cfg, pth=None):
    """By formula, or those of a checkpoint."""
    if pth:
        w = torch.load(pth, map_location="cpu", weights_only=True, mmap=True)
        return w.get("model", w)
    hidden = cfg["q2l"]["hidden_size"]
    return {k: torch.from_numpy(formula.values(k, s, hidden).copy()) for k, _, s in configs.entries(cfg)}


class Swin(torch.nn.Module):
    """What depends on the weights alone is computed once, as anytag does. Any batch: it is the -1 of every shape,
    and int() tells the tracer which sizes are constants, so that an export has no arithmetic on shapes."""

    def __init__(self, cfg, w):
        super().__init__()
        self.cfg, self.w = cfg, dict(w)
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

    def lin(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, name, x, eps):
        w = self.w[name + ".weight"]
        return F.layer_norm(x, w.shape, w, self.w[name + ".bias"], eps)

    @staticmethod
    def attend(q, k, v, heads, extra=None):
        """[B,n,C] x3 -> [B,n,C]; `extra` [windows, heads or 1, n, n], windows a picture."""
        width = int(q.shape[-1])
        q, k, v = (t.reshape(-1, int(t.shape[1]), heads, width // heads).transpose(1, 2) for t in (q, k, v))
        a = (q * (width // heads) ** -0.5) @ k.transpose(-1, -2)
        if extra is not None and extra.shape[0] > 1:
            windows, _, n, _ = extra.shape
            a = (a.view(-1, windows, heads, n, n) + extra).view(-1, heads, n, n)
        elif extra is not None:
            a = a + extra
        return (torch.softmax(a, -1) @ v).transpose(1, 2).flatten(2)

    def block(self, name, x, side, window, heads):
        w = min(window, side)
        shift = w // 2 if name + "attn_mask" in self.w else 0
        c, g = int(x.shape[-1]), side // w
        y = self.norm(name + "norm1", x, 1e-5).view(-1, side, side, c)
        if shift:
            y = torch.roll(y, (-shift, -shift), (1, 2))
        y = y.view(-1, g, w, g, w, c).transpose(2, 3).reshape(-1, w * w, c)
        y = self.attend(*self.lin(name + "attn.qkv", y).chunk(3, -1), heads, self.bias[name])
        y = self.lin(name + "attn.proj", y).view(-1, g, g, w, w, c).transpose(2, 3).reshape(-1, side, side, c)
        if shift:
            y = torch.roll(y, (shift, shift), (1, 2))
        x = x + y.reshape(-1, side * side, c)
        return x + self.lin(name + "mlp.fc2", F.gelu(self.lin(name + "mlp.fc1", self.norm(name + "norm2", x, 1e-5))))

    def tokens(self, px):
        """[B,3,S,S] -> [B, 1 + cells, C], the mean first"""
        pre, cfg = "visual_encoder.", self.cfg["swin"]
        side, width = cfg["image_res"] // 4, cfg["embed_dim"]
        x = F.conv2d(px, self.w[pre + "patch_embed.proj.weight"], self.w[pre + "patch_embed.proj.bias"], 4)
        x = self.norm(pre + "patch_embed.norm", x.view(-1, width, side * side).transpose(1, 2), 1e-5)
        for s, depth in enumerate(cfg["depths"]):
            for b in range(depth):
                x = self.block(f"{pre}layers.{s}.blocks.{b}.", x, side, cfg["window_size"], cfg["num_heads"][s])
            if s + 1 < len(cfg["depths"]):
                name, side, width = f"{pre}layers.{s}.downsample.", side // 2, 2 * width
                g = x.view(-1, 2 * side, 2 * side, width // 2)
                g = torch.cat([g[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))], -1)
                g = self.norm(name + "norm", g.reshape(-1, side * side, 2 * width), 1e-5)
                x = F.linear(g, self.w[name + "reduction.weight"])
        x = self.norm(pre + "norm", x, 1e-5)
        return torch.cat([x.mean(1, keepdim=True), x], 1)

    def head(self, q, image):
        """Label queries [classes, H] after two layers that attend to the images' tokens: [B, classes, H]."""
        heads = self.cfg["q2l"]["num_attention_heads"]
        q = q[None]
        for i in range(2):
            n = f"tagging_head.encoder.layer.{i}."
            a = n + "crossattention."
            first = self.first if i == 0 and self.first is not None else self.lin(a + "self.query", q)
            y = self.attend(first, self.lin(a + "self.key", image), self.lin(a + "self.value", image), heads)
            y = self.norm(a + "output.LayerNorm", self.lin(a + "output.dense", y) + q, 1e-12)
            q = self.lin(n + "output.dense", F.gelu(self.lin(n + "intermediate.dense", y))) + y
            q = self.norm(n + "output.LayerNorm", q, 1e-12)
        return q

    first = None  # the first layer's projection of the queries, where they are constant


class Ram(Swin):
    def __init__(self, cfg, w, dtype=torch.float32):
        super().__init__(cfg, w)
        self.query = F.relu(self.lin("wordvec_proj", self.w.pop("label_embed")))
        self.first = self.lin("tagging_head.encoder.layer.0.crossattention.self.query", self.query)[None]
        self.w = {k: v.to(dtype) for k, v in self.w.items() if v.is_floating_point()}
        self.bias = {k: v.to(dtype) for k, v in self.bias.items()}
        self.query, self.first = self.query.to(dtype), self.first.to(dtype)

    def forward(self, px):
        """[B,3,S,S] -> [B, classes] logits"""
        px = px.to(self.query.dtype)
        return self.lin("fc", self.head(self.query, self.lin("image_proj", self.tokens(px))))[..., 0].float()


def build(pth, dtype=torch.float32):
    cfg = configs.FULL["ram_swin_l_384"]
    return Ram(cfg, weights(cfg, pth), dtype).eval()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pth", help="a checkpoint; by formula without it")
    p.add_argument("--config", default="ram_swin_l_384", choices=["ram_swin_l_384", "ram_swin_b_384"])
    a = p.parse_args()
    torch.set_num_threads(2)
    with torch.inference_mode():
        model = Ram(configs.FULL[a.config], weights(configs.FULL[a.config], a.pth)).eval()
        goldens = picture.shared() / "goldens"
        got = model(torch.from_numpy(picture.pixels(goldens / "images" / "street.jpg")[None].copy())).numpy()[0]
        want = np.load(goldens / "forward" / a.config / "street" / "logits.npy")
        print(f"{a.config} street logits: max abs {np.abs(got - want).max():.2e}, "
              f"relative L2 {np.linalg.norm(got - want) / np.linalg.norm(want):.2e}")


if __name__ == "__main__":
    main()
