#!/usr/bin/env python3
"""What words cost beside a model's own labels: file to tags with 1,000 words alone, 1,000 of the model's labels, 40 of
them, one, and all, in turn.

    bench/words/cost.py MODEL.gguf PICTURE [--rounds 5] [--program build/cli/anytag]

MODEL is a RAM or RAM++ of full size. The words' embeddings come from a sentence encoder of formula weights: what they
say does not matter here. The tag head's time is what is left when the time with one label is taken off."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "parity"))
import test_words  # noqa: E402  (its encoder)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("picture")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--program", default="build/cli/anytag")
    a = p.parse_args()
    info = json.loads(subprocess.run([a.program, "info", "--tags", "-f", "json", a.model], check=True,
                                     capture_output=True, text=True).stdout)
    names = [t["name"] for t in info["tag_list"]]
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        encoder, _ = test_words.encoder(tmp / "e", 512)
        (tmp / "words").write_text("\n".join(f"word {i}" for i in range(1000)))
        for n in (1000, 40, 1):
            (tmp / f"only{n}").write_text("\n".join(names[:n]))
        subprocess.run([a.program, "labels", "build", "-q", tmp / "words", "-m", a.model, "--text-encoder", encoder,
                        "-o", tmp / "set.gguf"], check=True)
        cases = {"1000 words": ["--tags", tmp / "set.gguf", "--only-custom"],
                 "1000 own": ["--only", f"@{tmp}/only1000"], "40 own": ["--only", f"@{tmp}/only40"],
                 "1 own": ["--only", f"@{tmp}/only1"], f"all {len(names)} own": []}
        ms = {name: [] for name in cases}
        for _ in range(a.rounds):
            for name, more in cases.items():
                out = subprocess.run([a.program, "bench", "-m", a.model, "--json", "--repeat", "1", a.picture, *more],
                                     check=True, capture_output=True, text=True).stdout
                ms[name].append(json.loads(out)["median_ms"])
    median = {name: statistics.median(v) for name, v in ms.items()}
    least = median["1 own"]
    for name, v in median.items():
        print(f"{name:14} {v:9.1f} ms, {v - least:8.1f} ms of them the head's")
    head = median[f"all {len(names)} own"] - least
    print(f"1000 words against 1000 own labels: {median['1000 words'] / median['1000 own']:.3f} of the whole run, "
          f"{(median['1000 words'] - least) / (median['1000 own'] - least):.3f} of the head")
    print(f"40 labels: {(median['40 own'] - least) / head:.3%} of the full tag head")


if __name__ == "__main__":
    main()
