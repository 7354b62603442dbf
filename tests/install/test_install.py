"""What is installed serves a program outside: anytag.pc in any folder, the shared library, the static one."""
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


def tag(prefix, libdir):
    done = subprocess.run([prefix / "tag", "none.jpg"], env=dict(os.environ, LD_LIBRARY_PATH=libdir), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "none.jpg: No such file or directory (not-found)\n")


def test_shared_then_static(prefix):
    tag(prefix, build(prefix))
    for lib in glob.glob(f"{prefix}/**/libanytag.so*", recursive=True):
        os.remove(lib)
    tag(prefix, build(prefix, "--static"))


def test_the_program_runs_from_the_prefix(prefix):
    program = shutil.which("anytag", path=str(prefix / "bin"))
    assert subprocess.run([program, "--version"], capture_output=True).stdout.startswith(b"anytag ")
