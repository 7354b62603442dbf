"""anytag labels, and tag --tags: what is said when something is missing or wrong. What labels compute is compared
with a reference in tests/parity/test_words.py."""
import json

import pytest

from program import run

pytestmark = pytest.mark.threads


def says(done, *words):
    text = done.stderr.decode()
    assert text.startswith("anytag: ") and text.count("\n") == 1, text
    assert all(w in text for w in words), text


def test_words_need_their_encoder(photos):
    done = run("tag", "-q", "--tags", "red bicycle", photos / "a.jpg", code=3)
    says(done, "make words")


def test_wrong_words(photos, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text('{"dog": [1]}')
    says(run("tag", "-q", "--tags", bad, photos / "a.jpg", code=2), "bad.json", '"dog"', "description 1")
    for gone in ("./nowhere.txt", "nowhere.gguf", "nowhere.CSV"):  # one word, but no tag
        says(run("tag", "-q", "--tags", gone, photos / "a.jpg", code=2), gone)
    says(run("tag", "-q", "--only-custom", photos / "a.jpg", code=2), "--tags")
    says(run("tag", "-q", "--tags", " ,", photos / "a.jpg", code=2), '" ," names no words')
    (tmp_path / "long.txt").write_text("dog\n" * (1 << 18) + "cat\n")
    says(run("tag", "-q", "--only", f"@{tmp_path}/long.txt", photos / "a.jpg", code=2), "long.txt", "1 MiB")
    says(run("tag", "-q", "--only", f"@{tmp_path}", photos / "a.jpg", code=2), "cannot be read")
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    done = run("tag", "-q", "--tags", tmp_path / "model.gguf", photos / "a.jpg", code=None)
    says(done, "model.gguf")
    assert done.returncode == 3


@pytest.mark.parametrize("args,word", [((), "build, describe, list"), (("bild",), "none of"), (("build", "dog"), "-o"), (("describe", "dog", "--count", "0"), "1.."),
                                       (("list",), "SET.gguf"), (("describe", "dog", "--templates", "-o", "x.xml"), "FILE.json or FILE.csv")])
def test_usage(args, word):
    says(run("labels", *args, code=2), word)


def test_a_list_that_is_not_utf8_is_named(photos):
    (photos / "w.txt").write_bytes("dog\ncafé\n".encode("latin-1"))
    for args in (("tag", "--tags", "w.txt", "a.jpg"), ("labels", "describe", "--templates", "w.txt")):
        assert run(*args, cwd=photos, code=2).stderr == b"anytag: w.txt: line 2 is not UTF-8\n"


def test_words_of_the_model_are_left_to_it(photos):
    for words in ("dog", "dog,dog", "dog,Dog"):
        done = run("tag", "--tags", words, "-f", "json", photos / "a.jpg")  # nothing is left to embed
        assert done.stderr.decode().count("is a tag of the model already") == 1, words


def test_chinese_names_choose_tags(photos):
    record = json.loads(run("tag", "-q", "--only", "狗,cat,dog", "-t", "0", "-f", "jsonl", photos / "a.jpg").stdout)
    assert sorted(t["name"] for t in record["tags"]) == ["cat", "dog"]


def test_info_of_what_is_no_model(photos, tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    assert b"x.gguf" in run("info", tmp_path / "x.gguf", code=3).stderr


def test_an_output_that_cannot_be_is_told_first(photos, tmp_path):
    done = run("labels", "build", "red bicycle", "-o", tmp_path / "no" / "x.gguf", code=5)
    says(done, "x.gguf", "cannot be written")
    says(run("labels", "build", "red bicycle", "-o", tmp_path, code=5), "cannot be written")


def test_only_and_only_custom_are_told_apart(photos):
    done = run("tag", "-q", "--tags", "red bicycle", "--only", "dog", "--only-custom", photos / "a.jpg", code=2)
    says(done, "--only-custom")
