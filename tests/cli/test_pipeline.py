"""Many pictures at once: order, single errors, plans that change on the way, results before the last input."""
import json
import os
import shutil
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image
from program import BIN, PATIENCE, clean, lines, run

N = 44  # more than the ring holds, and enough for two plans


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(3)
    for i in range(N):
        smooth = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)).resize((40 + i, 60), Image.BICUBIC)
        smooth.save(folder / f"{i:02}.jpg")
    (folder / "41.jpg").write_bytes((folder / "41.jpg").read_bytes()[:300])
    return folder


def records(folder, *args, code=1):
    done = run("tag", "-f", "jsonl", "-k", "5", *args, folder, code=code)
    assert code == 0 or b"41.jpg: damaged image" in done.stderr
    return [json.loads(x) for x in lines(done)]


def what(r):
    return r["source"]["name"], r.get("error", {}).get("code"), r.get("tags")


def test_order_and_bits_are_the_same_however_it_runs(many):
    first = [what(r) for r in records(many)]
    assert [x[0] for x in first] == [f"{i:02}.jpg" for i in range(N)]
    assert [x[0] for x in first if x[1]] == ["41.jpg"]  # one bad picture among many spoils no other
    for args in (["-j", "1"], ["-b", "7", "-j", "3"], ["-b", "64"]):
        assert [what(r) for r in records(many, *args)] == first, args
    assert sorted(map(str, map(what, records(many, "--sort", "none")))) == sorted(map(str, first))


def test_the_plan_is_told(many):
    said = run("tag", "-vv", "-j", "2", many, code=1).stderr.decode()
    assert "2 lanes of" in said
    assert "2 lanes of 3 a pass, not measured" in run("tag", "-vv", "-j", "2", "-b", "3", many, code=1).stderr.decode()


def started(*args, **more):
    return subprocess.Popen([os.path.abspath(BIN), *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=clean(), **more)


def test_results_come_before_the_last_input(many):
    p = started("tag", "-f", "jsonl", "--sort", "none", "--files-from", "-")
    for name in ("00.jpg", "41.jpg", "07.jpg"):
        p.stdin.write(f"{many}/{name}\n".encode())
        p.stdin.flush()
        assert json.loads(p.stdout.readline())["source"]["name"] == name  # the list is still open
    p.stdin.write(f"{many}/09.jpg".encode())  # no line feed at the end
    out, err = p.communicate(timeout=PATIENCE)
    assert json.loads(out)["source"]["name"] == "09.jpg" and p.returncode == 1 and b"3 tagged, 1 failed" in err


def test_a_run_that_waits_for_its_list_can_be_stopped(many):
    p = started("tag", "-f", "jsonl", "--sort", "none", "--files-from", "-")
    p.stdin.write(f"{many}/00.jpg\n".encode())
    p.stdin.flush()
    assert p.stdout.readline()
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=PATIENCE) == 143
    p.stdin.close()


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("what", ["-", "pipe"])
@pytest.mark.parametrize("writer", [False, True])
def test_a_run_that_waits_for_a_picture_can_be_stopped(many, tmp_path, what, jobs, writer):
    """A silent pipe, with and without somebody at its other end: one signal is enough, and what was done is told."""
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR) if writer else -1
    p = started("tag", "-f", "jsonl", "-j", jobs, many / "00.jpg", what, many / "01.jpg", cwd=tmp_path)
    assert json.loads(p.stdout.readline())["source"]["name"] == "00.jpg"
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=PATIENCE) == 143
    said = p.stderr.read()
    assert b"1 tagged, 0 failed" in said and not p.stdout.read(), said
    p.stdin.close()
    if writer:
        os.close(end)


def test_a_picture_from_a_pipe(many, tmp_path):
    plain = json.loads(lines(run("tag", "-f", "jsonl", many / "00.jpg"))[0])["tags"]
    p = started("tag", "-f", "jsonl", "/dev/stdin")
    out, _ = p.communicate((many / "00.jpg").read_bytes(), timeout=PATIENCE)
    assert json.loads(out)["tags"] == plain
    done = run("tag", "--max-bytes", "100", "-", data=(many / "00.jpg").read_bytes(), code=1)
    assert b"raise with --max-bytes" in done.stderr


def test_folders_without_order(many, tmp_path):
    assert len(lines(run("tag", "--sort", "none", many / "00.jpg", many / "01.jpg"))) == 2
    assert b"no images in" in run("tag", "--sort", "none", tmp_path, code=4).stderr
    for f in ("txt", "jsonl"):  # those that must know every file first know them
        shutil.copy(many / "03.jpg", tmp_path / "x.jpg")
        out = ["-o", tmp_path / "r.jsonl", "--resume"] if f == "jsonl" else []
        run("tag", "--sort", "none", "-f", f, *out, tmp_path / "x.jpg")
    assert (tmp_path / "x.txt").exists() and len((tmp_path / "r.jsonl").read_text().splitlines()) == 1
