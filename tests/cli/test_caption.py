"""anytag caption: every format, guides, wishes, sampling, bad input. Model in the box."""
import csv
import io
import json

import pytest
from program import lines, run

pytestmark = pytest.mark.threads


@pytest.fixture
def pics(photos):
    """Some of the folder's pictures."""
    return sorted(p for p in photos.glob("*") if p.suffix in (".png", ".jpg", ".webp") and p.name[0] != ".")


def caption(*args, code=0):
    return run("caption", "-q", *args, code=code)


def records(*args):
    return json.loads(caption("-f", "json", *args).stdout)["results"]


def test_a_caption_a_picture_in_order(pics):
    out = lines(caption(*pics))
    assert [l.split("\t")[0] for l in out] == [str(p) for p in pics]
    assert all(len(l.split("\t")[1].split()) >= 4 for l in out)
    assert lines(caption(pics[0]))[0] == out[0]  # neighbours change nothing
    assert lines(caption("--batch", "2", "-j", "1", *pics)) == out


def test_json_tells_what_guided_it(pics):
    r = records("--guide", "dog, snow", pics[0])[0]
    c = r["captions"][0]
    assert c["guide"] == ["dog", "snow"] and set(c["unused_guide"]) <= {"dog", "snow"}
    assert c["log_prob"] < 0 and r["model"][0]["task"] == "caption" and "tags" in r
    assert all(("dog" in c["text"]) != (g in c["unused_guide"]) for g in ["dog"])
    plain, none = records(pics[0])[0], records("--guide-from", "none", pics[0])[0]
    assert none["captions"][0]["guide"] == [] and plain["captions"][0]["text"]
    for nothing in ("", "none", "None"):
        assert records("--guide", nothing, pics[0])[0]["captions"] == plain["captions"]


def test_wishes_come_true(pics):
    for r in records("--require", "dog,ball", "--forbid", "man,shirt", *pics):
        text = f" {r['captions'][0]['text']} "
        assert " dog" in text and " ball" in text
        assert " man " not in text and " men " not in text and " shirt" not in text
        assert [w["met"] for w in r["captions"][0]["wishes"]] == [True] * 4


@pytest.mark.parametrize("name", ["num", "beams", "min-length", "max-length", "top-k"])
def test_none_of_a_thing_is_refused(pics, name):
    """The library takes 0 as not given; who types it means something else."""
    done = caption(f"--{name}", 0, pics[0], code=2)
    assert done.stderr == f"anytag: --{name}: 0 is not a whole number from 1 on\n".encode()


def test_several_and_samples(pics):
    found = records("--num", "3", pics[0])[0]["captions"]
    assert len({c["text"] for c in found}) == 3
    assert [c["score"] for c in found] == sorted((c["score"] for c in found), reverse=True)
    drawn = lambda seed: [c["text"] for c in records("--sample", "--num", "4", "--seed", seed, pics[0])[0]["captions"]]
    assert drawn("1") == drawn("1") and drawn("1") != drawn("2") and len(set(drawn("1"))) > 1


def test_the_other_formats(pics):
    text = lines(caption(pics[0]))[0].split("\t")[1]
    rows = list(csv.DictReader(io.StringIO(caption("-f", "csv", "--num", "2", pics[0]).stdout.decode())))
    assert [r["rank"] for r in rows] == ["0", "1"] and rows[0]["caption"] == text
    wide = next(csv.DictReader(io.StringIO(caption("-f", "csv-wide", pics[0]).stdout.decode())))
    assert wide["caption"] == text
    out = lines(caption("-f", "official", "--guide", "dog,snow", pics[0]))
    assert out[0].startswith("Model Identified Tags:  ") and out[1] == "User Specified Tags:  dog | snow"
    assert out[2].startswith("Image Caption:  ")
    assert lines(caption("-f", "official", pics[0]))[1:] == ["User Specified Tags:  None", "Image Caption:  " + text]
    assert text.encode() in caption("-f", "html", pics[0]).stdout
    assert json.loads(lines(caption("-f", "jsonl", pics[0]))[0])["captions"][0]["text"] == text
    sentence = lines(caption("--from-tags", pics[0]))[0].split("\t")[1]
    assert sentence.startswith("a picture ")
    marked = records("--from-tags", pics[0])[0]
    assert marked["captions"] == [{"text": sentence, "lang": "en", "origin": "tags"}] and marked["model"][0]["task"] == "tag"


def test_it_says_once_that_it_is_a_demonstration(pics):
    assert run("caption", *pics).stderr.count(b"demonstration") == 1


@pytest.mark.parametrize("args,word", [
    (["--beams", "99"], b"anytag: --beams: 99 is outside 1..64\n"),
    (["--num", "9", "--beams", "4"], b"anytag: --num: 9 is outside 1..4 (beams: 4)\n"),
    (["--num", "65", "--sample"], b"anytag: --num: 65 is outside 1..64\n"),
    (["--max-length", "999"], b"--max-length: 999"),
    (["--min-length", "19", "--max-length", "5"], b"--min-length: 19 is outside 1..5 (max length: 5)"),
    (["--top-p", "2"], b"--top-p: 2"),
    (["--top-p", "x"], b"positive number"),
    (["--require", "dog", "--forbid", "dogs"], b"required"),
    (["--require", "xyzzyq"], b"cannot be written"),
    (["--require", "dog", "--sample"], b"beam search"),
    (["--require", ",".join(["dog"] * 17)], b"more than 16"),
])
def test_bad_options_are_told_before_any_picture(pics, args, word):
    done = caption(*args, *pics, code=2)
    assert word in done.stderr and not done.stdout


@pytest.mark.parametrize("guide,word", [("dgo", b'nearest is "dog"'), ("\u72d7", b"no tag of this model"),
                                        ("\U0001f415", b"no tag of this model"), ("x" * 30, b"own tags only\n")])
def test_guides_the_small_model_does_not_know(pics, guide, word):
    assert word in caption("--guide", guide, pics[0], code=1).stderr


def test_a_bad_file_never_stops_a_run(pics, tmp_path):
    bad = tmp_path / "x.jpg"
    bad.write_bytes(b"no picture")
    done = caption(bad, pics[0], code=1)
    assert len(lines(done)) == 1 and b"x.jpg" in done.stderr
