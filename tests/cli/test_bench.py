"""What bench measures and tells; the race detector needs one run of several sessions."""
import json

import pytest
from program import lines, run, terminal


def test_bench(photos):
    done = run("bench", "-f", "json", "--repeat", "2", "-b", "2", "-j", "2", photos)
    got = json.loads(done.stdout)
    assert (got["schema"], got["images"], got["threads"], got["sessions"], got["batch"]) == ("anytag.bench/1", 6, 2, 1, 2)
    assert 0 < got["min_ms"] <= got["median_ms"] <= got["p90_ms"] <= got["p99_ms"] and got["images_per_s"] > 0
    assert 0 < got["cpu_ms"] < 2.5 * 1e3 * got["threads"] / got["images_per_s"]  # of so many threads
    assert all(got["machine"][k] >= 0 for k in ("gflops_f32", "gops_int8")) and got["machine"]["gbytes_per_s"] > 0
    if got["machine"]["gflops_f32"] > 0:  # AVX2 has no product of bytes, and its kernels widen them: that is measured
        assert got["machine"]["gops_int8"] > 0
    stages = {s["name"]: s for s in got["stages"]}
    assert list(stages)[:2] == ["decode", "resize"] and stages["decode"]["bound"] == "one thread"
    product = stages.get("linear_int8", stages.get("linear"))
    assert product["gflops"] > 0 and product["gbytes_per_s"] > 0 and product["calls"] >= 1
    assert abs(sum(s["share"] for s in stages.values()) - 1) < 1e-6
    assert {s["bound"] for s in stages.values()} <= {"", "one thread", "arithmetic", "memory", "caches", "arithmetic?", "memory?"}
    (photos / "then.json").write_bytes(done.stdout)
    again = run("bench", "--json", "--repeat", "1", "--compare", photos / "then.json", photos / "a.jpg")
    assert b"times as fast" in again.stderr and json.loads(again.stdout)["images"] == 1
    said = lines(run("bench", "--repeat", "1", "--only", "dog", photos / "a.jpg"))
    assert "images/s" in said[1] and "GB/s from memory" in said[2] and said[4].split() == [
        "stage", "ms", "share", "GFLOP/s", "of", "peak", "GB/s", "of", "peak", "bound", "by"]
    wrong = run("bench", "--compare", photos / "note.txt", photos / "a.jpg", code=2)
    assert b"no result of anytag bench" in wrong.stderr and not wrong.stdout  # before anything is measured
    assert b"from 1 on" in run("bench", "--repeat", "0", photos / "a.jpg", code=2).stderr
    assert b'unknown tag "dgo"' in run("bench", "--only", "dgo", photos / "a.jpg", code=2).stderr


def test_bench_tells_how_far_it_is(photos):
    shown = terminal("bench", "--repeat", "3", "--images", "8", "-j", "1")
    assert "warm up  " in shown and "measure  " in shown and "/24" in shown
    assert run("bench", "--repeat", "1", photos / "a.jpg").stderr == b""


@pytest.mark.threads
def test_bench_of_several_sessions():
    two = json.loads(run("bench", "-f", "json", "--repeat", "1", "--images", "4", "--parallel", "2", "-j", "2").stdout)
    assert (two["images"], two["sessions"]) == (4, 2)


def test_bench_without_pictures_makes_some(photos):
    assert json.loads(run("bench", "-f", "json", "--repeat", "1", "--images", "2", photos).stdout)["images"] == 2
    assert b"8 made pictures of 640 x 480" in run("bench", "--repeat", "1").stdout