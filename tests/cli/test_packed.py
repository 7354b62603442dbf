"""convert --packed: the same answers from a file whose matrices lie as the kernels read them; what is refused."""
import json
import pathlib
import struct

import pytest

from program import run

MODELS = pathlib.Path(__file__).parents[2] / "models"
TYPES = "int8", "f16"


def packed_of(path, tmp, *more):
    out = tmp / (path.stem + "-packed.gguf")
    run("convert", path, out, "--packed", *more)
    return out


@pytest.fixture(scope="module", params=TYPES)
def pair(request, tmp_path_factory):
    path = MODELS / f"anytag-small-{request.param}.gguf"
    return path, packed_of(path, tmp_path_factory.mktemp("packed"), "--check")


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    return packed_of(MODELS / "anytag-small-int8.gguf", tmp_path_factory.mktemp("packed"))


def told(done):
    """Results without what differs from run to run."""
    record = json.loads(done.stdout)
    for key in ("timing_ms", "run"):
        record.pop(key, None)
    return json.dumps(record)


def test_same_tags(pair, photos):
    first, second = (told(run("tag", "--all-scores", "-f", "jsonl", "-m", m, photos / "a.jpg")) for m in pair)
    assert first == second and '"scores"' in first


def test_same_caption(pair, photos):
    first, second = (run("caption", "-m", m, photos / "a.jpg").stdout for m in pair)
    assert first == second and first


def test_what_it_is(pair):
    first, second = (json.loads(run("info", "-m", m, "-f", "json").stdout) for m in pair)
    assert not first.pop("packed") and second.pop("packed").startswith("cpu ")
    first.pop("bytes"), second.pop("bytes")
    assert first == second
    assert b"packed for    cpu " in run("info", "-m", pair[1]).stdout
    tensors = run("inspect", pair[1], "--tensors").stdout
    assert b"h.label_embed" in tensors and b".w.panels\t" in tensors and b".scale\t" not in tensors


@pytest.mark.parametrize("command", [("convert", "--type", "f16"), ("convert", "--packed"), ("quantize",)])
def test_no_rows(int8, tmp_path, command):
    r = run(command[0], int8, tmp_path / "x.gguf", *command[1:], code=3)
    assert b"convert the file that it was made from" in r.stderr
    assert not list(tmp_path.iterdir())


def test_as_it_is(tmp_path):
    r = run("convert", MODELS / "anytag-small-f16.gguf", tmp_path / "x.gguf", "--packed", "--type", "int8", code=2)
    assert b"then pack what that gives" in r.stderr


# --- files that lie ---------------------------------------------------------------------------------------


class Gguf:
    """Keys as bytes, tensors as [name, dims fastest first, type, bytes]."""
    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def __init__(self, path):
        self.data, self.at = path.read_bytes(), 8
        n, self.n_keys = self.take("<QQ")
        begin = self.at
        for _ in range(self.n_keys):
            self.text()
            self.value(*self.take("<I"))
        self.keys, self.tensors, offsets = self.data[begin:self.at], [], []
        for _ in range(n):
            name = self.text()
            dims = list(self.take("<%dQ" % self.take("<I")))
            kind, offset = self.take("<IQ")
            self.tensors.append([name, dims, kind, b""])
            offsets.append(offset)
        start = -(-self.at // 64) * 64
        for t, begin, end in zip(self.tensors, offsets, offsets[1:] + [len(self.data) - start]):
            t[3] = self.data[start + begin:start + end]

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def text(self):
        n, = self.take("<Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, n = self.take("<IQ")
            for _ in range(n):
                self.value(inner)
        else:
            self.at += self.SIZES[kind]

    def write(self, path, shift=0):
        head, body = b"", b""
        for name, dims, kind, data in self.tensors:
            head += struct.pack("<Q", len(name)) + name + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, len(body))
            body += data + bytes(-len(data) % 64)
        keys, n = self.keys, self.n_keys
        if shift:  # tensors begin at an odd multiple of 32
            keys = keys.replace(b"general.alignment\4\0\0\0\x40", b"general.alignment\4\0\0\0\x20")
            fill = (32 - (24 + len(keys) + 8 + 1 + 4 + 8 + len(head))) % 64
            keys, n = keys + struct.pack("<Q", 1) + b"x" + struct.pack("<IQ", 8, fill) + b"x" * fill, n + 1
        file = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), n) + keys + head
        assert not shift or len(file) % 64 == 32
        path.write_bytes(file + bytes(-len(file) % (32 if shift else 64)) + body)
        return path

    def panels(self):
        return next(t for t in self.tensors if t[0].endswith(b".w.panels") and t[2] == 24)


def test_rewritten(int8, tmp_path):
    """What the next tests change one thing of is a good file."""
    run("info", "-m", Gguf(int8).write(tmp_path / "x.gguf"))


def more_rows(g):
    g.panels()[1][-1] *= 2
    g.panels()[3] *= 2


def fewer_columns(g):
    g.panels()[1][0] -= 16


def floats(g):
    g.panels()[1][0] //= 4
    g.panels()[2] = 0


def no_matrix_type(g):
    g.panels()[1][0] //= 4
    g.panels()[2] = 26


def last(g):
    """A kernel may read some bytes behind it, and there are none."""
    t = g.panels()
    g.tensors.remove(t)
    g.tensors.append(t)


@pytest.mark.parametrize("change,words", [
    (more_rows, "expected ["), (fewer_columns, "expected ["), (floats, "expected ["), (no_matrix_type, "i32"),
    (last, "where a kernel may read it"), (lambda g: g.tensors.remove(g.panels()), ".panels is missing")])
def test_lies(int8, tmp_path, change, words):
    g = Gguf(int8)
    change(g)
    r = run("info", "-m", g.write(tmp_path / "x.gguf"), code=3)
    assert words.encode() in r.stderr and r.stderr.count(b"\n") == 1


def test_not_aligned(int8, tmp_path):
    r = run("info", "-m", Gguf(int8).write(tmp_path / "x.gguf", shift=1), code=3)
    assert b"where a kernel may read it" in r.stderr


def test_cut(int8, tmp_path):
    bad = tmp_path / "x.gguf"
    bad.write_bytes(int8.read_bytes()[:-1000])
    assert b"not whole" in run("info", "-m", bad, code=3).stderr


def test_another_processor(int8, tmp_path):
    g = Gguf(int8)
    assert g.keys.count(b"cpu 1: floats") == 1
    g.keys = g.keys.replace(b"cpu 1: floats", b"cpu 0: floats")
    r = run("tag", "-m", g.write(tmp_path / "x.gguf"), "x.jpg", code=3)
    assert b"packed for another processor's kernels (cpu 0: floats" in r.stderr and b"; here: cpu 1" in r.stderr


@pytest.mark.parametrize("level", ["sse2", "avx2", "avx512"])
def test_other_levels(int8, level):
    """A level whose kernels read the same panels takes the file, any other says that it does not."""
    r = run("info", "-m", int8, env={"ANYTAG_CPU": level}, code=None)
    assert r.returncode == 0 or (r.returncode == 3 and b"another processor" in r.stderr)
