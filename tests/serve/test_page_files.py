"""The files of the web page as the server sends them: types, ETags, gzip, headers, and who may ask by which name."""
import gzip
import hashlib
import json
import pathlib
import re

import pytest
from serving import JPEG, serving

WEB = pathlib.Path(__file__).parents[2] / "web"
FILES = sorted(str(p.relative_to(WEB)) for p in WEB.rglob("*") if p.is_file() and p.suffix != ".md")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".json": "application/json",
         ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".ico": "image/x-icon"}


def at(name):
    return {"index.html": "/", "favicon.ico": "/favicon.ico"}.get(name, "/ui/" + name)


@pytest.mark.parametrize("name", FILES)
def test_each_file(server, name):
    want = (WEB / name).read_bytes()
    status, headers, body = server.ask("GET", at(name))
    body = body if isinstance(body, bytes) else (WEB / name).read_bytes() if body == json.loads(want) else None
    assert (status, body) == (200, want) and headers["Content-Type"] == TYPES[pathlib.Path(name).suffix]
    assert headers["ETag"] == f'"{hashlib.sha256(want).hexdigest()}"' and "Content-Encoding" not in headers
    assert server.ask("GET", at(name), headers={"If-None-Match": headers["ETag"]})[0] == 304
    status, zipped, body = server.ask("HEAD", at(name), headers={"Accept-Encoding": "br, gzip"})
    assert (status, body) == (200, b"")
    if zipped.get("Content-Encoding"):
        assert zipped["ETag"] != headers["ETag"] and zipped["Vary"] == "Accept-Encoding" and int(zipped["Content-Length"]) < len(want)


def test_gzip_is_the_same_file(server):
    want = (WEB / "app.js").read_bytes()
    _, headers, body = server.ask("GET", "/ui/app.js", headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
    assert headers["Content-Encoding"] == "gzip" and gzip.decompress(body) == want
    assert body[4:8] == b"\0\0\0\0", "a time in the file makes every build another"
    for refused in ("gzip;q=0", "identity", "xgzip", "*"):
        assert server.ask("GET", "/ui/app.js", headers={"Accept-Encoding": refused})[2] == want


def test_headers_of_the_page(server):
    _, headers, body = server.ask("GET", "/")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin" and headers["Permissions-Policy"] == "camera=(self)"
    assert not re.search(rb"<script(?![^>]*src=)|<style|style=|\son\w+=", body), "the policy forbids what stands in the page"


def test_nothing_of_another_host_and_small():
    text = {name: (WEB / name).read_text() for name in FILES if TYPES[pathlib.Path(name).suffix][:4] in ("text", "appl")}
    for name, words in text.items():
        assert not re.search(r"(https?:)?//(?!www\.w3\.org/2000/svg|HOST)[a-z0-9-]+\.[a-z]", words), name
        assert "innerHTML" not in words and "insertAdjacentHTML" not in words and "eval(" not in words, name
    assert sum((WEB / name).stat().st_size for name in FILES if not name.startswith("examples/")) < 150_000


def test_words_of_both_languages():
    en, zh = (json.loads((WEB / f"lang/{code}.json").read_text()) for code in ("en", "zh"))
    assert list(en) == list(zh) and all(isinstance(v, str) and v.strip() for v in [*en.values(), *zh.values()])
    fields = re.compile(r"\{\w+\}")
    assert {k: set(fields.findall(v)) for k, v in en.items()} == {k: set(fields.findall(v)) for k, v in zh.items()}
    code = "".join((WEB / name).read_text() for name in FILES if name.endswith(".js"))
    asked = set(re.findall(r"\bt\('([\w.]+)'", code)) | set(re.findall(r"'(key\.\w+)'\]", code))
    known = set(en) | {k.rsplit(".", 1)[0] for k in en if k.endswith((".one", ".other"))}
    assert asked <= known, asked - known


@pytest.mark.parametrize("path", ["/ui/", "/ui/index.html", "/ui/*", "/ui/../serve.c", "/ui//app.js", "/ui/lang", "/ui/app.js/", "/ui/.hidden", "/index.html"])
def test_no_other_path_is_the_page(server, path):
    assert server.ask("GET", path)[0] == 404


def test_methods_and_prefix():
    with serving("--api-prefix", "/deep/tags") as s:
        prefix = "/deep/tags"
        status, headers, _ = s.ask("GET", prefix)
        assert status == 308 and headers["Location"] == "tags/"
        assert s.ask("GET", prefix + "/")[0] == s.ask("GET", prefix + "/ui/app.js")[0] == 200 and s.ask("GET", "/")[0] == 404
        status, headers, _ = s.ask("POST", prefix + "/", b"x", JPEG)
        assert status == 405 and headers["Allow"] == "GET, HEAD, OPTIONS"
        assert s.ask("OPTIONS", prefix + "/")[0] == 204


def test_no_ui_and_a_folder(tmp_path):
    with serving("--no-ui") as s:
        assert [s.ask("GET", p)[0] for p in ("/", "/ui/app.js", "/favicon.ico")] == [404] * 3 and s.ask("GET", "/health")[0] == 200
    (tmp_path / "index.html").write_text("mine")
    (tmp_path / "new.js").write_text("1")
    (tmp_path / ".secret").write_text("no")
    with serving("--ui-dir", tmp_path) as s:
        assert s.ask("GET", "/")[2] == b"mine" and s.ask("GET", "/ui/app.js")[0] == 404
        assert s.ask("GET", "/ui/new.js")[1]["Content-Type"] == TYPES[".js"]
        for path in ("/ui/.secret", "/ui/../conftest.py", "/ui/%2e%2e/x", "/ui//etc/passwd"):
            assert s.ask("GET", path)[0] == 404, path
        (tmp_path / "index.html").write_text("newer")
        assert s.ask("GET", "/")[2] == b"newer"


@pytest.mark.parametrize("host, status", [("localhost", 200), ("LOCALHOST:99", 200), ("127.0.0.1:1", 200), ("[::1]:8080", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403),
                                          ("localhost.evil.example:8080", 403), ("[::2]", 403), ("", 403)])
def test_names_of_this_server(server, host, status):
    for method, path in (("GET", "/"), ("GET", "/v1/models"), ("GET", "/health")):
        got, _, body = server.ask(method, path, headers={"Host": host})
        assert got == status and (status == 200 or body["code"] == "host-not-allowed")


@pytest.mark.parametrize("headers, status", [({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200),
                                             ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({}, 200)])
def test_other_pages_may_not_send(server, jpeg, headers, status):
    got, _, body = server.ask("POST", "/v1/tag", jpeg, {**JPEG, **headers})
    assert got == status and (status == 200 or body["code"] == "cross-origin" and "--cors-origins" in body["detail"])
    assert server.ask("GET", "/v1/models", headers=headers)[0] == 200, "reading is not changing, and the answer stays unread elsewhere"


def test_its_own_origin_may_send(server, jpeg):
    assert server.ask("POST", "/v1/tag", jpeg, {**JPEG, "Origin": f"http://{server.host}:{server.port}"})[0] == 200


def test_a_key_opens_by_any_name(tmp_path, jpeg):
    (tmp_path / "keys").write_text("a long key\n")
    with serving("--api-key-file", tmp_path / "keys") as s:
        key = {"Authorization": "Bearer a long key"}
        assert s.ask("GET", "/v1/models", headers={"Host": "tags.example", **key})[0] == 200
        assert s.ask("POST", "/v1/tag", jpeg, {**JPEG, **key, "Sec-Fetch-Site": "cross-site"})[0] == 200
        assert s.ask("GET", "/")[0] == 200 and s.ask("GET", "/v1/models")[0] == 401
