"""Every route, every kind of body, every option: the records are the program's own."""
import base64
import json
import re

import pytest
from serving import JPEG, form, program, serving, without_times

pytestmark = pytest.mark.threads


def cli(tmp_path, data, *args, command="tag"):
    path = tmp_path / "image"
    path.write_bytes(data)
    record = json.loads(program.run(command, "--no-config", "-q", "-f", "jsonl", *args, path).stdout)
    del record["source"]["path"], record["options_hash"]
    return without_times(record)


def test_health_says_what_runs(server):
    status, headers, body = server.ask("GET", "/health")
    assert (status, body["status"], body["model_class"]) == (200, "ok", "anytag")
    assert headers["X-Request-Id"] and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("query, args", [
    ("", []), ("?threshold=0.2", ["-t", "0.2"]), ("?threshold=auto-0.3&top=3", ["-t", "auto-0.3", "-k", "3"]), ("?threshold=0&top=7&lang=zh", ["-t", "0", "-k", "7"]),
    ("?threshold=0.01&exclude=dog,person", ["-t", "0.01", "--exclude-tags", "dog,person"]), ("?crop=8,8,40,40&threshold=0.2", ["--crop", "8,8,40,40", "-t", "0.2"])])
def test_a_record_is_the_programs(server, jpeg, tmp_path, query, args):
    status, _, body = server.ask("POST", "/v1/tag" + query, jpeg, JPEG)
    assert status == 200, body
    theirs = cli(tmp_path, jpeg, *args)
    assert without_times(body) == theirs
    assert len(theirs["tags"]) > 0 or "threshold" not in query


def test_only_reports_these_alone(server, jpeg, tmp_path):
    _, _, body = server.ask("POST", "/v1/tag?only=dog,%E4%BA%BA&threshold=0", jpeg, JPEG)
    theirs = cli(tmp_path, jpeg, "--only", "dog,人", "-t", "0")
    assert body["tags"] == theirs["tags"] and 2 <= len(body["tags"]) < 10


def test_scores_are_all_scores(server, jpeg):
    _, _, body = server.ask("POST", "/v1/tag?scores=1", jpeg, JPEG)
    assert len(base64.b64decode(body["scores"])) == 4 * 597


def test_captions_are_the_programs(server, jpeg, tmp_path):
    status, _, body = server.ask("POST", "/v1/caption?beams=2&guide=dog,grass", jpeg, JPEG)
    assert status == 200, body
    assert without_times(body) == cli(tmp_path, jpeg, "--beams", "2", "--guide", "dog,grass", command="caption")


def test_analyze_does_both_and_each(server, jpeg):
    _, _, both = server.ask("POST", "/v1/analyze", jpeg, JPEG)
    assert [m["task"] for m in both["model"]] == ["tag", "caption"] and both["captions"]
    _, _, one = server.ask("POST", "/v1/analyze?tasks=tag", jpeg, JPEG)
    assert "captions" not in one and one["tags"] == both["tags"]


def test_three_kinds_of_body_say_the_same(server, jpeg):
    kinds = [server.ask("POST", "/v1/tag?threshold=0.1", jpeg, {"Content-Type": "application/octet-stream"}),
             server.ask("POST", "/v1/tag", *form([("image", None, jpeg), ("threshold", None, "0.1")])),
             server.ask("POST", "/v1/tag", json.dumps({"image": {"base64": base64.b64encode(jpeg).decode()}, "threshold": 0.1}), {"Content-Type": "application/json"})]
    assert [k[0] for k in kinds] == [200] * 3 and kinds[0][2]["tags"]
    assert without_times(kinds[0][2]) == without_times(kinds[1][2]) == without_times(kinds[2][2])


def test_several_pictures_keep_order_and_failures(server, jpeg, png):
    body, headers = form([("image", "../../etc/a.jpg", jpeg), ("image", "no.txt", b"text"), ("image", "C:\\x\\b.png", png)])
    status, _, answer = server.ask("POST", "/v1/tag", body, headers)
    assert status == 200 and [r["source"]["name"] for r in answer["results"]] == ["a.jpg", "no.txt", "b.png"]
    assert answer["results"][1]["error"]["code"] == "not-an-image" and "tags" in answer["results"][2]
    images = [{"base64": base64.b64encode(x).decode(), "name": n} for x, n in ((jpeg, "a"), (png, "b"))]
    status, _, answer = server.ask("POST", "/v1/analyze", json.dumps({"images": images, "tasks": ["tag"]}), {"Content-Type": "application/json"})
    assert status == 200 and [r["source"]["format"] for r in answer["results"]] == ["jpeg", "png"]


def test_the_cache_knows_bytes_and_options(make_picture):
    picture = make_picture(seed=77)
    with serving() as s:
        _, first, a = s.ask("POST", "/v1/tag?threshold=0.1", picture, JPEG)
        _, second, b = s.ask("POST", "/v1/tag?threshold=0.1", *form([("image", "other.jpg", picture)]))
        assert first["X-Cache"] is None and second["X-Cache"] == "hit"
        assert a["tags"] == b["tags"] and b["source"]["name"] == "other.jpg" and a["source"]["sha256"] == b["source"]["sha256"]
        _, third, c = s.ask("POST", "/v1/tag?threshold=0.3", picture, JPEG)
        assert third["X-Cache"] is None and len(c["tags"]) < len(a["tags"])
    with serving("--cache", "0") as s:
        assert [s.ask("POST", "/v1/tag", picture, JPEG)[1]["X-Cache"] for _ in range(2)] == [None, None]


def test_vocabulary(server):
    status, headers, body = server.ask("GET", "/v1/tags?q=dog&limit=2&offset=1")
    assert status == 200 and body["total"] >= 3 and len(body["tags"]) == 2 and all("dog" in t["name"] for t in body["tags"])
    assert server.ask("GET", "/v1/tags", headers={"If-None-Match": headers["ETag"]})[0] == 304
    assert len(server.ask("GET", "/v1/tags")[2]["tags"]) == 597


def test_models(server):
    _, _, body = server.ask("GET", "/v1/models")
    assert [m["task"] for m in body["models"]] == ["tag", "caption"] and body["models"][0]["vocabulary"] == "anytag-597"


def test_methods(server):
    assert server.ask("HEAD", "/health")[2] == b""
    status, headers, body = server.ask("GET", "/v1/tag")
    assert (status, headers["Allow"], body["code"]) == (405, "POST, OPTIONS", "method-not-allowed")
    assert body["detail"] == "GET is not possible here, only POST, OPTIONS are"
    status, headers, _ = server.ask("OPTIONS", "/health")
    assert (status, headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


def test_metrics_are_prometheus_text(server, jpeg):
    server.ask("POST", "/v1/tag", jpeg, JPEG)
    server.ask("GET", "/secret-path-of-a-client")
    _, headers, text = server.ask("GET", "/metrics")
    text = text.decode()
    assert headers["Content-Type"] == "text/plain; version=0.0.4" and text.endswith("\n") and "secret" not in text
    typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.M))
    for line in text.splitlines():
        if not line.startswith("#"):
            name = re.fullmatch(r'([a-z_]+)(?:\{(?:[a-z]+="[^"\\]*",?)*\})? [-+0-9.e]+', line)
            assert name, line
            assert name[1] in typed or re.sub("_(bucket|sum|count)$", "", name[1]) in typed, line
    found = {k: int(v) for k, v in re.findall(r'^(anytag_http_requests_total\{.*?\}) (\d+)$', text, re.M)}
    assert found['anytag_http_requests_total{route="/v1/tag",method="POST",code="200"}'] >= 1
    assert found['anytag_http_requests_total{route="-",method="GET",code="404"}'] >= 1
    buckets = [int(n) for n in re.findall(r'^anytag_batch_size_bucket\{le="[^"]*"\} (\d+)$', text, re.M)]
    assert buckets == sorted(buckets) and buckets[-1] == int(re.search(r"^anytag_batch_size_count (\d+)$", text, re.M)[1])


def test_openapi_is_whole(server, jpeg):
    _, _, doc = server.ask("GET", "/openapi.json")
    assert doc["openapi"] == "3.1.0" and doc["info"]["version"]
    ids = []

    def refs(node):
        if isinstance(node, dict):
            for k, v in node.items():
                yield from [v] if k == "$ref" else refs(v)
        elif isinstance(node, list):
            for v in node:
                yield from refs(v)
    for ref in refs(doc):
        assert ref.startswith("#/")  # nothing is elsewhere
        at = doc
        for step in ref[2:].split("/"):
            at = at[step]
    for path, item in doc["paths"].items():
        for method, operation in item.items():
            ids.append(operation["operationId"])
            assert operation["summary"] and operation["responses"]["202" if path == "/v1/jobs" else "200"]["description"]
            assert len({p["name"] for p in operation["parameters"]}) == len(operation["parameters"])
            assert all(p["in"] == ("path" if p["name"] == "id" else "query") and p["schema"]["type"] for p in operation["parameters"])
            assert ("requestBody" in operation) == (method == "post")
            content = operation.get("requestBody", {}).get("content", {})
            example = content.get("application/json", {}).get("example")
            body, headers = (json.dumps(example), {"Content-Type": "application/json"}) if example else (jpeg, JPEG) if method == "post" else (None, {})
            job = server.ask("POST", "/v1/jobs", jpeg, JPEG)[2]["id"] if "{id}" in path else ""
            status, _, _ = server.ask(method.upper(), path.replace("{id}", job) + ("?tag=dog" if path == "/v1/heatmap" else ""), body, headers)
            assert status in ({"/v1/embed": 501, "/v1/jobs": 202, "/webhook": 201, "/label-studio/webhook": 201}.get(path, 200), 200 if "multipart/form-data" in content else None), path
    assert len(set(ids)) == len(ids) == 26 and set(doc["paths"]["/predict"]["post"]["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    codes = doc["components"]["schemas"]["problem"]["properties"]["code"]["enum"]
    assert len(set(codes)) == len(codes) and {"image-too-large", "queue-full", "internal"} <= set(codes)
