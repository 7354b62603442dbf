"""Words of the user's own against the reference: the sentence encoder, the labels made of its vectors, and what RAM
and RAM++ say of them."""
import json
import pathlib
import signal
import subprocess

import numpy as np
import pytest

import common
import configs
import formula
import reference
import safetensors
from test_forward import build, scores  # noqa: F401

pytestmark = pytest.mark.threads

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "there", "is", "in", "the", "picture",
         "showing", "scene", ".", "red", "dog", "##s", "bicycle", "very", "old", "tree", "house", "狗"]
BOX_TEMPLATES = ["{}", "a photo of a {}.", "a photo of {}.", "there is a {} in the picture.", "a picture showing {}.",
                 "{} in the scene."]
MED = {"num_attention_heads": 8, "num_hidden_layers": 2, "intermediate_size": 96}


def encoder(folder, width):
    """A folder in the Hugging Face layout, and the function of a text that it stands for."""
    cfg = {"med": dict(MED, hidden_size=width), "words": len(VOCAB), "positions": 24}
    entries = [e for e in configs.bert_entries("", cfg, width) if "crossattention" not in e[0]]
    entries.append(("embeddings.token_type_embeddings.weight", "float32", (2, width)))
    entries += configs.linear("pooler.dense", width, width)
    folder.mkdir()
    tensors = {k: formula.values(k, s) if t == "float32" else np.arange(np.prod(s)).reshape(s)
               for k, t, s in entries}
    safetensors.write(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(dict(cfg["med"], hidden_act="gelu", layer_norm_eps=1e-12)))
    (folder / "vocab.txt").write_text("\n".join(VOCAB), "utf-8")
    common.run("convert", folder, folder / "encoder.gguf", "--name", "own-sentences")
    w = {k: np.asarray(v, np.float64 if np.asarray(v).dtype.kind == "f" else np.int64) for k, v in tensors.items()}

    def encode(text):
        words = text.lower().replace(".", " .").replace("dogs", "dog ##s").split()
        ids = [VOCAB.index(t) if t in VOCAB else 1 for t in ["[CLS]", *words, "[SEP]"]]
        x = reference.bert(w, cfg["med"], "", "text", np.array(ids), None, 0.0, {},
                           w["embeddings.token_type_embeddings.weight"][0])
        v = x.mean(0)
        return v / np.linalg.norm(v)
    return folder / "encoder.gguf", encode


def mean(vectors):
    v = np.mean(vectors, 0)
    return v / np.linalg.norm(v)


def rows_of(path, n, width):
    """The last tensor of a set is its rows, aligned to 32 bytes with nothing behind."""
    return np.frombuffer(path.read_bytes()[-n * width * 4:], "<f4").reshape(n, width)


def test_sentences_of_the_box(tmp_path):
    file, encode = encoder(tmp_path / "e", 384)
    names = ["dog", "dogs", "red bicycle", "a very old tree house", "unknown", "狗"]
    done = common.run("labels", "build", ",".join(names), "-m", "box", "--text-encoder", file, "-o",
                      tmp_path / "set.gguf")
    if b"no model in the box" in done.stderr:
        pytest.skip("built without the model in the box")
    want = [mean([encode(t.replace("{}", n)) for t in BOX_TEMPLATES]) for n in names]
    assert np.abs(rows_of(tmp_path / "set.gguf", len(names), 384) - want).max() < 1e-6
    listed = json.loads(common.run("labels", "list", "-f", "json", tmp_path / "set.gguf").stdout)
    assert [x["name"] for x in listed["labels"]] == names
    assert listed["text_encoder"] == "own-sentences" and {x["rows"] for x in listed["labels"]} == {1}


def test_stopped_while_it_embeds(tmp_path):
    """What Ctrl-C says is of words, and no set is left behind."""
    file, _ = encoder(tmp_path / "e", 384)
    (tmp_path / "words.txt").write_text("\n".join(f"red dog {i}" for i in range(60000)))
    args = ["labels", "build", tmp_path / "words.txt", "-m", "box", "--text-encoder", file, "-o", tmp_path / "set.gguf", "--progress", "json"]
    p = subprocess.Popen([common.binary(), *map(str, args)], stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if line.startswith('{"event"'):
            break
        if "no model in the box" in line:
            pytest.skip("built without the model in the box")
    p.send_signal(signal.SIGINT)
    _, said = p.communicate(timeout=300)
    assert p.returncode == 130 and "finishing the words at hand" in said and "img" not in said and "images" not in said, said
    assert not (tmp_path / "set.gguf").exists()


def test_a_word_in_one_sense(tmp_path):
    """crane#3 is the label crane, made of the dictionary's sentences about the bird, and is an animal."""
    file, encode = encoder(tmp_path / "e", 384)
    own = ["--wordnet", pathlib.Path(__file__).resolve().parents[1] / "wordnet"]
    done = common.run("labels", "build", "crane#3,dog", "-m", "box", "--text-encoder", file, "-o", tmp_path / "set.gguf", *own)
    if b"no model in the box" in done.stderr:
        pytest.skip("built without the model in the box")
    described = json.loads(common.run("labels", "describe", "crane#3", *own).stdout)[0]["crane"]
    assert len(described) == 51 and any("tall grey bird" in x for x in described)
    got = rows_of(tmp_path / "set.gguf", 2, 384)
    assert [x["name"] for x in json.loads(common.run("labels", "list", "-f", "json", tmp_path / "set.gguf").stdout)["labels"]] == ["crane", "dog"]
    assert np.abs(got[1] - mean([encode(t.replace("{}", "dog")) for t in BOX_TEMPLATES])).max() < 1e-6
    assert np.abs(got[0] - mean([encode(t.replace("{}", "crane")) for t in BOX_TEMPLATES])).max() > 1e-3
    common.picture().save(tmp_path / "p.png")
    done = common.run("tag", "-m", "box", "--text-encoder", file, "--tags", "crane#3,dog", "--only-custom", "-t", "0", "-f", "jsonl", "--parents", *own,
                      tmp_path / "p.png")
    tags = {t["name"]: t["parents"] for t in json.loads(done.stdout)["tags"]}
    assert tags["crane"][0] == "wading bird" and tags["dog"][0] == "canine"


@pytest.mark.parametrize("name", ["own_ram", "own_ram_plus"])
def test_zero_shot(build, tmp_path, name):  # noqa: F811
    """Logits of described labels alone and beside the model's, by the reference forward pass."""
    folder, config, entries = build(name)
    plus = config["model"] == "ram_plus"
    file, encode = encoder(tmp_path / "e", 512)
    described = {"dog": ["a photo of a dog.", "dogs in the scene.", "a very old dog"],
                 "house": ["there is a house.", "a red house in the picture", "the old house."],
                 "bicycle": ["a bicycle.", "red bicycle."]}
    (tmp_path / "words.json").write_text(json.dumps([{k: v} for k, v in described.items()]))
    picture = common.picture()
    picture.save(tmp_path / "p.png")
    own = ["--tags", tmp_path / "words.json", "--text-encoder", file]
    mixed = scores(folder, tmp_path / "p.png", *own)
    alone = scores(folder, tmp_path / "p.png", *own, "--only-custom")
    builtin = scores(folder, tmp_path / "p.png")
    assert np.array_equal(mixed, np.concatenate([builtin, alone]))

    weights = reference.FormulaWeights(entries, config["q2l"]["hidden_size"], plus)
    size = config["swin"]["image_res"]
    px = reference.pixels(picture, size, *reference.IMAGENET)

    class Labels:  # the same model with other labels
        def __init__(self, rows):
            self.rows = np.array(rows)

        def __getitem__(self, key):
            return self.rows if key == "label_embed" else weights[key]

    vectors = [[encode(t) for t in texts] for texts in described.values()]
    if plus:  # a label's rows are weighed for the picture; labels with as many rows go together
        want = [reference.forward(Labels(v), dict(config, classes=1), px)["probs"][0] for v in vectors]
    else:
        want = reference.forward(Labels([mean(v) for v in vectors]), dict(config, classes=3), px)["probs"]
    assert np.abs(alone - want).max() < 2e-5
    assert np.ptp(want) > 1e-4  # they differ, so that an exchange would be seen


def test_a_set_of_another_model_is_refused(build, tmp_path):  # noqa: F811
    folder, _, _ = build("own_ram")
    other, _, _ = build("own_ram_plus")
    file, _ = encoder(tmp_path / "e", 512)
    common.run("labels", "build", "dog", "-m", folder / "model.gguf", "--text-encoder", file, "-o",
               tmp_path / "set.gguf")
    common.picture().save(tmp_path / "p.png")
    done = common.run("tag", "-m", other / "model.gguf", "--tags", tmp_path / "set.gguf", tmp_path / "p.png", ok=False)
    assert done.returncode == 3 and b"made for another model" in done.stderr
    done = common.run("tag", "-m", "box", "--tags", "dog", "--text-encoder", file, tmp_path / "p.png", "--only-custom",
                      ok=False)
    assert done.returncode == 3 and b"512" in done.stderr and b"384" in done.stderr
