"""Options of the server that other programs meet: pages of other origins, systemd, keys that share, tools that check."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest
from serving import JPEG, form, program, serving, slowed, until

ORIGIN = {"Origin": "https://app.example.org"}


@pytest.fixture(scope="module")
def cross():
    with serving("--cors-origins", "https://app.example.org,http://localhost:3000") as s:
        yield s


def test_a_listed_page_may_ask(cross, jpeg):
    _, headers, _ = cross.ask("POST", "/v1/tag", jpeg, JPEG | ORIGIN)
    assert headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"] and headers["Vary"] == "Origin" and "Access-Control-Allow-Credentials" not in headers
    status, headers, _ = cross.ask("OPTIONS", "/v1/tag", headers=ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"})
    assert status == 204 and "POST" in headers["Access-Control-Allow-Methods"] and {"Authorization", "Content-Type", "Last-Event-ID"} <= set(headers["Access-Control-Allow-Headers"].split(", "))
    assert cross.ask("GET", "/none", headers=ORIGIN)[1]["Access-Control-Allow-Origin"] == ORIGIN["Origin"]


@pytest.mark.parametrize("origin", ["https://app.example.org.evil.com", "https://app.example.or", "http://app.example.org", "null", "*", "https://app.example.org,http://localhost:3000", ""])
def test_others_may_not(cross, server, origin):
    for s in (cross, server):
        assert s.ask("GET", "/v1/models", headers={"Origin": origin})[1]["Access-Control-Allow-Origin"] is None
        assert s.ask("OPTIONS", "/v1/models", headers={"Origin": origin})[1]["Access-Control-Allow-Methods"] is None
    assert server.ask("GET", "/health", headers=ORIGIN)[1]["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("option, value", [("--cors-origins", "*"), ("--cors-origins", "https://a.org/"), ("--cors-origins", "a.org"), ("--compat", "immich,nextcloud"), ("--compat", ""), ("--media-root", "/dev/null"), ("--ui-dir", "/nowhere"), ("--ui-dir", "/dev/null"),
                                           ("--timeout", "0"), ("--queue", "0"), ("--batch", "0"), ("--batch", "65"), ("--parallel", "0"), ("--max-body", "0")])
def test_wrong_values(option, value):
    assert option.encode() in program.run("serve", "--no-config", "--port", "0", option, value, code=2).stderr


def test_the_environment_has_every_option():
    with serving(env={"ANYTAG_COMPAT": "none", "ANYTAG_CORS_ORIGINS": ORIGIN["Origin"]}) as s:
        assert s.ask("GET", "/ping")[0] == 404 and s.ask("GET", "/health", headers=ORIGIN)[1]["Access-Control-Allow-Origin"]


@pytest.mark.parametrize("name", ["\0anytag-test-%d" % os.getpid(), "notify"])
def test_systemd_is_told(name, tmp_path):
    path = name if name[0] == "\0" else str(tmp_path / name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(path)
        told.settimeout(program.PATIENCE)
        with serving(env={"NOTIFY_SOCKET": path.replace("\0", "@")}):
            assert told.recv(100) == b"READY=1"
        assert told.recv(100) == b"STOPPING=1"


def test_a_socket_of_systemd_is_used(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        start = f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --no-config --port 1'
        process = subprocess.Popen(["bash", "-c", start, os.path.abspath(program.BIN)], pass_fds=[listener.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=program.clean())
        assert process.stdout.readline() == f"http://127.0.0.1:{port}\n", process.stderr.read()
        with socket.create_connection(("127.0.0.1", port), program.PATIENCE) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert s.recv(100).startswith(b"HTTP/1.1 200")
        process.terminate()
        process.communicate(timeout=program.PATIENCE)
        assert process.returncode == 0
    with socket.socket() as listener:  # one that others can reach needs a key, as any other
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        start = start.replace("<&" + start.split("<&")[1].split(";")[0], f"<&{listener.fileno()}")
        done = subprocess.run(["bash", "-c", start, os.path.abspath(program.BIN)], pass_fds=[listener.fileno()], capture_output=True, text=True, env=program.clean(), timeout=program.PATIENCE)
        assert done.returncode == 2 and "--api-key-file" in done.stderr


def test_long_headers_are_a_problem(server):
    long = "x" * 20000
    for head in (f"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}", f"GET /health?{long} HTTP/1.1\r\nHost: localhost"):
        said = server.raw(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 431 ") and b'"headers-too-large"' in said, said[:300]
    assert server.ask("GET", "/health", headers={"X-Long": "x" * 10000})[0] == 200


def test_keys_share(make_picture, tmp_path):
    """A key with a long list does not hold up another, and cannot fill the queue alone."""
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    order = []
    with serving("--api-key-file", keys, "--queue", "24", "--batch", "1", "--cache", "0", "-j", "1") as s:
        def ask(key, i):
            status = s.ask("POST", "/v1/caption?beams=2", make_picture(seed=i), JPEG | {"Authorization": f"Bearer {key}"})[0]
            order.append((key, status))
        threads = [threading.Thread(target=ask, args=("first-key", i)) for i in range(24)]
        late = threading.Thread(target=ask, args=("second-key", 99))
        def waiting():
            return int(re.search(rb"^anytag_queue_depth (\d+)$", s.ask("GET", "/metrics", headers={"Authorization": "Bearer second-key"})[2], re.M)[1])
        with slowed(s):
            for t in threads:
                t.start()
            until(lambda: waiting() + len(order) >= 24)
            assert {status for _, status in order if status != 200} == {429}, order  # 18 is its share
            late.start()
            until(lambda: ("second-key", 200) in order)
        for t in [late, *threads]:
            t.join()
    statuses = [status for key, status in order if key == "first-key"]
    assert statuses.count(200) >= 12 and set(statuses) <= {200, 429}
    served = [key for key, status in order if status == 200]
    assert ("second-key", 200) in order and served.index("second-key") < len(served) - 3, served


def test_promtool_takes_the_metrics(server):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=server.ask("GET", "/metrics")[2], capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_document_is_openapi(server):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(server.ask("GET", "/openapi.json")[2])


def test_a_record_is_of_its_schema(server, jpeg):
    schema = server.ask("GET", "/openapi.json")[2]["components"]["schemas"]["record"]
    records = [server.ask("POST", path, jpeg, JPEG)[2] for path in ("/v1/tag?scores=1", "/v1/caption", "/v1/analyze?threshold=0&num=2", "/v1/caption?guide=dog&require=cat&forbid=a")]
    records += server.ask("POST", "/v1/tag", *form([("image", "a.jpg", jpeg), ("image", "b", b"no")]))[2]["results"]

    def known(value, node):  # nothing is written that the schema has no word for
        for name in value if isinstance(value, dict) else ():
            if "properties" in node:
                assert name in node["properties"], name
                known(value[name], node["properties"][name])
        for item in value if isinstance(value, list) else ():
            known(item, node["items"])
    for r in records:
        known(r, schema)
        assert set(schema["required"]) <= set(r) and any(set(o["required"]) <= set(r) for o in schema["anyOf"])
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    for r in records:
        jsonschema.Draft202012Validator(schema).validate(r)


def test_the_document_has_no_old_spelling(server):
    """What that validator looks for, where it is not installed."""
    doc = server.ask("GET", "/openapi.json")[2]
    for path, item in doc["paths"].items():
        assert path.startswith("/") and not path.endswith("/")
        for operation in item.values():
            assert set(operation) <= {"operationId", "summary", "parameters", "responses", "requestBody", "security"}
            for media in operation.get("requestBody", {}).get("content", {}).values():
                assert set(media) <= {"schema", "example"} and json.dumps(media)
            for r in operation["responses"].values():
                assert "$ref" in r or (r["description"] and set(r) <= {"description", "content", "headers"})
