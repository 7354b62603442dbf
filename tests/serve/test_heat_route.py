"""/v1/heatmap: the program's own maps, what is refused, and that they keep apart in the cache."""
import io
import json
import urllib.parse

import numpy as np
import pytest
from serving import JPEG, form, program

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.threads


def ask(server, jpeg, **query):
    status, headers, body = server.ask("POST", "/v1/heatmap?" + urllib.parse.urlencode(query), jpeg, JPEG)
    if status != 200:
        return status, body
    picture = Image.open(io.BytesIO(body))
    assert headers["Content-Type"] == "image/png" and picture.mode == "L"
    return headers, np.asarray(picture)


def test_the_programs_own_map(server, jpeg, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg)
    size = Image.open(tmp_path / "a.jpg").size
    common = ("tag", "--no-config", "-q", "--heatmap-raw", "--heatmap-tags", "dog,outdoors", tmp_path / "a.jpg", "--heatmap")
    program.run(*common, tmp_path / "whole")
    program.run(*common, tmp_path / "part", "--crop", "8,4,40,44")
    read = lambda name: np.asarray(Image.open(tmp_path / name / "a.jpg" / "dog.png"))
    headers, whole = ask(server, jpeg, tag="dog")
    assert whole.shape == size[::-1] and np.array_equal(whole, read("whole")) and whole.any()
    assert float(headers["X-Anytag-Max"]) > 0
    again, same = ask(server, jpeg, tag="dog")
    assert again["X-Cache"] == "hit" and np.array_equal(same, whole) and again["X-Anytag-Max"] == headers["X-Anytag-Max"]
    _, chinese = ask(server, jpeg, tag="狗")
    assert np.array_equal(chinese, whole)
    _, other = ask(server, jpeg, tag="outdoors")
    assert not np.array_equal(other, whole)
    _, part = ask(server, jpeg, tag="dog", crop="8,4,40,44")
    assert np.array_equal(part, read("part")) and not np.array_equal(part, whole)
    cells, raw = ask(server, jpeg, tag="dog", size="model")
    assert raw.shape == (7, 7) and raw.max() == 255 and cells["X-Anytag-Max"] == headers["X-Anytag-Max"]
    status, body = server.ask("POST", "/v1/heatmap", *form([("image", "a.jpg", jpeg), ("tag", None, b"dog")]))[::2]
    assert status == 200 and np.array_equal(np.asarray(Image.open(io.BytesIO(body))), whole)


def test_boxes_in_a_record(server, jpeg, tmp_path):
    """boxes=1: the program's own objects, a member that is there even without any."""
    (tmp_path / "a.jpg").write_bytes(jpeg)
    post = lambda query: server.ask("POST", "/v1/tag?" + query, jpeg, JPEG)[2]
    for query, args in (("threshold=0&top=5", ("-t", 0, "-k", 5)), ("threshold=0&top=5&crop=8,4,40,44", ("-t", 0, "-k", 5, "--crop", "8,4,40,44"))):
        own = json.loads(program.run("tag", "--no-config", "-q", "-f", "jsonl", "--boxes-from-heatmap", *args, tmp_path / "a.jpg").stdout)
        record = post(query + "&boxes=1")
        assert own["objects"] and record["objects"] == own["objects"]
        assert "objects" not in post(query) and "objects" not in post(query + "&boxes=0")
    assert post("threshold=1&boxes=1")["objects"] == [] and post("boxes=2")["code"] == "invalid-parameter"


def test_what_is_refused(server, jpeg):
    status, body = ask(server, jpeg, tag="dgo")
    assert (status, body["code"], body["pointer"]) == (422, "unknown-tag", "/tag") and "dog" in body["nearest"]
    for query in ({}, {"tag": ""}, {"tag": "dog", "size": "7"}, {"tag": "dog", "top": 3}, {"tag": "dog", "crop": "1,2,3"}):
        status, body = ask(server, jpeg, **query)
        assert (status, body["code"]) == (400, "invalid-parameter"), (query, body)
    assert ask(server, b"GIF89a no picture", tag="dog")[0] in (415, 422)
    two = form([("image", "a.jpg", jpeg), ("image", "b.jpg", jpeg), ("tag", None, b"dog")])
    status, _, body = server.ask("POST", "/v1/heatmap", *two)
    assert status == 400 and "one picture" in body["detail"]


def test_openapi_has_it(server):
    route = server.ask("GET", "/openapi.json")[2]["paths"]["/v1/heatmap"]["post"]
    assert list(route["responses"]["200"]["content"]) == ["image/png"] and "X-Anytag-Max" in route["responses"]["200"]["headers"]
    assert {p["name"] for p in route["parameters"]} == {"tag", "size", "crop"}
    assert json.dumps(route).count("picture") > 1
