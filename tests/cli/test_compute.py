"""--compute: auto answers as f32 does; bf16 is near it and alike for every batch, or refused in a sentence."""
import json
import pathlib

import pytest
from PIL import Image

from program import lines, run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    paths = []
    for i in range(3):
        paths.append(tmp_path_factory.mktemp("compute") / f"{i}.png")
        image = Image.new("RGB", (96, 64))
        image.putdata([(x * (5 + i) % 256, y * 7 % 256, x * y % 256) for y in range(64) for x in range(96)])
        image.save(paths[-1])
    return paths


# the model in the box computes in bytes, which --compute leaves alone
BOX = pathlib.Path(__file__).parents[2] / "models" / "anytag-small-f16.gguf"


def scores(pictures, *options):
    results = map(json.loads, lines(run("tag", "-m", BOX, *options, "--all-scores", "-f", "jsonl", *pictures)))
    return sorted((r["source"]["name"], t["name"], t["score"]) for r in results if "source" in r for t in r["tags"])


def test_auto_is_f32(pictures):
    known = scores(pictures)
    assert known
    assert known == scores(pictures, "--compute", "f32") == scores(pictures, "--compute", "auto")


def test_bf16(pictures):
    level = next(line for line in lines(run("--version", "-v")) if line.startswith("kernels ")).split()[1]
    if level not in ("amx", "avx512bf16"):
        assert b"products in bf16 need a processor" in run("tag", "--compute", "bf16", *pictures, code=6).stderr
        return
    near = scores(pictures, "--compute", "bf16", "-b", "1", "-j", "1")
    assert near == scores(pictures, "--compute", "bf16", "-b", "3", "-j", "2")
    exact = scores(pictures)
    for options, said in (((), None), (("--compute", "bf16"), "bf16")):
        record = json.loads(lines(run("tag", "-m", BOX, *options, "-f", "jsonl", pictures[0]))[0])
        assert record["model"][0].get("compute") == said
    assert near != exact and max(abs(a[2] - b[2]) for a, b in zip(near, exact)) < 0.1


def test_unknown(pictures):
    assert b"--compute" in run("tag", "--compute", "f64", *pictures, code=2).stderr
