"""Tag2Text in plain PyTorch, eager, as the official code computes it: the peer anytag's captions are timed
against.

    tag2text_torch.py --check --folder DIR     tags, token ids and logits against the recorded ones
    tag2text_torch.py --folder DIR             a process of bench/caption/run.py: "LEAST MOST PATH" lines on stdin

DIR is the model's folder: model.pth, vocab.txt, tag2text_ori_tag_list.txt; tests/parity writes one with
weights by formula, which --check needs. Officially the tag encoder
runs once a beam and the decoder makes the keys and values of its memory anew for every token; --thrifty
makes both once an image, the best that eager code of this shape could do.
"""
import argparse
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import picture
import ram_torch

CONFIG = "tag2text_swin_b_384"
EOS, ENC, PROMPT, TAGS = 102, 30523, [30522, 1037, 3861, 1997], 40
THRESHOLD, DELETED = 0.68, [127, 2961, 3351, 3265, 3338, 3355, 3359]


class Words:
    """WordPiece of tag names: lower-case ASCII words and marks."""

    def __init__(self, path):
        self.words = path.read_text("utf-8").split("\n")
        self.ids = {t: i for i, t in enumerate(self.words)}

    def word(self, w):
        out, start = [], 0
        while start < len(w):
            for end in range(len(w), start, -1):
                i = self.ids.get(("##" if start else "") + w[start:end])
                if i is not None:
                    break
            else:
                return [100]
            out.append(i)
            start = end
        return out

    def encode(self, text):
        text = "".join(c if c.isalnum() or c.isspace() else f" {c} " for c in text.lower())
        ids = [i for w in text.split() for i in self.word(w)][:TAGS - 2]
        ids = [ENC, *ids, EOS]
        return ids + [0] * (TAGS - len(ids))


class Tag2Text(ram_torch.Swin):
    def __init__(self, cfg, w, folder, thrifty=False):
        super().__init__(cfg, w)
        self.words, self.thrifty = Words(folder / "vocab.txt"), thrifty
        self.names = (folder / "tag2text_ori_tag_list.txt").read_text("utf-8").split("\n")
        self.layers, self.heads = cfg["med"]["num_hidden_layers"], cfg["med"]["num_attention_heads"]

    def tag(self, px):
        """Image tokens, logits, indexes of the tags."""
        image = self.tokens(px)
        q = self.head(self.w["label_embed.weight"], image)[0]
        logits = (self.w["fc.W"][0] * q).sum(-1) + self.w["fc.b"][0]
        fired = torch.sigmoid(logits) > THRESHOLD
        fired[DELETED] = False
        return image[0], logits, fired.nonzero()[:, 0].tolist()

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def mix(self, name, q, k, v, x, extra):
        """Attention over heads that are split already, projection, residual, norm."""
        a = self.split(q) @ k.transpose(-1, -2) / 8.0
        a = torch.softmax(a if extra is None else a + extra, -1) @ v
        y = self.lin(name + "output.dense", a.transpose(1, 2).flatten(2))
        return self.norm(name + "output.LayerNorm", y + x, 1e-12)

    def memory_of(self, name, memory):
        return self.split(self.lin(name + "self.key", memory)), self.split(self.lin(name + "self.value", memory))

    def bert(self, pre, ids, memory, extra, past=None, kept=None):
        """Rows of the last layer. `past`: keys and values a layer, grown in place."""
        e, start = pre + "embeddings.", past[0][0].shape[2] if past and past[0] else 0
        x = F.embedding(ids, self.w[e + "word_embeddings.weight"])
        x = x + self.w[e + "position_embeddings.weight"][start:start + ids.shape[1]]
        x = self.norm(e + "LayerNorm", x, 1e-12)
        for i in range(self.layers):
            n = f"{pre}encoder.layer.{i}."
            a, c = n + "attention.", n + "crossattention."
            k, v = self.split(self.lin(a + "self.key", x)), self.split(self.lin(a + "self.value", x))
            if past is not None:
                if past[i]:
                    k, v = torch.cat([past[i][0], k], 2), torch.cat([past[i][1], v], 2)
                past[i] = (k, v)
            x = self.mix(a, self.lin(a + "self.query", x), k, v, x, extra)
            k, v = kept[i] if kept else self.memory_of(c, memory)
            x = self.mix(c, self.lin(c + "self.query", x), k, v, x, None)
            y = self.lin(n + "output.dense", F.gelu(self.lin(n + "intermediate.dense", x)))
            x = self.norm(n + "output.LayerNorm", y + x, 1e-12)
        return x

    def step(self, ids, memory, past, kept):
        """Log-probabilities of the next token of every beam."""
        n, before = ids.shape[1], past[0][0].shape[2] if past[0] else 0
        extra = None if n == 1 else torch.full((n, before + n), -10000.0).triu(1 + before)
        x = self.bert("text_decoder.bert.", ids, memory, extra, past, kept)[:, -1]
        p = "text_decoder.cls.predictions."
        x = self.norm(p + "transform.LayerNorm", F.gelu(self.lin(p + "transform.dense", x)), 1e-12)
        return self.lin(p + "decoder", x)

    def caption(self, image, tag_ids, beams, least, most):
        """Token ids; beam search as transformers 4.25.1 does it."""
        copies = 1 if self.thrifty else beams
        ids = torch.tensor([tag_ids])
        extra = torch.where(ids == 0, -10000.0, 0.0)[:, None, None]
        image = image[None].expand(copies, -1, -1).contiguous()
        memory = self.bert("tag_encoder.", ids.expand(copies, -1), image, extra)
        pre = "text_decoder.bert.encoder.layer."
        kept = [self.memory_of(f"{pre}{i}.crossattention.", memory) for i in range(self.layers)] if self.thrifty else None
        seqs, past = torch.tensor([PROMPT] * beams), [None] * self.layers
        scores = torch.tensor([0.0] + [-1e9] * (beams - 1))
        new, done, worst = seqs, [], 1e9
        self.first_logits = None
        while True:
            n = seqs.shape[1]
            logits = self.step(new, memory, past, kept)
            self.first_logits = logits[0].clone() if self.first_logits is None else self.first_logits
            lp = torch.log_softmax(logits, -1)
            if n < least:
                lp[:, EOS] = -float("inf")
            total = (lp + scores[:, None]).view(-1)
            top, where = torch.topk(total, 2 * beams)
            grown = []
            for r, (s, at) in enumerate(zip(top.tolist(), where.tolist())):
                b, token = divmod(at, lp.shape[1])
                if token != EOS:
                    grown.append((s, b, token))
                    if len(grown) == beams:
                        break
                elif r < beams:
                    worst = self.keep(done, beams, s / n, seqs[b].tolist(), worst)
            finished = len(done) >= beams and worst >= top[0].item() / n
            origin = torch.tensor([b for _, b, _ in grown])
            new = torch.tensor([[t] for _, _, t in grown])
            seqs, scores = torch.cat([seqs[origin], new], 1), torch.tensor([s for s, _, _ in grown])
            if finished or n + 1 >= most:
                break
            past = [(k.index_select(0, origin), v.index_select(0, origin)) for k, v in past]
        if not finished:
            for s, row in zip(scores.tolist(), seqs.tolist()):
                worst = self.keep(done, beams, s / len(row), row, worst)
        return max(reversed(done))[1]

    @staticmethod
    def keep(done, beams, value, ids, worst):
        if len(done) >= beams and value <= worst:
            return worst
        done.append((value, ids))
        if len(done) > beams:
            done.remove(min(done, key=lambda d: d[0]))
        return min(d[0] for d in done)


def read(path):
    return torch.from_numpy(picture.pixels(path)[None].copy())


def load(a):
    cfg = ram_torch.configs.FULL[CONFIG]
    w = torch.load(a.folder / "model.pth", map_location="cpu", weights_only=True)
    return Tag2Text(cfg, w.get("model", w), a.folder, a.thrifty).eval()


def check(model):
    goldens = picture.shared() / "goldens"
    for name in ("street.jpg", "square.png", "grey.jpg"):
        case = goldens / "forward" / CONFIG / name.split(".")[0]
        image, logits, fired = model.tag(read(goldens / "images" / name))
        want = np.load(case / "logits.npy")
        error = np.linalg.norm(logits.numpy() - want) / np.linalg.norm(want)
        tags = json.loads((case / "tags.json").read_text("utf-8"))["tags"]
        same_tags = " | ".join(model.names[i] for i in fired) == tags
        tag_ids = model.words.encode(tags)
        same_ids = tag_ids == np.load(case / "caption.tag_ids.npy").tolist()
        ids = model.caption(image, tag_ids, 3, 10, 50)
        want = json.loads((case / "caption.json").read_text("utf-8"))["ids"]
        want = want[:-1] if want[-1] == EOS else want
        print(f"{name}: logits relative L2 {error:.1e}; tags {'equal' if same_tags else 'DIFFER'}, their tokens "
              f"{'equal' if same_ids else 'DIFFER'}, caption {'equal' if ids == want else 'DIFFERS'} ({len(ids)})")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--folder", type=pathlib.Path, required=True)
    p.add_argument("--check", action="store_true")
    p.add_argument("--thrifty", action="store_true")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    with torch.inference_mode():
        model = load(a)
        if a.check:
            check(model)
            return
        print("ready", flush=True)
        for line in sys.stdin:
            least, most, path = line.strip().split(" ", 2)
            start = time.perf_counter()
            image, _, fired = model.tag(read(path))
            tagged = time.perf_counter()
            tag_ids = model.words.encode(" | ".join(model.names[i] for i in fired))
            ids = model.caption(image, tag_ids, 3, int(least), int(most))
            print(json.dumps({"tags": tagged - start, "all": time.perf_counter() - start, "ids": ids}), flush=True)


if __name__ == "__main__":
    main()
