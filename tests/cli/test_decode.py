"""--decode fast: large JPEGs are decoded smaller; the record, a crop and boxes are of the whole picture."""
import json

import numpy as np
import pytest
from program import run

Image = pytest.importorskip("PIL.Image")


def smooth(path, size, **how):
    few = np.random.default_rng(3).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(few).resize(size, Image.BICUBIC).save(path, **how)


def record(*args):
    return json.loads(run("tag", "-q", "-f", "jsonl", "--all-scores", *args).stdout)


def names(r):
    return [t["name"] for t in r["tags"]]


def test_the_same_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth(tmp_path / "a.jpg", (1203, 905), quality=95, exif=exif)
    exact, fast = record(tmp_path / "a.jpg"), record("--decode", "fast", tmp_path / "a.jpg")
    assert fast["source"] == exact["source"]
    assert (fast["source"]["width"], fast["source"]["height"]) == (905, 1203)
    assert sorted(names(fast)) == sorted(names(exact)) and names(exact)
    assert fast["scores"] != exact["scores"]  # it was decoded smaller
    assert record("--decode", "exact", tmp_path / "a.jpg")["scores"] == exact["scores"]


@pytest.mark.parametrize("more", [("--crop", "500,300,1200,900"), ("--boxes-from-heatmap",), ("--official-pixels",)])
def test_what_needs_the_whole_picture(tmp_path, more):
    smooth(tmp_path / "a.jpg", (1203, 905))
    exact, fast = record(*more, tmp_path / "a.jpg"), record("--decode", "fast", *more, tmp_path / "a.jpg")
    for what in ("source", "tags", "scores", "objects"):
        assert fast.get(what) == exact.get(what)


def test_small_pictures_and_other_kinds_are_exact(tmp_path):
    smooth(tmp_path / "a.jpg", (640, 480))
    smooth(tmp_path / "b.png", (1203, 905))
    for name in ("a.jpg", "b.png"):
        assert record("--decode", "fast", tmp_path / name)["scores"] == record(tmp_path / name)["scores"]


def test_words(tmp_path):
    smooth(tmp_path / "a.jpg", (1203, 905))
    assert b"exact|fast" in run("tag", "--decode", "quick", tmp_path / "a.jpg", code=2).stderr
    assert run("caption", "-q", "--decode", "fast", tmp_path / "a.jpg").stdout


def test_resume_knows_it(tmp_path):
    smooth(tmp_path / "a.jpg", (1203, 905))
    common = ("tag", "-q", "-f", "jsonl", "--all-scores", "-o", tmp_path / "o.jsonl", tmp_path / "a.jpg")
    run(*common)
    exact = (tmp_path / "o.jsonl").read_bytes()
    run(*common, "--resume", "--decode", "fast")
    assert json.loads((tmp_path / "o.jsonl").read_bytes())["scores"] != json.loads(exact)["scores"]
