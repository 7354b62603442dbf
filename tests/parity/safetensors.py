"""Writes .safetensors files without the package of that name."""
import json
import struct

import numpy as np


def write(path, tensors):
    """tensors: name -> array of float32 or int64."""
    header, at = {}, 0
    for name, a in tensors.items():
        kind = {"f": "F32", "i": "I64"}[np.asarray(a).dtype.kind]
        header[name] = {"dtype": kind, "shape": list(np.shape(a)), "data_offsets": [at, at + np.asarray(a).nbytes]}
        at += np.asarray(a).nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())
