"""Pictures beside texts: vectors, cosine, the matching head's logits and the shared tags against the numpy reference,
and that against plain PyTorch where there is one. Weights by formula, reduced sizes."""
import csv
import io
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import common
import configs
import reference
from test_forward import build  # noqa: F401

NAME, MOST, TOLERANCE = "own_match", 35, 1e-4
CONFIG = configs.OWN_MATCH[NAME]
VOCAB = configs.vocabulary(CONFIG["words"])
WORD = {t: i for i, t in enumerate(VOCAB)}
LONG = " ".join(f"word{11 + i % 60}" for i in range(60))
TEXTS = ["a picture of tag 3", "tag 1 of tag 20", "word30", "unknown tag 17, tag 3s | tag 11", LONG, "word31 word40 of word72"]
PICTURES = ["waves", "other", "third"]


def tokens(text):
    """[CLS] to [SEP], cut and padded to MOST."""
    out = []
    for word in text.replace(",", " , ").replace("|", " | ").split():
        digits = word.isdigit()
        pieces = [word[0], *("##" + d for d in word[1:])] if digits else [word]
        out += [WORD[p] for p in pieces] if all(p in WORD for p in pieces) else [WORD["[UNK]"]]
    out = [WORD["[CLS]"], *out[:MOST - 2], WORD["[SEP]"]]
    return np.array(out + [0] * (MOST - len(out)))


@pytest.fixture(scope="module")
def case(build, tmp_path_factory):  # noqa: F811
    """The model's folder, pictures, and what the reference says of both."""
    folder, config, entries = build(NAME)
    place = tmp_path_factory.mktemp("match")
    w = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], False)
    files, images = [], []
    for name in PICTURES:
        picture = common.picture(name)
        picture.save(place / f"{name}.png")
        files.append(place / f"{name}.png")
        images.append(reference.tag2text_tags(w, config, reference.pixels(picture, 96, *reference.IMAGENET)))
    ids = [tokens(t) for t in TEXTS]
    v = np.array([reference.match_image(w, i["swin.out"]) for i in images])
    t = np.array([reference.match_text(w, config, i) for i in ids])
    pair = [np.where(np.arange(MOST) == 0, WORD["[ENC]"], i) for i in ids]
    logits = np.array([[reference.match_logits(w, config, p, i["swin.out"]) for p in pair] for i in images])
    return {"folder": folder, "files": files, "w": w, "images": images, "ids": ids, "pair": pair, "v": v, "t": t,
            "cosine": v @ t.T, "logits": logits}


def match(case, *more, files=None, texts=TEXTS):
    args = [x for t in texts for x in ("--text", t)]
    done = common.run("match", "-q", "-m", case["folder"] / "model.gguf", "--official-pixels", *args, *more, *(files or case["files"]))
    return done.stdout.decode()


def pairs(case, *more, **kw):
    """{(image, text): result} of a json document."""
    doc = json.loads(match(case, "-f", "json", *more, **kw))
    out = {}
    for q, query in enumerate(doc["queries"]):
        for r in query["results"]:
            out[(r["image"], q) if doc["by"] == "text" else (q, r["text"])] = r
    return out


def test_against_the_reference(case):
    got = pairs(case)
    assert len(got) == len(PICTURES) * len(TEXTS)
    for (i, t), r in got.items():
        assert abs(r["cosine"] - case["cosine"][i, t]) < TOLERANCE, (i, t)
        assert np.abs(np.array(r["logits"]) - case["logits"][i, t]).max() < TOLERANCE, (i, t)
        no, yes = case["logits"][i, t]
        assert abs(r["match"] - 1 / (1 + math.exp(no - yes))) < TOLERANCE
    # or nothing was compared: they differ by far more than the tolerance
    assert np.ptp(case["cosine"], 0).max() > 0.02 and np.ptp(case["logits"], 0).max() > 0.02
    assert np.ptp(case["cosine"], 1).min() > 0.05


def test_the_reference_against_pytorch(case, tmp_path):
    torch = pathlib.Path(os.environ.get("ANYTAG_TORCH", common.ROOT / "build" / "venv" / "bin" / "python"))
    if not torch.exists() or subprocess.run([torch, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip(f"no PyTorch in {torch} (bench/peers/setup.sh makes it, or set ANYTAG_TORCH)")
    parts = ("alignment_encoder.", "vision_proj.", "text_proj.", "itm_head.", "temp")
    given = {k: case["w"][k] for k in case["w"].shapes if k.startswith(parts)}
    np.savez(tmp_path / "in.npz", **given, **{"#heads": CONFIG["med"]["num_attention_heads"], "#ids": np.array(case["ids"]),
             "#enc": WORD["[ENC]"], "#tokens": np.array([i["swin.out"] for i in case["images"]])})
    subprocess.run([torch, pathlib.Path(__file__).with_name("retrieval_torch.py"), tmp_path / "in.npz", tmp_path / "out.npz"], check=True)
    want = np.load(tmp_path / "out.npz")
    for name in ("v", "t", "logits"):
        assert want[name].shape == case[name].shape and np.abs(want[name] - case[name]).max() < 1e-9, name


def test_half_precision_stays_near(build, case):  # noqa: F811
    folder, _, _ = build(NAME, "f16")
    for (i, t), r in pairs(dict(case, folder=folder)).items():
        assert abs(r["cosine"] - case["cosine"][i, t]) < 2e-3


def test_the_bits_depend_on_no_neighbour(case):
    alone = {}
    for i, f in enumerate(case["files"]):
        for t, text in enumerate(TEXTS):
            alone[i, t] = dict(pairs(case, "-j", "1", files=[f], texts=[text])[0, 0], image=i, rank=0)
    for more in (["-j", "1"], ["-j", "3", "--batch", "2"], ["--batch", "3"], ["--by", "image"]):
        for (i, t), r in pairs(case, *more).items():
            same = {k: v for k, v in r.items() if k in ("score", "cosine", "tags", "match", "logits", "shared")}
            assert same == {k: alone[i, t][k] for k in same}, (more, i, t)


def test_the_server_makes_the_same_vectors(case):
    sys.path.insert(0, str(common.ROOT / "tests" / "serve"))
    import serving  # noqa: PLC0415
    if b"left out" in common.run("serve", "--port", "99999", ok=False).stderr:
        pytest.skip("this build has no server")
    with serving.serving("-m", case["folder"] / "model.gguf") as s:
        def embed(body, headers):
            status, _, said = s.ask("POST", "/v1/embed", body, headers)
            return status, said
        for file, want in zip(case["files"], case["v"]):
            status, said = embed(file.read_bytes(), {"Content-Type": "image/png"})
            assert status == 200 and said["width"] == len(want) and np.abs(np.array(said["embedding"]) - want).max() < TOLERANCE
        for text, want in zip(TEXTS, case["t"]):
            status, said = embed(json.dumps({"text": text}), {"Content-Type": "application/json"})
            assert status == 200 and np.abs(np.array(said["embedding"]) - want).max() < TOLERANCE, text
        parts = [("image", f.name, f.read_bytes()) for f in case["files"]] + [("image", "x.txt", b"no picture")]
        status, said = embed(*serving.form(parts))
        got = [r.get("embedding") for r in said["results"]]
        assert status == 200 and np.abs(np.array(got[:3]) - case["v"]).max() < TOLERANCE and got[3] is None
        assert said["results"][3] == {"source": {"name": "x.txt"}, "error": {"code": "not-an-image", "detail": "x.txt: not an image (a text file)"}}
        status, said = embed(*serving.form([*parts[:1], ("text", None, "a dog")]))
        assert (status, said["code"], said["pointer"]) == (400, "invalid-parameter", "/text")
        figures = s.ask("GET", "/metrics")[2].decode()
        for line in ('images_total{task="embed",result="ok"} 6', 'images_total{task="embed",result="failed"} 1', "cache_hits_total 3", "queue_depth 0"):
            assert f"anytag_{line}\n" in figures, line


def named(text):
    """The model's tags in a text of this file: "tag 17"."""
    words = text.replace(",", " , ").split()
    return list(dict.fromkeys(int(b) for a, b in zip(words, words[1:]) if a == "tag" and b.isdigit() and int(b) < CONFIG["classes"]))


def test_shared_tags_weigh(case, tmp_path):
    """The part of the tags, from the reference's probabilities, with and without weights."""
    limit = float(np.median([i["probs"][[3, 1, 20, 17, 11]] for i in case["images"]]))
    weights = np.linspace(0.5, 3, CONFIG["classes"])
    (tmp_path / "idf.txt").write_text("\n".join(map(str, weights)))
    (tmp_path / "some.csv").write_text("tag,idf\ntag 3,0\ntag 11,5\n")
    some = np.ones(CONFIG["classes"])
    some[[3, 11]] = 0, 5
    for idf, more in ((np.ones(CONFIG["classes"]), []), (weights, ["--idf", tmp_path / "idf.txt"]), (some, ["--idf", tmp_path / "some.csv"])):
        seen = set()
        for (i, t), r in pairs(case, "-t", limit, "--lambda", "0.5", *more).items():
            of_text = named(TEXTS[t])
            both = [k for k in of_text if case["images"][i]["probs"][k] > limit]
            total = idf[of_text].sum()
            want = idf[both].sum() / total if total else 0
            assert r["shared"] == [f"tag {k}" for k in both]
            assert abs(r["tags"] - want) < 1e-5 and abs(r["score"] - r["cosine"] - 0.5 * want) < 1e-5
            seen.add(round(want, 3))
        assert len(seen) > 2, seen  # none, some, all
    assert all(r["score"] == r["cosine"] for r in pairs(case, "--lambda", "0", "-t", limit).values())


def test_order(case):
    """By score; the best few by the matching head, as BLIP: logit + score."""
    for by in ("text", "image"):
        plain = json.loads(match(case, "-f", "json", "--by", by, "--no-itm"))
        assert plain["by"] == by and plain["idf"] == "uniform" and plain["lambda"] == 0.1
        for q in plain["queries"]:
            scores = [r["score"] for r in q["results"]]
            assert scores == sorted(scores, reverse=True) and [r["rank"] for r in q["results"]] == list(range(1, len(scores) + 1))
            assert not any("match" in r for r in q["results"])
        closer = json.loads(match(case, "-f", "json", "--by", by, "--top-k", "2"))
        changed = False
        for a, b in zip(plain["queries"], closer["queries"]):
            key = "image" if by == "text" else "text"
            assert {r[key] for r in a["results"][:2]} == {r[key] for r in b["results"]}  # they are the best by score
            changed |= [r[key] for r in a["results"][:2]] != [r[key] for r in b["results"]]
            values = [r["logits"][1] + r["score"] for r in b["results"]]
            assert values == sorted(values, reverse=True)
        assert changed


def test_formats(case, tmp_path):
    doc = json.loads(match(case, "-f", "json"))
    rows = list(csv.DictReader(io.StringIO(match(case, "-f", "csv"), newline="")))
    flat = [(q["words"], r["path"], r["cosine"]) for q in doc["queries"] for r in q["results"]]
    assert [(r["text"], r["path"], float(r["cosine"])) for r in rows] == flat
    for line, q in zip(match(case, "-f", "jsonl").splitlines(), doc["queries"], strict=True):
        assert json.loads(line)["query"] == q and json.loads(line)["schema"] == doc["schema"]
    text = match(case).splitlines()
    assert text[0] == TEXTS[0] and len(text) == len(TEXTS) * (1 + len(PICTURES))
    assert all(w in text[1] for w in ("cosine", "tags", "match", ".png"))
    assert match(case, "-f", "json", "-o", tmp_path / "x.json") == "" and json.loads((tmp_path / "x.json").read_text()) == doc
    (tmp_path / "texts").write_text("\n".join(TEXTS[1:]) + "\n\n  \n")
    assert json.loads(match(case, "-f", "json", "--texts-from", tmp_path / "texts", texts=TEXTS[:1])) == doc


def refused(case, code, *args):
    done = common.run("match", "-m", case["folder"] / "model.gguf", *args, ok=False)
    assert done.returncode == code and not done.stdout, (done.returncode, done.stdout, done.stderr)
    return done.stderr


def test_bad_input(case, tmp_path):
    picture = case["files"][0]
    assert b"text 2: it is empty" in refused(case, 2, picture, "--text", "tag 1", "--text", "")
    assert b"text 1: it is empty" in refused(case, 2, picture, "--text", " \t")
    assert b"text 2: the text is not UTF-8 (byte 4)" in refused(case, 2, picture, "--text", "tag 1", "--text", os.fsdecode(b"tag \xff"))
    assert b"text 1: it is longer" in refused(case, 2, picture, "--text", "a" * 70000)
    assert b"no text" in refused(case, 2, picture)
    (tmp_path / "none").write_text("\n\n")
    assert b"no text" in refused(case, 2, picture, "--texts-from", tmp_path / "none")
    assert b"--texts-from" in refused(case, 2, picture, "--texts-from", tmp_path / "absent")
    for bad in ("x", "-1", "11", "nan"):
        assert b"--lambda" in refused(case, 2, picture, "--text", "a", "--lambda", bad)
    (tmp_path / "idf").write_text("tag,idf\ntag 1,-2\n")
    assert b"--idf" in refused(case, 2, picture, "--text", "a", "--idf", tmp_path / "idf")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = common.run("match", "-m", case["folder"] / "model.gguf", "-f", "json", "--text", LONG, tmp_path / "bad.png", picture, ok=False)
    assert done.returncode == 1 and b"bad.png" in done.stderr
    assert b"text 1 is longer than 35 tokens; its last 27 were left out" in done.stderr
    query, = json.loads(done.stdout)["queries"]
    assert query["cut"] == 27 and [r["path"] for r in query["results"]] == [str(picture)]


def test_models_without_weights_for_it(build, case):  # noqa: F811
    folder, _, _ = build("own_tag2text")
    done = common.run("match", "-m", folder / "model.gguf", "--text", "a", case["files"][0], ok=False)
    assert done.returncode == 3 and b"come from training" in done.stderr
    for path, has in ((folder, False), (case["folder"], True)):
        assert ("match         vectors of 40, texts of 35 tokens" in common.run("info", path / "model.gguf").stdout.decode()) == has


def test_conversion(build, case, tmp_path):  # noqa: F811
    """Of a model file again: the same bits. A checkpoint with a part of the keys is none."""
    common.run("convert", case["folder"] / "model.gguf", tmp_path / "again.gguf", "--type", "f32")
    (tmp_path / "model.gguf").symlink_to(tmp_path / "again.gguf")
    assert pairs(dict(case, folder=tmp_path)) == pairs(case)
    for absent in ("itm_head.bias", "alignment_encoder.encoder.layer.1.crossattention.self.key.weight", "vision_proj.weight"):
        common.write_lists(tmp_path, CONFIG)
        common.write_checkpoint(tmp_path / "part.pth", CONFIG, [e for e in configs.entries(CONFIG) if e[0] != absent])
        done = common.convert(tmp_path, tmp_path / "part.pth", tmp_path / "part.gguf", ok=False)
        assert done.returncode == 3 and (absent.encode() in done.stderr or b"vectors of 0" in done.stderr), done.stderr
