"""anytag calibrate: thresholds from pictures whose tags are known, and how they come back."""
import base64
import json
import math
import struct

import numpy as np
import pytest
from PIL import Image

from program import lines, run

N = 24
TAG, OTHER = "dog", "cat"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """Pictures, their scores by the model in the box, and what they are made out to show."""
    root = tmp_path_factory.mktemp("calibrate")
    (root / "p").mkdir()
    rng = np.random.default_rng(5)
    for i in range(N):
        smooth = Image.fromarray(rng.integers(0, 255, (3, 3, 3), dtype=np.uint8)).resize((40, 30), Image.BICUBIC)
        smooth.save(root / "p" / f"{i:02}.png")
    run("tag", "-q", "-f", "jsonl", "--all-scores", "-o", "scores.jsonl", "p", cwd=root)
    records = [json.loads(x) for x in (root / "scores.jsonl").read_text().splitlines()]
    scores = np.array([np.frombuffer(base64.b64decode(r["scores"]), np.float32) for r in records])
    ids = {name: int(i) for i, name, *_ in (x.split("\t") for x in lines(run("info", "--tags")))}
    truth = {}
    for name, flips in ((TAG, {7, 13}), (OTHER, {2, 3, 15})):
        order = np.argsort(-scores[:, ids[name]])
        truth[name] = np.zeros(N, int)
        truth[name][order[:10]] = 1
        for k in flips:
            truth[name][order[k]] ^= 1
    names = [[t for t in truth if truth[t][i]] for i in range(N)]
    (root / "known.csv").write_text("".join(",".join([f"p/{i:02}.png", *names[i]]) + "\n" for i in range(N)))
    return root, scores, ids, truth, names


def calibrate(root, *args, code=0, known="known.csv", inputs=("p",)):
    return run("calibrate", "--annotations", known, "--min-positives", 1, *args, *inputs, cwd=root, code=code)


def thresholds(text):
    rows = [x.rsplit(",", 1) for x in text.splitlines()]
    assert rows[0] == ["tag", "threshold"]
    return {name.strip('"'): np.float32(value) for name, value in rows[1:]}


def f1(scores, truth, t):
    said = scores > t
    return 2 * (said & (truth == 1)).sum() / (said.sum() + truth.sum())


def test_the_best_f1_comes_back(box):
    root, scores, ids, truth, _ = box
    done = calibrate(root, "-o", "t.csv")
    assert b"best F1 over 24 pictures of 597 tags" in done.stdout and b"flatter" in done.stderr
    found = thresholds((root / "t.csv").read_text())
    assert len(found) == 597
    for name in truth:
        column = scores[:, ids[name]]
        best = max(f1(column, truth[name], t) for t in np.append(column, 0))
        assert f1(column, truth[name], found[name]) == best
        told = {r.split("\t")[0] for r in lines(run("tag", "--thresholds", "t.csv", "--only", name, "p", cwd=root)) if r.split("\t")[1:] == [name]}
        assert told == {f"p/{i:02}.png" for i in range(N) if column[i] > found[name]}
    own = {x.split("\t")[1]: float(x.split("\t")[3]) for x in lines(run("info", "--tags"))}
    assert abs(found["person"] - own["person"]) < 1e-4  # never annotated, and two tags speak for nobody


def test_precision_and_count(box):
    root, scores, ids, truth, _ = box
    found = thresholds(calibrate(root, "-q", "--target", "precision=0.9").stdout.decode())
    column = scores[:, ids[TAG]]
    good = [t for t in np.append(column, 0) if (s := column > t).any() and truth[TAG][s].mean() >= 0.9]
    assert (column > found[TAG]).sum() == max((column > t).sum() for t in good)
    found = thresholds(run("calibrate", "-q", "--target", "count=7.5", "p", cwd=root).stdout.decode())
    by_id = np.array([found[name] for name in sorted(ids, key=ids.get)])
    assert (scores > by_id).sum() == 7.5 * N
    assert b"tags a picture                            " in run("calibrate", "--target", "count=7.5", "p", cwd=root).stderr


def test_every_format_says_the_same(box):
    root, scores, ids, truth, names = box
    paths = [f"p/{i:02}.png" for i in range(N)]
    coco = {"images": [{"id": 100 + i, "file_name": p} for i, p in enumerate(paths)],
            "categories": [{"id": 1, "name": TAG}, {"id": 7, "name": OTHER}],
            "annotations": [{"id": 0, "image_id": 100 + i, "category_id": 1 if t == TAG else 7} for i in range(N) for t in names[i] + names[i][:1]]}
    files = {
        "long.csv": "path,tag,value\n" + "".join(f'"./{p}",{t},{truth[t][i]}\r\n' for t in truth for i, p in enumerate(paths)),
        "bom.csv": "\ufeffpath,tag\n\n" + "".join(f'"{p}" , {" , ".join(names[i])}\n' for i, p in enumerate(paths)),
        "stem.csv": "".join(",".join([p[:-4], *names[i]]) + "\n" for i, p in enumerate(paths)),
        "coco.json": json.dumps(coco),
        "ids.json": json.dumps([{"image_path": p, "union_label_id": [ids[t] for t in names[i]]} for i, p in enumerate(paths)]),
        "parsed.json": json.dumps([{"image_path": p, "caption": ["x"], "parse_label_id": [[ids[t]] for t in names[i]]} for i, p in enumerate(paths)]),
        "tags.json": json.dumps([{"image_path": p, "tags": [t.upper() for t in names[i]]} for i, p in enumerate(paths)]),
    }
    def told(known):
        return json.loads(calibrate(root, "-f", "json", "--from", "scores.jsonl", known=known, inputs=()).stdout)
    want = told("known.csv")
    assert want["before"]["mean"] != want["after"]["mean"] and want["tags_measured"] == 2
    for name, text in files.items():
        (root / name).write_text(text)
        assert told(name) == want, name


def test_what_is_not_said_is_not_there_or_unknown(box):
    root, *_ = box
    (root / "half.csv").write_text("p/00.png,dog,1\np/01.png,dog,0\np/02.png,cat,1\n")
    tags = {t["tag"]: t for t in json.loads(calibrate(root, "-f", "json", known="half.csv").stdout)["tags"]}
    assert (tags["dog"]["positives"], tags["dog"]["negatives"]) == (1, 1)
    assert (tags["cat"]["positives"], tags["cat"]["negatives"], tags["cat"]["from"]) == (1, 0, "kept")
    (root / "wide.csv").write_text("p/00.png,dog\np/01.png\np/02.png,cat,\n")
    tags = {t["tag"]: t for t in json.loads(calibrate(root, "-f", "json", known="wide.csv").stdout)["tags"]}
    assert (tags["dog"]["positives"], tags["dog"]["negatives"]) == (1, 2)
    assert (tags["person"]["positives"], tags["person"]["negatives"], tags["person"]["ap"]) == (0, 0, None)


def test_json_has_the_figures(box):
    root, scores, ids, truth, _ = box
    told = json.loads(calibrate(root, "-f", "json", "-t", "0.5", "-o", "j.csv").stdout)
    assert told["schema"] == "anytag.calibration/1" and told["target"] == "best F1" and told["min_positives"] == 1
    assert told["tags_by_threshold"] == {"silent": 0, "own": 2, "few": 0, "moved": 0, "kept": 595}
    for name in truth:
        tag = told["tags"][ids[name]]
        column, t = scores[:, ids[name]], np.float32(tag["threshold"])
        assert tag["tag"] == name and tag["threshold_before"] == 0.5 and thresholds((root / "j.csv").read_text())[name] == t
        for when, cut in (("before", 0.5), ("after", t)):
            assert tag[when]["said"] == (column > cut).sum() and math.isclose(tag[when]["f1"], f1(column, truth[name], cut))
        ranks = truth[name][np.argsort(-column)]
        assert math.isclose(tag["ap"], (ranks.cumsum() / np.arange(1, N + 1))[ranks == 1].mean(), rel_tol=1e-9)
    assert math.isclose(told["after"]["tags_per_picture"], (scores > np.array([t["threshold"] for t in told["tags"]])).sum() / N)


def test_an_earlier_run_serves_too(box):
    root, *_ = box
    done = calibrate(root, "-f", "json", "--from", "scores.jsonl", inputs=())
    assert done.stdout == calibrate(root, "-f", "json").stdout and b"tagged" not in done.stderr
    def refused(words, *args, code=2, inputs=()):
        said = calibrate(root, "-q", *args, code=code, inputs=inputs).stderr.decode()
        assert words in said and said.count("\n") == 1, said
    refused("name no pictures beside it", "--from", "scores.jsonl", inputs=("p",))
    refused("cannot be read (No such file or directory); did you mean scores.jsonl?", "--from", "score.jsonl")
    first = (root / "scores.jsonl").read_text().splitlines()[0]
    record = json.loads(first)
    for text, words, code in ((first.replace('"scores"', '"x"'), "bad.jsonl:1 has no scores; make it with", 2),
                              ("\n{}\n", "bad.jsonl:2 is no record of", 2), ("no json\n", "bad.jsonl:1 is no record of", 2), ("", "holds no tagged pictures", 4),
                              (first.replace(record["scores"], record["scores"][:-8]), "has not a score for each of the 597 tags", 2),
                              (first.replace(record["model"][0]["sha256"], "0" * 64), "was tagged by another model (anytag-small)", 3)):
        (root / "bad.jsonl").write_text(text)
        refused(words, "--from", "bad.jsonl", code=code)


def lot(name):
    """FNV-1a, then the end of splitmix64: a picture's place by its name, with seed 0."""
    h, most = 0xCBF29CE484222325, 2**64
    for c in name.encode():
        h = (h ^ c) * 0x100000001B3 % most
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 % most
    h = (h ^ h >> 27) * 0x94D049BB133111EB % most
    return h ^ h >> 31


def test_pictures_left_out(box):
    root, scores, ids, truth, _ = box
    def told(*args, inputs=("--from", "scores.jsonl")):
        return json.loads(calibrate(root, "-f", "json", "--holdout", "0.25", *args, inputs=inputs).stdout)
    a = told()
    assert (a["pictures"], a["pictures_left_out"], a["pictures_measured"]) == (18, 6, 6)
    assert a == told("--seed", 0) == told(inputs=[f"p/{i:02}.png" for i in reversed(range(N))])
    assert a != told("--seed", 1)
    assert b"flatter" not in calibrate(root, "--holdout", "0.25").stderr
    out = sorted(range(N), key=lambda i: lot(f"p/{i:02}.png"))[:6]  # the figures are of these
    for name in truth:
        tag, column, shown = a["tags"][ids[name]], scores[out, ids[name]], truth[name][out]
        assert (tag["positives"], tag["negatives"]) == (shown.sum(), 6 - shown.sum())
        assert tag["before"]["said"] == (column > np.float32(tag["threshold_before"])).sum()
        assert tag["after"]["said"] == (column > np.float32(tag["threshold"])).sum()
        rest = [i for i in range(N) if i not in out]
        best = max(f1(scores[rest, ids[name]], truth[name][rest], t) for t in np.append(scores[:, ids[name]], 0))
        assert f1(scores[rest, ids[name]], truth[name][rest], np.float32(tag["threshold"])) == best
    for bad, words in (("0.01", "leaves none out"), ("0.99", "leaves none to choose on"), ("1", "is not between 0 and 1"), ("x", "is not between")):
        assert words in calibrate(root, "--holdout", bad, code=2).stderr.decode()


def test_files_of_thresholds(box):
    root, _, ids, *_ = box
    calibrate(root, "-o", "t.csv")
    calibrate(root, "-o", "t.txt")
    numbers, found = [np.float32(x) for x in (root / "t.txt").read_text().split()], thresholds((root / "t.csv").read_text())
    assert numbers == [found[name] for name in sorted(ids, key=ids.get)]
    for text in (root / "t.txt").read_text().split():  # no 0.899999976: no shorter text is the same float
        assert all(np.float32(f"{float(text):.{n}g}") != np.float32(text) for n in range(1, len(text.strip("0.")))), text
    assert 0.9 in [float(x) for x in (root / "t.txt").read_text().split()]
    told = [run("tag", "--thresholds", t, "-f", "csv", "p", cwd=root).stdout for t in ("t.csv", "t.txt")]
    assert told[0] == told[1]
    assert calibrate(root, "-q").stdout == (root / "t.csv").read_bytes() and calibrate(root, "-q", "-o", "-").stdout == (root / "t.csv").read_bytes()
    assert b"a .gguf is a set of --tags" in calibrate(root, "-o", "t.gguf", code=2).stderr
    assert b"cannot be written" in calibrate(root, "-o", "/nowhere/t.csv", code=5).stderr
    assert lines(calibrate(root, "-n")) == [f"p/{i:02}.png" for i in range(N)]
    # calibrated again they stay as they are
    again = json.loads(calibrate(root, "-f", "json", "--thresholds", "t.csv").stdout)
    assert all(np.float32(t["threshold"]) == np.float32(t["threshold_before"]) == found[t["tag"]] for t in again["tags"])


def test_which_picture_is_meant(box, tmp_path):
    root, *_ = box
    for folder in ("a/x", "b/x"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            (tmp_path / folder / f"{i}.png").write_bytes((root / "p" / f"{i:02}.png").read_bytes())
    def known(text):
        (tmp_path / "k.csv").write_text(text)
    known("a/x/0.png,dog\na/x/1.png\nx/0.png,cat\nx/1.png\n")  # the longest end counts
    done = calibrate(tmp_path, "-n", known="k.csv", inputs=(".",))
    assert lines(done) == ["./a/x/0.png", "./a/x/1.png", "./b/x/0.png", "./b/x/1.png"]
    assert b"4 of 8 pictures are not annotated and left out, the first: ./a/x/2.png" in done.stderr
    known("x/0.png,dog\nx/9.png\n")
    assert b'"x/0.png" of k.csv is both ./a/x/0.png and ./b/x/0.png; write more of the path' in calibrate(tmp_path, known="k.csv", inputs=(".",), code=2).stderr
    done = calibrate(tmp_path, "-n", known="k.csv", inputs=("b",))
    assert lines(done) == ["b/x/0.png"] and b"1 of the 2 annotated pictures are not among those named" in done.stderr
    assert lines(calibrate(tmp_path / "b" / "x", "-n", known="../../k.csv", inputs=("0.png",))) == ["0.png"]  # by its whole path
    known("other/0.png,dog\n")
    done = calibrate(tmp_path, known="k.csv", inputs=("a",), code=4)
    assert b'none of the 4 pictures is annotated: k.csv speaks of "other/0.png", a picture is a/x/0.png' in done.stderr


def test_pictures_that_cannot_be_read(box, tmp_path):
    root, *_ = box
    (tmp_path / "p").mkdir()
    for i in range(N):
        (tmp_path / "p" / f"{i:02}.png").write_bytes((root / "p" / f"{i:02}.png").read_bytes())
    (tmp_path / "known.csv").write_bytes((root / "known.csv").read_bytes())
    (tmp_path / "p" / "03.png").write_text("no picture")
    done = calibrate(tmp_path, "-o", "t.csv", inputs=("p", "p/99.png"), code=1)
    assert b"over 23 pictures" in done.stdout and len((tmp_path / "t.csv").read_text().splitlines()) == 598
    for i in range(N):
        (tmp_path / "p" / f"{i:02}.png").write_text("no picture")
    calibrate(tmp_path, "-o", "u.csv", code=1)
    assert not (tmp_path / "u.csv").exists()


BAD = {
    "name.csv": ("p/00.png,dgo\n", 'name.csv:1: unknown tag "dgo"; nearest: '),
    "line.csv": ("p/00.png,dog\n\np/01.png,cat\np/02.png,dog,kat\n", 'line.csv:4: unknown tag "kat"; nearest: eat, cat, hat'),
    "quote.csv": ('p/00.png,dog\n"p/01.png,cat\n', "quote.csv:2: the quotes do not fit"),
    "twice.csv": ('p/00.png,"dog""\n', "twice.csv:1: the quotes do not fit"),
    "behind.csv": ('"p/00.png"x,dog\n', "behind.csv:1: the quotes do not fit"),
    "path.csv": ("p/00.png,dog\n,dog\n", "path.csv:2: no path in the first cell"),
    "value.csv": ("path,tag,value\np/00.png,dog,1\np/01.png,dog,2\n", "value.csv:3 is not PATH,TAG,1 nor PATH,TAG,0"),
    "both.csv": ("p/00.png,dog,1\np/01.png,dog,1\np/00.png,dog,0\n", 'both.csv says that p/00.png has "dog", and that it has not'),
    "empty.csv": ("\n", "empty.csv names no pictures"),
    "head.csv": ("path,tag\n", "head.csv names no pictures"),
    "latin.csv": (b"p/00.png,dog\np/01.png,caf\xe9\n", "latin.csv:2 is not UTF-8"),
    "latin.json": (b'[{"image_path":\n"\xff"}]', "latin.json:2 is not UTF-8"),
    "nul.csv": (b"p/00.png,d\0g\n", "nul.csv:1 is not text (it has a NUL byte)"),
    "cut.json": ('[{"image_path": "p/00.png",\n', "cut.json:2 is not JSON ("),
    "object.json": ("{}", "object.json is neither a list of"),
    "entry.json": ('[{"image_path":"p/00.png","tags":[]}, 7]', 'entry.json: entry 2 has no "image_path"'),
    "labels.json": ('[{"image_path":"p/00.png"}]', 'labels.json: entry 1, p/00.png has no list "union_label_id"'),
    "kind.json": ('[{"image_path":"p/00.png","tags":[1.5]}]', "p/00.png: a label is neither a number nor a name"),
    "range.json": ('[{"image_path":"p/00.png","union_label_id":[597]}]', "label 597 is outside 0..596; the ids are of another tag list"),
    "negative.json": ('[{"image_path":"p/00.png","union_label_id":[-1]}]', "label -1 is outside 0..596"),
    "image.json": ('{"images":[{"id":1}],"categories":[],"annotations":[]}', 'image 1 has no "id" and "file_name"'),
    "category.json": ('{"images":[],"categories":[{"id":1,"name":"dgo"}],"annotations":[]}', 'category.json: category 1: unknown tag "dgo"; nearest: '),
    "of.json": ('{"images":[{"id":1,"file_name":"p/00.png"}],"categories":[],"annotations":[{"image_id":1,"category_id":2}]}', "annotation 1 is of category 2, which the file does not have"),
    "ofimage.json": ('{"images":[],"categories":[],"annotations":[{"image_id":3,"category_id":2}]}', "annotation 1 is of image 3, which the file does not have"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_about_bad_annotations(box, name):
    root, *_ = box
    text, words = BAD[name]
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    done = calibrate(root, known=name, code=2)
    said = done.stderr.decode()
    assert words in said and said.count("\n") == 1 and said.startswith("anytag: ") and done.stdout == b"", said


def test_unknown_names_can_be_left_out(box):
    root, *_ = box
    (root / "more.csv").write_text((root / "known.csv").read_text() + "p/00.png,zebra crossing,dgo\n")
    done = calibrate(root, "-f", "json", "--ignore-unknown", known="more.csv")
    assert done.stdout == calibrate(root, "-f", "json").stdout
    assert b"2 names of more.csv were left out, being no tag: zebra crossing, dgo" in done.stderr


@pytest.mark.parametrize("args, words", [
    (("--target", "f2"), '--target: "f2" is not f1'), (("--target", "precision=1.5"), "is not f1"), (("--target", "precision"), "is not f1"),
    (("--target", "count=0"), "is not f1"), (("--target", "count=5x"), "is not f1"), (("--target", "count=nan"), "is not f1"),
    (("--target", "count=600"), "count: 600 is not in (0, 597]"), (("--annotations", "nwn.csv"), "nwn.csv cannot be read (No such file or directory)"),
    (("--tags", "x", "--thresholds", "t.csv"), "--thresholds: is of the model's tags")])
def test_usage(box, args, words):
    assert words in calibrate(box[0], "-q", *args, code=2).stderr.decode()


def test_needs_annotations(box):
    assert b"calibrate needs --annotations FILE" in run("calibrate", "p", cwd=box[0], code=2).stderr


# --- a set of the user's own words ----------------------------------------------------------------------------------


def gguf(path, keys, name, rows):
    """A GGUF with strings, lists and one f32 tensor."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def value(v):
        if isinstance(v, str):
            return struct.pack("<I", 8) + text(v)
        if isinstance(v, int):
            return struct.pack("<II", 4, v)
        kind = {str: 8, int: 4, float: 6}[type(v[0])]
        return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(text(x) if kind == 8 else struct.pack("<I" if kind == 4 else "<f", x) for x in v)

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(text(k) + value(v) for k, v in keys.items())
    head += text(name) + struct.pack("<IQQIQ", 2, rows.shape[1], rows.shape[0], 0, 0)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + rows.astype("<f4").tobytes())


def test_a_set_of_labels(box):
    root, *_ = box
    model = json.loads(run("info", "-f", "json").stdout)
    words = ["first, of all", "second", "third"]
    rows = np.random.default_rng(0).normal(size=(3, 384)) / 20
    gguf(root / "set.gguf", {"general.architecture": "anytag_labels", "anytag.version": 1, "anytag.labels.names": words, "anytag.labels.names_zh": ["甲", "", ""],
                             "anytag.labels.thresholds": [0.5, 0.6, 0.7], "anytag.labels.rows": [1, 1, 1], "anytag.labels.model": model["name"],
                             "anytag.labels.model_id": model["source_sha256"], "anytag.labels.encoder": "x"}, "rows", rows)
    asked = ("--tags", "set.gguf", "--only-custom")
    records = [json.loads(x) for x in lines(run("tag", "-q", "-f", "jsonl", "--all-scores", *asked, "p", cwd=root))]
    scores = np.array([np.frombuffer(base64.b64decode(r["scores"]), np.float32) for r in records])
    order = np.argsort(-scores[:, 0])
    truth = np.zeros(N, int)
    truth[order[:8]] = 1
    shown = ',"first, of all" ,second'
    (root / "own.csv").write_text("".join(f"p/{i:02}.png{shown if truth[i] else ''}\n" for i in range(N)))
    calibrate(root, "--tags", "set.gguf", "-o", "better.gguf", known="own.csv")
    before, after = (json.loads(run("labels", "list", "-f", "json", s, cwd=root).stdout) for s in ("set.gguf", "better.gguf"))
    assert [x["threshold"] for x in before["labels"]] == pytest.approx([0.5, 0.6, 0.7])
    t = [np.float32(x["threshold"]) for x in after["labels"]]
    assert scores[order[8], 0] <= t[0] < scores[order[7], 0] and t[2] == np.float32(0.7)
    assert [x["name"] for x in after["labels"]] == words and after["labels"][0]["name_zh"] == "甲" and after["model"] == before["model"]
    told = lines(run("tag", "-q", *asked[:1], "better.gguf", "--only-custom", "p", cwd=root))
    assert {x.split("\t")[0] for x in told if words[0] in x} == {f"p/{i:02}.png" for i in range(N) if truth[i]}
    assert calibrate(root, "-q", "--tags", "set.gguf", known="own.csv").stdout.decode().splitlines()[1].startswith('"first, of all",')
    (root / "own.csv").write_text("p/00.png,secnd\n")
    assert b'unknown tag "secnd"; nearest: second, ' in calibrate(root, "--tags", "set.gguf", known="own.csv", code=2).stderr
    assert b"--from: holds the scores of the model's own tags" in calibrate(root, "--tags", "set.gguf", "--from", "scores.jsonl", inputs=(), code=2).stderr
