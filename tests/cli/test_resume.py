"""Runs that were stopped go on, and what is done is left out."""
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

import pytest
from PIL import Image
from program import BIN, PATIENCE, clean, run, slowed

pytestmark = pytest.mark.threads


def records(path):
    out = [json.loads(x) for x in path.read_text().splitlines()]
    for r in out:
        r.pop("timing_ms", None)
    return out


def names(path):
    return [r["source"]["name"] for r in records(path)]


def counts(done):
    """(tagged, failed, skipped) of the summary."""
    words = [x for x in done.stderr.decode().splitlines() if " tagged, " in x][0].split()
    return int(words[0]), int(words[2]), int(words[4])


def test_resume_gives_the_file_of_one_run(photos, tmp_path):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    run("tag", "-f", "jsonl", "-o", whole, photos)
    run("tag", "-f", "jsonl", "-o", part, photos / "b.png")
    done = run("tag", "-f", "jsonl", "-o", part, "--resume", photos)
    assert counts(done) == (2, 0, 1)
    assert records(part) == records(whole) and names(part) == ["a.jpg", "b.png", "c.webp"]
    again = part.read_bytes()
    assert counts(run("tag", "-f", "jsonl", "-o", part, "--resume", photos)) == (0, 0, 3)
    assert part.read_bytes() == again


@pytest.mark.parametrize("change", ["content", "model", "option", "compute", "force"])
def test_a_change_is_done_again(photos, tmp_path, change):
    out, more = tmp_path / "r.jsonl", []
    run("tag", "-f", "jsonl", "-o", out, photos)
    if change == "content":
        shutil.copy(photos / "b.png", photos / "a.jpg")  # a picture of another content; only this one is done again
    if change == "model":
        run("convert", "models/anytag-small-f16.gguf", tmp_path / "other.gguf", "--type", "f32")
        more = ["-m", tmp_path / "other.gguf"]
    if change == "option":
        more = ["-k", "2"]
    if change == "compute":
        more = ["--compute", "bf16"]  # scores move
        if run("tag", *more, photos, code=None).returncode == 6:
            pytest.skip("products in bf16 need AMX or AVX512-BF16")
    if change == "force":
        more = ["--force"]
    done = run("tag", "-f", "jsonl", "-o", out, "--resume", *more, photos)
    assert counts(done) == ((1, 0, 2) if change == "content" else (3, 0, 0))
    assert names(out) == ["a.jpg", "b.png", "c.webp"]
    if change == "option":
        assert all(len(r["tags"]) <= 2 for r in records(out))


def test_what_does_not_change_results_is_no_change(photos, tmp_path):
    out = tmp_path / "r.jsonl"
    run("tag", "-f", "jsonl", "-o", out, "-j", "1", photos)
    assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", "-j", "2", photos)) == (0, 0, 3)


def test_other_records_and_failures(photos, tmp_path):
    out = tmp_path / "r.jsonl"
    (photos / "broken.jpg").write_bytes(b"no picture")
    run("tag", "-f", "jsonl", "-o", out, photos, code=1)
    assert len(records(out)) == 4
    shutil.copy(photos / "a.jpg", photos / "broken.jpg")  # failures are tried again
    done = run("tag", "-f", "jsonl", "-o", out, "--resume", photos / "broken.jpg", photos / "c.webp")
    assert counts(done) == (1, 0, 1)
    assert sorted(names(out)) == ["a.jpg", "b.png", "broken.jpg", "c.webp"]  # a and b were not named: they stay


def test_after_a_crash(photos, tmp_path):
    out, part = tmp_path / "r.jsonl", tmp_path / "r.jsonl.part"
    run("tag", "-f", "jsonl", "-o", out, photos)
    lines = out.read_bytes().splitlines(keepends=True)
    out.unlink()
    part.write_bytes(lines[0] + lines[1][:50])  # killed in the middle of a record
    assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", photos)) == (2, 0, 1)
    assert names(out) == ["a.jpg", "b.png", "c.webp"]
    assert sorted(os.listdir(tmp_path))[-1] == "r.jsonl"  # no .part, no .part.old
    part.write_bytes(lines[0] + lines[1][:-1])  # killed in front of the line's end
    out.unlink()
    assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", photos)) == (2, 0, 1)
    assert names(out) == ["a.jpg", "b.png", "c.webp"]
    (tmp_path / "r.jsonl.part.old").write_bytes(lines[0][:-20])  # and twice
    part.write_bytes(lines[1])
    out.unlink()
    assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", photos)) == (2, 0, 1)


def test_names_that_are_not_utf8(photos, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    shutil.copy(photos / "a.jpg", os.fsencode(folder) + b"/\xff.jpg")
    shutil.copy(photos / "b.png", os.fsencode(folder) + b"/\xfe.png")
    out = tmp_path / "r.jsonl"
    run("tag", "-f", "jsonl", "-o", out, folder)
    assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", folder)) == (0, 0, 2)
    assert len(records(out)) == 2


def test_resume_needs_a_file(photos):
    for args in (("-f", "jsonl"), ("-f", "csv", "-o", photos / "x.csv"), ()):
        assert b"--resume: needs a file" in run("tag", "--resume", *args, photos, code=2).stderr


def many(tmp_path, n):
    folder = tmp_path / "many"
    folder.mkdir()
    Image.new("RGB", (300, 200), (30, 90, 200)).save(folder / "000.jpg")
    for i in range(1, n):
        shutil.copy(folder / "000.jpg", folder / f"{i:03}.jpg")
    return folder


@pytest.mark.parametrize("sig, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_and_carried_on(tmp_path, sig, code):
    folder, out = many(tmp_path, 24), tmp_path / "it's r.jsonl"
    p = subprocess.Popen([BIN, "tag", "-j", "1", "-f", "jsonl", "-o", str(out), str(folder)], stderr=subprocess.PIPE, env=clean())
    part = tmp_path / "it's r.jsonl.part"
    with slowed(p, 0.2):
        while not (part.exists() and part.stat().st_size > 2000):
            assert p.poll() is None
            time.sleep(0.01)
        p.send_signal(sig)  # is met at its next turn
    _, said = p.communicate(timeout=PATIENCE)
    assert p.returncode == code
    assert sig == signal.SIGTERM or re.search(rb"finishing [12] image", b" ".join(said.split())), said  # one computed, one decoded
    first = len(records(out))
    assert 0 < first < 24 and not part.exists()
    last = said.decode().splitlines()[-1]
    assert last.startswith("resume: anytag tag --resume -j 1")
    command = shlex.split(last)[2:]
    done = run(*command)
    assert counts(done) == (24 - first, 0, first)
    assert len(set(names(out))) == 24


def written(part):
    """Records in a file that the run makes, and moves aside when it goes on."""
    try:
        return part.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def test_killed_and_carried_on(tmp_path):
    """kill -9, twice: what reached FILE.part is not done again, and each picture has one record."""
    folder, out, part = many(tmp_path, 60), tmp_path / "r.jsonl", tmp_path / "r.jsonl.part"
    kept = 0
    for go_on in ([], ["--resume"]):
        p = subprocess.Popen([BIN, "tag", "-q", "-j", "2", "-f", "jsonl", "-o", str(out), *go_on, str(folder)], env=clean())
        with slowed(p, 0.2):
            while written(part) <= kept + 4:
                assert p.poll() is None
                time.sleep(0.01)
            p.kill()
        p.wait(timeout=PATIENCE)
        kept = written(part)
        assert not out.exists() and kept < 60
    tagged, failed, skipped = counts(run("tag", "-f", "jsonl", "-o", out, "--resume", folder))
    assert (tagged + skipped, failed) == (60, 0) and skipped >= kept, (skipped, kept)
    assert names(out) == [f"{i:03}.jpg" for i in range(60)]
    assert not part.exists() and not (tmp_path / "r.jsonl.part.old").exists()


def test_stopping_a_resumed_run_loses_nothing(tmp_path):
    folder, out = many(tmp_path, 16), tmp_path / "r.jsonl"
    run("tag", "-f", "jsonl", "-o", out, *[folder / f"{i:03}.jpg" for i in range(12, 16)])
    p = subprocess.Popen([BIN, "tag", "-q", "-j", "1", "-f", "jsonl", "-o", str(out), "--resume", str(folder)], stderr=subprocess.PIPE, env=clean())
    with slowed(p, 0.2):
        while not (tmp_path / "r.jsonl.part").exists():
            assert p.poll() is None
            time.sleep(0.01)
        p.send_signal(signal.SIGINT)
    p.communicate(timeout=PATIENCE)
    assert p.returncode == 130 and set(names(out)) >= {f"{i:03}.jpg" for i in range(12, 16)}


def test_lists_from_pipes(photos, tmp_path):
    """A list is read to its end, then what is done is left out."""
    out, pipe = tmp_path / "r.jsonl", tmp_path / "list"
    text = "".join(f"{photos / n}\n" for n in ("c.webp", "a.jpg", "b.png")).encode()
    os.mkfifo(pipe)
    run("tag", "-f", "jsonl", "-o", out, photos / "a.jpg")
    for more in ((), ("--sort", "none")):
        done = run("tag", "-f", "jsonl", "-o", out, "--resume", *more, "--files-from", "-", data=text)
        assert counts(done) == ((0, 0, 3) if more else (2, 0, 1))
        with writer(pipe, text):
            assert counts(run("tag", "-f", "jsonl", "-o", out, "--resume", *more, "--files-from", pipe)) == (0, 0, 3)
    assert names(out) == ["c.webp", "a.jpg", "b.png"]


@contextlib.contextmanager
def writer(pipe, data):
    """Opens the pipe once, writes all, and is gone: whoever opens it again waits for ever."""
    thread = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    thread.start()
    yield
    thread.join(PATIENCE)
    assert not thread.is_alive(), "nobody read the pipe"


@pytest.mark.parametrize("shape", ["jsonl", "txt"])
def test_a_pipe_is_read_once(photos, tmp_path, shape):
    """Pictures, and files that options name, are not emptied to see whether they are done."""
    pipe, only, out = tmp_path / "p.jpg", tmp_path / "only", tmp_path / ("r.jsonl" if shape == "jsonl" else "out")
    os.mkfifo(pipe)
    os.mkfifo(only)
    base = ["tag", "-f", shape, "--resume", "-t", "0", "-o"]
    for name in ("a.jpg", "b.png"):
        with writer(pipe, (photos / name).read_bytes()):
            run(*base, out, pipe)
        if shape == "jsonl":
            assert [r["source"]["sha256"] for r in records(out)] == [hashlib.sha256((photos / name).read_bytes()).hexdigest()]
    out = tmp_path / ("s.jsonl" if shape == "jsonl" else "out2")
    for word in ("dog", "cat"):  # the same option, another content
        with writer(only, word.encode()):
            done = run(*base, out, "--only", f"@{only}", photos / "a.jpg")
        assert b"is no plain file" in done.stderr
        text = (out if shape == "jsonl" else next(out.glob("*.txt"))).read_text()
        assert word in text and ("dog" in text) == (word == "dog")
