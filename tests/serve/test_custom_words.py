"""Words of a request's own, with the text encoder that `make words` installs."""
import json
import os
import pathlib

import pytest
from serving import JPEG, program, serving

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A server with the encoder of the model in the box, where it is installed."""
    where = os.environ.get("ANYTAG_TEST_MODELS") or pathlib.Path.home() / ".local/share/anytag/models"
    found = sorted(pathlib.Path(where).glob("all-MiniLM-L6-v2*.gguf"))
    if not found:
        pytest.skip("the text encoder is not installed (make words)")
    with serving("--text-encoder", found[0]) as s:
        s.encoder = found[0]
        yield s


def test_words_are_the_programs(words, jpeg, tmp_path):
    (tmp_path / "image").write_bytes(jpeg)
    done = program.run("tag", "--no-config", "-q", "-f", "jsonl", "-t", "0", "--tags", "red bicycle,my labrador", "--only-custom", "--text-encoder", words.encoder, tmp_path / "image")
    theirs = json.loads(done.stdout)["tags"]
    status, _, body = words.ask("POST", "/v1/tag?custom=red+bicycle,my%20labrador&only_custom=1&threshold=0", jpeg, JPEG)
    assert status == 200 and body["tags"] == theirs and len(theirs) == 2 and all(t["origin"] == "custom" for t in theirs)


def test_words_beside_the_models_tags_and_without_again(words, jpeg):
    plain = words.ask("POST", "/v1/tag?threshold=0.01", jpeg, JPEG)[2]["tags"]
    mixed = words.ask("POST", "/v1/tag?threshold=0.01&custom=red+bicycle,dog", jpeg, JPEG)[2]["tags"]
    assert [t for t in mixed if t["origin"] == "vocabulary"] == plain  # dog is a tag already
    assert {t["name"] for t in mixed if t["origin"] == "custom"} <= {"red bicycle"}
    assert words.ask("POST", "/v1/tag?threshold=0.01", jpeg, JPEG)[2]["tags"] == plain
    only = words.ask("POST", "/v1/tag?threshold=0&custom=red+bicycle&only=dog", jpeg, JPEG)[2]["tags"]
    assert sorted(t["name"] for t in only) == ["dog", "red bicycle"]
    caption = words.ask("POST", "/v1/analyze?custom=red+bicycle&only_custom=1&threshold=0", jpeg, JPEG)[2]
    assert len(caption["tags"]) == 1 and caption["captions"] and "red bicycle" not in caption["captions"][0]["guide"]


@pytest.mark.parametrize("words_, status", [(",".join(map(str, range(257))), 400), ("x" * 300, 400), ("a,a", 400), (",".join(f"thing {i}" for i in range(20)), 200)])
def test_limits(words, jpeg, words_, status):
    got, _, body = words.ask("POST", "/v1/tag?custom=" + words_.replace(" ", "+"), jpeg, JPEG)
    assert got == status, body


def test_more_sets_than_are_kept(words, jpeg):
    first = words.ask("POST", "/v1/tag?threshold=0&only_custom=1&custom=thing+0", jpeg, JPEG)[2]["tags"]
    for i in range(1, 20):
        assert words.ask("POST", f"/v1/tag?only_custom=1&custom=thing+{i}", jpeg, JPEG)[0] == 200
    again = words.ask("POST", "/v1/tag?threshold=0&only_custom=1&custom=thing+0&top=9", jpeg, JPEG)[2]["tags"]
    assert again == first


def test_a_text_is_a_vector(words):
    def vector(text):
        status, _, body = words.ask("POST", "/v1/embed", json.dumps({"text": text}), {"Content-Type": "application/json"})
        assert status == 200 and body["width"] == len(body["embedding"]), body
        return body["embedding"]
    dog, puppy, tax = (vector(t) for t in ("a dog", "a puppy", "a tax return"))
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert abs(dot(dog, dog) - 1) < 1e-5 and dot(dog, puppy) > dot(dog, tax) and vector("a dog") == dog
    assert words.ask("POST", "/v1/embed", "{}", {"Content-Type": "application/json"})[2]["code"] == "no-input"
