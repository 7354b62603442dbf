"""Tag2Text: every stage, the tags and the words of the caption, with and without given tags."""
import json

import numpy as np
import pytest

import common
import configs
import reference
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


@pytest.mark.parametrize("name", configs.OWN_TEXT)
def test_own(build, tmp_path, name):  # noqa: F811
    """Every stage, and then a caption word by word, against the reference forward."""
    folder, config, entries = build(name)
    picture = common.picture(name)
    picture.save(tmp_path / "p.png")
    w = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], False)
    want = reference.tag2text_tags(w, config, reference.pixels(picture, 96, *reference.IMAGENET))
    word = {t: i for i, t in enumerate(configs.vocabulary(config["words"]))}
    tags = "[ENC] tag 3 | tag 1 ##7 | picture [SEP]".split()
    tags = np.array([word[t] for t in tags] + [word["[PAD]"]] * (40 - len(tags)))
    memory = reference.tag2text_memory(w, config, want["swin.out"], tags, want)
    ids = [word[t] for t in "[DEC] a picture of".split()]
    want["decoder.step0.logits"] = reference.tag2text_logits(w, config, memory, ids, want)
    guide = ("--guide", "tag 3,tag 17,picture")
    got = dump(folder, tmp_path / "p.png", tmp_path / "dump", *guide)
    common.compare_stages(got, want)
    assert np.array_equal(got("caption.tag_ids"), tags) and np.array_equal(got("caption.tag_mask"), tags != 0)
    least, most = 9, 16
    while len(ids) < most:  # a single beam takes the best word; none ends the caption too early
        logits = reference.tag2text_logits(w, config, memory, ids, {})
        if len(ids) < least:
            logits[word["[SEP]"]] = -np.inf
        ids.append(int(np.argmax(logits)))
        if ids[-1] == word["[SEP]"]:
            break
    spelled = [configs.vocabulary(config["words"])[i] for i in ids[4:]]
    text = common.run("caption", "-q", "-m", folder / "model.gguf", "--official-pixels", "-f", "text", *guide, "--beams", 1,
                      "--min-length", least, "--max-length", most, tmp_path / "p.png").stdout.decode()
    said = " ".join(t for t in spelled if not t.startswith("[")).replace(" ##", "")
    assert said in text, (spelled, text)
    assert len(set(ids[4:])) > 4  # or the words would tell little
