"""File to a model's pixels with Pillow, as the official transform; no torch, whose import would count as a peer's load."""
import os
import pathlib
import sys
import types

# Behind the installed packages: the folder has a safetensors.py of its own.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "parity"))
import reference  # noqa: E402

MODELS = {"ram": types.SimpleNamespace(SIZE=384, MEAN=reference.IMAGENET[0], STD=reference.IMAGENET[1]),
          "small": types.SimpleNamespace(SIZE=224, MEAN=(0.5,) * 3, STD=(0.5,) * 3)}


def shared():
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("ANYTAG_SHARED", root.parent / "shared"))


def pixels(path, model="ram"):
    """[3,S,S] f32"""
    from PIL import Image
    m = MODELS[model]
    return reference.pixels(Image.open(path), m.SIZE, m.MEAN, m.STD)
