"""Decoding and resizing are Pillow's, bit for bit: random sizes, modes, formats and ways to save."""
import pathlib
import random
import subprocess

import common
import numpy as np
import pytest

PIL = pytest.importorskip("PIL", reason="Pillow is absent (Debian: python3-pil): pixels are not compared with it")
from PIL import Image, features  # noqa: E402

MODES = {"png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "P+alpha"], "jpg": ["L", "RGB", "CMYK"], "webp": ["RGB", "RGBA"]}


def program():
    path = pathlib.Path(common.binary()).resolve().parents[1] / "tests" / "parity" / "parity_pixels"
    if not path.exists():
        pytest.skip(f"parity_pixels was not built: {path}")
    if int(PIL.__version__.split(".")[0]) >= 13:
        pytest.skip(f"Pillow {PIL.__version__} resizes tall pictures in another order than the official code's Pillow")
    return path


def side(rng):
    return rng.choice([1, 2, 3, 8, 16, 17, rng.randint(1, 60), rng.randint(60, 700)])


def picture(rng, mode, width, height):
    """Noise, clouds or a few flat colours, of the mode."""
    grain = np.random.default_rng(rng.getrandbits(32))
    channels = 4 if mode in ("RGBA", "CMYK", "P+alpha") else 3
    small = grain.integers(0, 256, (rng.choice([1, 3, 9]), rng.choice([1, 3, 9]), channels), dtype=np.uint8)
    kind = rng.choice(["noise", "clouds", "flat"])
    if kind == "noise":
        small = grain.integers(0, 256, (height, width, channels), dtype=np.uint8)
    im = Image.fromarray(small, "RGBA" if channels == 4 else "RGB")
    im = im.resize((width, height), Image.BICUBIC if kind == "clouds" else Image.NEAREST)
    if mode == "I;16":
        return Image.fromarray((np.asarray(im)[..., 0].astype(np.uint16) * rng.choice([1, 2, 257])))
    if mode == "CMYK":
        return Image.frombytes("CMYK", im.size, im.tobytes())
    if mode == "P+alpha":
        return im.convert("RGB").quantize(rng.choice([2, 16, 200]))
    return im.quantize(rng.choice([2, 4, 16, 256])) if mode == "P" else im.convert(mode)


def save(rng, im, mode, path):
    if path.suffix == ".jpg":
        more = {} if mode != "RGB" else {"subsampling": rng.choice([0, 1, 2])}
        im.save(path, quality=rng.choice([5, 60, 90, 100]), progressive=rng.random() < 0.4,
                optimize=rng.random() < 0.3, **more)
    elif path.suffix == ".webp":
        im.save(path, quality=rng.choice([10, 80]), lossless=rng.random() < 0.5)
    else:
        im.save(path, **({"transparency": bytes([0, 120, 255])} if mode == "P+alpha" else {}))


@pytest.mark.parametrize("suffix", sorted(MODES))
def test_pillow(suffix, tmp_path):
    if suffix == "webp" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    exe, rng = program(), random.Random(f"pixels of {suffix}")
    cases, args = [], []
    for i in range(100):
        mode = MODES[suffix][i % len(MODES[suffix])]
        path = tmp_path / f"{i}.{suffix}"
        size = (side(rng), side(rng))
        to = (384, 384) if i % 10 == 0 else (side(rng) % 400 + 1, side(rng) % 400 + 1)
        to = (size[0] if i % 7 == 1 else to[0], size[1] if i % 7 == 2 else to[1])
        save(rng, picture(rng, mode, *size), mode, path)
        cases.append((mode, path, size, to))
        args += [str(to[0]), str(to[1]), str(path)]
    done = subprocess.run([exe, *args], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[:500]
    at = 0

    def take(n):
        nonlocal at
        at += n
        return np.frombuffer(done.stdout, np.uint8, n, at - n)
    for mode, path, size, to in cases:
        with Image.open(path) as im:
            rgb = im.convert("RGB")
        assert tuple(take(8).view(np.int32)) == size, path
        for what, want in (("decoded", rgb), ("resized", rgb.resize(to, Image.BILINEAR))):
            want = np.asarray(want).reshape(-1)
            got = take(want.size)
            assert np.array_equal(got, want), f"{what} {suffix} {mode} {size} -> {to}: {np.count_nonzero(got != want)} of {want.size} bytes differ"
    assert at == len(done.stdout)
