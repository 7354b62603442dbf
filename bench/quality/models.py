#!/usr/bin/env python3
"""What a smaller model file costs: tags and captions of pictures whose tags and captions are known, a row a file.

    bench/quality/models.py DATA FIRST.gguf OTHER.gguf... [--program build/cli/anytag] [--list val.json]

DATA is a folder with the pictures and --list: [{image_path, union_label_id: [TAG, ...], caption: [TEXT, ...]}, ...].
TAG is the tag's place in the model's list, from 0. The columns:

    mAP             mean over the tags that at least 5 pictures show of the average precision: the mean, over the
                    pictures that show it, of the precision of all that score as high or higher (ties: list order)
    CIDEr           CIDEr-D of Vedantam et al., arXiv 1411.5726, times 10 as is usual: 1 to 4 words, sigma 6, document
                    frequencies of the list's own captions; words are runs of letters, digits and ' in lower case
    same captions   how many are word for word those of FIRST
    decisions       tags found by one of the file and FIRST alone, over all pictures, and their share of all decisions
"""
import argparse
import base64
import collections
import json
import pathlib
import re
import subprocess
import tempfile

import numpy as np

LEAST = 5  # pictures that must show a tag
LONGEST, SIGMA = 4, 6.0


def average_precision(scores, truth):
    truth = truth[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(truth)[truth] / (np.flatnonzero(truth) + 1)).mean())


def mean_average_precision(scores, truth, least=LEAST):
    """scores, truth: [pictures, tags]. The mean and the number of tags it is over."""
    known = np.flatnonzero(truth.sum(0) >= least)
    if not len(known):
        raise SystemExit(f"no tag has {least} pictures")
    return float(np.mean([average_precision(scores[:, t], truth[:, t]) for t in known])), len(known)


def phrases(text):
    """For n = 1 to LONGEST, how often each n words in a row are there."""
    words = re.findall(r"[\w']+", text.lower())
    return [collections.Counter(zip(*(words[i:] for i in range(n)))) for n in range(1, LONGEST + 1)]


def cider(captions, references):
    """captions: a text a picture; references: the texts of each. The mean over the pictures."""
    references = [[phrases(r) for r in each] for each in references]
    seen = collections.Counter(p for each in references for p in {p for r in each for c in r for p in c})
    rarity = lambda phrase: np.log(len(references)) - np.log(max(seen[phrase], 1))
    weigh = lambda counts: {p: k * rarity(p) for p, k in counts.items()}
    length = lambda vector: np.sqrt(sum(x * x for x in vector.values()))
    total = 0.0
    for caption, each in zip(captions, references):
        ours = phrases(caption)
        for theirs in each:
            gap = sum(ours[0].values()) - sum(theirs[0].values())
            for a, b in zip(map(weigh, ours), map(weigh, theirs)):
                both = length(a) * length(b)
                # Never more of a phrase than the reference has: saying it twice is no better.
                dot = sum(min(a[p], b[p]) * b[p] for p in a if p in b)
                total += dot / both * np.exp(-gap * gap / (2 * SIGMA * SIGMA)) / len(each) if both else 0
    return 10 * total / LONGEST / len(captions)


def outcome(program, model, files):
    """The scores, the tags found and the captions: a row a file."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        names.write("\n".join(map(str, files)))
        names.flush()

        def records(command, *more):
            done = subprocess.run([program, command, "-m", model, "-q", "--no-config", "-f", "jsonl", *more,
                                   "--files-from", names.name], stdout=subprocess.PIPE)
            if done.returncode:
                raise SystemExit(done.returncode)  # it said why
            lines = done.stdout.splitlines()
            if len(lines) != len(files):
                raise SystemExit(f"{model}: {len(lines)} records for {len(files)} pictures")
            return [json.loads(x) for x in lines]

        tags, captions = records("tag", "--all-scores"), records("caption")
    return (np.stack([np.frombuffer(base64.b64decode(r["scores"]), np.float32) for r in tags]),
            [{t["id"] for t in r["tags"]} for r in tags], [r["captions"][0]["text"] for r in captions])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("models", nargs="+")
    p.add_argument("--program", default="build/cli/anytag")
    p.add_argument("--list", default="val.json", help="in DATA, or a path (default %(default)s)")
    a = p.parse_args()
    records = json.loads((a.data / a.list).read_text("utf-8"))
    files = [a.data / r["image_path"] for r in records]
    most = max((t for r in records for t in r["union_label_id"]), default=-1)
    if most < 0:
        raise SystemExit(f"{a.list} has no picture with a tag")
    for f in files:
        if not f.exists():
            raise SystemExit(f"{f} is not there; unpack the tar files into {a.data}")
    first = None
    for model in a.models:
        scores, found, captions = outcome(a.program, model, files)
        if most >= scores.shape[1]:
            raise SystemExit(f"{model} has {scores.shape[1]} tags, and {a.list} a tag {most}: made for another list of tags?")
        if not first:
            first = found, captions
            truth = np.zeros(scores.shape, bool)
            for row, r in zip(truth, records):
                row[r["union_label_id"]] = True
            print(f"{len(files)} pictures, {mean_average_precision(scores, truth)[1]} tags of {scores.shape[1]}\n\n"
                  "| file | bytes | mAP | CIDEr | same captions | decisions that differ |\n| --- | --- | --- | --- | --- | --- |")
        if scores.shape != truth.shape:
            raise SystemExit(f"{model} has {scores.shape[1]} tags, {a.models[0]} {truth.shape[1]}")
        other = sum(len(x ^ y) for x, y in zip(found, first[0]))
        print(f"| {pathlib.Path(model).name} | {pathlib.Path(model).stat().st_size:,} "
              f"| {mean_average_precision(scores, truth)[0]:.4f} | {cider(captions, [r['caption'] for r in records]):.3f} "
              f"| {sum(x == y for x, y in zip(captions, first[1]))} | {other} ({100 * other / scores.size:.3f} %) |", flush=True)


if __name__ == "__main__":
    main()
