"""Full-size models against the recorded stages: long, large, run with -m full."""
import json
import os
import pathlib

import numpy as np
import pytest

import common
import configs
from test_forward import dump, fired, scores

pytestmark = pytest.mark.full
FOLDER = pathlib.Path(os.environ.get("ANYTAG_TMP", common.ROOT / "build" / "full"))


def built(name):
    """The converted model; made once, kept for the next run."""
    folder, config = FOLDER / name, dict(configs.FULL[name])
    folder.mkdir(parents=True, exist_ok=True)
    official = common.SHARED / "official"
    read = lambda n: (official / n).read_text("utf-8").split("\n")
    config["tags"] = read("ram_tag_list.txt")[:4585]
    config["tags_chinese"] = read("ram_tag_list_chinese.txt")[:4585]
    config["thresholds"] = [float(x) for x in read("ram_tag_list_threshold.txt") if x.strip()]
    common.write_lists(folder, config)
    if not (folder / "model.pth").exists():
        common.write_checkpoint(folder / "part.pth", config, list(configs.entries(config)))
        (folder / "part.pth").rename(folder / "model.pth")
    if not (folder / "model.gguf").exists():
        common.convert(folder, folder / "model.pth", folder / "part.gguf", "--type", "f32")
        (folder / "part.gguf").rename(folder / "model.gguf")
    return folder, config


def cases():
    for name in configs.FULL:
        folder = common.FORWARD / name
        for image in sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []:
            yield name, image


@pytest.mark.parametrize("name,image", list(cases()))
def test_golden(tmp_path, name, image):
    common.binary()
    folder, config = built(name)
    case = common.FORWARD / name / image
    picture = common.golden_file(image, 384, tmp_path)
    common.compare(dump(folder, picture, tmp_path / "dump"), case)
    want = json.loads((case / "tags.json").read_text("utf-8"))
    either = set(want["near_threshold_index"])
    assert fired(scores(folder, picture), config) - either == set(want["fired_index"]) - either
