"""What the converter refuses, what it warns of, and which model it sees."""
import json
import struct

import numpy as np
import pytest

import bias
import common
import configs
import formula
import pth
import reference

CONFIG = configs.OWN["own_ram"]
MODEL_ERROR = 3
# Each is a whole pickle; none may run, and none may be read as a checkpoint.
HOSTILE = {
    "system": b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "eval": b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
    "build": b"\x80\x02cos\n_Environ\n)\x81}b.",
    "ext": b"\x80\x02\x82\x01.",
    "truncated": b"\x80\x02}(X\xff\xff\xff\x7f",
    "empty stack": b"\x80\x02RRR.",
    "long length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "no stop": b"\x80\x02}",
    "deep": b"\x80\x02" + b"(" * 200000 + b"t" * 200000 + b".",
}


def prepare(folder, entries, data=None, config=CONFIG):
    common.write_lists(folder, config)
    make = data or (lambda k, s: formula.chunks(k, s, config["q2l"]["hidden_size"], config["model"] == "ram_plus"))
    pth.write(folder / "model.pth", entries, make, formula.canonical)
    return folder / "model.pth"


def refused(folder, path, *words):
    done = common.convert(folder, path, folder / "out.gguf", ok=False)
    text = done.stderr.decode(errors="replace")
    assert done.returncode == MODEL_ERROR, (done.returncode, text)
    assert all(w in text for w in words), text
    assert not (folder / "out.gguf").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickle(tmp_path, name):
    common.write_lists(tmp_path, CONFIG)
    pth.write_raw(tmp_path / "bad.pth", HOSTILE[name])
    refused(tmp_path, tmp_path / "bad.pth")


def test_missing_key(tmp_path):
    entries = [e for e in configs.entries(CONFIG) if e[0] != "image_proj.weight"]
    refused(tmp_path, prepare(tmp_path, entries), "image_proj.weight")


def test_misshapen_key(tmp_path):
    entries = [(k, t, (96, 500) if k == "wordvec_proj.weight" else s) for k, t, s in configs.entries(CONFIG)]
    refused(tmp_path, prepare(tmp_path, entries), "wordvec_proj.weight")


def test_wrong_tag_count(tmp_path):
    path = prepare(tmp_path, list(configs.entries(CONFIG)))
    lines = (tmp_path / "ram_tag_list.txt").read_text().splitlines()
    (tmp_path / "ram_tag_list.txt").write_text("\n".join(lines[:-1]))
    refused(tmp_path, path, "33", "32")


def test_extra_keys_are_listed(tmp_path):
    entries = list(configs.entries(CONFIG)) + [("stranger.weight", "float32", (4, 4))]
    done = common.convert(tmp_path, prepare(tmp_path, entries), tmp_path / "out.gguf")
    assert b"stranger.weight" in done.stdout + done.stderr


@pytest.mark.parametrize("name", configs.OWN)
def test_detection(tmp_path, name):
    """Without the model's name in config.json the keys alone must tell."""
    config = {k: v for k, v in configs.OWN[name].items() if k != "model"}
    path = prepare(tmp_path, list(configs.entries(configs.OWN[name])), config=configs.OWN[name])
    (tmp_path / "config.json").write_text(json.dumps(config))
    common.convert(tmp_path, path, tmp_path / "out.gguf")
    text = common.run("inspect", tmp_path / "out.gguf", "-f", "json").stdout.decode()
    assert ("ram_plus" in text) == (name == "own_ram_plus")


def test_bias_resize_reference():
    common.need_shared()
    folder = common.SHARED / "goldens" / "loader"
    for case in json.loads((folder / "index.json").read_text()):
        side = 2 * case["src_window"] - 1
        table = formula.values(case["key"], (side * side, case["heads"]))
        got = bias.resize(table, 2 * case["dst_window"] - 1)
        want = np.load(folder / case["file"])
        assert np.abs(got - want.reshape(got.shape)).max() < 1e-5, case["file"]


class Resized(reference.FormulaWeights):
    """The weights of a wider window, as the narrower configuration sees them."""

    def __getitem__(self, key):
        value = super().__getitem__(key)
        if key.endswith("relative_position_bias_table"):
            return bias.resize(value, 2 * CONFIG["swin"]["window_size"] - 1)
        return value


def test_bias_table_of_another_window(tmp_path):
    """A checkpoint with window 6 read at window 3: every stage as with resized tables."""
    source = dict(CONFIG, swin=dict(CONFIG["swin"], window_size=6, image_res=192))
    entries = list(configs.entries(source))
    common.binary()
    common.convert(tmp_path, prepare(tmp_path, entries), tmp_path / "out.gguf")
    picture = common.picture()
    picture.save(tmp_path / "p.png")
    common.run("inspect", "-m", tmp_path / "out.gguf", "--dump", tmp_path / "d", tmp_path / "p.png",
               "--official-pixels")
    px = reference.pixels(picture, CONFIG["swin"]["image_res"], *reference.IMAGENET)
    want = reference.forward(Resized(entries, CONFIG["q2l"]["hidden_size"], False), CONFIG, px)
    errors = {s: common.relative_l2(np.load(tmp_path / "d" / f"{s}.npy").reshape(-1), v.reshape(-1))
              for s, v in want.items()}
    assert not {s: e for s, e in errors.items() if not e <= common.DEFAULT_TOLERANCE}


TIED = configs.OWN_TEXT["own_tag2text"]
# What PyTorch's load leaves in a tensor of two names: the value of the later one in the state dict.
OVERWRITTEN = {formula.canonical(k): k for k, _, _ in configs.entries(TIED) if formula.canonical(k) != k}
OVERWRITTEN = {k if twin.startswith("tag_encoder.") else twin: twin if twin.startswith("tag_encoder.") else k
               for k, twin in OVERWRITTEN.items()}  # {the one that stays: the one that is lost}


def convert_tied(folder, entries, change, tied):
    """The model file's bytes and what was said. change(key, values) -> the values in the checkpoint."""
    folder.mkdir()
    common.write_lists(folder, TIED)
    hidden = TIED["q2l"]["hidden_size"]
    pth.write(folder / "model.pth", entries, lambda k, s: (change(k, v) for v in formula.chunks(k, s, hidden)), tied)
    done = common.convert(folder, folder / "model.pth", folder / "out.gguf", "--no-sha256")
    return (folder / "out.gguf").read_bytes(), done.stderr.decode()


def test_tied_tensors(tmp_path):
    entries = list(configs.entries(TIED))
    lost = set(OVERWRITTEN.values())
    assert len(lost) == 2 * 16 + 2 and not lost & set(OVERWRITTEN)

    def same(k, v):
        return v

    want, said = convert_tied(tmp_path / "one storage", entries, same, formula.canonical)
    assert "differ" not in said
    got, said = convert_tied(tmp_path / "copies", entries, same, lambda k: k)
    assert got == want and "differ" not in said
    got, said = convert_tied(tmp_path / "differ", entries, lambda k, v: v + 1 if k in lost else v, lambda k: k)
    assert got == want and "so are 33 more pairs" in said, said
    last = "text_decoder.cls.predictions.bias"
    got, said = convert_tied(tmp_path / "one differs", entries, lambda k, v: v + 1 if k == last else v, lambda k: k)
    assert got == want and f"text_decoder.cls.predictions.decoder.bias and {last}" in said and "more" not in said
    absent = ("text_decoder.cls.predictions.decoder.", "tagging_head.encoder.layer.1.output.")
    few = [e for e in entries if not e[0].startswith(absent)]
    got, said = convert_tied(tmp_path / "one name", few, same, lambda k: k)
    assert got == want and "differ" not in said
