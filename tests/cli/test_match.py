"""anytag match: what is said where nothing can be compared. Models that can are made in tests/parity/test_retrieval.py."""
from program import run


def test_the_model_in_the_box_cannot(photos):
    done = run("match", "-m", "box", "--text", "a dog", photos, code=3)
    assert b"no weights to compare pictures with texts" in done.stderr and b"come from training" in done.stderr
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1


def test_usage(photos):
    assert b"no text to compare" in run("match", "-m", "box", photos, code=2).stderr  # before what the model lacks
    assert b"--by" in run("match", "--by", "tag", "--text", "a", photos, code=2).stderr
    assert b"--format" in run("match", "-f", "html", "--text", "a", photos, code=2).stderr
    assert b"no pictures named" in run("match", "--text", "a", code=2).stderr
    assert b"no images in" in run("match", "--text", "a", "--ext", "gif", photos, code=4).stderr


def test_help_says_what_it_needs():
    text = run("match", "--help").stdout
    assert b"come from training" in text and b"--lambda" in text and b"each counts 1" in text
    assert b"anytag match" in run("help", "man").stdout and b"match" in run("completions", "bash").stdout
