"""A picture from file to the model's square, anytag and Pillow in turn. Prints a markdown table.

    bench/image/run.py --bin build/bench/image/bench_image [--rounds 21] [--side 384] [FILE...]

Without files it makes a JPEG of 12 megapixels, as a camera would, and the same as PNG and WebP of
3 megapixels. Both sides are loaded, warm and use one thread; Pillow must not be 13 or newer.
"""
import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import PIL
from PIL import Image


def picture(width, height):
    """Clouds of every size, with some grain: about as hard to decode as a photo."""
    rng = np.random.default_rng(5)
    total = np.zeros((height, width, 3), np.float32)
    for k in range(2, 11):
        small = Image.fromarray(rng.integers(0, 256, (2 ** k, 2 ** k, 3), dtype=np.uint8))
        total += np.asarray(small.resize((width, height), Image.BICUBIC), np.float32) * 0.72 ** k
    total = (total - total.min()) * (255 / (total.max() - total.min()))
    total += rng.normal(0, 2, total.shape)
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))


def made_files(folder):
    photo = picture(4000, 3000)
    photo.save(folder / "photo.jpg", quality=90)
    photo.save(folder / "progressive.jpg", quality=90, progressive=True)
    small = photo.resize((2000, 1500), Image.BILINEAR)
    small.save(folder / "photo.png")
    small.save(folder / "photo.webp", quality=90)
    return sorted(folder.iterdir())


def pillow(path, side):
    start = time.perf_counter()
    with Image.open(path) as im:
        im.convert("RGB").resize((side, side), Image.BILINEAR).tobytes()
    return time.perf_counter() - start


def measure(path, a):
    ours = subprocess.Popen([a.bin, path, str(a.side)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def once():
        ours.stdin.write("\n")
        ours.stdin.flush()
        return [float(x) for x in ours.stdout.readline().split()]
    rows = []
    for i in range(a.rounds + 1):  # the first is not counted
        rows.append((*once(), pillow(path, a.side)))
    ours.stdin.close()
    ours.wait()
    decode, resize, both, peer = (statistics.median(x) * 1e3 for x in zip(
        *[(d, r, d + r, p) for d, r, p in rows[1:]]))
    ratio = statistics.median((d + r) / p for d, r, p in rows[1:])
    width, height = Image.open(path).size
    print(f"| {path.name} | {width} x {height} | {decode:.1f} + {resize:.1f} | {both:.1f} | {peer:.1f} | {ratio:.2f} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default="build/bench/image/bench_image")
    p.add_argument("--rounds", type=int, default=21)
    p.add_argument("--side", type=int, default=384)
    p.add_argument("files", nargs="*", type=pathlib.Path)
    a = p.parse_args()
    print(f"Pillow {PIL.__version__}, medians of {a.rounds}, milliseconds\n\n"
          "| picture | pixels | decode + resize | anytag | Pillow | anytag / Pillow |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for path in a.files or made_files(pathlib.Path(folder)):
            measure(path, a)


main()
