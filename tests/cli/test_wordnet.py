"""Senses, groups, parents and descriptions, on a dictionary written for the tests; and on the real one where it is."""
import json
import os

import pytest
from program import lines, run

WORDNET = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "wordnet"))
OWN = ("--wordnet", WORDNET)


def notes(done):
    return done.stderr.decode().splitlines()


def test_descriptions_have_the_official_form(tmp_path):
    done = run("labels", "describe", "dog,crane#2,xyzzy", *OWN, "-o", tmp_path / "d.json")
    text = (tmp_path / "d.json").read_text()
    found = json.loads(text)
    assert [list(x) for x in found] == [["dog"], ["crane"], ["xyzzy"]]  # a list of objects with one key
    assert all(len(v) == 51 == len(set(v)) for x in found for v in x.values())
    assert text.startswith('[\n   {\n      "dog": [\n         "a photo of a dog.",\n')
    assert text == json.dumps(found, indent=3, ensure_ascii=False) + "\n"
    assert done.stdout == b""
    again = run("labels", "describe", "dog,crane#2,xyzzy", *OWN)
    assert again.stdout.decode() == text


def test_descriptions_as_csv(tmp_path):
    run("labels", "describe", "dog", *OWN, "--count", 6, "-o", tmp_path / "d.csv")
    rows = (tmp_path / "d.csv").read_bytes().split(b"\r\n")
    assert rows[0] == b"tag,description" and rows[1] == b"dog,a photo of a dog." and len(rows) == 8
    assert rows[3] == b'dog,"A photo of a dog, a kind of canine."'
    (tmp_path / "words.txt").write_text("# mine\nmouse\t鼠标\n")
    found = json.loads(run("labels", "describe", "words.txt", *OWN, "--count", 2, cwd=tmp_path).stdout)
    assert found == [{"mouse": ["a photo of a mouse.", "A mouse is a small animal with a long tail that gnaws."]}]


def test_the_sense_that_was_taken_is_told():
    told = notes(run("labels", "describe", "crane,bird,dog#2,old dog,xyzzy", *OWN))
    assert told[0] == ("anytag: crane: taken as crane#2 (a tall machine that lifts heavy loads at harbours), not as crane#1 (a writer who never was), "
                       "crane#3 (a tall grey bird with a long neck; lives in wet me...), crane.v.01 (make the neck long to see more); "
                       'choose with WORD#N, "WORD (KIND)" or --senses')
    assert told[1].startswith("anytag: old dog: not in WordNet; taken as a kind of dog#1 (")
    assert told[2] == 'anytag: "xyzzy" is not in WordNet: sentences around the name alone'
    assert len(told) == 3  # a bird is a bird, and dog#2 was chosen
    assert notes(run("labels", "describe", "crane", *OWN, "-q")) == []


def test_a_file_of_senses(tmp_path):
    senses = tmp_path / "senses.tsv"
    senses.write_text("crane\tcrane (bird)\n")
    found = json.loads(run("labels", "describe", "crane", *OWN, "--senses", senses).stdout)
    assert found[0]["crane"][1].startswith("A crane is a tall grey bird")
    senses.write_text("crane crane#3\n")
    assert b"senses.tsv:1: expected WORD TAB SENSE" in run("labels", "describe", "crane", *OWN, "--senses", senses, code=2).stderr


def test_what_is_wrong_is_said(tmp_path):
    assert b"install the Debian package wordnet-base" in run("labels", "describe", "dog", "--wordnet", tmp_path, code=3).stderr
    assert b"it has crane#1 (a writer" in run("labels", "describe", "crane#9", *OWN, code=2).stderr
    assert b"needs WORD" in run("labels", "describe", *OWN, code=2).stderr
    assert b"--count" in run("labels", "describe", "dog", *OWN, "--count", 1001, code=2).stderr
    run("labels", "describe", "dog", "--templates", "--wordnet", tmp_path)  # needs no dictionary
    for name in os.listdir(WORDNET):
        if name.endswith(("noun", "exc")):
            (tmp_path / name).write_bytes(open(f"{WORDNET}/{name}", "rb").read())
    data = bytearray((tmp_path / "data.noun").read_bytes())
    at = data.index(b" 03 n 02 animal")
    data[at - 3:at] = b"xyz"
    (tmp_path / "data.noun").write_bytes(data)
    assert b"WordNet is damaged: data.noun, byte" in run("labels", "describe", "dog", "--wordnet", tmp_path, code=3).stderr


def names(done):
    return {t["name"] for t in json.loads(done.stdout)["tags"]}


def test_groups_of_tags(photos):
    all_tags = ("tag", "a.jpg", "-t", 0, "-f", "jsonl", *OWN)
    animals = names(run(*all_tags, "--only", "animal/*", cwd=photos))
    # a brown dog is a dog by its last word; that a stuffed animal is a plaything the small dictionary cannot know
    assert animals == {"animal", "bird", "dog", "puppy", "wolf", "brown dog", "black dog", "white dog", "stuffed animal"}
    assert names(run(*all_tags, "--only", "canine/*,apple", cwd=photos)) == animals - {"animal", "bird", "stuffed animal"} | {"apple"}
    assert names(run(*all_tags, "--only", "animal/*,dog", "--exclude-tags", "dog/*", cwd=photos)) == {"animal", "bird", "wolf", "stuffed animal"}
    assert names(run(*all_tags, "--only", "动物/*", cwd=photos)) == animals
    (photos / "list.txt").write_text("animal/*\nperson\n")
    assert names(run(*all_tags, "--only", "@list.txt", cwd=photos)) == animals | {"person"}
    assert b'"unicorn" is not in WordNet' in run(*all_tags, "--only", "unicorn/*", cwd=photos, code=2).stderr
    assert b"no tag of anytag-small is a kind of crane" in run(*all_tags, "--only", "crane#1/*", cwd=photos, code=2).stderr
    assert b"wordnet-base" in run("tag", "a.jpg", "--only", "animal/*", "--wordnet", photos, cwd=photos, code=3).stderr


def test_parents_and_aliases(photos):
    done = run("tag", "a.jpg", "-t", 0, "-f", "jsonl", *OWN, "--only", "puppy,dog,kitchen", "--parents", "--aliases", cwd=photos)
    found = {t["name"]: t for t in json.loads(done.stdout)["tags"]}
    assert found["puppy"]["parents"] == ["dog", "canine", "pet", "animal", "organism"]
    assert found["dog"]["aliases"] == ["domestic dog", "Canis familiaris"]
    assert found["kitchen"]["parents"] == found["kitchen"]["aliases"] == []  # not in that dictionary
    plain = json.loads(run("tag", "a.jpg", "-t", 0, "-f", "jsonl", "--only", "dog", cwd=photos).stdout)
    assert "parents" not in plain["tags"][0] and "aliases" not in plain["tags"][0]
    text = lines(run("tag", "a.jpg", "-t", 0, *OWN, "--only", "dog,kitchen", "--parents", "-q", cwd=photos))
    assert "dog (animal)" in text[0] and "kitchen" in text[0] and "kitchen (" not in text[0]


def test_the_real_dictionary(photos):
    if not os.path.exists("/usr/share/wordnet/index.noun"):
        pytest.skip("the package wordnet-base is not installed")
    everything = run("tag", "a.jpg", "-t", 0, "-f", "jsonl", "--parents", cwd=photos)
    tags = {t["name"]: t["parents"] for t in json.loads(everything.stdout)["tags"]}
    for name, parent in (("greyhound", "animal"), ("chicken", "animal"), ("hot dog", "food"), ("banana", "fruit"), ("van", "vehicle"), ("table", "furniture"),
                         ("church", "building"), ("climber", "person"), ("pants", "clothing"), ("stuffed animal", "plaything"), ("plant", "organism")):
        assert parent in tags[name], (name, tags[name])
    assert "animal" not in tags["stuffed animal"] and "animal" not in tags["fly"] and "food" not in tags["hose"]
    assert sum(bool(p) for p in tags.values()) > 560
