"""-f txt and -f hydrus: a file of tags for each picture; nothing of the user's is lost."""
import os

import pytest
from program import lines, run
from test_resume import counts


@pytest.fixture()
def tag(photos, tmp_path):
    def call(*args, **more):
        return run("tag", "-f", "txt", "-t", "0", "-k", "3", *args, env={"XDG_STATE_HOME": tmp_path / "state"}, **more)
    return call


def names(photos, name):
    return lines(run("tag", "-t", "0", "-k", "3", photos / name))[0].split("\t")[1]


def test_beside_the_pictures(photos, tag):
    assert counts(tag(photos)) == (3, 0, 0)
    assert (photos / "a.txt").read_text() == names(photos, "a.jpg") + "\n"
    assert (photos / "note.txt").read_text() == "not a picture"
    assert sorted(x for x in os.listdir(photos) if "part" in x) == []
    assert counts(tag(photos)) == (0, 0, 3)  # done, and not asked for again
    assert counts(tag(photos, "--force")) == (3, 0, 0)
    assert counts(tag(photos, "-k", "1")) == (3, 0, 0)  # another question: its own files are written again
    assert (photos / "a.txt").read_text().count(",") == 0


def test_what_the_user_wrote_stays(photos, tag):
    (photos / "a.txt").write_text("my own words, dog\n")
    done = tag(photos, code=1)
    assert counts(done) == (2, 1, 0)
    assert b"a.txt was not written by anytag" in done.stderr and b"--force" in done.stderr
    assert (photos / "a.txt").read_text() == "my own words, dog\n"
    tag("--txt-append", photos / "a.jpg")
    assert (photos / "a.txt").read_text() == "my own words, dog, " + ", ".join(x for x in names(photos, "a.jpg").split(", ") if x != "dog") + "\n"
    (photos / "b.txt").write_text("changed by hand\n")  # after anytag wrote it
    assert counts(tag(photos, "-k", "2", code=1))[1] == 1
    assert (photos / "b.txt").read_text() == "changed by hand\n"
    tag("--force", photos)
    assert (photos / "a.txt").read_text() == names(photos, "a.jpg") + "\n"


def test_append_twice_adds_nothing(photos, tag):
    tag("--txt-append", photos)
    before = (photos / "a.txt").read_text()
    tag("--txt-append", "--force", photos)
    assert (photos / "a.txt").read_text() == before


def test_under_a_folder(photos, tmp_path, tag):
    sub = photos / "in" / "2024"
    sub.mkdir(parents=True)
    (photos / "a.jpg").rename(sub / "a.jpg")
    out = tmp_path / "out"
    assert counts(tag("-o", out, photos / "in", photos / "b.png")) == (2, 0, 0)
    assert (out / "2024" / "a.txt").exists() and (out / "b.txt").exists() and not (sub / "a.txt").exists()
    assert counts(tag("-o", out, photos / "in", photos / "b.png")) == (0, 0, 2)
    out.rename(tmp_path / "moved")  # its journal goes with it
    assert counts(tag("-o", tmp_path / "moved", photos / "in", photos / "b.png")) == (0, 0, 2)
    (out / "2024").mkdir(parents=True)
    assert lines(tag("-n", "-o", out, photos / "in")) == [f"{sub}/a.jpg -> {out}/2024/a.txt"]
    assert os.listdir(out / "2024") == []


def test_two_pictures_one_file(photos, tag):
    (photos / "a.png").write_bytes((photos / "b.png").read_bytes())
    done = tag(photos, code=1)
    assert counts(done) == (3, 1, 0) and b"another picture's already; --txt-name full" in done.stderr
    assert counts(tag("--txt-name", "full", photos)) == (4, 0, 0)
    assert (photos / "a.png.txt").exists() and (photos / "a.jpg.txt").exists()


def test_words_of_other_programs(photos, tmp_path, tag):
    tag("--only", "race track,dog", "--underscore", photos / "a.jpg")
    assert sorted((photos / "a.txt").read_text().strip().split(", ")) == ["dog", "race_track"]
    run("tag", "-f", "hydrus", "--namespace", "auto", "-t", "0", "--only", "race track,dog", photos / "a.jpg", env={"XDG_STATE_HOME": tmp_path})
    assert sorted((photos / "a.jpg.txt").read_text().splitlines()) == ["auto:dog", "auto:race track"]


def test_a_folder_named_as_a_file(photos, tag):
    """-f txt -o x.txt: no folder is made of it, but one that is there is one."""
    assert b"names their folder" in tag("-o", photos / "x.TXT", photos / "a.jpg", code=2).stderr and not (photos / "x.TXT").exists()
    (photos / "x.txt").mkdir()
    tag("-o", photos / "x.txt", photos / "a.jpg")
    assert (photos / "x.txt/a.txt").exists()


def test_a_folder_that_cannot_be_written(photos, tag):
    (photos / "file").write_text("")
    assert b"cannot be written" in tag("-o", photos / "file", photos / "a.jpg", code=5).stderr
