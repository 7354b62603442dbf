"""bench/quality: its figures against cases that can be worked out by hand."""
import base64
import importlib.util
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "bench/quality/models.py"
spec = importlib.util.spec_from_file_location("bench_quality_models", SCRIPT)
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)

# Six pictures, three tags. The first tag's pictures come first, third, fourth, fifth and last: precisions 1/1, 2/3,
# 3/4, 4/5, 5/6. The second's come first: 1. The third is shown by four pictures and does not count.
SCORES = np.array([[.9, .9, .1], [.8, .8, .2], [.7, .7, .3], [.6, .6, .4], [.5, .5, .5], [.4, .4, .6]], np.float32)
TRUTH = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 0, 1]], bool)
MAP = ((1 + 2 / 3 + 3 / 4 + 4 / 5 + 5 / 6) / 5 + 1) / 2


def test_mean_average_precision():
    assert models.mean_average_precision(SCORES, TRUTH) == (pytest.approx(MAP), 2)
    ties = np.zeros(3), np.array([False, True, True])  # the list's order
    assert models.average_precision(*ties) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("caption, value", [
    ("One, two THREE four", 10),                              # the reference itself
    ("one two five six", 10 * (1 / 2 + 1 / 3) / 4),           # 2 of 4 words, 1 of 3 pairs, nothing longer
    ("four three two one", 10 * 1 / 4),                       # the words alone
    ("one two three four both", 10 * (1 + 3 / math.sqrt(3 * 4) + 2 / math.sqrt(2 * 3) + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)),
    ("one one one one", 10 / 4 * 1 / (4 * 2)),                # 4 times the word, counted once
    ("both", 0), ("", 0)])
def test_cider(caption, value):
    # Of the two pictures each phrase is in one, so all weigh the same, but "both", which weighs nothing; a phrase
    # that no reference has weighs as much as one that one picture has. The second picture's caption has nothing of
    # its references, and half of the first's are "both": a fourth of the value is the mean.
    references = [["one two three four", "both"], ["six seven both"]]
    assert models.cider([caption, "nothing of it"], references) * 4 == pytest.approx(value)


def test_table(tmp_path):
    """A program that gives what it is told: two models, one tag and one caption differ."""
    records = [{"image_path": f"{i}.jpg", "caption": ["one two three four"], "union_label_id": np.flatnonzero(t).tolist()}
               for i, t in enumerate(TRUTH)]
    (tmp_path / "val.json").write_text(json.dumps(records))
    for name, scores, words in (("a", SCORES, "one two"), ("b", -SCORES, "one three")):
        rows = [{"scores": base64.b64encode(s.tobytes()).decode(), "tags": [{"id": 0}] if name == "a" or i else [{"id": 1}],
                 "captions": [{"text": words if i < 2 else "same"}]} for i, s in enumerate(scores)]
        (tmp_path / f"{name}.gguf").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for i in range(6):
        (tmp_path / f"{i}.jpg").touch()
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nexec cat "$3"\n')
    program.chmod(0o755)
    command = [sys.executable, SCRIPT, tmp_path, tmp_path / "a.gguf", tmp_path / "b.gguf", "--program", program]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert out[0] == "6 pictures, 2 tags of 3"
    a, b = [[c.strip() for c in row.split("|")[1:-1]] for row in out[4:]]
    assert a[0] == "a.gguf" and a[2] == f"{MAP:.4f}" and a[4:] == ["6", "0 (0.000 %)"]
    # backwards: the first tag 1/1, 2/2, 3/3, 4/4, 5/6; the second 1/2, 2/3, 3/4, 4/5, 5/6
    assert b[2] == f"{((4 + 5 / 6) / 5 + (1 / 2 + 2 / 3 + 3 / 4 + 4 / 5 + 5 / 6) / 5) / 2:.4f}"
    assert b[4:] == ["4", f"2 ({100 * 2 / 18:.3f} %)"]
    (tmp_path / "3.jpg").unlink()
    gone = subprocess.run(command, capture_output=True, text=True)
    assert gone.returncode and "3.jpg is not there" in gone.stderr


def test_what_does_not_fit_is_told(tmp_path):
    for tag, code, said in ((7, 1, "a tag 7"), (0, 3, "no such model")):
        (tmp_path / "val.json").write_text(json.dumps([{"image_path": "a.jpg", "caption": ["x"], "union_label_id": [tag]}]))
        (tmp_path / "a.jpg").touch()
        row = {"scores": base64.b64encode(SCORES[0].tobytes()).decode(), "tags": [], "captions": [{"text": "x"}]}
        (tmp_path / "program").write_text(f"#!/bin/sh\necho '{json.dumps(row)}'\n" if code == 1 else "#!/bin/sh\necho no such model >&2\nexit 3\n")
        (tmp_path / "program").chmod(0o755)
        done = subprocess.run([sys.executable, SCRIPT, tmp_path, "a.gguf", "--program", tmp_path / "program"], capture_output=True, text=True)
        assert done.returncode == code and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
