"""Maps of where tags were seen, against the reference that leaves the hidden cells out."""
import json
import pathlib
import subprocess

import numpy as np
import pytest

import common
import configs
import reference
from test_forward import build  # noqa: F401 (a fixture)


def maps(model, picture, ids):
    program = pathlib.Path(common.binary()).resolve().parents[1] / "tests" / "parity" / "parity_heat"
    if not program.exists():
        pytest.skip(f"parity_heat was not built: {program}")
    done = subprocess.run([program, model, picture, *map(str, ids)], capture_output=True)
    assert done.returncode == 0, done.stderr
    head, _, data = done.stdout.partition(b"\n")
    rows, cols = map(int, head.split())
    return np.frombuffer(data, "<f4").reshape(len(ids), rows, cols)


def close(got, want):
    assert want.std() > 1e-3  # or a map would say nothing
    assert np.abs(got - want).max() < 2e-5 * np.abs(want).max() + 2e-6, np.abs(got - want).max()


@pytest.mark.parametrize("name", ["own_ram", "own_ram_odd", "own_ram_plus", "own_tag2text"])
def test_own(build, tmp_path, name):  # noqa: F811
    folder, config, entries = build(name)
    picture = common.picture(name)
    picture.save(tmp_path / "p.png")
    w = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], config["model"] == "ram_plus")
    px = reference.pixels(picture, 96, *reference.IMAGENET)
    stages = reference.tag2text_tags(w, config, px) if config["model"] == "tag2text" else reference.forward(w, config, px)
    ids = [6, 0, 3, 5]  # not in order
    close(maps(folder / "model.gguf", tmp_path / "p.png", ids), reference.heat_of(w, config, stages)[ids])


def test_small_model(tmp_path):
    """Its grid is large enough for windows of three sizes."""
    folder = common.SHARED / "default-model"
    if not folder.is_dir():
        pytest.skip(f"the small model's checkpoint is absent: {folder}")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    common.run("convert", folder, tmp_path / "small.gguf")
    picture = common.picture("small")
    picture.save(tmp_path / "p.png")
    w = reference.small_weights(folder / "model.safetensors")
    kv = reference.small_tokens(w, config, reference.pixels(picture, 224, (0.5,) * 3, (0.5,) * 3))
    ids = [3, 100, 7]
    w["label_embed"] = w["label_embed"][ids]
    close(maps(tmp_path / "small.gguf", tmp_path / "p.png", ids), reference.heat(lambda image: reference.small_head(w, config, image), kv))
