#!/usr/bin/env python3
"""How far a smaller file of a text encoder moves the vectors of words, a row a file.

    bench/words/encoders.py WORDS.txt FIRST.gguf OTHER.gguf... [--program build/tests/parity/parity_encode]

WORDS is a word a line, told as "a photo of a WORD.". The columns: the cosine between a word's vector and the one of
FIRST, on average and at least, and how many words are nearer to their own of FIRST than to any other's."""
import argparse
import pathlib
import subprocess

import numpy as np


def vectors(program, file, texts):
    """[texts, width], of length 1."""
    done = subprocess.run([program, file], input=b"".join(t.encode() + b"\0" for t in texts), stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(done.returncode)  # it said why
    v = np.frombuffer(done.stdout, "<f4").reshape(len(texts), -1).astype(float)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("words", type=pathlib.Path)
    p.add_argument("files", nargs="+")
    p.add_argument("--program", default="build/tests/parity/parity_encode")
    a = p.parse_args()
    texts = [f"a photo of a {w}." for w in a.words.read_text("utf-8").split("\n") if w]
    first = vectors(a.program, a.files[0], texts)
    print("| file | bytes | cosine (mean, least) | nearest to its own |\n| --- | --- | --- | --- |")
    for file in a.files:
        cosines = vectors(a.program, file, texts) @ first.T
        own = np.diagonal(cosines)
        print(f"| {pathlib.Path(file).name} | {pathlib.Path(file).stat().st_size:,} | {own.mean():.5f}, {own.min():.5f} "
              f"| {(cosines.argmax(1) == np.arange(len(texts))).sum()} of {len(texts)} |", flush=True)


if __name__ == "__main__":
    main()
