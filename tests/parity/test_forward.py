"""Convert a checkpoint by formula, run the program, compare each stage."""
import base64
import json

import numpy as np
import pytest

import common
import configs
import reference

pytestmark = pytest.mark.threads

GOLDEN = ["ram_tiny", "ram_plus_tiny", "ram_odd"]
MODELS = {}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """build(name, type) -> (folder, config, entries); each model is converted once."""
    def make(name, kind="f32"):
        if (name, kind) in MODELS:
            return MODELS[name, kind]
        common.binary()
        own = configs.OWN | configs.OWN_TEXT | configs.OWN_MATCH
        if name in own:
            config, entries = own[name], list(configs.entries(own[name]))
        else:
            config, entries = common.golden_config(name)
        folder = tmp_path_factory.mktemp(f"{name}-{kind}")
        common.write_lists(folder, config)
        common.write_checkpoint(folder / "model.pth", config, entries)
        common.convert(folder, folder / "model.pth", folder / "model.gguf", "--type", kind)
        MODELS[name, kind] = folder, config, entries
        return MODELS[name, kind]
    yield make
    MODELS.clear()


def scores(folder, picture, *more):
    out = common.run("tag", "-m", folder / "model.gguf", "--official-pixels", "--all-scores", "-f", "json",
                     *more, picture).stdout
    record = json.loads(out)
    record = record["results"][0]
    return np.frombuffer(base64.b64decode(record["scores"]), "<f4")


def dump(folder, picture, out, *more):
    common.run("inspect", "-m", folder / "model.gguf", "--dump", out, picture, "--official-pixels", *more)
    return lambda stage: np.load(out / f"{stage}.npy")


def fired(probs, config):
    limit = np.array(config.get("thresholds") or [0.65] * config["classes"], np.float32)
    return set(np.flatnonzero(np.asarray(probs, np.float32) > limit).tolist())


def golden_cases(names):
    for name in names:
        folder = common.FORWARD / name
        images = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ["absent"]
        yield from ((name, image) for image in images)


@pytest.mark.parametrize("name,image", golden_cases(GOLDEN))
def test_golden(build, tmp_path, name, image):
    folder, config, _ = build(name)
    case = common.FORWARD / name / image
    picture = common.golden_file(image, config["swin"]["image_res"], tmp_path)
    common.compare(dump(folder, picture, tmp_path / "dump"), case)
    want = json.loads((case / "tags.json").read_text("utf-8"))
    either = set(want["near_threshold_index"])
    assert fired(scores(folder, picture), config) - either == set(want["fired_index"]) - either


@pytest.mark.parametrize("name", configs.OWN)
def test_own(build, tmp_path, name):
    folder, config, entries = build(name)
    picture = common.picture(name)
    picture.save(tmp_path / "p.png")
    weights = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], config["model"] == "ram_plus")
    px = reference.pixels(picture, config["swin"]["image_res"], *reference.IMAGENET)
    want = reference.forward(weights, config, px)
    common.compare_stages(dump(folder, tmp_path / "p.png", tmp_path / "dump"), want)


@pytest.mark.parametrize("kind,share", [("f16", 0.995), ("bf16", 0.97)])
@pytest.mark.parametrize("name", ["own_ram", "own_ram_plus"])
def test_half_types(build, tmp_path, name, kind, share):
    full, config, _ = build(name)
    half, _, _ = build(name, kind)
    same = total = 0
    for seed in range(6):
        common.picture(f"half{seed}").save(tmp_path / "p.png")
        a, b = scores(full, tmp_path / "p.png"), scores(half, tmp_path / "p.png")
        total += len(a)
        same += total and len(a) - len(fired(a, config) ^ fired(b, config))
    assert same / total >= share


def test_subset_has_the_same_scores(build, tmp_path):
    folder, _, _ = build("own_ram")
    common.picture().save(tmp_path / "p.png")
    whole = scores(folder, tmp_path / "p.png")
    part = scores(folder, tmp_path / "p.png", "--only", "tag 3,tag 17,tag 32")
    part = part[~np.isnan(part)]
    assert len(part) in (3, len(whole))
    want = whole[[3, 17, 32]]
    assert np.allclose(part if len(part) == 3 else part[[3, 17, 32]], want, rtol=1e-5)


def test_batch_and_threads_give_the_same_bits(build, tmp_path):
    folder, _, _ = build("own_ram")
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        common.picture(f"batch{i}").save(file)

    def lines(*more):
        out = common.run("tag", "-m", folder / "model.gguf", "--official-pixels", "--all-scores", "-f", "jsonl",
                         *more, *files).stdout
        return [json.loads(line)["scores"] for line in out.splitlines() if b'"scores"' in line]
    one = lines("--batch", "1", "--threads", "1")
    assert len(one) == 3
    assert one == lines("--batch", "3", "--threads", "1")
    assert one == lines("--batch", "1", "--threads", "2")


PREPROCESS = common.FORWARD.parent / "preprocess"


def test_pixels_of_awkward_pictures(build, tmp_path):
    """Decoding and resizing, bit for bit, of every golden picture in a format that is read."""
    common.need_shared()
    folder, _, _ = build("ram_tiny")  # its side is 96
    cases = json.loads((PREPROCESS / "index.json").read_text())["cases"]
    seen = 0
    for name in cases:
        if not name.endswith((".jpg", ".png", ".webp")) or name == "truncated.jpg":
            continue
        pixels = dump(folder, PREPROCESS.parent / "images" / name, tmp_path / name)("pixels").transpose(1, 2, 0)
        table = (np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        want = np.load(PREPROCESS / f"{name}.resized96.npy").reshape(96, 96, 3)
        normal = np.stack([table[want[..., c], c] for c in range(3)], -1)
        assert np.array_equal(pixels, normal), (name, np.abs(pixels - normal).max())
        seen += 1
    assert seen >= 18
