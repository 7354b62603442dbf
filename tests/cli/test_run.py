"""What a run says: progress, warnings, the summary, the log; and the words of tags."""
import datetime
import json
import os
import shutil
import subprocess

import pytest
from PIL import Image
from program import BIN, clean, lines, run, terminal

pytestmark = pytest.mark.threads


def test_failures_by_kind(photos):
    for i in range(5):
        (photos / f"n{i}.jpg").write_text("note")
    (photos / "cut.png").write_bytes((photos / "b.png").read_bytes()[:60])
    said = run("tag", photos, code=1).stderr.decode().splitlines()
    at = [i for i, x in enumerate(said) if " tagged, " in x][0]
    assert said[at].startswith("3 tagged, 6 failed, 0 skipped in ") and said[at].endswith(" img/s)")
    kinds = {x[5:25].strip(): x for x in said[at + 1:]}
    assert kinds["not an image"].startswith("  5") and "and 2 more" in kinds["not an image"] and kinds["damaged image"].startswith("  1")
    assert "cut.png" in kinds["damaged image"]
    assert kinds["not an image"].endswith(" and 2 more: a text file")  # the kind is not told twice
    assert run("tag", "-q", photos, code=1).stderr.decode().splitlines()[at].startswith("3 tagged")  # also when quiet
    assert b"tagged" not in run("tag", "-q", photos / "a.jpg", photos / "b.png").stderr


def test_the_wrong_ending_is_a_warning(photos):
    shutil.copy(photos / "b.png", photos / "x.jpg")
    done = run("tag", "-f", "jsonl", photos / "x.jpg")
    assert b"x.jpg: the name says jpeg, the content is png" in done.stderr
    assert json.loads(done.stdout)["warnings"] == [f"{photos}/x.jpg: the name says jpeg, the content is png"]
    assert b"the name says" not in run("tag", photos / "a.jpg", photos / "b.png", photos / "c.webp").stderr
    assert run("tag", "-q", photos / "x.jpg").stderr == b""


def test_progress(photos):
    events = [json.loads(x) for x in run("tag", "--progress", "json", photos).stderr.decode().splitlines() if x.startswith("{")]
    assert events[-1] == {"event": "progress", "done": 3, "total": 3, "failed": 0, "rate": events[-1]["rate"], "eta_s": 0}
    assert b"ETA" in run("tag", "--progress", "bar", photos).stderr
    for mode in ("auto", "plain", "none"):  # nothing for a run under half a minute
        assert b"ETA" not in run("tag", "--progress", mode, photos).stderr


def test_log(photos):
    (photos / "bad.jpg").write_text("text")
    run("tag", "--log-file", "log", photos, cwd=photos, code=1)
    run("tag", "--log-file", "log", "bad.jpg", cwd=photos, code=1)
    text = (photos / "log").read_text().splitlines()
    assert len(text) == 2 and all("error" in x and "not an image" in x for x in text)
    datetime.datetime.fromisoformat(text[0].split()[0].replace("Z", "+00:00"))
    done = run("tag", "--log-format", "json", "bad.jpg", cwd=photos, code=1)
    event = json.loads(done.stderr)
    assert (event["level"], event["code"]) == ("error", "not-an-image") and "bad.jpg" in event["text"]
    datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    run("tag", "--log-format", "json", "--log-file", "log2", "bad.jpg", cwd=photos, code=1)
    assert json.loads((photos / "log2").read_text())["code"] == "not-an-image"
    assert b"cannot be written" in run("tag", "--log-file", "/nowhere/x", "bad.jpg", cwd=photos, code=5).stderr


def test_rename(photos):
    (photos / "names.csv").write_text('from,to\ndog,"hound, big"\ncat,pet\nperson,pet\n人,甲\ntree,\n')
    base = ("-t", "0", "--only", "dog,cat,person,tree", photos / "a.jpg")
    record = json.loads(run("tag", "-f", "jsonl", "--rename", photos / "names.csv", *base).stdout)
    plain = json.loads(run("tag", "-f", "jsonl", *base).stdout)
    score = {t["name"]: t["score"] for t in plain["tags"]}
    assert {t["name"]: t["score"] for t in record["tags"]} == {"hound, big": score["dog"], "pet": max(score["cat"], score["person"])}
    assert "hound, big" in lines(run("tag", "--rename", photos / "names.csv", *base))[0]
    (photos / "names.csv").write_text("dgo,hound\n")
    assert b'unknown tag "dgo" in --rename; nearest: ' in run("tag", "--rename", photos / "names.csv", *base, code=2).stderr
    (photos / "names.csv").write_text("dog\n")
    assert b"names.csv:1 is not FROM,TO" in run("tag", "--rename", photos / "names.csv", *base, code=2).stderr


def test_chinese_names_are_renamed_too(photos):
    rows = [x.split("\t") for x in lines(run("info", "--tags"))]
    name, zh = [(r[1], r[2]) for r in rows if r[2] and sum(q[2] == r[2] for q in rows) == 1][0]
    (photos / "names.csv").write_text(f"{zh},新\n")
    assert lines(run("tag", "-l", "zh", "-t", "0", "--only", name, "--rename", photos / "names.csv", photos / "a.jpg"))[0].endswith("\t新")


def test_json_tells_the_options(photos):
    doc = json.loads(run("tag", "-f", "json", "-t", "0", "-k", "2", "-j", "1", photos / "a.jpg").stdout)
    assert doc["options"] == {"format": "json", "threshold": "0", "top": "2"}  # those that change results


EVIL = "a\x1b[31m\n'\\\u009b.jpg"  # what a terminal obeys, what a shell reads, U+009B: Escape [ in one character
SHOWN = b"a\\x1B[31m\\x0A'\\\\xC2\\x9B.jpg"


def test_names_cannot_speak_to_the_terminal(photos):
    (photos / EVIL).write_bytes(b"no picture")
    for more in ((), ("--log-format", "json")):
        said = run("tag", "--log-file", "log", *more, EVIL, "a.jpg", cwd=photos, code=1).stderr
        assert said.count(SHOWN) == 2 and b"\x1b" not in said and b"\xc2" not in said  # the line and the summary
        assert said.count(b"\n") == 3
    text, event = (photos / "log").read_bytes().splitlines()
    assert SHOWN in text and b"\x1b" not in text and json.loads(event)["text"].startswith(EVIL)
    assert run("tag", "-q", "--no-such\x1b[2J", code=2).stderr.count(b"\\x1B[2J") == 1


def test_a_resume_command_of_any_name_runs(photos):
    (photos / "b.png").rename(photos / EVIL)
    (photos / "a.txt").mkdir()  # a.jpg's tags cannot be written
    folder = photos / "o\x1b[31m"
    (folder / "a.txt").mkdir(parents=True)
    said = run("tag", "-f", "txt", "-o", folder, photos / "a.jpg", photos / EVIL, code=5).stderr
    command = said.splitlines()[-1]
    assert command.startswith(b"resume: anytag tag --resume") and b"\x1b" not in said and b"\xc2" not in said
    (folder / "a.txt").rmdir()
    subprocess.run(["bash", "-c", command.replace(b"resume: anytag", os.fsencode(os.path.abspath(BIN)))], check=True, capture_output=True, env=clean())
    assert len(list(folder.glob("a*.txt"))) == 2

@pytest.mark.parametrize("env, coloured", [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)])
def test_colour(env, coloured):
    assert (b"\x1b[" in run("tag", "no.jpg", env=env, code=1).stderr) == coloured
    assert b"\x1b[" in run("tag", "--color", "always", "no.jpg", env=env, code=1).stderr
    assert b"\x1b[" not in run("tag", "--color", "never", "no.jpg", env=env, code=1).stderr


def test_options_that_do_nothing_are_told(photos):
    """On the command line; settings are for many runs."""
    said = run("tag", "--bom", "--all-scores", photos / "a.jpg").stderr
    assert b"--bom does nothing with -f text; it is for csv\n" in said and b"--all-scores does nothing" in said and said.count(b"\n") == 2
    assert b"--all-scores does nothing with -f csv; it is for json, jsonl\n" in run("tag", "-f", "csv", "--all-scores", photos / "a.jpg").stderr
    for args, env in ((["-f", "csv-wide", "--bom"], None), (["--bom", "-q"], None), ([], {"ANYTAG_BOM": 1})):
        assert run("tag", *args, photos / "a.jpg", env=env).stderr == b""


def test_an_empty_input(photos):
    for args in (("", photos / "a.jpg"), (photos / "a.jpg", "")):
        done = run("tag", *args, code=2)
        assert b'an input is empty ("")' in done.stderr and not done.stdout


def test_text_options(photos):
    assert run("tag", "--null", "-t", "0", "-k", "1", photos).stdout.count(b"\0") == 3
    assert ":0." in lines(run("tag", "--scores", "-t", "0", "-k", "1", photos / "a.jpg"))[0]
    assert run("tag", "-f", "csv", "--bom", photos / "a.jpg").stdout.startswith(b"\xef\xbb\xbfpath,")
    (photos / "=cmd.jpg").write_bytes((photos / "a.jpg").read_bytes())
    for more, cell in (((), b"=cmd.jpg,"), (("--excel",), b"'=cmd.jpg,")):
        assert run("tag", "-f", "csv", "-t", "0", "-k", "1", *more, "=cmd.jpg", cwd=photos).stdout.splitlines()[1].startswith(cell)


def scores(*args, **more):
    return {t["name"]: t["score"] for t in json.loads(run("tag", "-f", "jsonl", "-t", "0", *args, **more).stdout)["tags"]}


def test_crop_is_the_part_alone(photos):
    picture = Image.open(photos / "b.png").convert("RGB")
    picture.crop((5, 10, 40, 60)).save(photos / "part.png")
    assert scores("--crop", "5,10,40,60", photos / "b.png") == scores(photos / "part.png") != scores(photos / "b.png")
    source = json.loads(run("tag", "-f", "jsonl", "--crop", "5,10,40,60", photos / "b.png").stdout)["source"]
    assert (source["width"], source["height"]) == picture.size
    for text, words in (("1,2,3", b"is not X0,Y0,X1,Y1"), ("9,0,9,5", b"is empty"), ("a,0,9,5", b"is not")):
        assert words in run("tag", "--crop", text, photos / "b.png", code=2).stderr
    assert b"ends outside the picture (48 x 64)" in run("tag", "--crop", "0,0,49,64", photos / "b.png", code=1).stderr


def test_thresholds_of_some_tags(photos):
    own = scores(photos / "a.jpg")
    (photos / "t.csv").write_text(f"tag,threshold\ndog,{own['dog'] / 2}\ncat,{min(1, own['cat'] * 2 + 0.1)}\n")
    got = json.loads(run("tag", "-f", "jsonl", "--only", "dog,cat", "--thresholds", photos / "t.csv", photos / "a.jpg").stdout)["tags"]
    assert [t["name"] for t in got] == ["dog"]
    (photos / "t.txt").write_text("0.5\n" * 597)
    got = json.loads(run("tag", "-f", "jsonl", "--thresholds", photos / "t.txt", photos / "a.jpg").stdout)["tags"]
    assert {t["name"] for t in got} == {n for n, s in own.items() if s > 0.5}
    for text, words in (("0.5\n" * 3, b"has 3 numbers, the model 597"), ("dog,2\n", b":1 is neither"), ("dgo,0.5\n", b'"dgo" in --thresholds; nearest'), ("0.5\ndog,0.5\n", b":2 is neither")):
        (photos / "bad").write_text(text)
        assert words in run("tag", "--thresholds", photos / "bad", photos / "a.jpg", code=2).stderr


@pytest.mark.parametrize("size, ok", [("3072", True), ("3071", False), ("4K", True), ("1M", True), ("3x", None), ("-1", None), ("9999999999G", None)])
def test_sizes(photos, size, ok):
    done = run("tag", "--max-pixels", size, photos / "a.jpg", code={True: 0, False: 1, None: 2}[ok])  # 64 x 48
    assert (b"no size" in done.stderr) == (ok is None)


def test_a_terminal(photos):
    text = terminal("tag", "-t", "0", "-k", "3", photos / "a.jpg")
    assert "\x1b[1m" in text and "64x48" in text and "3 tags · anytag-small int8 · " in text
    plain = terminal("tag", "-t", "0", "-k", "3", photos / "a.jpg", env={"NO_COLOR": "1"})
    assert "\x1b" not in plain and len(plain.splitlines()) == 5
    assert "\x1b" not in terminal("tag", "-t", "0", "-k", "3", photos / "a.jpg", env={"TERM": "dumb"})
    assert "█" not in terminal("tag", "-t", "0", "-k", "3", photos / "a.jpg", env={"LC_ALL": "C"})
    assert max(len(x) for x in terminal("tag", "-t", "0", "-k", "3", photos / "a.jpg", columns=30, env={"NO_COLOR": "1"}).splitlines()[1:-1]) <= 30
    shown = terminal("tag", photos)
    assert "ETA" in shown and "3 tagged, 0 failed" in shown
