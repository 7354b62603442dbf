"""The Python side against the recorded values: formula, reference forward, small model."""
import json

import numpy as np
import pytest

import common
import configs
import formula
import reference

CASES = [("ram_tiny", "street"), ("ram_tiny", "wide"), ("ram_plus_tiny", "square"), ("ram_odd", "square"),
         ("ram_odd", "tall_444")]


def test_hashes():
    assert formula.fnv1a64("") == 0xCBF29CE484222325
    assert formula.fnv1a64("a") == 0xAF63DC4C8601EC8C
    assert formula.splitmix64(formula.fnv1a64("label_embed")) == 0x5BA6026B8E4FA937
    want = [-0.2839963436126709, -0.9140701293945312, 0.9299325942993164]
    assert formula.u("label_embed", np.arange(3)).tolist() == want


def test_constants():
    query = formula.values("tag_encoder.encoder.layer.1.crossattention.self.query.weight", (96, 96))
    assert np.allclose([query[0, 0], query[-1, -1]], [0.102872595, -0.223867521], rtol=1e-7)
    assert np.isclose(formula.values("fc.weight", (1, 768))[0, 767], -0.0619558692, rtol=1e-7)
    norm = formula.values("visual_encoder.patch_embed.norm.weight", (32,))
    assert np.allclose([norm[0], norm[31]], [0.980604112, 1.17032909], rtol=1e-7)


def test_buffers():
    index = formula.relative_position_index(144)
    assert [index[0][0], index[0][1], index[0][12], index[0][143], index[143][0]] == [264, 263, 241, 0, 528]
    mask = formula.attn_mask(4, 9)
    assert (mask[0] == 0).all() and set(np.unique(mask)) == {0.0, -100.0}


def test_formula_check():
    common.need_shared()
    check = json.loads((common.SHARED / "goldens" / "formula_check.json").read_text())
    for model, tensors in check["models"].items():
        hidden = 768 if model.endswith("384") else 96
        for key, facts in tensors.items():
            if np.prod(facts["shape"]) > 3e6:
                continue
            got = formula.values(key, tuple(facts["shape"]), hidden, model.startswith("ram_plus")).reshape(-1)
            for i, want in facts["at"].items():
                assert got[int(i)] == np.float32(want), (model, key, i)
            assert np.isclose(got.astype(np.float64).sum(), facts["sum"], rtol=1e-9, atol=1e-6), (model, key)


@pytest.mark.parametrize("name,image", CASES)
def test_forward(name, image):
    config, entries = common.golden_config(name)
    folder = common.FORWARD / name / image
    weights = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], config["model"] == "ram_plus")
    size = config["swin"]["image_res"]
    px = reference.pixels(common.golden_picture(image, size)[0], size, *reference.IMAGENET)
    stages = reference.forward(weights, config, px)
    errors = common.compare(lambda s: stages[s], folder, 2e-6)
    print(name, image, max(errors.values()))


@pytest.mark.parametrize("name,image", [("tag2text_tiny", "street"), ("tag2text_odd", "square")])
def test_tag2text(name, image):
    config, entries = common.golden_config(name)
    folder = common.FORWARD / name / image
    if not folder.is_dir():
        pytest.skip(f"the golden is absent: {folder}")
    weights = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], False)
    size = config["swin"]["image_res"]
    px = reference.pixels(common.golden_picture(image, size)[0], size, *reference.IMAGENET)
    stages = reference.tag2text_tags(weights, config, px)
    tags, ids = (np.load(folder / f"caption.{which}.npy") for which in ("tag_ids", "ids"))
    memory = reference.tag2text_memory(weights, config, stages["swin.out"], tags, stages)
    stages["decoder.step0.logits"] = reference.tag2text_logits(weights, config, memory, ids[:4], stages)
    stages |= {"caption.tag_ids": tags, "caption.ids": ids, "caption.tag_mask": tags != 0}
    common.compare(lambda s: stages[s], folder, 2e-6)


def test_entries_match_the_official_order():
    config, entries = common.golden_config("ram_plus_tiny")
    assert list(configs.entries(config)) == entries


def test_small_model():
    folder = common.SHARED / "default-model"
    if not folder.is_dir():
        pytest.skip(f"the small model is absent: {folder}")
    from PIL import Image
    cfg = json.loads((folder / "config.json").read_text())
    weights, pre = reference.small_weights(folder / "model.safetensors"), cfg["preprocess"]
    for png in sorted((folder / "golden").glob("*.png")):
        px = reference.pixels(Image.open(png), pre["size"], pre["mean"], pre["std"])
        got = reference.small_forward(weights, cfg, px)
        assert common.relative_l2(got, np.load(png.with_suffix(".npy"))) < 2e-5, png.name
