"""What the converter refuses, what it warns of, and which model it sees."""
import json
import struct

import numpy as np
import pytest

import common
import configs
import formula
import pth

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


def test_bias_table_of_another_window(tmp_path):
    """A checkpoint with window 6 loaded at window 3 has tables the converter resizes."""
    source = dict(CONFIG, swin=dict(CONFIG["swin"], window_size=6, image_res=192))
    path = prepare(tmp_path, list(configs.entries(source)))
    common.convert(tmp_path, path, tmp_path / "out.gguf")
    common.picture().save(tmp_path / "p.png")
    common.run("inspect", "-m", tmp_path / "out.gguf", "--dump", tmp_path / "d", tmp_path / "p.png",
               "--official-pixels")
    assert np.isfinite(np.load(tmp_path / "d" / "logits.npy")).all()
