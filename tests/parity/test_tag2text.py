"""Tag2Text: every stage, the tags and the words of the caption, with and without given tags."""
import json

import numpy as np
import pytest

import common
from test_forward import build, dump, fired, golden_cases, scores  # noqa: F401 (build is a fixture)


def compare_case(folder, config, case, picture, out, more=()):
    """Stages within their budget; token ids, which are compared as such, equal."""
    got = dump(folder, picture, out, *more)
    common.compare(got, case)
    for stage in ("caption.ids", "caption.tag_ids", "caption.tag_mask"):
        want = np.load(case / f"{stage}.npy")
        assert got(stage).dtype == np.int32 and np.array_equal(got(stage), want), stage
    want = json.loads((case / "caption.json").read_text("utf-8"))
    text = common.run("caption", "-q", "-m", folder / "model.gguf", "--official-pixels", "-f", "official", picture, *more)
    assert text.stdout.decode().splitlines()[2] == "Image Caption:  " + want["caption"]
    if not more:
        assert text.stdout.decode().splitlines()[0] == "Model Identified Tags:  " + want["tags"]


def compare_golden(folder, config, name, image, tmp_path):
    case = common.FORWARD / name / image
    picture = common.golden_file(image, config["swin"]["image_res"], tmp_path)
    compare_case(folder, config, case, picture, tmp_path / "dump")
    want = json.loads((case / "tags.json").read_text("utf-8"))
    either, deleted = set(want["near_threshold_index"]), set(config.get("delete_tag_index", []))
    assert fired(scores(folder, picture), config) - deleted - either == set(want["fired_index"]) - either
    for given in sorted(case.glob("specified*")):
        tags = json.loads((given / "summary.json").read_text("utf-8"))["specified_tags"]
        compare_case(folder, config, given, picture, tmp_path / given.name, ("--guide", tags))


@pytest.mark.parametrize("name,image", golden_cases(["tag2text_tiny", "tag2text_odd"]))
def test_golden(build, tmp_path, name, image):  # noqa: F811
    folder, config, _ = build(name)
    compare_golden(folder, config, name, image, tmp_path)
