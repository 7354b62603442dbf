"""CSV is read by one reader: what RFC 4180 allows, what people write besides, and one sentence about the rest."""
import csv
import io
import json

import pytest
from program import run

pytestmark = pytest.mark.threads
BOM = "\ufeff"


def renamed(folder, text, code=0):
    (folder / "names.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("tag", "-q", "-f", "jsonl", "-t", 0, "--only", "dog,cat", "--rename", folder / "names.csv", folder / "a.jpg", code=code)
    return done.stderr.decode() if code else sorted(t["name"] for t in json.loads(done.stdout)["tags"])


@pytest.mark.parametrize("text, names", [
    ("dog,hound\ncat,pet\n", ["hound", "pet"]), ("from,to\r\ndog,hound\r\ncat,pet", ["hound", "pet"]), (f"{BOM}dog,hound\r\n\r\n  \ncat,pet\r\n\r\n", ["hound", "pet"]),
    ('"dog","hound, big"\n"cat","say ""pet"""\n', ["hound, big", 'say "pet"']), (' dog , "hound" \r\n cat,pet ', ["hound", "pet"]), ('dog,"two\nlines"\ncat,pet', ["pet", "two\nlines"]),
    ('dog,5" nail\ncat,a"b', ['5" nail', 'a"b']), ('dog,""\ncat,"""",', None), ('dog,""\ncat,""""', ['"']), ("dog,\ncat,pet\n", ["pet"])])
def test_cells(photos, text, names):
    if names is None:
        assert "names.csv:2 is not FROM,TO" in renamed(photos, text, 2)
    else:
        assert renamed(photos, text) == names


def test_texts_that_a_spreadsheet_would_compute(photos):
    """--excel writes them with a ', and it is taken away again; numbers have none."""
    for word in ("'=1+1", "'+49", "'-1", "'@me", "'\ttab", "'\rcr", "''=quoted", "'plain", "it's"):
        names = f'dog,"{word}"\ncat,pet\n'
        assert (word[1:] if word[1] in "=+-@\t\r'" else word) in renamed(photos, names)
        for shape in ("csv", "csv-wide"):
            said = run("tag", "-q", "-f", shape, "-t", 0, "--only", "dog", "--excel", "--rename", "names.csv", "a.jpg", cwd=photos).stdout.decode()
            row, = csv.DictReader(io.StringIO(said, newline=""))
            assert row.get("tag", row.get("tags")) == word and 0 <= float(row.get("score", row.get("scores"))) <= 1, said


@pytest.mark.parametrize("text, says", [
    ('dog,"hound\ncat,pet\n', "names.csv:1: the quotes do not fit"), ('dog,hound\n\ncat,"pet"s\n', "names.csv:3: the quotes do not fit"), ('dog,"hound""', ":1: the quotes do not fit"),
    ('dog,"a\nb"\ncat\n', "names.csv:3 is not FROM,TO"), (",hound\n", ":1 is not FROM,TO"), (b"dog,h\xffund\n", "names.csv:1 is not UTF-8"), (b"dog,h\0und\n", "NUL byte")])
def test_what_is_wrong_is_told_with_its_line(photos, text, says):
    (photos / "names.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("tag", "-q", "--rename", photos / "names.csv", photos / "a.jpg", code=None)
    said = done.stderr.decode()
    assert done.returncode in (2, 3) and said.startswith("anytag: --rename: ") and said.count("\n") == 1 and says in said, said


@pytest.mark.parametrize("text, says", [('"dog",0.5\r\n"cat" , "0.25"\n', None), ("dog,0.5\ncat,0.5,1\n", ":2 is neither"), ("dog,0.5\n0.5\n", ":2 is neither"), ('dog,"0.5\n', ":1: the quotes"),
                                        ("0.5,0.5,0.5\n", ":1 is neither"), ("tag,threshold\n", None), ("", "has 0 numbers")])
def test_thresholds_are_read_by_the_same(photos, text, says):
    (photos / "t.csv").write_text(text)
    done = run("tag", "-q", "--thresholds", photos / "t.csv", photos / "a.jpg", code=2 if says else 0)
    assert not says or says in done.stderr.decode(), done.stderr
