"""Where results go: nothing is replaced that is no plain file, nothing is lost without a word."""
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
    assert sorted(p.name for p in photos.glob("*.part")) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("args", [("info",), ("info", "--tags"), ("inspect", BOX), ("--version",), ("--help",), ("tag", "--help"), ("tag", "--dry-run", BOX)])
def test_a_full_disk_behind_stdout(args):
    done = subprocess.run([BIN, *args], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, env=clean())
    assert (done.returncode, done.stderr) == (5, b"anytag: stdout: cannot be written: No space left on device\n")


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
