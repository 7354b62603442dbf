#!/usr/bin/env python3
"""How well words work that are labels by their text alone, on pictures whose tags are known.

    bench/words/quality.py DATA [--program build/cli/anytag]

DATA is a folder with val.json ({image_path, union_label_id}), tags_en.txt and the pictures. Three columns of mean
average precision: the model's own labels; the same tags as words of the user's (their text embedding without the
offset that training added); and other words for some of them, which are in no list."""
import argparse
import base64
import json
import pathlib
import subprocess
import tempfile

import numpy as np

OTHER_WORDS = {
    "car": "automobile", "bicycle": "bike", "dog": "hound", "child": "kid", "beach": "seashore", "mountain": "peak",
    "man": "gentleman", "woman": "lady", "soccer": "football match", "boat": "vessel", "swim": "swimming in water",
    "water": "sea water", "street": "city road", "snow": "snowy ground", "crowd": "many people",
    "smile": "smiling face", "baby": "infant", "jump": "leaping", "field": "meadow", "motorcycle": "motorbike",
    "run": "running fast", "tree": "trees in a forest", "building": "house front"}
LEAST = 5  # pictures that must show a tag


def average_precision(scores, truth):
    truth = truth[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(truth)[truth] / (np.flatnonzero(truth) + 1)).mean())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--program", default="build/cli/anytag")
    p.add_argument("--model", default="box")
    a = p.parse_args()
    tags = (a.data / "tags_en.txt").read_text().split("\n")[:-1]
    records = [r for r in json.loads((a.data / "val.json").read_text()) if (a.data / r["image_path"]).exists()]
    if not records:
        raise SystemExit(f"{a.data}: none of val.json's pictures is there; unpack the tar files")
    truth = np.zeros((len(records), len(tags)), bool)
    for i, r in enumerate(records):
        truth[i, r["union_label_id"]] = True

    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        (tmp / "files").write_text("\n".join(str(a.data / r["image_path"]) for r in records))

        def scores(words=None):
            (tmp / "words").write_text("\n".join(words or []))
            own = ["--tags", str(tmp / "words"), "--only-custom"] if words else []
            out = subprocess.run([a.program, "tag", "-m", a.model, "-q", "-f", "jsonl", "--all-scores", "--files-from",
                                  str(tmp / "files"), *own], check=True, capture_output=True, text=True).stdout
            return np.stack([np.frombuffer(base64.b64decode(json.loads(x)["scores"]), np.float32)
                             for x in out.splitlines()])

        known = [t for t in range(len(tags)) if truth[:, t].sum() >= LEAST]
        own, words = scores(), scores(tags)
        pairs = [(tags.index(t), w) for t, w in OTHER_WORDS.items()
                 if t in tags and w not in tags and tags.index(t) in known]
        other = scores([w for _, w in pairs])

    def mean(s, which):
        return np.mean([average_precision(s[:, k], truth[:, t]) for k, t in which])

    same = [(t, t) for t in known]
    asked = [t for t, _ in pairs]
    print(f"{len(records)} pictures, {len(known)} tags: own labels {mean(own, same):.3f}, as words "
          f"{mean(words, same):.3f}, chance {truth[:, known].mean():.3f}")
    print(f"{len(pairs)} tags: own labels {mean(own, [(t, t) for t in asked]):.3f}, other words for them "
          f"{mean(other, list(enumerate(asked))):.3f}")
    grid = np.linspace(0.05, 0.95, 91)

    def f1(s, which, t):
        values = []
        for k, tag in which:
            hit = s[:, k] > t
            values.append(2 * (hit & truth[:, tag]).sum() / max(hit.sum() + truth[:, tag].sum(), 1))
        return np.mean(values)

    for name, s, which in (("words", words, same), ("other words", other, list(enumerate(asked)))):
        best = max(grid, key=lambda t: f1(s, which, t))
        print(f"{name}: one threshold for all does best at {best:.2f}, mean F1 {f1(s, which, best):.3f}")


if __name__ == "__main__":
    main()
