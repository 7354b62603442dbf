"""Full-size models against the recorded stages: long, large, run with -m full."""
import json
import os
import pathlib

import numpy as np
import pytest

import common
import configs
from test_tag2text import compare_golden
from test_forward import dump, fired, scores

pytestmark = pytest.mark.full
FOLDER = pathlib.Path(os.environ.get("ANYTAG_TMP", common.ROOT / "build" / "full"))


def built(name):
    """The converted model; made once, kept for the next run."""
    folder, config = FOLDER / name, dict(configs.FULL[name])
    folder.mkdir(parents=True, exist_ok=True)
    official = common.SHARED / "official"
    read = lambda n: (official / n).read_text("utf-8").split("\n")
    if config["model"] == "tag2text":
        config["tags"] = read("tag2text_ori_tag_list.txt")[:3429]
        config["thresholds"] = [0.68] * 3429
        for person in (2701, 2828, 1167):
            config["thresholds"][person] = 0.7
        config["delete_tag_index"] = [127, 2961, 3351, 3265, 3338, 3355, 3359]
        return make(folder, config)
    config["tags"] = read("ram_tag_list.txt")[:4585]
    config["tags_chinese"] = read("ram_tag_list_chinese.txt")[:4585]
    config["thresholds"] = [float(x) for x in read("ram_tag_list_threshold.txt") if x.strip()]
    return make(folder, config)


def make(folder, config):
    lists = {k: v for k, v in config.items() if config["model"] != "tag2text" or k not in ("thresholds", "delete_tag_index")}
    common.write_lists(folder, lists)  # Tag2Text's are fixed by the official code
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
    if config["model"] == "tag2text":
        compare_golden(folder, config, name, image, tmp_path)
        return
    picture = common.golden_file(image, 384, tmp_path)
    common.compare(dump(folder, picture, tmp_path / "dump"), case)
    want = json.loads((case / "tags.json").read_text("utf-8"))
    either = set(want["near_threshold_index"])
    assert fired(scores(folder, picture), config) - either == set(want["fired_index"]) - either
