"""Where the goldens and the program are; how checkpoints and stages are made and compared."""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import configs
import formula
import pth

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("ANYTAG_SHARED", ROOT.parent / "shared"))
FORWARD = SHARED / "goldens" / "forward"
TOLERANCE = {"pixels": 1e-6}
DEFAULT_TOLERANCE = 1e-5


def binary():
    path = pathlib.Path(os.environ.get("ANYTAG_BIN", ROOT / "build" / "cli" / "anytag"))
    if not path.exists():
        pytest.skip(f"the program was not built: {path} (set ANYTAG_BIN)")
    return str(path)


def need_shared():
    if not FORWARD.is_dir():
        pytest.skip(f"the goldens are absent: {FORWARD} (set ANYTAG_SHARED)")


def run(*args, ok=True):
    done = subprocess.run([binary(), *map(str, args)], capture_output=True)
    if ok and done.returncode != 0:
        pytest.fail(f"anytag {' '.join(map(str, args))} ended with {done.returncode}: "
                    f"{done.stderr.decode(errors='replace')[:2000]}")
    return done


def relative_l2(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    return float(np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30))


def golden_config(name):
    need_shared()
    config = json.loads((FORWARD / name / "config.json").read_text("utf-8"))
    if isinstance(config["parameters"], dict):
        return config, configs.of_golden(config)
    return config, list(configs.entries(config))


def write_checkpoint(path, config, entries):
    hidden, plus = config["q2l"]["hidden_size"], config["model"] == "ram_plus"
    pth.write(path, entries, lambda k, s: formula.chunks(k, s, hidden, plus), formula.canonical)


def write_lists(folder, config):
    """The official folder's text files and configuration of a reduced model."""
    tags = config.get("tags") or [f"tag {i}" for i in range(config["classes"])]
    zh = config.get("tags_chinese") or tags
    limit = config.get("thresholds") or [0.65] * len(tags)
    name = "tag2text_ori_tag_list.txt" if config["model"] == "tag2text" else "ram_tag_list.txt"
    (folder / name).write_text("\n".join(tags), "utf-8")
    (folder / "ram_tag_list_chinese.txt").write_text("\n".join(zh), "utf-8")
    (folder / "ram_tag_list_threshold.txt").write_text("\n".join(repr(float(t)) for t in limit), "utf-8")
    drop = ["parameters", "tags", "tags_chinese"]
    if config["model"] != "tag2text":  # that one has no thresholds in a file of their own
        drop.append("thresholds")
    elif "words" in config:
        (folder / "vocab.txt").write_text("\n".join(configs.vocabulary(config["words"])), "utf-8")
    elif (SHARED / "official").is_dir():
        shutil.copy(SHARED / "official" / "bert-base-uncased-vocab.txt", folder / "vocab.txt")
    keep = {k: v for k, v in config.items() if k not in drop}
    (folder / "config.json").write_text(json.dumps(keep), "utf-8")


def convert(folder, pth_file, out, *more, ok=True):
    return run("convert", pth_file, out, "--official", folder, "--model-config", folder / "config.json",
               *more, ok=ok)


def picture(name="waves", width=150, height=110):
    """A picture by formula, as a PIL image; different in every channel and direction."""
    from PIL import Image
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    noise = (formula.u("picture." + name, np.arange(3 * height * width)) * 40).reshape(height, width, 3)
    waves = [100 * np.sin(x / 9 + c) * np.cos(y / (7 + 3 * c)) + 128 for c in range(3)]
    return Image.fromarray(np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8))


def golden_picture(image, size):
    """The picture a forward case was recorded from, as a PIL image.

    Tall pictures were recorded with the vertical pass first (Pillow 13), though
    the resized bytes kept beside them have the horizontal pass first (Pillow
    12), which is what the program does. Such a picture is resized here, to the
    recorded bytes, so that the stages behind it are still compared strictly.
    """
    from PIL import Image
    path, = (SHARED / "goldens" / "images").glob(image + ".*")
    im = Image.open(path)
    w, h = im.size
    if h > size and h - size > 2 * (w - size):
        im = im.convert("RGB").resize((w, size), Image.BILINEAR).resize((size, size), Image.BILINEAR)
        return im, None
    return im, path


def golden_file(image, size, folder):
    """Like golden_picture, as a file the program can read."""
    im, path = golden_picture(image, size)
    if path is None:
        path = folder / f"{image}.resized.png"
        im.save(path)
    return path


def golden_stages(folder):
    """(stage, stride, values) of one recorded picture; a stride of 1 is the whole."""
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    for stage, facts in summary["stages"].items():
        for name in (f"{stage}.npy", f"{stage}.sample.npy"):
            if (folder / name).exists():
                yield stage, (facts["stride"] if "sample" in name else 1), np.load(folder / name)


def compare_stages(got, want):
    """got(stage) -> array against the reference's {stage: array}."""
    errors = {s: relative_l2(got(s).reshape(-1), v.reshape(-1)) for s, v in want.items()}
    bad = {s: e for s, e in errors.items() if not e <= TOLERANCE.get(s, DEFAULT_TOLERANCE)}
    assert not bad, bad


def compare(got, folder, tolerance=DEFAULT_TOLERANCE):
    """got(stage) -> array; returns {stage: error} and fails on the worst."""
    errors = {}
    for stage, stride, want in golden_stages(folder):
        have = np.asarray(got(stage)).reshape(-1)[::stride]
        assert have.size == want.size, f"{stage}: {have.size} values, {want.size} wanted"
        errors[stage] = relative_l2(have, want.reshape(-1))
    assert errors, f"no stages in {folder}"
    bad = {s: e for s, e in errors.items() if not e <= TOLERANCE.get(s, tolerance)}
    assert not bad, f"{folder.name}: {bad}"
    return errors
