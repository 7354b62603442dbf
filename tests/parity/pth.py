"""Writes a checkpoint as torch.save does (zip, stored, pickle protocol 2), without torch.

Tensors stream to the file piece by piece; tied tensors share one storage.
"""
import struct
import zipfile

TYPES = {"float32": ("FloatStorage", 4), "int64": ("LongStorage", 8), "float16": ("HalfStorage", 2)}


def _text(s):
    raw = s.encode("utf-8")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _int(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    if -(2**31) <= n < 2**31:
        return b"J" + struct.pack("<i", n)
    raw = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def _tuple(items):
    return b"(" + b"".join(_int(i) for i in items) + b"t"


def _global(module, name):
    return f"c{module}\n{name}\n".encode("ascii")


def _ordered_dict():
    return _global("collections", "OrderedDict") + b")R"


def _tensor(storage, dtype, shape):
    count = 1
    strides = []
    for d in reversed(shape):
        strides.insert(0, count)
        count *= d
    pid = b"(" + _text("storage") + _global("torch", TYPES[dtype][0])
    pid += _text(storage) + _text("cpu") + _int(count) + b"tQ"
    args = b"(" + pid + _int(0) + _tuple(shape) + _tuple(strides) + b"\x89" + _ordered_dict() + b"t"
    return _global("torch._utils", "_rebuild_tensor_v2") + args + b"R"


def pickle_of(entries, storages, extra=True):
    """entries: [(key, dtype, shape)]; storages: one storage name an entry."""
    out = [b"\x80\x02}(", _text("model"), _ordered_dict(), b"("]
    for (key, dtype, shape), storage in zip(entries, storages):
        out += [_text(key), _tensor(storage, dtype, shape)]
    out.append(b"u")
    if extra:  # as the official files: numbers as keys, an epoch, a configuration
        out += [_text("optimizer"), b"}(", _text("state"), b"}", _int(0), b"}", b"u"]
        out += [_text("config"), b"}", _text("epoch"), _int(4)]
    out.append(b"u.")
    return b"".join(out)


def write(path, entries, data, tied=lambda key: key, root="archive"):
    """data(key, shape) yields arrays; tied(key) names the stream a key shares."""
    storages, names = [], {}
    for key, _, _ in entries:
        storages.append(names.setdefault(tied(key), str(len(names))))
    done = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as z:
        z.writestr(f"{root}/data.pkl", pickle_of(entries, storages))
        for (key, dtype, shape), storage in zip(entries, storages):
            if storage in done:
                continue
            done.add(storage)
            with z.open(f"{root}/data/{storage}", "w", force_zip64=True) as f:
                for piece in data(key, shape):
                    f.write(memoryview(piece).cast("B"))
        z.writestr(f"{root}/version", "3\n")


def write_raw(path, pickle, root="archive"):
    """A checkpoint with any bytes as its pickle: for the refusals."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr(f"{root}/data.pkl", pickle)
        z.writestr(f"{root}/version", "3\n")
