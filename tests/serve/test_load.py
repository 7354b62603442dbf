"""Many clients, slow clients, clients that go, and a server that is stopped while it works."""
import collections
import concurrent.futures
import contextlib
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from serving import JPEG, form, program, serving, slowed, until, without_times

pytestmark = pytest.mark.threads


def post(data, path="/v1/tag", more=""):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n{more}\r\n".encode() + data


def metric(s, name):
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", s.ask("GET", "/metrics")[2].decode(), re.M))


def test_two_hundred_clients(make_picture):
    pictures = [make_picture(seed=i) for i in range(8)]
    with serving("--queue", "24", "--cache", "0", "--parallel", "1", "-j", "2") as s:
        want = [without_times(s.ask("POST", "/v1/tag?threshold=0.1", p, JPEG)[2]) for p in pictures]
        barrier = threading.Barrier(200)

        def client(i):
            barrier.wait(program.PATIENCE)
            status, headers, body = s.ask("POST", "/v1/tag?threshold=0.1", pictures[i % 8], JPEG)
            if status == 200:
                assert without_times(body) == want[i % 8]  # the same bits in any batch
            else:
                assert (body["code"], headers["Retry-After"]) == ("queue-full", "1")
            return status
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            counts = collections.Counter(pool.map(client, range(200)))
        assert set(counts) <= {200, 429} and counts[200] >= 24, counts
        assert metric(s, "anytag_queue_depth") == 0
        assert metric(s, "anytag_batch_size_sum") > metric(s, "anytag_batch_size_count")  # some shared a pass
        assert s.ask("POST", "/v1/tag", pictures[0], JPEG)[0] == 200


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_a_picture_waits_only_for_one_on_its_way(parallel, make_picture):
    with serving("--cache", "0", "--batch-wait", "10000", "--parallel", parallel, "-j", "2") as s:
        for seed in range(3):  # the first one loads what writes captions
            start = time.monotonic()
            assert s.ask("POST", "/v1/caption?beams=1", make_picture(seed=seed), JPEG)[0] == 200
            assert seed == 0 or time.monotonic() - start < 10  # the whole wait, were it waited


def test_threads_of_their_own_take_pictures_one_by_one(make_picture):
    """A small model's pass of several by one thread is several: unless many wait, none waits for another's."""
    with serving("--cache", "0", "--parallel", "2", "-j", "2") as s:
        body, headers = form([("image", str(i), make_picture(seed=i)) for i in range(6)])
        assert len(s.ask("POST", "/v1/tag", body, headers)[2]["results"]) == 6
        assert metric(s, "anytag_batch_size_sum") == metric(s, "anytag_batch_size_count") == 6


def test_different_wishes_at_once(make_picture):
    picture = make_picture(seed=3)
    paths = ["/v1/tag?threshold=0", "/v1/tag?threshold=0.2&top=2", "/v1/tag?only=dog&threshold=0", "/v1/tag?crop=0,0,9,9&threshold=0.3", "/v1/caption?beams=1", "/v1/analyze?num=2"]
    with serving("--cache", "0", "--batch", "8", "--batch-wait", "50", "--parallel", "2") as s:
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            got = list(pool.map(lambda i: without_times(s.ask("POST", paths[i % 6], picture, JPEG)[2]), range(48)))
        want = [without_times(s.ask("POST", p, picture, JPEG)[2]) for p in paths]
        assert got == [want[i % 6] for i in range(48)]
        assert len({json.dumps(w) for w in want}) == 6


def test_more_pictures_than_the_queue_holds(jpeg):
    with serving("--queue", "4") as s:
        body, headers = form([("image", "a", jpeg)] * 5)
        status, _, problem = s.ask("POST", "/v1/tag", body, headers)
        assert (status, problem["code"]) == (429, "queue-full")
        assert s.ask("POST", "/v1/tag", *form([("image", "a", jpeg)] * 4))[0] == 200
        assert metric(s, "anytag_queue_depth") == 0


def test_keep_alive_and_pipelines(server, jpeg):
    c = server.connect()
    for _ in range(3):
        c.request("POST", "/v1/tag", jpeg, JPEG)
        assert json.loads(c.getresponse().read())["schema"] == "anytag.result/1"
    c.close()
    said = server.raw(post(jpeg) + post(jpeg) + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 ") == 3


def test_half_a_request_and_a_closed_half(server, jpeg):
    whole = post(jpeg)
    for cut in (5, 40, len(whole) - 1):
        assert server.raw(whole[:cut], close=True) == b"" or cut < 41
    assert server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", close=True).startswith(b"HTTP/1.1 200 ")
    assert metric(server, "anytag_queue_depth") == 0


def test_slow_headers_are_cut_off(server):
    start = time.monotonic()
    with socket.create_connection((server.host, server.port)) as s:
        s.settimeout(program.PATIENCE)
        with pytest.raises(OSError):
            s.sendall(b"GET /health HTTP/1.1\r\n")
            while time.monotonic() - start < program.PATIENCE:
                s.sendall(b"X: y\r\n")
                time.sleep(0.5)
                s.setblocking(False)
                try:
                    if s.recv(100) == b"":
                        raise ConnectionError
                except BlockingIOError:
                    pass
                s.setblocking(True)
        assert time.monotonic() - start > 9


def test_work_of_gone_clients_is_dropped(make_picture):
    with serving("--batch", "1", "--cache", "0") as s:
        gone = [socket.create_connection((s.host, s.port)) for _ in range(30)]
        with slowed(s, 0.1):
            for i, c in enumerate(gone):
                c.sendall(post(make_picture(seed=i), "/v1/caption"))
            until(lambda: metric(s, "anytag_queue_depth") >= 20)
            for c in gone:
                c.close()
        until(lambda: metric(s, "anytag_queue_depth") == 0)
        text = s.ask("GET", "/metrics")[2].decode()
        assert int(re.search(r'images_total\{task="caption",result="dropped"\} (\d+)', text)[1]) > 5
        assert "client-closed" in s.log()


def test_stop_while_busy(make_picture):
    with serving("--cache", "0", "--batch", "1") as s:
        results = []

        def client(i):
            try:
                results.append(s.ask("POST", "/v1/caption", make_picture(seed=i), JPEG))
            except OSError as e:
                results.append((e, None, None))
        clients = [threading.Thread(target=client, args=(i,)) for i in range(12)]
        idle = socket.create_connection((s.host, s.port))  # must not keep it from stopping
        with slowed(s, 0.1):
            for c in clients:
                c.start()
            until(lambda: metric(s, "anytag_queue_depth") >= 6)
            s.process.send_signal(signal.SIGTERM)  # is met at its next turn

        def refuses():
            with contextlib.suppress(OSError):
                return socket.create_connection((s.host, s.port)).close()
            return True
        until(refuses)
        assert s.process.wait(program.PATIENCE) == 0
        for c in clients:
            c.join()
        idle.close()
        done = [r for r in results if r[0] == 200]
        assert len(done) >= 6 and all(r[2]["captions"] for r in done)
        assert all(r[0] in (200, 503) or isinstance(r[0], OSError) for r in results), results


def test_ctrl_c(jpeg):
    with serving(code=130) as s:
        s.process.send_signal(signal.SIGINT)
        assert s.process.wait(program.PATIENCE) == 130


def test_unix_socket(tmp_path):
    path = tmp_path / "a.sock"
    for _ in range(2):  # the second finds a socket that nobody answers at
        with serving("--host", path) as s:
            assert s.url == f"unix:{path}" and path.stat().st_mode & 0o777 == 0o700
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(str(path))
                c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert c.recv(100).startswith(b"HTTP/1.1 200 ")
        assert not path.exists()
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        dead.close()


def test_tls(tmp_path, jpeg):
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl")
    with serving("--tls-cert", cert, "--tls-key", key) as s:
        assert s.url.startswith("https://")
        context = ssl.create_default_context(cafile=cert)
        context.check_hostname = False
        with context.wrap_socket(socket.create_connection((s.host, s.port))) as c:
            c.sendall(post(jpeg, more="Connection: close\r\n"))
            said = b""
            while piece := c.recv(65536):
                said += piece
        assert said.startswith(b"HTTP/1.1 200 ") and b"anytag.result/1" in said


def test_the_log_in_json(jpeg):
    with serving("--log-format", "json") as s:
        s.ask("POST", "/v1/tag?x=1", jpeg, JPEG | {"X-Request-Id": "mine-1"})
        s.ask("GET", "/health")
        until(lambda: s.log().count('"route"') == 2)  # a line is written behind its answer
        events = [e for e in map(json.loads, s.log().splitlines()) if "route" in e]
    assert [(e["id"], e["route"], e["status"], e.get("code")) for e in events][0] == ("mine-1", "/v1/tag", 400, "invalid-parameter")
    assert events[1]["method"] == "GET" and events[1]["ms"] >= 0 and events[0]["bytes_in"] == len(jpeg)
