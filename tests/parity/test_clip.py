"""CLIP's text tower against what the official code computes with formula weights: stages, vectors, labels; the files
it comes in."""
import json
import pathlib
import shutil
import subprocess
import zipfile

import numpy as np
import pytest

import common
import formula
import pth
import safetensors
from test_forward import build  # noqa: F401

MERGES = common.SHARED / "official" / "bpe_simple_vocab_16e6.txt.gz"
GOLDENS = common.SHARED / "goldens" / "clip"
NAMES = ["tiny", pytest.param("vit_b_16", marks=pytest.mark.full)]


def encode(file, texts, stages=False):
    program = pathlib.Path(common.binary()).parents[1] / "tests" / "parity" / "parity_encode"
    if not program.exists():
        pytest.skip(f"not built: {program}")
    given = b"".join((t or " ").encode() + b"\0" for t in texts)
    done = subprocess.run([program, file, *(["stages"] if stages else [])], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    if not stages:
        return np.frombuffer(done.stdout, "<f4").reshape(len(texts), -1)
    found, at = {}, 0
    while at < len(done.stdout):
        end = done.stdout.index(b"\n", at)
        name, n = done.stdout[at:end].decode().split()
        found.setdefault(name, []).append(np.frombuffer(done.stdout, "<f4", int(n), end + 1))
        at = end + 1 + 4 * int(n)
    return found


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def summary(name):
    if not GOLDENS.is_dir() or not MERGES.exists():
        pytest.skip(f"the goldens are absent: {GOLDENS} (set ANYTAG_SHARED)")
    return json.loads((GOLDENS / name / "summary.json").read_text("utf-8"))


def entries(facts):
    return [(k, "float32", tuple(s)) for k, s in facts["parameters"].items()]


def convert(folder, source, facts, *more, ok=True):
    heads = folder / "heads.json"
    heads.write_text(json.dumps({"transformer_heads": facts["config"]["transformer_heads"]}))
    return common.run("convert", source, folder / "clip.gguf", "--merges", MERGES, "--official",
                      common.SHARED / "official", "--model-config", heads, *more, ok=ok)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            facts, folder = summary(name), tmp_path_factory.mktemp(name)
            pth.write(folder / "clip.pth", entries(facts), lambda k, s: formula.chunks(k, s))
            convert(folder, folder / "clip.pth", facts)
            (folder / "clip.pth").unlink()
            made[name] = folder / "clip.gguf", facts
        return made[name]
    return make


@pytest.mark.parametrize("name", NAMES)
def test_stages(clip, name):
    """Of two texts in whole; a golden's rows behind the end token are of no use and not computed."""
    file, facts = clip(name)
    tokens = np.load(GOLDENS / name / "text_tokens.npy")
    lengths = [int(np.argmax(t)) + 1 for t in tokens[:2]]
    width, layers = facts["config"]["transformer_width"], facts["config"]["transformer_layers"]
    got = encode(file, facts["texts"][:2], True)
    assert len(got) == layers + 2
    for stage, have in got.items():
        if stage == "text_features":
            continue
        want = np.load(GOLDENS / name / f"{stage}.sample.npy").reshape(-1)
        at = np.arange(want.size) * facts["stages"][stage]["stride"]
        text, row, column = at // (77 * width), at // width % 77, at % width
        whole = have[0].size > width
        mine, theirs = [], []
        for i in range(2):
            # of the last layer the end token alone
            keep = (text == i) & ((row < lengths[i]) if whole else (row == lengths[i] - 1))
            mine.append(have[i][((row * width if whole else 0) + column)[keep]])
            theirs.append(want[keep])
        assert sum(map(len, theirs)) > 10
        assert common.relative_l2(np.concatenate(mine), np.concatenate(theirs)) < 1e-5, stage


@pytest.mark.parametrize("name", NAMES)
def test_vectors(clip, name):
    file, facts = clip(name)
    want = np.load(GOLDENS / name / "text_features.npy")
    features = np.stack(encode(file, facts["texts"], True)["text_features"])
    assert common.relative_l2(features, want) < 1e-5
    together = encode(file, facts["texts"])
    assert np.abs(together - unit(want)).max() < 1e-5
    alone = np.concatenate([encode(file, [t]) for t in facts["texts"]])
    assert np.array_equal(together, alone)  # a text's bits do not depend on those beside it
    assert np.array_equal(encode(file, ["a cat<|endoftext|> and a dog"]), encode(file, ["A  cat"]))
    assert np.array_equal(encode(file, ["word " * 75]), encode(file, ["word " * 3000]))


def test_packed(clip, tmp_path):
    file, facts = clip("tiny")
    common.run("convert", file, tmp_path / "packed.gguf", "--packed")
    assert np.array_equal(encode(tmp_path / "packed.gguf", facts["texts"]), encode(file, facts["texts"]))


def rows(path, n):
    return np.frombuffer(path.read_bytes()[-n * 512 * 4:], "<f4").reshape(n, 512)


@pytest.mark.parametrize("name", NAMES)
def test_labels(clip, build, tmp_path, name):  # noqa: F811
    """The 63 official templates, averaged; descriptions, each kept."""
    file, facts = clip(name)
    ram, _, _ = build("own_ram")
    plus, _, _ = build("own_ram_plus")
    (tmp_path / "words.txt").write_text("\n".join(facts["categories"]), "utf-8")
    common.run("labels", "build", tmp_path / "words.txt", "-m", ram / "model.gguf", "--text-encoder", file, "-o",
               tmp_path / "set.gguf")
    want = np.load(GOLDENS / name / "openset_label_embedding.npy")
    assert common.relative_l2(rows(tmp_path / "set.gguf", len(want)), want) < 1e-5
    (tmp_path / "words.json").write_text(json.dumps(facts["llm_tag_des"]), "utf-8")
    common.run("labels", "build", tmp_path / "words.json", "-m", plus / "model.gguf", "--text-encoder", file, "-o",
               tmp_path / "two.gguf")
    want = np.load(GOLDENS / name / "llm_label_embedding.npy").reshape(-1, 512)
    assert common.relative_l2(rows(tmp_path / "two.gguf", len(want)), want) < 1e-5


def torchscript(path, tensors):
    """As torch.jit.save writes a module: nested objects, attributes given by BUILD, code that nobody may run."""
    names = {k: str(i) for i, k in enumerate(tensors)}

    def thing(tree, prefix, out):
        out += [b"c__torch__.multimodal.model\n", (prefix or "Multimodal").encode() + b"\n)\x81}("]
        out += [pth._text("training"), b"\x89", pth._text("_is_full_backward_hook"), b"N"]
        for k, v in tree.items():
            out.append(pth._text(k))
            if isinstance(v, dict):
                thing(v, "Part", out)
            else:
                out.append(pth._tensor(names[v], "float32", tensors[v].shape))
        out.append(b"ub")
        return out

    tree = {}
    for key in tensors:
        at = tree
        *owners, leaf = key.split(".")
        for o in owners:
            at = at.setdefault(o, {})
        at[leaf] = key
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr("m/data.pkl", b"\x80\x02" + b"".join(thing(tree, "", [])) + b".")
        for key, a in tensors.items():
            z.writestr(f"m/data/{names[key]}", a.tobytes())
        z.writestr("m/code/__torch__.py", "raise SystemExit", zipfile.ZIP_DEFLATED)
        z.writestr("m/constants.pkl", b"\x80\x02).")
        z.writestr("m/version", "3\n")


def weights(facts, visual=True):
    return {k: formula.values(k, s) if s else formula.values(k, (1,))[0] for k, _, s in entries(facts)
            if visual or not k.startswith("visual.")}


def test_the_official_archive(clip, tmp_path):
    file, facts = clip("tiny")
    tensors = {k: np.asarray(v, "<f4") for k, v in weights(facts).items()}
    tensors |= {k: np.asarray(v, "<f4") for k, v in (("input_resolution", 224), ("context_length", 77))}
    torchscript(tmp_path / "clip.pt", tensors)
    convert(tmp_path, tmp_path / "clip.pt", facts)
    assert np.array_equal(encode(tmp_path / "clip.gguf", facts["texts"]), encode(file, facts["texts"]))
    data = (tmp_path / "clip.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[:len(data) // 2])
    done = convert(tmp_path, tmp_path / "cut.pt", facts, ok=False)
    assert done.returncode == 3 and b"damaged" in done.stderr and b"Traceback" not in done.stderr


def test_the_hugging_face_layout(clip, tmp_path):
    file, facts = clip("tiny")
    w, folder = weights(facts, visual=False), tmp_path / "hf"
    there = {"text_model.embeddings.token_embedding.weight": w["token_embedding.weight"],
             "text_model.embeddings.position_embedding.weight": w["positional_embedding"],
             "text_model.final_layer_norm.weight": w["ln_final.weight"],
             "text_model.final_layer_norm.bias": w["ln_final.bias"],
             "text_projection.weight": np.ascontiguousarray(w["text_projection"].T)}
    pairs = {"attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2",
             "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for i in range(facts["config"]["transformer_layers"]):
        ours, theirs = f"transformer.resblocks.{i}.", f"text_model.encoder.layers.{i}."
        for leaf in ("weight", "bias"):
            for a, b in pairs.items():
                there[f"{theirs}{b}.{leaf}"] = w[f"{ours}{a}.{leaf}"]
            for part, v in zip("qkv", np.split(w[f"{ours}attn.in_proj_{leaf}"], 3)):
                there[f"{theirs}self_attn.{part}_proj.{leaf}"] = np.ascontiguousarray(v)
    folder.mkdir()
    config = {"text_config": {"num_attention_heads": 4, "hidden_act": "quick_gelu"}}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(MERGES, folder)
    safetensors.write(folder / "model.safetensors", there)
    common.run("convert", folder, tmp_path / "hf.gguf")
    assert np.array_equal(encode(tmp_path / "hf.gguf", facts["texts"]), encode(file, facts["texts"]))
    config["text_config"]["hidden_act"] = "gelu"
    (folder / "config.json").write_text(json.dumps(config))
    done = common.run("convert", folder, tmp_path / "hf2.gguf", ok=False)
    assert done.returncode == 3 and b"quick_gelu" in done.stderr
    del there["text_projection.weight"]
    safetensors.write(folder / "model.safetensors", there)
    done = common.run("convert", folder, tmp_path / "hf2.gguf", ok=False)
    assert done.returncode == 3 and b"text_projection is missing" in done.stderr


def test_a_wrong_tokenizer_is_refused(clip, tmp_path):
    _, facts = clip("tiny")
    pth.write(tmp_path / "clip.pth", entries(facts), lambda k, s: formula.chunks(k, s))
    done = common.run("convert", tmp_path / "clip.pth", tmp_path / "x.gguf", ok=False)
    assert done.returncode == 2 and b"--merges" in done.stderr
    (tmp_path / "few.txt").write_text("#version\ni n\nt h\n")
    done = common.run("convert", tmp_path / "clip.pth", tmp_path / "x.gguf", "--merges", tmp_path / "few.txt", ok=False)
    assert done.returncode == 3 and b"2 merges" in done.stderr
    (tmp_path / "words.txt").write_text("word\n" * 50000)
    done = common.run("convert", tmp_path / "clip.pth", tmp_path / "x.gguf", "--merges", tmp_path / "words.txt",
                      ok=False)
    assert done.returncode == 3 and b"merge 1" in done.stderr
    (tmp_path / "cut.gz").write_bytes(MERGES.read_bytes()[:100000])
    done = common.run("convert", tmp_path / "clip.pth", tmp_path / "x.gguf", "--merges", tmp_path / "cut.gz", ok=False)
    assert done.returncode == 2 and b"not whole" in done.stderr
    assert not list(tmp_path.glob("x.gguf*"))
