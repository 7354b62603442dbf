"""What is wrong is said with the right code, and never brings the server down."""
import base64
import json
import struct
import time
import zlib

import pytest
from serving import JPEG, form, program, serving

pytestmark = pytest.mark.threads

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def small():
    """A server of tight limits."""
    with serving("--max-body", "100K", "--max-pixels", "1M") as s:
        yield s


def huge_png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("path, status, code, pointer", [
    ("/v1/tag?threshold=nan", 400, "invalid-parameter", "/threshold"), ("/v1/tag?threshold=auto0.1", 400, "invalid-parameter", "/threshold"),
    ("/v1/tag?top=-1", 400, "invalid-parameter", "/top"), ("/v1/tag?top=9999999999999999999999", 400, "invalid-parameter", "/top"),
    ("/v1/tag?top=1&top=2", 400, "invalid-parameter", "/top"), ("/v1/tag?beams=2", 400, "invalid-parameter", "/beams"),
    ("/v1/tag?nonsense=1", 400, "invalid-parameter", "/nonsense"), ("/v1/tag?scores=maybe", 400, "invalid-parameter", "/scores"),
    ("/v1/tag?lang=de", 400, "invalid-parameter", "/lang"), ("/v1/tag?crop=0,0,5000,5", 400, "invalid-parameter", "/crop"),
    ("/v1/tag?crop=5,5,5,9", 400, "invalid-parameter", "/crop"), ("/v1/tag?crop=1,2,3", 400, "invalid-parameter", "/crop"),
    ("/v1/tag?only=puppies", 422, "unknown-tag", "/only"), ("/v1/tag?only=%FF", 400, "invalid-text", "/only"), ("/v1/tag?only=", 400, "invalid-parameter", "/only"), ("/v1/tag?only=,+,", 400, "invalid-parameter", "/only"),
    ("/v1/tag?custom=", 400, "invalid-parameter", "/custom"), ("/v1/tag?a~b/c=1", 400, "invalid-parameter", "/a~0b~1c"), ("/v1/heatmap", 400, "invalid-parameter", "/tag"),
    ("/v1/tag?custom=red+bicycle", 501, "model-not-available", None), ("/v1/tag?only_custom=1", 400, "invalid-parameter", "/only_custom"),
    ("/v1/analyze?tasks=tag,dance", 400, "invalid-parameter", "/tasks"), ("/v1/caption?beams=65", 400, "invalid-parameter", "/beams"),
    ("/v1/caption?min_length=40&max_length=5", 400, "invalid-parameter", "/min_length"), ("/v1/caption?require=" + ",".join("abcdefghijklmnopqr"), 400, "invalid-parameter", "/require"),
    ("/v1/tags", 405, "method-not-allowed", None), ("/v1/", 404, "not-found", None)])
def test_parameters(server, jpeg, path, status, code, pointer):
    got, headers, body = server.ask("POST", path, jpeg, JPEG)
    assert (got, body.get("code"), body.get("pointer")) == (status, code, pointer), body
    assert headers["Content-Type"] == "application/problem+json" and body["status"] == status
    assert body["type"] == "urn:anytag:problem:" + code and body["instance"].endswith(headers["X-Request-Id"])


def test_nearest_tags(server, jpeg):
    assert "puppy" in server.ask("POST", "/v1/tag?only=puppies", jpeg, JPEG)[2]["nearest"]


@pytest.mark.parametrize("path", ["/v1/tag/", "//v1/tag", "/v1/../v1/tag", "/v1%2Ftag", "/health%00", "/v1/tag%00x", "/%2e%2e/etc/passwd", "/v1/tag/../../x", "/.", "/V1/TAG"])
def test_paths_are_exact(server, path):
    said = server.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 404 ") and b'"not-found"' in said, said[:200]


@pytest.mark.parametrize("body, code", [
    (b"--xXx\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nabc", "invalid-multipart"), (b"nonsense", "no-input"), (b"--xXx", "invalid-multipart"),
    (b"--xXx--\r\n", "no-input"), (form([("top", None, "3")])[0], "no-input"), (form([("image", "a.jpg", b"")])[0], "no-input"),
    (form([("image", "a", b"x")] * 65)[0], "invalid-multipart"), (form([("picture", "a", b"x")])[0], "invalid-parameter"),
    (form([("image", "a", b"GIF89a....")])[0], "unsupported-image"), (form([("top", None, "1" * 70000)])[0], "invalid-parameter")])
def test_forms(server, body, code):
    status, _, problem = server.ask("POST", "/v1/tag", body, {"Content-Type": "multipart/form-data; boundary=xXx"})
    assert 400 <= status < 500 and problem["code"] == code, problem


def test_form_without_boundary(server):
    assert server.ask("POST", "/v1/tag", b"x", {"Content-Type": "multipart/form-data"})[2]["code"] == "invalid-multipart"


@pytest.mark.parametrize("body, code, pointer", [
    ("", "invalid-json", None), ("{", "invalid-json", None), ("[]", "invalid-json", None), ("{}", "no-input", None), ('{"image":{"base64":"a"}}', "invalid-json", "/image/base64"),
    ('{"image":{"base64":"!!!!"}}', "invalid-json", "/image/base64"), ('{"images":[{"base64":"YQ=="},{"base64":"YQ==YQ=="}]}', "invalid-json", "/images/1/base64"), ('{"image":"x"}', "invalid-parameter", "/image"),
    ('{"images":3}', "invalid-parameter", "/images"), ('{"image":{"url":"http://localhost/"}}', "url-not-allowed", "/image/url"), ('{"images":[{"path":"/etc/passwd"}]}', "path-not-allowed", "/images/0/path"),
    ('{"image":{"base64":"YQ=="},"top":{}}', "invalid-parameter", "/top"), ('{"image":{"base64":"YQ=="},"only":["a,b"]}', "invalid-parameter", "/only"), ('{"image":{"base64":"YQ=="},"only":[]}', "invalid-parameter", "/only"),
    ('{"top":1,"top":2}', "invalid-json", None), ("[" * 100000, "invalid-json", None), ('{"image":{"base64":"YQ=="},"top":1.5}', "invalid-parameter", "/top"), ('{"image":{"base64":"YQ=="}}', "not-an-image", "/image/base64"),
    ('{"image":{"base64":""}}', "no-input", "/image/base64"), ('{"image":{"base64":"YQ=="},"only":["dog","a\\u0000b"]}', "invalid-text", "/only"), ('{"image":{"path":"a\\u0000b"}}', "invalid-text", "/image")])
def test_json(server, body, code, pointer):
    status, _, problem = server.ask("POST", "/v1/tag", body, JSON)
    assert 400 <= status < 500 and (problem["code"], problem.get("pointer")) == (code, pointer), problem


def test_a_zero_in_json_is_told(server):
    detail = server.ask("POST", "/v1/tag", '{\n"only":"a\\u0000"}', JSON)[2]["detail"]
    assert detail == "\\u0000 in a text (line 2); no text may have it"


def test_the_words_of_a_refusal(server, jpeg):
    assert server.ask("POST", "/v1/tag", b"{", JSON)[2]["title"] == "Invalid JSON"
    assert server.ask("POST", "/v1/tag?top=x", jpeg, JPEG)[2]["detail"] == 'top: "x" is not a whole number in 0..100000'


def test_an_empty_body_is_told(server):
    assert server.ask("POST", "/v1/tag", b"", JSON)[2]["detail"] == "the body is empty"
    assert server.ask("POST", "/predict", b"", JSON)[2]["detail"] == "the body is empty"


def test_media_types(server, jpeg):
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        status, _, body = server.ask("POST", "/v1/tag", jpeg, {"Content-Type": kind})
        assert (status, body["code"]) == (415, "unsupported-media-type") and "with a text" not in body["detail"]
    assert "application/json with a text" in server.ask("POST", "/v1/embed", b"a dog", {"Content-Type": "text/plain"})[2]["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies(small, chunked):
    big = b"x" * 200_000
    status, _, body = small.ask("POST", "/v1/tag", iter([big]) if chunked else big, JPEG)
    assert (status, body["code"], body["limit_bytes"]) == (413, "body-too-large", 102400)
    status, _, body = small.ask("POST", "/v1/tag", *form([("image", "a", big)]))
    assert (status, body["code"]) == (413, "body-too-large")


def test_a_length_is_refused_before_the_body(small):
    said = small.raw(b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 "), said[:100]


def test_large_pictures_are_refused_by_their_header(small, server):
    status, _, body = small.ask("POST", "/v1/tag", huge_png(2000, 1000), JPEG)
    assert (status, body["code"], body["limit_pixels"]) == (413, "image-too-large", 1_000_000)
    assert server.ask("POST", "/v1/tag", huge_png(60000, 60000), JPEG)[2]["code"] == "image-too-large"


def test_damaged_pictures(server, jpeg):
    assert server.ask("POST", "/v1/tag", jpeg[:300], JPEG)[2]["code"] == "damaged-image"
    assert server.ask("POST", "/v1/tag", b"hello", JPEG)[0] == 422


def test_request_ids(server):
    assert server.ask("GET", "/health", headers={"X-Request-Id": "abc_DEF-1"})[1]["X-Request-Id"] == "abc_DEF-1"
    for bad in ("a b", "x" * 65, "a\"b"):
        assert server.ask("GET", "/health", headers={"X-Request-Id": bad})[1]["X-Request-Id"] != bad


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
                                  b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: -5\r\n\r\n", b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                                  b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/tags?" + b"&" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                  b"GET /v1/tags?a=" + b"%00" * 3 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"], ids=range(10))
def test_nonsense_on_the_wire(server, data):
    said = server.raw(data, close=True)
    assert not said or said[9:10] in b"45", said[:200]
    assert server.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize("line,many", [(b"?" + b"&" * 5000, b""), (b"?" + b"a=b&" * 1200, b""), (b"", b"Cookie: " + b"a=b;" * 5000 + b"\r\n"),
                                       (b"", b"Cookie: " + b";" * 9000 + b"\r\n"), (b"", b"a: b\r\n" * 3000), (b"", b"a:\r\n" * 700)],
                         ids=["empty", "parameters", "cookies", "semicolons", "headers", "short"])
def test_more_of_a_kind_than_a_connection_has_room_for(server, line, many):
    """libmicrohttpd 0.9.75 dies of many parameters: it must not see them."""
    for path, closes in ((b"/health", True), (b"/v1/tags", False)) * 6:
        said = server.raw(b"GET " + path + line + b" HTTP/1.1\r\nHost: localhost\r\n" + many + b"Connection: close\r\n\r\n", closes)
        assert not said or said[9:10] in b"245", said[:200]
    assert server.ask("GET", "/health")[0] == 200


def test_a_query_is_unescaped(server):
    assert server.ask("GET", "/v1/tags?q=traffic+light&limit=5")[2] == server.ask("GET", "/v1/tags?%71=traffic%20light&limit=%35")[2]
    assert server.ask("GET", "/v1/tags?q=traffic+light&limit=5")[2]["tags"]


KEY = "correct-horse-battery"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"# ours\n\nanother-key-1\n  {KEY}  \n")
    with serving("--api-key-file", keys, "--api-prefix", "/a") as s:
        yield s


def test_keys(guarded, jpeg):
    s = guarded
    for wrong in (None, "Bearer", "Bearer ", "Bearer wrong", "Bearer " + KEY[:-1], "Bearer " + KEY + "x", "Basic " + KEY, "Bearer # ours"):
        for method, path in (("GET", "/a/v1/models"), ("GET", "/a/metrics"), ("POST", "/a/v1/tag"), ("GET", "/a/openapi.json")):
            status, headers, body = s.ask(method, path, jpeg if method == "POST" else None, JPEG | ({"Authorization": wrong} if wrong is not None else {}))
            assert (status, headers["WWW-Authenticate"], body["code"]) == (401, "Bearer", "unauthorized"), (wrong, path)
            assert KEY not in json.dumps(body)
    for key in (KEY, "another-key-1"):
        assert s.ask("POST", "/a/v1/tag", jpeg, JPEG | {"Authorization": "Bearer " + key})[0] == 200
    assert s.ask("GET", "/a/health")[0] == 200 and s.ask("GET", "/health")[0] == 404
    assert KEY not in s.log()


def test_metrics_can_be_public(tmp_path):
    (tmp_path / "keys").write_text(KEY)
    with serving("--api-key-file", tmp_path / "keys", "--metrics-public") as s:
        assert s.ask("GET", "/metrics")[0] == 200 and s.ask("GET", "/v1/models")[0] == 401


def test_beyond_loopback_needs_a_key(tmp_path):
    for host in ("0.0.0.0", "::"):
        done = program.run("serve", "--no-config", "--port", "0", "--host", host, code=2)
        assert b"--api-key-file" in done.stderr and b"--no-auth" in done.stderr
    with serving("--host", "0.0.0.0", "--no-auth") as s:
        s.host = "127.0.0.1"
        assert s.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize("args, word", [(["x.jpg"], b"no inputs"), (["--port", "70000"], b"--port"), (["--api-prefix", "x"], b"--api-prefix"), (["--tls-cert", "x"], b"--tls-key"),
                                        (["--api-key-file", "/nonexistent/k"], b"--api-key-file"), (["--host", "no.such.host.invalid"], b"--host")])
def test_usage(args, word):
    assert word in program.run("serve", "--no-config", *args, code=2).stderr


def test_short_keys_are_refused_and_not_echoed(tmp_path):
    (tmp_path / "keys").write_text("abc123\n")
    done = program.run("serve", "--no-config", "--api-key-file", tmp_path / "keys", code=2)
    assert b"fewer than 8" in done.stderr and b"abc123" not in done.stderr


def test_a_taken_port_is_told(server):
    done = program.run("serve", "--no-config", "--port", server.port, code=5)
    assert b"cannot listen" in done.stderr
