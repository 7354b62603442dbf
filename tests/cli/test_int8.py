"""convert --type int8: the file, what it says, and files whose scales are gone."""
import json
import pathlib

import pytest

from program import run

BOX = pathlib.Path(__file__).parents[2] / "models" / "anytag-small-f16.gguf"


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "small8.gguf"
    run("convert", BOX, out, "--type", "int8", "--check")
    return out


def test_file(int8):
    assert int8.stat().st_size < 0.53 * BOX.stat().st_size
    listed = run("inspect", str(int8), "--tensors").stdout.decode()
    assert "b.18.0.w\ti8\t[1280,1,1,320]" in listed
    assert "b.18.0.w.scale\tf32\t[1280]" in listed
    assert "h.label_embed\tq8_0" in listed
    assert json.loads(run("info", "-m", str(int8), "-f", "json").stdout)["precision"] == "int8"


def test_not_again(int8, tmp_path):
    r = run("convert", int8, tmp_path / "x.gguf", "--type", "f16", code=3)
    assert b"quantised already" in r.stderr
    r = run("bench", "-m", int8, "--precision", "q4_0", code=2)  # so it does not say to convert this one
    assert b"stored as int8; make one of its f16 or f32 file: anytag convert IN OUT --type q4_0" in r.stderr
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize("old,new", [(b"b.18.0.w.scale", b"b.18.0.w.scald"), (b"b.1.1.b", b"b.1.1.w")])
def test_damaged(int8, tmp_path, old, new):
    bad = tmp_path / "bad.gguf"
    data = int8.read_bytes()
    assert old in data
    bad.write_bytes(data.replace(old, new, 1))
    r = run("info", "-m", bad, code=3)
    assert str(bad).encode() in r.stderr
