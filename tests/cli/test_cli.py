"""The program as a user meets it: output, exit codes, bad input. Model in the box, pictures made here."""
import csv
import io
import json
import os
import signal
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image
from program import BIN, PATIENCE, lines, run


def test_overview_and_help():
    assert b"anytag tag" in run().stdout
    for command in ("tag", "convert", "info", "inspect", "bench", "help"):
        first, second = lines(run(command, "--help"))[0:3:2]
        assert first.startswith(f"anytag {command}: ") and second.startswith(f"  anytag {command}")
        assert run("help", command).stdout == run(command, "-h").stdout
    assert run("--version").stdout.startswith(b"anytag 0.") and run("--version").stdout.count(b"\n") == 1
    assert b"kernel" in run("--version", "-v").stdout
    assert len(lines(run())) < 24  # a screen
    for topic in ("formats", "models", "config", "exit-codes", "man"):
        assert run("help", topic).stdout and topic.encode() in run("help").stdout
    assert b"did you mean tag" in run("tga", code=2).stderr


def test_wrong_usage():
    assert b"did you mean --threshold" in run("tag", "--treshold", "1", code=2).stderr
    assert b'"1.3" is outside 0..1; use 0.68, auto, or auto+0.05' in run("tag", "-t", "1.3", "x.jpg", code=2).stderr
    assert b"no pictures named" in run("tag", code=2).stderr
    assert b"no command" in run("tga", code=2).stderr
    assert b"needs" in run("tag", "-k", code=2).stderr
    assert b"whole number" in run("tag", "-k", "many", "x", code=2).stderr
    for command in ("tag", "serve", "bench"):
        for n in ("0", "99999"):
            assert f"{n} is not in 1..512; leave it out for one a processor".encode() in run(command, "-j", n, code=2).stderr


def test_pipe_form_keeps_the_order(photos):
    done = run("tag", "-t", "0", "-k", "2", photos, "--scores")
    got = lines(done)
    assert [os.path.basename(g.split("\t")[0]) for g in got] == ["a.jpg", "b.png", "c.webp"]
    assert all(len(g.split("\t")[1].split(", ")) == 2 and ":" in g for g in got)


def test_threads_and_batches_change_nothing(photos):
    def scores(*more):
        return [json.loads(x)["scores"] for x in lines(run("tag", "-f", "jsonl", "--all-scores", *more, photos))]
    assert scores("-j", "1") == scores("-j", "2", "-b", "3") == scores("-j", "3", "-b", "2")


def test_json_has_results_and_summary(photos):
    (photos / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes()[:200])
    done = run("tag", "-f", "json", photos, code=1)
    doc = json.loads(done.stdout)
    assert doc["schema"] == "anytag.run/1" and doc["summary"] == {"ok": 3, "failed": 1, "skipped": 0}
    bad = [r for r in doc["results"] if "error" in r]
    assert len(bad) == 1 and bad[0]["error"]["code"] == "damaged-image" and bad[0]["source"]["name"] == "broken.jpg"
    good = [r for r in doc["results"] if "tags" in r][0]
    assert good["source"]["width"] == 64 and good["model"][0]["vocabulary"] == "anytag-597"
    assert b"3 tagged, 1 failed" in done.stderr


def test_csv_reads_back(photos):
    rows = list(csv.DictReader(io.StringIO(run("tag", "-f", "csv", "-t", "0", "-k", "3", photos).stdout.decode(), newline="")))
    assert len(rows) == 9 and set(rows[0]) == {"path", "tag_id", "tag", "tag_zh", "score", "threshold"}
    assert 0 < float(rows[0]["score"]) < 1


def test_html_is_written_whole(photos):
    run("tag", "-f", "html", "-o", photos / "sheet.html", photos)
    page = (photos / "sheet.html").read_text()
    assert page.count("<article") == 3 and "data:image/jpeg;base64," in page and page.rstrip().endswith("</html>")
    assert "http" not in page and not (photos / "sheet.html.part").exists()


def test_only_and_exclude(photos):
    got = json.loads(run("tag", "-f", "jsonl", "-t", "0", "--only", "dog,cat", photos / "a.jpg").stdout)
    everything = json.loads(run("tag", "-f", "jsonl", "-t", "0", photos / "a.jpg").stdout)
    by_name = {t["name"]: t["score"] for t in everything["tags"]}
    assert {t["name"]: t["score"] for t in got["tags"]} == {n: by_name[n] for n in ("dog", "cat")}
    assert b"nearest: " in run("tag", "--only", "dgo", photos / "a.jpg", code=2).stderr
    assert run("tag", "--only", "nosuchtag", photos / "a.jpg", code=2).stderr.endswith(b"in --only\n")  # couch is not near
    left = json.loads(run("tag", "-f", "jsonl", "-t", "0", "--exclude-tags", "dog", photos / "a.jpg").stdout)
    assert len(left["tags"]) == len(everything["tags"]) - 1
    assert b"leaves no tag of --only" in run("tag", "--only", "dog", "--exclude-tags", "dog", photos / "a.jpg", code=2).stderr


def test_stdin_and_lists(photos):
    data = (photos / "a.jpg").read_bytes()
    record = json.loads(run("tag", "-f", "jsonl", "-", data=data).stdout)
    assert record["source"]["name"] == "stdin" and "path" not in record["source"]
    paths = b"".join(os.fsencode(photos / n) + b"\0" for n in ("a.jpg", "b.png"))
    assert run("tag", "-0", "--null", "--files-from", "-", data=paths).stdout.count(b"\0") == 2
    assert b"not-an-image" in run("tag", "-f", "jsonl", "-", data=b"", code=1).stdout


def test_bad_pictures_get_one_sentence(photos):
    cases = {"text.jpg": b"hello", "empty.png": b"", "lie.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (100000).to_bytes(4, "big") * 2 +
             b"\x08\x02\0\0\0" + b"\0" * 4, "gif.gif": b"GIF89a" + bytes(30)}
    for name, data in cases.items():
        (photos / name).write_bytes(data)
        done = run("tag", photos / name, code=1)
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1 and name.encode() in done.stderr, done.stderr
    assert b"No such file" in run("tag", photos / "nothing.jpg", code=1).stderr
    empty = photos / "empty"
    empty.mkdir()
    assert b"no images in" in run("tag", empty, code=4).stderr


@pytest.mark.parametrize("size", [(1, 1), (30000, 10), (10, 30000)])
def test_awkward_sizes(tmp_path, size):
    Image.new("RGB", size, (10, 200, 30)).save(tmp_path / "x.png")
    record = json.loads(run("tag", "-f", "jsonl", tmp_path / "x.png").stdout)
    assert (record["source"]["width"], record["source"]["height"]) == size


def test_size_limit(tmp_path):
    head = b"IHDR" + (100000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"  # 30 GB, says a file of 45 bytes
    idat = b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    (tmp_path / "lie.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + zlib.crc32(head).to_bytes(4, "big") + idat)
    assert b"10000 MP, limit 120 MP" in run("tag", tmp_path / "lie.png", code=1).stderr
    Image.new("RGB", (2000, 1000)).save(tmp_path / "x.png")
    assert b"limit 1 MP; raise with --max-pixels" in run("tag", "--max-pixels", "1M", tmp_path / "x.png", code=1).stderr


def test_exif_is_applied(tmp_path):
    picture = Image.fromarray(np.arange(60 * 40 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    record = json.loads(run("tag", "-f", "jsonl", tmp_path / "turned.png").stdout)["source"]
    assert (record["width"], record["height"], record["exif_orientation"]) == (40, 60, 6)
    record = json.loads(run("tag", "-f", "jsonl", "--no-rotate", tmp_path / "turned.png").stdout)["source"]
    assert (record["width"], record["height"]) == (60, 40)


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    os.rename(tmp_path / "x.png", name)
    source = json.loads(run("tag", "-f", "jsonl", tmp_path).stdout)["source"]
    assert "path_base64" in source and "\ufffd" in source["path"]


def test_models_that_are_none(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\3\0\0\0" + b"\xff" * 16)
    (tmp_path / "x.png").write_bytes(b"")
    for path, words in ((tmp_path / "bad.gguf", b"damaged"), (tmp_path / "none.gguf", b"none.gguf"), (tmp_path / "x.png", b"empty file")):
        done = run("tag", "-m", path, tmp_path / "x.png", code=3)
        assert words in done.stderr and done.stderr.count(b"\n") == 1
    box = "models/anytag-small-f16.gguf"
    if os.path.exists(box):
        data = open(box, "rb").read()
        for cut in (10, 100, 5000, len(data) // 2, len(data) - 1):
            (tmp_path / "cut.gguf").write_bytes(data[:cut])
            run("info", tmp_path / "cut.gguf", code=3)


def test_output_that_cannot_be_written(photos):
    assert b"cannot be written" in run("tag", "-o", "/nowhere/x", photos, code=5).stderr
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            assert subprocess.run([BIN, "tag", "-f", "jsonl", str(photos)], stdout=full, stderr=subprocess.PIPE).returncode == 5


def test_closed_pipe_is_quiet(photos):
    done = subprocess.run(f"{BIN} tag -f jsonl -t 0 {photos} {photos} {photos}; echo $? >&2", shell=True, stdout=open(os.devnull, "w"), stderr=subprocess.PIPE)
    assert done.stderr.strip().endswith(b"0")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BIN, "tag", "-q", "-f", "jsonl", "-t", "0", str(photos)], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 141 and done.stderr == b""


def test_interrupt_finishes_what_it_has(photos):
    for i in range(600):
        os.symlink(photos / "a.jpg", photos / f"l{i:04}.jpg")
    p = subprocess.Popen([BIN, "tag", "-j", "1", "-f", "jsonl", str(photos)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = p.stdout.readline()
    p.send_signal(signal.SIGINT)
    rest, _ = p.communicate(timeout=PATIENCE)
    assert p.returncode == 130
    for line in (first + rest).splitlines():
        json.loads(line)


def test_info_and_inspect():
    out = run("info").stdout
    assert b"ram_lite" in out and b"597" in out
    assert len(lines(run("info", "--tags"))) == 597
    assert b"kernels" in run("info", "--system").stdout
    if os.path.exists("models/anytag-small-f16.gguf"):
        listing = run("inspect", "models/anytag-small-f16.gguf", "--stats").stdout
        assert b"h.label_embed\tf16\t[597,384]" in listing and b"not-finite 0" in listing
