"""Configuration files, environment, and which model they lead to."""
import hashlib
import json
import shutil

import pytest
from program import lines, run

BOX = "models/anytag-small-f16.gguf"


def tags(*args, **more):
    return len(json.loads(run("tag", "-f", "jsonl", "-t", "0", *args, **more).stdout)["tags"])


def test_strongest_wins(photos, tmp_path):
    config = tmp_path / "etc" / "anytag" / "anytag.conf"
    config.parent.mkdir(parents=True)
    config.write_text("# for every command\nthreads = 1\n\n[tag]\ntop = 5\n[bench]\ntop-of-nothing=1\n")
    home = {"XDG_CONFIG_HOME": tmp_path / "etc"}
    assert b"anytag.conf:7: no option \"top-of-nothing\" of bench" in run("tag", photos / "a.jpg", env=home, code=2).stderr
    config.write_text("threads = 1\n[tag]\ntop = '5'\n")
    picture = photos / "a.jpg"
    assert tags(picture) == 597
    assert tags(picture, env=home) == 5
    assert tags(picture, env={**home, "ANYTAG_TOP": "4"}) == 4
    assert tags(picture, "-k", "3", env={**home, "ANYTAG_TOP": "4"}) == 3
    assert tags(picture, "--no-config", env=home) == 597
    other = tmp_path / "other.conf"
    other.write_text("\ufeff[tag]\r\ntop = 2\r\n")
    assert tags(picture, "--config", other, env=home) == 2
    assert tags(picture, env={**home, "ANYTAG_CONFIG": other}) == 2


def test_a_folder_of_pictures_does_not_configure(photos):
    (photos / ".anytag.conf").write_text("[tag]\ntop = 1\n")
    assert tags("a.jpg", cwd=photos) == 597
    assert tags("--project-config", "a.jpg", cwd=photos) == 1


@pytest.mark.parametrize("text, words", [
    ("[tag]\ntreshold = 1\n", b":2: no option \"treshold\" of tag; did you mean threshold"),
    ("[tga]\n", b":1: \"[tga\" is no section"),
    ("[tag]\nhidden\n", b":2: \"hidden\" is not KEY = VALUE"),
    ("[tag]\nhidden = maybe\n", b":2: hidden: \"maybe\" is neither on nor off"),
    ("[tag]\n\ntop = many\n", b":3: top: \"many\" is not a whole number"),
    ("lang = fr\n", b":1: lang: \"fr\" is none of en|zh|en,zh"),
])
def test_mistakes_name_the_line(tmp_path, text, words):
    (tmp_path / "x.conf").write_text(text)
    assert words in run("tag", "--config", tmp_path / "x.conf", "x.jpg", code=2).stderr


def test_a_configuration_that_is_not_there(tmp_path):
    assert b"cannot be read" in run("tag", "--config", tmp_path / "no.conf", "x.jpg", code=2).stderr


@pytest.mark.parametrize("value, found", [("1", 2), ("on", 2), ("TRUE", 2), ("0", 1), ("off", 1), ("false", 1), ("", 1)])
def test_switches_of_the_environment(tmp_path, photos, value, found):
    folder = tmp_path / "some"
    folder.mkdir()
    shutil.copy(photos / "a.jpg", folder / ".h.jpg")
    shutil.copy(photos / "a.jpg", folder / "a.jpg")
    assert len(lines(run("tag", "-n", folder, env={"ANYTAG_HIDDEN": value}))) == found
    assert len(lines(run("tag", "-n", "--hidden=off", folder, env={"ANYTAG_HIDDEN": value}))) == 1


def test_mistakes_of_the_environment():
    assert b"ANYTAG_MAX_PIXELS: \"x\" is no size" in run("tag", "x.jpg", env={"ANYTAG_MAX_PIXELS": "x"}, code=2).stderr


def test_every_option_is_a_variable(tmp_path):
    """The help of a command lists its options; each is read from the environment (a wrong value is refused by name)."""
    for command in ("tag", "convert", "info", "inspect", "bench"):
        names = [x.split("--")[1].split()[0] for x in lines(run(command, "--help")) if x.startswith("  ") and "--" in x[:10]]
        assert "threads" in names or command in ("convert", "info")
        for name in names:
            variable = "ANYTAG_" + name.upper().replace("-", "_")
            done = run("help", "config", cwd=tmp_path, env={variable: "1"} if name not in ("config", "help") else {}, code=None)
            assert done.returncode == 2 and variable.encode() in done.stderr or variable in done.stdout.decode() or name in ("config", "help"), name


def test_help_config_says_where_from(tmp_path):
    config = tmp_path / "x.conf"
    config.write_text("quiet = on\n[tag]\ntop = 7\n")
    assert b"the defaults alone" in run("help", "config", "--no-config").stdout
    out = run("help", "config", "--config", config, env={"ANYTAG_LANG": "zh"}).stdout.decode()
    assert "the defaults alone" not in out
    section = out[out.index("[tag]"):out.index("[convert]")]
    assert f"top = 7\t# {config}" in section and "lang = zh\t# ANYTAG_LANG" in section and "quiet = on" in section


def test_model_lookup(tmp_path, photos):
    home, models, system = tmp_path / "home", tmp_path / "models", tmp_path / "system" / "anytag" / "models"
    for folder in (home / "anytag" / "models", models, system):
        folder.mkdir(parents=True)

    def name(*args, code=0, **env):
        done = run("info", *args, env={"XDG_DATA_HOME": home, "XDG_DATA_DIRS": system.parent.parent, **env}, code=code)
        return done.stdout.decode().splitlines()[0].split()[1] if code == 0 else done.stderr

    def put(folder, model):
        run("convert", BOX, folder / f"{model}-f16.gguf", "--name", model)

    assert name() == "anytag-small"  # nothing installed: the box
    put(system, "sys")
    assert name() == "sys" and name("-m", "box") == "anytag-small"
    put(models, "mine")
    assert name("-m", "mine", ANYTAG_MODELS=models) == "mine" == name("-m", "mine", "--models-dir", models)
    assert name(ANYTAG_MODELS=models) == "mine"  # of two equally good ones the earlier folder's
    assert name(ANYTAG_MODELS=models, ANYTAG_MODEL="sys") == "sys" == name("sys", ANYTAG_MODELS=models)
    assert name("-m", models / "mine-f16.gguf") == "mine" == name("-m", "mine-f16", ANYTAG_MODELS=models)
    config = tmp_path / "x.conf"
    config.write_text("model = sys\n")
    assert name("--config", config, ANYTAG_MODELS=models) == "sys"
    assert name("--config", config, ANYTAG_MODELS=models, ANYTAG_MODEL="mine") == "mine"
    said = name("-m", "none", code=3, ANYTAG_MODELS=models)
    assert b'no installed model "none"' in said and str(models).encode() in said
    assert b"mine-f16.gguf" in run("help", "models", "--models-dir", models).stdout
    (models / "broken.gguf").write_bytes(b"GGUF rubbish")
    assert name(ANYTAG_MODELS=models) == "mine"
    assert b"the best installed: " in run("tag", "-v", photos / "a.jpg", env={"ANYTAG_MODELS": models}).stderr


def test_sums_beside_a_model_are_checked(tmp_path):
    model = tmp_path / "m.gguf"
    run("convert", BOX, model, "--name", "m")
    good = hashlib.sha256(model.read_bytes()).hexdigest()
    sums, env = tmp_path / "SHA256SUMS", {"XDG_CACHE_HOME": tmp_path / "cache"}
    sums.write_text(f"{'0' * 64}  other.gguf\n")
    run("info", model, env=env)  # not listed
    sums.write_text(f"{'0' * 64}  other.gguf\n{good} *m.gguf\n")
    run("info", model, env=env)
    remembered = (tmp_path / "cache" / "anytag" / "verified").read_text()
    run("info", model, env=env)
    assert (tmp_path / "cache" / "anytag" / "verified").read_text() == remembered and remembered.count("\n") == 1
    data = bytearray(model.read_bytes())
    data[-5] ^= 1  # in a weight: the file opens all the same
    model.write_bytes(data)
    assert b"m.gguf: its content is not what" in run("info", model, env=env, code=3).stderr
    run("info", "--no-verify", model, env=env)
