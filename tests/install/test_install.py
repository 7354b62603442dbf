"""What is installed serves a program outside: anytag.pc and find_package() in any folder, the shared library, the static one."""
import glob
import os
import shlex
import shutil
import subprocess

import pytest

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(os.environ.get("ANYTAG_BIN", "build/cli/anytag"))))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    cache = open(os.path.join(BUILD, "CMakeCache.txt")).read()
    if "ANYTAG_SANITIZE:STRING=\n" not in cache:
        pytest.skip("a sanitizer's library wants the same sanitizer in the program")
    where = tmp_path_factory.mktemp("prefix") / "of mine"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", where], check=True, capture_output=True)
    return where


def build(prefix, *flags):
    pc = os.path.dirname(glob.glob(f"{prefix}/**/anytag.pc", recursive=True)[0])
    got = subprocess.run(["pkg-config", "--cflags", "--libs", *flags, "anytag"], env=dict(os.environ, PKG_CONFIG_PATH=pc),
                         check=True, capture_output=True, text=True).stdout
    done = subprocess.run(["cc", "examples/tag.c", *shlex.split(got), "-o", prefix / "tag"], capture_output=True, text=True)
    assert done.returncode == 0, (got, done.stderr)
    return os.path.dirname(pc)


def tag(program, libdir):
    done = subprocess.run([program, "none.jpg"], env=dict(os.environ, LD_LIBRARY_PATH=libdir), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "none.jpg: No such file or directory (not-found)\n")


def test_cmake_finds_it(prefix, tmp_path):
    def configure(where, *more):
        return subprocess.run(["cmake", "-S", "examples", "-B", tmp_path / "out", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={where}", *more],
                              capture_output=True, text=True)

    assert configure(tmp_path).returncode != 0  # nothing is found where nothing is
    moved = prefix.rename(prefix.parent / "moved")  # the files name no place of the build
    try:
        done = configure(moved)
        assert done.returncode == 0, done.stderr
        subprocess.run(["cmake", "--build", tmp_path / "out"], check=True, capture_output=True)
        for name in ("tag", "tag_static"):
            needed = subprocess.run(["readelf", "-d", tmp_path / "out" / name], check=True, capture_output=True, text=True).stdout
            assert ("libanytag.so.0" in needed) == (name == "tag")
            tag(tmp_path / "out" / name, "/nowhere")
    finally:
        moved.rename(prefix)


def test_shared_then_static(prefix):
    tag(prefix / "tag", build(prefix))
    for lib in glob.glob(f"{prefix}/**/libanytag.so*", recursive=True):
        os.remove(lib)
    tag(prefix / "tag", build(prefix, "--static"))


def test_the_program_runs_from_the_prefix(prefix):
    program = shutil.which("anytag", path=str(prefix / "bin"))
    assert subprocess.run([program, "--version"], capture_output=True).stdout.startswith(b"anytag ")
