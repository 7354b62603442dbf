"""info, inspect and convert."""
import json
import os
import struct

import pytest
from program import lines, run

BOX = "models/anytag-small-f16.gguf"


def test_info_as_json():
    facts = json.loads(run("info", "-f", "json").stdout)
    text = run("info").stdout.decode()
    assert facts["name"] == "anytag-small" and facts["tags"] == 597 and facts["builtin"] is True and facts["vocabulary"] == "anytag-597"
    assert facts["sha256"] in text and facts["licence"] in text and "the small model in the box" in text
    tags = json.loads(run("info", "--tags", "-f", "json").stdout)["tag_list"]
    rows = [x.split("\t") for x in lines(run("info", "--tags"))]
    assert [[str(t["id"]), t["name"], t["name_zh"]] for t in tags] == [r[:3] for r in rows]
    assert all(abs(t["threshold"] - float(r[3])) < 1e-6 for t, r in zip(tags, rows))


def test_info_of_the_system():
    text, facts = run("info", "--system").stdout.decode(), json.loads(run("info", "--system", "-f", "json").stdout)
    for name, value in facts.items():
        assert f"{name.replace('_', ' ')} {value}\n" in text
    assert facts["version"] and "jpeg" in facts["images"] and facts["model_in_the_box"] in ("yes", "no")


def test_inspect_as_json():
    facts = json.loads(run("inspect", BOX, "-f", "json", "--stats").stdout)
    assert facts["format"] == "gguf" and {k["key"]: k["value"] for k in facts["keys"]}["general.architecture"] == "ram_lite"
    tensor = {t["name"]: t for t in facts["tensors"]}["h.label_embed"]
    assert tensor["shape"] == [597, 384] and tensor["type"] == "f16" and tensor["bytes"] == 597 * 384 * 2
    stats = tensor["stats"]
    assert stats["min"] < stats["mean"] < stats["max"] and stats["l2"] > 0 and stats["not_finite"] == 0
    assert len(lines(run("inspect", BOX, "--tensors"))) == 1 + len(facts["tensors"])
    assert "keys" not in json.loads(run("inspect", BOX, "-f", "json", "--tensors").stdout)


def test_inspect_of_a_hostile_file(tmp_path):
    values = struct.pack("<2f", float("nan"), float("inf"))
    head = json.dumps({"evil\x1b[31m\n": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + values)
    out = run("inspect", tmp_path / "x.safetensors", "--stats").stdout
    assert b"evil\\x1B[31m\\x0A\tf32" in out and b"\x1b" not in out and out.count(b"\n") == 2
    text = run("inspect", tmp_path / "x.safetensors", "-f", "json", "--stats").stdout
    tensor = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))["tensors"][0]
    assert tensor["name"] == "evil\x1b[31m\n" and tensor["stats"]["not_finite"] == 2


@pytest.mark.parametrize("kind, most", [("f32", 0), ("bf16", 0.05)])
def test_convert_check(tmp_path, kind, most):
    done = run("convert", BOX, tmp_path / "x.gguf", "--type", kind, "--check", "--progress", "json")
    words = done.stdout.decode().split()
    difference = float(words[words.index("score") + 1].rstrip(","))
    assert difference <= most and (difference > 0) == (kind == "bf16")
    assert os.listdir(tmp_path) == ["x.gguf"]  # the f32 weights are gone again
    events = [json.loads(x) for x in done.stderr.decode().splitlines() if x.startswith("{")]
    assert events[-1]["event"] == "progress" and events[-1]["done_bytes"] == events[-1]["total_bytes"]


def test_convert_names_what_is_meant(tmp_path):
    (tmp_path / "model.pth").write_bytes(b"")
    assert b"did you mean " + bytes(tmp_path / "model.pth") in run("convert", tmp_path / "modl.pth", tmp_path / "x.gguf", code=3).stderr
    assert b"no.txt" in run("convert", BOX, tmp_path / "x.gguf", "--tags", tmp_path / "no.txt", code=2).stderr
