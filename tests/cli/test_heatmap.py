"""--heatmap and --boxes-from-heatmap: which files, what they are named, where in the picture the maps lie."""
import io
import json
import os

import numpy as np
import pytest
from program import run

Image = pytest.importorskip("PIL.Image")


def scene(width=120, height=90):
    """Something for the small model to find tags in, different in each corner."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x // 9 + y // 7) % 2 * 200], -1)
    rgb[:height // 3] = (90, 150, 240)
    return Image.fromarray(rgb.astype(np.uint8))


def record(*args):
    return json.loads(run("tag", "-q", "-f", "jsonl", *args).stdout)


def grey(path):
    picture = Image.open(path)
    assert picture.mode == "L"
    return np.asarray(picture).astype(int)


def test_a_map_for_each_tag(tmp_path):
    (tmp_path / "in" / "below").mkdir(parents=True)
    scene().save(tmp_path / "in" / "below" / "a.png")
    scene(60, 80).save(tmp_path / "in" / "b.png")
    out = tmp_path / "new" / "maps"
    plain = run("tag", "-q", "-k", 3, "-t", 0, tmp_path / "in").stdout
    assert run("tag", "-q", "-k", 3, "-t", 0, "--heatmap", out, tmp_path / "in").stdout == plain  # the same tags
    found = {line.split("\t")[0].rsplit("/", 1)[1]: line.split("\t")[1].split(", ") for line in plain.decode().splitlines()}
    for folder, name, size in (("below/a.png", "a.png", (120, 90)), ("b.png", "b.png", (60, 80))):
        assert sorted(os.listdir(out / folder)) == sorted(t.replace("/", "_") + ".png" for t in found[name])
        for file in (out / folder).iterdir():
            picture = Image.open(file)
            assert (picture.mode, picture.size) == ("RGB", size)
            before = np.asarray(scene(*size)).astype(int)
            assert np.abs(np.asarray(picture).astype(int) - before).max() > 40  # something is laid over it
    assert not list(out.rglob("*.part"))


def test_chosen_tags_as_grey(tmp_path):
    scene().save(tmp_path / "a.png")
    common = ("tag", "-q", "--heatmap", "m", "--heatmap-raw", "--heatmap-tags", "dog,outdoors")
    run(*common, "a.png", "-", cwd=tmp_path, data=(tmp_path / "a.png").read_bytes())
    assert sorted(os.listdir(tmp_path / "m")) == ["a.png", "stdin"]
    for folder in ("a.png", "stdin"):
        assert sorted(os.listdir(tmp_path / "m" / folder)) == ["dog.png", "outdoors.png"]  # found or not
        assert grey(tmp_path / "m" / folder / "dog.png").shape == (90, 120)
    assert np.array_equal(grey(tmp_path / "m/a.png/dog.png"), grey(tmp_path / "m/stdin/dog.png"))
    assert not np.array_equal(grey(tmp_path / "m/a.png/dog.png"), grey(tmp_path / "m/a.png/outdoors.png"))


def test_what_is_wrong_is_said(tmp_path):
    scene().save(tmp_path / "a.png")
    for words, args in ((b"--heatmap-raw: there are no maps", ("--heatmap-raw",)),
                        (b"--heatmap-tags: there are no maps", ("--heatmap-tags", "dog")),
                        (b"unknown tag \"dgo\"", ("--heatmap", "m", "--heatmap-tags", "dgo")),
                        (b"--boxes-from-heatmap: only json", ("--boxes-from-heatmap",))):
        assert words in run("tag", "-q", *args, "a.png", cwd=tmp_path, code=2).stderr
    (tmp_path / "file").write_text("")
    said = run("tag", "-q", "-t", 0, "-k", 1, "--heatmap", "file", "a.png", cwd=tmp_path, code=5).stderr
    assert said.startswith(b"anytag: file/a.png/") and b"cannot be written" in said


def test_a_map_that_cannot_be_written_is_its_pictures_failure(tmp_path):
    for name in "abc":
        scene().save(tmp_path / f"{name}.png")
    (tmp_path / "m").mkdir()
    (tmp_path / "m/b.png").write_text("")  # where a folder would be
    args = ("tag", "-t", 0, "-k", 1, "-f", "jsonl", "--heatmap", "m", "a.png", "b.png", "c.png")
    done = run(*args, cwd=tmp_path, code=5)
    a, b, c = [json.loads(x) for x in done.stdout.splitlines()]
    assert "tags" in a and "tags" in c and b["error"]["code"] == "output-failed" and "tags" not in b
    assert b"2 tagged, 1 failed" in done.stderr and done.stderr.count(b"anytag: m/b.png/") == 1
    assert len(os.listdir(tmp_path / "m/a.png")) == len(os.listdir(tmp_path / "m/c.png")) == 1


def test_turned_pictures_and_parts(tmp_path):
    """The map of an upright picture, of the same one turned by EXIF, and of the part that was cut out."""
    picture, out = scene(), tmp_path / "maps"
    picture.save(tmp_path / "up.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    whole = Image.new("RGB", (300, 200), "gray")
    whole.paste(picture, (170, 20))
    whole.save(tmp_path / "part.png")
    common = ("--heatmap", out, "--heatmap-raw", "--boxes-from-heatmap", "-t", 0, "-k", 4)
    up = record(*common, tmp_path / "up.png")
    turned = record(*common, tmp_path / "turned.png")
    part = record(*common, "--crop", "170,20,290,110", tmp_path / "part.png")
    assert up["objects"] and [t["name"] for t in up["tags"]] == [t["name"] for t in part["tags"]]
    assert turned["objects"] == up["objects"]
    for a, b in zip(up["objects"], part["objects"], strict=True):
        x0, y0, x1, y1 = a["box"]
        assert 0 <= x0 < x1 <= 120 and 0 <= y0 < y1 <= 90 and 0 < a["heat"] <= 1 and a["from"] == "heatmap"
        assert b == a | {"box": [x0 + 170, y0 + 20, x1 + 170, y1 + 20]}
    for tag in up["tags"]:
        file = tag["name"].replace("/", "_") + ".png"
        alone, moved = grey(out / "up.png" / file), grey(out / "part.png" / file)
        assert np.array_equal(alone, grey(out / "turned.png" / file)) and alone.shape == (90, 120)
        assert np.array_equal(moved[20:110, 170:290], alone)
        moved[20:110, 170:290] = 0
        assert not moved.any() and (alone.max() > 200 or not alone.any())
    boxed = {o["label"]: o["box"] for o in reversed(up["objects"])}  # the hottest of each
    label, (x0, y0, x1, y1) = next(iter(boxed.items()))
    y, x = np.unravel_index(grey(out / "up.png" / (label + ".png")).argmax(), (90, 120))
    assert x0 <= x < x1 and y0 <= y < y1


def test_names_that_files_cannot_have(tmp_path):
    scene().save(tmp_path / "a.png")
    names = [t["name"] for t in json.loads(run("info", "--tags", "-f", "json").stdout)["tag_list"]]
    names[:7] = ["../x", "..", "狗" * 60, "Dog", "dog", 'a\\b:c*?"', "con/stop"]
    (tmp_path / "names.txt").write_text("\n".join(names), "utf-8")
    (tmp_path / "only.txt").write_text("\n".join(names[:7]), "utf-8")
    run("convert", "models/anytag-small-f16.gguf", tmp_path / "m.gguf", "--tags", tmp_path / "names.txt")
    run("tag", "-q", "-m", tmp_path / "m.gguf", "-t", 0, "--only", f"@{tmp_path / 'only.txt'}", "--heatmap", tmp_path / "m", tmp_path / "a.png")
    files = sorted(os.listdir(tmp_path / "m" / "a.png"))
    dogs = [f for f in files if f.lower().startswith("dog")]  # the second has its number
    assert sorted(f.lower() for f in dogs) in (["dog-3.png", "dog.png"], ["dog-4.png", "dog.png"])
    assert set(files) - set(dogs) == {"_._x.png", "__.png", "狗" * 39 + ".png", "a_b_c___.png", "con_stop.png"}, files
    assert sorted(os.listdir(tmp_path)) == ["a.png", "m", "m.gguf", "names.txt", "only.txt"]  # none went up


def test_pictures_of_one_name(tmp_path):
    for folder in ("p", "q"):
        (tmp_path / folder).mkdir()
        scene().save(tmp_path / folder / "s.png")
    common = ("tag", "-q", "-t", 0, "-k", 2, "--heatmap")
    run(*common, tmp_path / "m", *(tmp_path / "pqp"[i] / "s.png" for i in range(3)), "-j", 2)
    assert sorted(os.listdir(tmp_path / "m")) == ["s.png", "s.png-2", "s.png-3"]
