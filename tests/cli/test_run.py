"""What a run says: progress, warnings, the summary, the log; and the words of tags."""
import datetime
import json
import shutil

import pytest
from program import lines, run


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


@pytest.mark.parametrize("env, coloured", [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)])
def test_colour(env, coloured):
    assert (b"\x1b[" in run("tag", "no.jpg", env=env, code=1).stderr) == coloured
    assert b"\x1b[" in run("tag", "--color", "always", "no.jpg", env=env, code=1).stderr
    assert b"\x1b[" not in run("tag", "--color", "never", "no.jpg", env=env, code=1).stderr


def test_text_options(photos):
    assert run("tag", "--null", "-t", "0", "-k", "1", photos).stdout.count(b"\0") == 3
    assert ":0." in lines(run("tag", "--scores", "-t", "0", "-k", "1", photos / "a.jpg"))[0]
    assert run("tag", "-f", "csv", "--bom", photos / "a.jpg").stdout.startswith(b"\xef\xbb\xbfpath,")
    (photos / "=cmd.jpg").write_bytes((photos / "a.jpg").read_bytes())
    for more, cell in (((), b"=cmd.jpg,"), (("--excel",), b"'=cmd.jpg,")):
        assert run("tag", "-f", "csv", "-t", "0", "-k", "1", *more, "=cmd.jpg", cwd=photos).stdout.splitlines()[1].startswith(cell)
