"""Which pictures a run takes: folders, patterns, ignore files, lists."""
import os

import pytest
from program import lines, run


@pytest.fixture()
def tree(tmp_path):
    for name in ("a.jpg", "b.PNG", "notes.txt", "sub/c.jpg", "sub/deep/d.jpg", "sub/deep/x.xmp", "skip/e.jpg", ".hidden/f.jpg", "@eaDir/g.jpg",
                 ".Trash-1000/h.jpg", "lost+found/i.jpg", "raw.nef"):
        path = tmp_path / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "t"


def found(tree, *args):
    return [os.path.relpath(x, tree) for x in lines(run("tag", "-n", *args, tree))]


EVERYTHING = ["a.jpg", "b.PNG", "skip/e.jpg", "sub/c.jpg", "sub/deep/d.jpg"]


def test_a_folder_in_order(tree):
    assert found(tree) == EVERYTHING == sorted(found(tree, "--sort", "none"))
    assert found(tree, "--hidden") == [".hidden/f.jpg"] + EVERYTHING
    assert found(tree, "--no-recursive") == ["a.jpg", "b.PNG"] == found(tree, "--max-depth", "1")
    assert found(tree, "--max-depth", "2") == ["a.jpg", "b.PNG", "skip/e.jpg", "sub/c.jpg"]
    assert found(tree, "--no-recursive", "-r") == EVERYTHING
    assert found(tree, "--ext", "nef,.png") == ["b.PNG", "raw.nef"]


@pytest.mark.parametrize("args, left", [
    (("--exclude", "skip"), ["a.jpg", "b.PNG", "sub/c.jpg", "sub/deep/d.jpg"]),
    (("--exclude", "*.jpg"), ["b.PNG"]),
    (("--exclude", "sub/*.jpg"), ["a.jpg", "b.PNG", "skip/e.jpg", "sub/deep/d.jpg"]),
    (("--exclude", "deep/"), ["a.jpg", "b.PNG", "skip/e.jpg", "sub/c.jpg"]),
    (("--exclude", "/a.jpg", "--exclude", "sub/**"), ["b.PNG", "skip/e.jpg"]),
    (("--include", "sub/**"), ["sub/c.jpg", "sub/deep/d.jpg"]),
    (("--include", "**/d.jpg", "--include", "a.*"), ["a.jpg", "sub/deep/d.jpg"]),
    (("--include", "*.jpg", "--exclude", "s*/**/d*"), ["a.jpg", "skip/e.jpg", "sub/c.jpg"]),
    (("--include", "[ab].???"), ["a.jpg", "b.PNG"]),
])
def test_include_and_exclude(tree, args, left):
    assert found(tree, *args) == left


@pytest.mark.parametrize("where, text, left", [
    ("", "# a comment\n\nskip/\n*.PNG\n", ["a.jpg", "sub/c.jpg", "sub/deep/d.jpg"]),
    ("", "*.jpg\n!d.jpg\n", ["b.PNG", "sub/deep/d.jpg"]),
    ("", "/sub/deep\n", ["a.jpg", "b.PNG", "skip/e.jpg", "sub/c.jpg"]),
    ("", "/c.jpg\nsub/c.jpg\n", ["a.jpg", "b.PNG", "skip/e.jpg", "sub/deep/d.jpg"]),
    ("sub", "/c.jpg\n", ["a.jpg", "b.PNG", "skip/e.jpg", "sub/deep/d.jpg"]),
    ("sub", "*\n!deep/\n!d.jpg\n", ["a.jpg", "b.PNG", "skip/e.jpg", "sub/deep/d.jpg"]),
    ("sub", "**/d.jpg  \n", ["a.jpg", "b.PNG", "skip/e.jpg", "sub/c.jpg"]),
])
def test_ignore_files(tree, where, text, left):
    (tree / where / ".anytagignore").write_text(text)
    assert found(tree) == left


def test_the_deeper_ignore_file_decides(tree):
    (tree / ".anytagignore").write_text("*.jpg\n")
    (tree / "sub" / ".anytagignore").write_text("!c.jpg\n")
    assert found(tree) == ["b.PNG", "sub/c.jpg"]


def test_links(tree):
    os.symlink("..", tree / "sub" / "loop")
    os.symlink("../skip", tree / "sub" / "side")
    os.symlink("a.jpg", tree / "z.jpg")
    assert found(tree) == EVERYTHING + ["z.jpg"]
    done = run("tag", "-n", "--follow", tree)
    assert [os.path.relpath(x, tree) for x in lines(done)] == EVERYTHING + ["sub/side/e.jpg", "z.jpg"]
    assert b"loop: leads back to a folder above it" in done.stderr


def test_nothing_found_says_what_was_there(tree):
    (tree.parent / "Fotos").mkdir()
    (tree.parent / "fotos").mkdir()
    for i in range(3):
        (tree.parent / "fotos" / f"{i}.xmp").write_text("")
    said = run("tag", "./fotos", cwd=tree.parent, code=4).stderr.decode()
    assert said == "anytag: no images in ./fotos (3 files looked at: 3 .xmp); did you mean ./Fotos?\n"


def test_a_name_that_is_nearly_there(photos):
    assert b"did you mean " + bytes(photos / "a.jpg") in run("tag", photos / "aa.jpg", code=1).stderr
    assert b"did you mean photos?" in run("tag", "Photos", cwd=_folder(photos, "photos"), code=1).stderr
    assert b"did you mean" not in run("tag", "entirely-other.jpg", cwd=photos, code=1).stderr


def _folder(where, name):
    (where / name).mkdir()
    return where


def test_a_quoted_pattern(photos):
    assert [os.path.basename(x) for x in lines(run("tag", "-n", photos / "*.[jp]*g"))] == ["a.jpg", "b.png"]


def test_lists_of_paths(photos):
    (photos / "list").write_bytes(b"a.jpg\r\n\nb.png\n")
    assert lines(run("tag", "-n", "--files-from", "list", cwd=photos)) == ["a.jpg", "b.png"]
    assert lines(run("tag", "-n", "-0", "--files-from", "-", cwd=photos, data=b"a.jpg\0b.png\0")) == ["a.jpg", "b.png"]
    said = run("tag", data=b"", code=2).stderr  # an empty stdin must not look like an empty picture
    assert b" - " in said and b"--files-from -" in said


@pytest.mark.parametrize("args, data", [(("-", "-"), b""), (("--files-from", "-", "-"), b"a.jpg\n"), (("--files-from", "-"), b"a.jpg\n-\n")])
def test_stdin_is_read_once(photos, args, data):
    said = run("tag", *args, cwd=photos, data=data, code=2).stderr
    assert said.count(b"\n") == 1 and b"stdin, which can be read once" in said
    assert lines(run("tag", "-f", "csv", "-", cwd=photos, data=(photos / "a.jpg").read_bytes()))


def test_a_folder_is_no_list(photos):
    said = run("tag", "--files-from", photos, code=2).stderr
    assert said.count(b"\n") == 1 and b"is a folder, not a list of paths" in said


def test_nothing_in_a_folder_is_waited_for(photos):
    os.mkfifo(photos / "pipe.jpg")
    os.symlink("pipe.jpg", photos / "link.jpg")
    os.symlink("/dev/zero", photos / "zero.jpg")
    os.symlink("a.jpg", photos / "good.jpg")
    for more in ((), ("--follow",)):
        done = run("tag", "-q", *more, photos)
        assert sorted(os.path.basename(x.split("\t")[0]) for x in lines(done)) == ["a.jpg", "b.png", "c.webp", "good.jpg"]
