#!/usr/bin/env python3
"""The vectors of LABELS x 63 texts: anytag beside PyTorch eager, in turn, one process each, two threads.

PyTorch runs CLIP's text tower as the official model does: 77 positions a text, nn.MultiheadAttention with a mask,
a label's 63 texts a batch (the official open-set code's batches). Formula weights in both; needs torch.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))


def tower(torch, weights, width=512, layers=12, heads=8):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(width, heads)
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

        def forward(self, x, mask):
            y = self.ln_1(x)
            x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
            h = self.mlp["c_fc"](self.ln_2(x))
            return x + self.mlp["c_proj"](h * torch.sigmoid(1.702 * h))

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.token_embedding = nn.Embedding(49408, width)
            self.positional_embedding = nn.Parameter(torch.empty(77, width))
            self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(Block() for _ in range(layers))})
            self.ln_final = nn.LayerNorm(width)
            self.text_projection = nn.Parameter(torch.empty(width, 512))
            self.mask = torch.full((77, 77), float("-inf")).triu_(1)

        def forward(self, ids):
            x = (self.token_embedding(ids) + self.positional_embedding).permute(1, 0, 2)
            for b in self.transformer["resblocks"]:
                x = b(x, self.mask)
            x = self.ln_final(x.permute(1, 0, 2))
            x = x[torch.arange(len(ids)), ids.argmax(-1)] @ self.text_projection
            return x / x.norm(dim=-1, keepdim=True)

    m = Text().eval()
    m.load_state_dict({k: torch.from_numpy(weights(k, tuple(v.shape))) for k, v in m.state_dict().items()})
    return m


def sentences(official, n):
    templates = (official / "openset_templates.txt").read_text("utf-8").splitlines()
    names = (official / "ram_tag_list.txt").read_text("utf-8").splitlines()[:n]
    texts = [t.format(x.lower(), article="an" if x[0] in "aeiou" else "a") for x in names for t in templates]
    return "\n".join("This is " + t if t.startswith(("a", "the")) else t for t in texts).encode()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True, help="bench_clip")
    p.add_argument("--model", required=True, help="the encoder as GGUF, formula weights of ViT-B/16")
    p.add_argument("--official", required=True, help="folder with ram_tag_list.txt and openset_templates.txt")
    p.add_argument("--labels", type=int, default=20)
    p.add_argument("--batch", type=int, default=63)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    import torch
    import formula
    torch.set_num_threads(2)
    m, texts = tower(torch, formula.values), sentences(pathlib.Path(a.official), a.labels)
    ids = subprocess.run([a.bin, a.model, "--ids"], input=texts, stdout=subprocess.PIPE, check=True).stdout
    ids = torch.from_numpy(np.frombuffer(ids, "<i4").reshape(-1, 77).astype(np.int64))
    turn, give = os.pipe()
    ours = subprocess.Popen(["sh", "-c", f'exec "$0" "$1" 3<&{turn}', a.bin, a.model], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, pass_fds=[turn])
    ours.stdin.write(texts)
    ours.stdin.close()
    times = {"anytag": [], "PyTorch eager": []}
    for _ in range(a.rounds):
        os.write(give, b".")
        seconds, first = ours.stdout.readline().split()
        times["anytag"].append(float(seconds))
        start = time.monotonic()
        with torch.no_grad():
            out = torch.cat([m(part) for part in ids.split(a.batch)])
        times["PyTorch eager"].append(time.monotonic() - start)
        assert abs(float(first) - float(out[0, 0])) < 1e-5
    os.close(give)
    for name, t in times.items():
        print(f"{name}: median {statistics.median(t):.2f} s ({min(t):.2f} to {max(t):.2f}), {len(ids)} texts")
    print(f"ratio {statistics.median(times['PyTorch eager']) / statistics.median(times['anytag']):.1f}")


if __name__ == "__main__":
    main()
