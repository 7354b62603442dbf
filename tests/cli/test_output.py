"""Where results go: nothing is replaced that is no plain file, nothing is lost without a word."""
import fcntl
import os
import stat
import subprocess
import threading

import pytest
from program import BIN, clean, run

BOX = "models/anytag-small-f16.gguf"


def test_a_fifo_is_written_and_stays(photos):
    fifo = photos / "fifo"
    os.mkfifo(fifo)
    got = []
    reader = threading.Thread(target=lambda: got.append(open(fifo, "rb").read()), daemon=True)
    reader.start()
    run("tag", "-q", "-f", "jsonl", "-o", fifo, photos / "a.jpg")
    reader.join(10)
    assert got and got[0].count(b"\n") == 1 and stat.S_ISFIFO(os.stat(fifo).st_mode)
    assert b"not a regular file" in run("convert", BOX, fifo, code=5).stderr
    assert stat.S_ISFIFO(os.stat(fifo).st_mode) and not os.path.exists(f"{fifo}.part")


def test_a_link_stays_a_link(photos):
    (photos / "real.jsonl").write_text("old")
    os.symlink("real.jsonl", photos / "link.jsonl")
    run("tag", "-q", "-f", "jsonl", "-o", photos / "link.jsonl", photos / "a.jpg")
    assert os.path.islink(photos / "link.jsonl") and (photos / "real.jsonl").read_text().startswith("{")
    os.symlink("real.gguf", photos / "link.gguf")
    for command in "convert", "quantize":
        (photos / "real.gguf").write_text("old")
        run(command, BOX, photos / "link.gguf")
        assert os.path.islink(photos / "link.gguf") and (photos / "real.gguf").read_bytes().startswith(b"GGUF")
    assert sorted(p.name for p in photos.glob("*.part")) == []


@pytest.mark.parametrize("args", [("convert", BOX, "-"), ("quantize", BOX, "-"), ("quantize", BOX, "-o", "-"), ("labels", "build", "dog", "-o", "-")])
def test_a_model_is_not_for_stdout(args, tmp_path):
    done = run(*(os.path.abspath(a) if a == BOX else a for a in args), cwd=tmp_path, code=2)
    assert done.stderr.count(b"\n") == 1 and b"cannot be written to stdout" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["convert", "quantize"])
def test_a_model_can_be_read_again(command, tmp_path):
    """Whatever bytes name the file it was made of; a name of up to 255 bytes is cut."""
    for stem in b"m\xff", "\u72d7".encode() * 60:
        source, out = tmp_path / os.fsdecode(stem + b".gguf"), tmp_path / "out.gguf"
        os.symlink(os.path.abspath(BOX), source)
        run(command, source, out)
        run("info", "-m", out)
    said = run(command, BOX, tmp_path / "bad.gguf", "--name", os.fsdecode(b"n\xff"), code=2).stderr
    assert said.count(b"\n") == 1 and b"name: not UTF-8" in said and not list(tmp_path.glob("bad*"))


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_two_runs_do_not_share_a_part(photos, more):
    for out, args in ("r.jsonl", ("tag", "-q", "-f", "jsonl", *more, "-o")), ("m.gguf", ("convert", BOX)):
        target, part = photos / out, photos / f"{out}.part"
        part.write_text("theirs")
        last = (photos / "a.jpg",) if args[0] == "tag" else ()
        with open(part) as theirs:
            fcntl.flock(theirs, fcntl.LOCK_EX)
            said = run(*args, target, *last, code=5).stderr
        assert b"another run is writing it" in said or b"cannot be set aside" in said
        assert part.read_text() == "theirs" and not target.exists()
        run(*args, target, *last)  # that run was killed: its lock is gone
        assert target.exists() and not part.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("args", [("info",), ("info", "--tags"), ("inspect", BOX), ("--version",), ("--help",), ("tag", "--help"), ("tag", "--dry-run", BOX)])
def test_a_full_disk_behind_stdout(args):
    done = subprocess.run([BIN, *args], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, env=clean())
    assert (done.returncode, done.stderr) == (5, b"anytag: stdout: cannot be written: No space left on device\n")


def test_names_of_tags_keep_to_their_line(tmp_path):
    names = [l.split("\t")[1] for l in run("info", "--tags").stdout.decode().splitlines()]
    names[:3] = ["red\x1b[31m", "a\tb", "bell\x07\x9b2J"]
    (tmp_path / "names.txt").write_text("\n".join(names), "utf-8")
    run("convert", BOX, tmp_path / "m.gguf", "--tags", tmp_path / "names.txt")
    shown = run("info", "--tags", tmp_path / "m.gguf").stdout.decode().split("\n")
    assert [l.split("\t")[1] for l in shown[:3]] == ["red\\x1B[31m", "a\\x09b", "bell\\x07\\xC2\\x9B2J"] and len(shown) == len(names) + 1
    assert all(l.count("\t") == 3 for l in shown[:-1])


def test_a_reader_that_left_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BIN, "info", "--tags"], stdout=write, stderr=subprocess.PIPE, env=clean())
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_stage_that_cannot_be_written(photos):
    (photos / "stages").mkdir()
    (photos / "stages" / "pixels.npy").mkdir()
    done = run("inspect", "--dump", photos / "stages", photos / "a.jpg", code=5)
    assert done.stderr == f"anytag: {photos}/stages/pixels.npy: cannot be written (Is a directory)\n".encode()


def test_a_limit_on_file_sizes(photos):
    run("tag", "-q", "-f", "html", "-t", "0", "-o", photos / "s.html", photos / "a.jpg")
    limited = f"ulimit -f 1; exec {os.path.abspath(BIN)} tag -q -f html -t 0 -o {photos}/big.html {photos}/a.jpg"
    done = subprocess.run(["bash", "-c", limited], stderr=subprocess.PIPE, env=clean())
    assert done.returncode == 5 and b"File too large" in done.stderr, done
    assert not (photos / "big.html").exists() and not (photos / "big.html.part").exists()
