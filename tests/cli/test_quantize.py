"""anytag quantize: the file, the report, what is kept, what is refused, Ctrl-C."""
import json
import os
import pathlib
import signal
import struct
import subprocess

import pytest

from program import BIN, PATIENCE, clean, lines, run

BOX = pathlib.Path(__file__).parents[2] / "models" / "anytag-small-f16.gguf"


def quantize(out, *options):
    return json.loads(run("quantize", BOX, out, "--report", "-f", "json", *options).stdout)


def types(path):
    rows = [line.split("\t") for line in lines(run("inspect", path, "--tensors"))[1:]]
    return {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    out = tmp_path_factory.mktemp("quantize") / "int8.gguf"
    return out, quantize(out)


SMALL = "--q4", "d.words"  # how the model in the box is made: models/README.md


def test_is_convert(int8, tmp_path):
    out, report = int8
    run("convert", BOX, tmp_path / "x.gguf", "--type", "int8")
    assert (tmp_path / "x.gguf").read_bytes() == out.read_bytes()
    assert report["bytes_after"] == out.stat().st_size < 0.515 * BOX.stat().st_size == 0.515 * report["bytes_before"]
    assert "tags" not in report


def test_the_box_is_made_so(tmp_path):
    """What is linked in is what quantize makes of the f16 file, whose scores the goldens judge, and says nearly the same."""
    box = BOX.with_name("anytag-small-int8.gguf")
    report = quantize(tmp_path / "x.gguf", *SMALL)
    assert box.read_bytes() == (tmp_path / "x.gguf").read_bytes()
    assert box.stat().st_size <= 0.5 * BOX.stat().st_size
    assert [l["name"] for l in report["layers"] if l["type"] == "q4_0"] == ["d.words"]
    assert json.loads(run("info", "-f", "json").stdout)["precision"] == "int8"


def test_the_box_agrees(int8):
    """With f32, by pictures of the goldens: tags, and a tolerance of its own for scores."""
    pictures = sorted((pathlib.Path(__file__).parents[3] / "shared" / "default-model" / "golden").glob("*.*g"))
    if not pictures:
        pytest.skip("../shared is not there")
    each = [[json.loads(l) for l in lines(run("tag", *m, "-t", 0.001, "-f", "jsonl", *pictures))] for m in ((), ("-m", BOX))]
    decisions = changed = 0
    for a, b in zip(*each):
        a, b = ({t["name"]: t["score"] for t in r["tags"]} for r in (a, b))
        for name in a.keys() & b.keys():
            assert abs(a[name] - b[name]) < 0.3, name  # drawings and noise: 0.2; photographs: 0.16
            decisions += 1
            changed += (a[name] > 0.7) != (b[name] > 0.7)
    assert decisions > 100 * len(pictures) and changed <= 0.01 * decisions


def test_errors_of_weights(int8):
    layers = {l["name"]: l for l in int8[1]["layers"]}
    assert len(layers) > 90 and all("output_error" not in l for l in layers.values())
    conv = layers["b.18.0.w"]
    assert conv["type"] == "int8" and conv["shape"] == [1280, 320] and conv["bytes_after"] == 1280 * 324
    assert 0.002 < conv["weight_error"] < 0.02
    assert layers["d.words"]["type"] == "q8_0"


def test_keep(tmp_path):
    out = tmp_path / "k.gguf"
    report = quantize(out, "--keep", "d.*", "--keep", "b.18.0.?")
    kept = {l["name"] for l in report["layers"] if l.get("kept") == "keep"}
    found = types(out)
    assert "b.18.0.w" in kept and "d.l0.ffn_in.w" in kept and "b.17.2.w" not in kept
    assert found["b.18.0.w"] == found["d.l0.ffn_in.w"] == "f16" and found["b.17.2.w"] == "i8"
    run("caption", "-m", out, "--from-tags", BOX.parent / "no", code=1)


def test_vectors_are_halved(int8, tmp_path):
    """Norms, biases and depthwise convolutions, beside quantised matrices only, and where f16 can hold them."""
    narrow = types(int8[0])
    assert narrow["b.17.1.w"] == narrow["b.17.1.b"] == narrow["d.l0.ffn_in.b"] == "f16"
    assert narrow["b.18.0.w.scale"] == "f32" == types(BOX)["b.17.1.w"]
    data = bytearray(BOX.read_bytes())
    row = next(r.split("\t") for r in lines(run("inspect", BOX, "--tensors")) if r.startswith("b.17.1.b\t"))
    at = int(row[3])
    data[at:at + 4] = struct.pack("<f", 70000)  # f16 ends at 65504
    (tmp_path / "wide.gguf").write_bytes(data)
    run("quantize", tmp_path / "wide.gguf", tmp_path / "x.gguf")
    found = types(tmp_path / "x.gguf")
    assert row[1] == found["b.17.1.b"] == "f32" and found["b.17.1.w"] == "f16"


def test_q4(tmp_path):
    """By name, whatever the error; --keep goes before it; what has no whole blocks stays as it would be."""
    report = quantize(tmp_path / "x.gguf", "--q4", "d.l0.*", "--q4", "b.0.0.w", "--keep", "d.l0.q.w", "--keep-above", 0.05)
    found, layers = types(tmp_path / "x.gguf"), {l["name"]: l for l in report["layers"]}
    assert found["d.l0.ffn_in.w"] == found["d.l0.v.w"] == "q4_0" and layers["d.l0.v.w"]["weight_error"] > 0.05
    assert found["d.l0.q.w"] == "f16" and found["b.0.0.w"] == found["d.l1.q.w"] == "i8"
    r = run("quantize", BOX, tmp_path / "x.gguf", "--q4", "v.*", code=2)
    assert b"--q4: no matrix is named v.*" in r.stderr


def test_convert_says_what_to_do(int8, tmp_path):
    r = run("convert", int8[0], tmp_path / "x.gguf", code=3)
    assert b"quantised already" in r.stderr and b"or use this one as it is" in r.stderr and not list(tmp_path.iterdir())


def test_keep_of_nothing(tmp_path):
    """A pattern that names no matrix is told, once; one that does is not."""
    r = run("quantize", BOX, tmp_path / "x.gguf", "--keep", "v.*", "--keep", "b.0.*")
    assert r.stderr.count(b"no matrix is named") == 1 and b"no matrix is named v.*" in r.stderr


def test_keep_above(int8, tmp_path):
    limit = 0.004
    report = quantize(tmp_path / "k.gguf", "--keep-above", limit)
    found = types(tmp_path / "k.gguf")
    for layer in report["layers"]:
        assert (layer.get("kept") == "error") == (layer["weight_error"] > limit), layer
        assert found[layer["name"]] == ("f16" if "kept" in layer else "i8" if layer["type"] == "int8" else "q8_0")
    assert report["keep_above"] == limit
    run("quantize", BOX, tmp_path / "x.gguf", "--keep-above", "much", code=2)


def test_pictures(photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    out = tmp_path / "p.gguf"
    r = run("quantize", BOX, "-o", out, "--calib", photos, "--report", "-f", "json", "--progress", "json")
    report = json.loads(r.stdout)
    tags = report["tags"]
    assert tags["pictures"] == 3 and tags["unreadable"] == 1 and tags["decisions"] == 3 * 597
    assert len(tags["changes"]) == tags["changed"]
    assert 0 < tags["score_mean"] < tags["score_max"] < 0.2
    measured = [l for l in report["layers"] if "output_error" in l]
    assert len(measured) > 85 and all(0.001 < l["output_error"] < 0.1 for l in measured)
    assert any(l["name"].startswith("d.l3") for l in measured)
    steps = {json.loads(line)["step"] for line in r.stderr.decode().splitlines() if '"progress"' in line}
    assert steps == {"weights", "outputs", "write", "tags"}
    # the tags that change are those that the two files report
    for change in tags["changes"]:
        says = [change["tag"] in {t["name"] for t in json.loads(run("tag", "-m", m, "-f", "jsonl", change["path"]).stdout)
                                  ["tags"]} for m in (BOX, out)]
        assert says == [change["before"] > change["threshold"], change["after"] > change["threshold"]]


def test_text(photos, tmp_path):
    said = lines(run("quantize", BOX, tmp_path / "t.gguf", "--report", "--calib", photos / "a.jpg"))
    assert said[0].split() == ["layer", "type", "shape", "bytes", "weights", "output"]
    assert any(line.startswith("b.18.0.w ") and " int8 " in line for line in said)
    assert any("decisions changed" in line for line in said)
    assert not lines(run("quantize", "-q", BOX, tmp_path / "t.gguf"))


def test_refused(int8, tmp_path):
    r = run("quantize", int8[0], tmp_path / "x.gguf", code=3)
    assert r.stderr.count(b"\n") == 1 and b"quantised already" in r.stderr and b"int8" in r.stderr
    (tmp_path / "a.pth").write_bytes(b"PK\x03\x04 nothing")
    run("quantize", tmp_path / "a.pth", tmp_path / "x.gguf", code=3)
    assert b"did you mean" in run("quantize", BOX.parent / "anytag-small-f61.gguf", tmp_path / "x.gguf", code=3).stderr
    assert b"did you mean" not in run("quantize", "/dev/null", tmp_path / "x.gguf", code=3).stderr  # it is there
    run("quantize", BOX, code=2)
    r = run("quantize", BOX, tmp_path / "x.gguf", "--calib", tmp_path / "none", code=4)
    assert r.stderr.endswith(b"none: No such file or directory\n") and r.stderr.count(b"\n") == 1  # told once
    for patterns in (["zzz*"], ["zzz*", "yyy*"]):  # nothing that was asked for would be kept
        r = run("quantize", BOX, tmp_path / "x.gguf", *[w for p in patterns for w in ("--keep", p)], code=2)
        assert b"--keep: no matrix is named zzz*" in r.stderr
    assert not list(tmp_path.glob("x*"))


def test_in_place(tmp_path):
    model = tmp_path / "m.gguf"
    model.write_bytes(BOX.read_bytes())
    os.link(model, tmp_path / "link.gguf")
    for out in (model, tmp_path / "link.gguf"):
        for command in (["quantize"], ["convert", "--type", "q4_0"], ["convert", "--packed"]):
            assert b"is the model itself" in run(*command, model, out, code=2).stderr
    assert model.read_bytes() == BOX.read_bytes()


def test_interrupted(photos, tmp_path):
    out = tmp_path / "m.gguf"
    out.write_bytes(b"old")
    p = subprocess.Popen([BIN, "quantize", str(BOX), str(out), "--progress", "json", "--calib", str(photos)],
                         stderr=subprocess.PIPE, env=clean())
    p.stderr.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=PATIENCE) == 130
    p.stderr.close()
    assert out.read_bytes() == b"old" and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind,size,error", [("q8_0", 0.56, 0.01), ("q4_0", 0.35, 0.14)])
def test_blocks(kind, size, error, photos, tmp_path):
    out = tmp_path / "b.gguf"
    report = quantize(out, "--type", kind, "--calib", photos)
    assert out.stat().st_size < size * BOX.stat().st_size
    assert all(l["weight_error"] < error and l.get("output_error", 0) < 1.3 * error for l in report["layers"] if l["type"] == kind)
    assert {l["kept"] for l in report["layers"] if "kept" in l} == {"shape"}
    found = types(out)
    assert found["d.l0.ffn_in.w"] == kind and found["h.label_embed"] == "q8_0" and found["b.1.1.w"] == kind
    assert json.loads(run("info", "-m", out, "-f", "json").stdout)["precision"] == kind
    # few rows straight from blocks, many by panels of floats: the same sentence alone and in a batch, by 1 and 2 threads
    said = {run("caption", "-m", out, "-j", j, "-b", b, *(photos / n for n in ("a.jpg", "b.png", "c.webp"))).stdout
            for j, b in ((1, 1), (2, 3))}
    assert len(said) == 1
    # and back: what the blocks hold, in floats
    run("convert", out, tmp_path / "f.gguf", "--type", "f32")
    images = [run("tag", "-m", m, "--all-scores", "-f", "jsonl", photos / "a.jpg").stdout.decode() for m in (out, tmp_path / "f.gguf")]
    scores = [json.loads(t) for t in images]
    assert str(scores[0]["tags"]) == str(scores[1]["tags"])
    assert b"quantised already" in run("quantize", out, tmp_path / "x.gguf", code=3).stderr


def test_hostile_blocks(tmp_path):
    """A q8_0 tensor that says it is another type, and a vector that says it is blocks."""
    out = tmp_path / "b.gguf"
    run("quantize", BOX, out, "--type", "q8_0")
    data = out.read_bytes()
    at = data.index(b"d.l0.ffn_in.w") + len("d.l0.ffn_in.w") + 4 + 2 * 8
    assert data[at:at + 4] == b"\x08\0\0\0"
    for new in (2, 3, 24, 0, 1):  # q4_0 with q8_0's bytes is no damage that can be seen: numbers, not memory
        bad = tmp_path / "bad.gguf"
        bad.write_bytes(data[:at] + bytes([new]) + data[at + 1:])
        run("info", "-m", bad, code=0 if new == 2 else 3)
    at = data.index(b"d.l0.ffn_in.b") + len("d.l0.ffn_in.b") + 4 + 8
    assert data[at:at + 4] == b"\1\0\0\0"
    bad.write_bytes(data[:at] + b"\x08" + data[at + 1:])
    assert b"has type q8_0" in run("info", "-m", bad, code=3).stderr
