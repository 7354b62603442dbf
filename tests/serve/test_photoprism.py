"""The vision service of PhotoPrism: requests as its client makes them, answers by the rules it reads them with."""
import base64
import json

import pytest
from serving import form, serving

# what photoprism/photoprism's ApiRequest marshals to: empty members are left out, suffix and stream are not
HEADERS = {"Content-Type": "application/json", "User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}


def request(*images, **more):
    return json.dumps({"id": "7e1a7b9e-36e4-4f7c-9d58-93fb0a3d4b1c", "suffix": "", "stream": False, **({"images": list(images)} if images else {}), **more})


def data_url(picture, kind="image/jpeg"):
    return f"data:{kind};base64," + base64.b64encode(picture).decode()


def has_err(answer):
    """What ApiResponse.Err() and IsEmpty() say."""
    r = answer["result"]
    return answer["code"] >= 400 or not (r.get("labels") or r.get("caption"))


def check_types(answer, kind):
    assert {type(answer[k]) for k in ("id", "error") if k in answer} <= {str} and type(answer["code"]) is int
    assert set(answer) <= {"id", "code", "error", "model", "result"} and set(answer["model"]) == {"type", "name", "version"}
    assert answer["model"]["type"] == kind and answer["model"]["name"] == "anytag"
    for label in answer["result"].get("labels", []):
        assert type(label["name"]) is str and label["name"] and label["source"] == "image" and type(label["priority"]) is int
        assert 0 < label["confidence"] <= 1 and 0 < label["topicality"] <= 1


def test_labels_are_the_tags(server, jpeg):
    status, headers, answer = server.ask("POST", "/api/v1/vision/labels?threshold=0.1", request(data_url(jpeg)), HEADERS)
    assert status == 200 and headers["Content-Type"] == "application/json" and not has_err(answer)
    check_types(answer, "labels")
    assert answer["id"] == "7e1a7b9e-36e4-4f7c-9d58-93fb0a3d4b1c"
    tags = server.ask("POST", "/v1/tag?threshold=0.1", jpeg, {"Content-Type": "image/jpeg"})[2]["tags"]
    assert {x["name"]: round(x["confidence"], 4) for x in answer["result"]["labels"]} == {t["name"]: round(t["score"], 4) for t in tags}


def test_labels_of_several_files_are_united(server, jpeg, png):
    def labels(*images):
        answer = server.ask("POST", "/api/v1/vision/labels?threshold=0.1", request(*images), HEADERS)[2]
        return {x["name"]: x["confidence"] for x in answer["result"]["labels"]}
    a, b = labels(data_url(jpeg)), labels(data_url(png, "image/png"))
    assert labels(data_url(jpeg), data_url(png, "image/png")) == {k: max(a.get(k, 0), b.get(k, 0)) for k in {*a, *b}}


def test_nothing_found_is_no_result(server, jpeg):
    status, _, answer = server.ask("POST", "/api/v1/vision/labels?threshold=1", request(data_url(jpeg)), HEADERS)
    assert (status, answer["code"], answer["result"]) == (200, 200, {"labels": []}) and has_err(answer)


def test_a_caption(server, jpeg):
    _, _, answer = server.ask("POST", "/api/v1/vision/caption", request(data_url(jpeg)), HEADERS)
    check_types(answer, "caption")
    theirs = server.ask("POST", "/v1/caption", jpeg, {"Content-Type": "image/jpeg"})[2]["captions"][0]["text"]
    caption = answer["result"]["caption"]
    assert not has_err(answer) and caption["text"] == theirs and caption["source"] == "image" and 0 < caption["confidence"] < 1


def test_the_older_service(server, jpeg):
    _, _, answer = server.ask("POST", "/api/v1/vision/describe", json.dumps({"url": data_url(jpeg)}), HEADERS)
    assert answer["model"]["name"] == "anytag" and answer["result"]["caption"]


@pytest.mark.parametrize("body, status, says", [
    (request(), 400, "images"), ("{", 400, ""), (request("data:image/jpeg;base64,!!!"), 400, "base64"), (request("data:image/jpeg,abc"), 400, "base64"), (request("data:"), 400, "comma"),
    (request("data:;base64,bm90IGFuIGltYWdl"), 422, "not an image"), (request("https://example.org/a.jpg"), 403, "allow-urls"), (request("file:///etc/passwd"), 403, ""), (request(7), 400, "URL")])
def test_errors_are_in_its_words(server, body, status, says):
    got, headers, answer = server.ask("POST", "/api/v1/vision/labels", body, HEADERS)
    assert (got, answer["code"]) == (status, status) and says in answer["error"] and has_err(answer), answer
    assert headers["Content-Type"] == "application/json"


def test_media_type_and_key(server, jpeg, tmp_path):
    body, headers = form([("image", "a.jpg", jpeg)])
    assert server.ask("POST", "/api/v1/vision/labels", body, headers)[2]["code"] == 415
    keys = tmp_path / "keys"
    keys.write_text("photoprism-key\n")
    with serving("--api-key-file", keys, "--api-prefix", "/tags") as s:
        status, headers, answer = s.ask("POST", "/tags/api/v1/vision/labels", request(data_url(jpeg)), HEADERS)
        assert (status, answer["code"], headers["WWW-Authenticate"]) == (401, 401, "Bearer")
        assert s.ask("POST", "/tags/api/v1/vision/labels", request(data_url(jpeg)), {**HEADERS, "Authorization": "Bearer photoprism-key"})[0] == 200


def test_a_full_queue_says_when(jpeg):
    with serving("--queue", "1") as s:
        status, headers, answer = s.ask("POST", "/api/v1/vision/labels", request(*[data_url(jpeg)] * 3), HEADERS)
        assert (status, headers["Retry-After"], answer["code"]) == (429, "1", 429)


def test_compat_turns_it_off(jpeg):
    with serving("--compat", "immich") as s:
        assert s.ask("POST", "/api/v1/vision/labels", request(data_url(jpeg)), HEADERS)[2]["code"] == "not-found"
        assert s.ask("GET", "/ping")[2] == b"pong" and s.ask("POST", "/setup", "{}", HEADERS)[0] == 404
        assert {p for p in s.ask("GET", "/openapi.json")[2]["paths"] if not p.startswith("/v1/")} == {"/health", "/metrics", "/openapi.json", "/ping", "/predict"}
    with serving("--compat", "none") as s:
        assert s.ask("GET", "/ping")[0] == 404 and s.ask("GET", "/health")[0] == 200
