"""Clients that mean harm or have broken: silent ones, ones that never read, crowds; nothing stays behind."""
import contextlib
import pathlib
import socket
import struct

import pytest
from serving import JPEG, form, program, serving, slowed, until

pytestmark = pytest.mark.threads
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def process(s):
    """(open files, MiB of memory)"""
    pid = s.process.pid
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())), pages * 4096 / 2**20


def grows_less(s, memory, most):
    if b"__asan_init" not in pathlib.Path(program.BIN).read_bytes():  # which keeps what was freed
        assert process(s)[1] < memory + most


def settles(s, files):
    """As many files are open as were before."""
    until(lambda: process(s)[0] <= files)


@contextlib.contextmanager
def crowd(s, n, data=b"", buffer=None):
    clients = []
    try:
        for _ in range(n):
            c = socket.socket()
            if buffer:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            c.settimeout(program.PATIENCE)
            c.connect((s.host, s.port))
            clients.append(c)
            if data:
                c.sendall(data)
        yield clients
    finally:
        for c in clients:
            c.close()


@pytest.fixture(scope="module")
def server():
    """One that outlasts every test."""
    with serving("--timeout", str(3 * program.PATIENCE)) as s:
        yield s


@pytest.fixture(scope="module")
def impatient():
    """A server that gives up a silent client after two seconds."""
    with serving("--timeout", "2", "--queue", "16") as s:
        s.ask("GET", "/health")
        yield s


@contextlib.contextmanager
def silent(s):
    """Ten clients each of half a line, half the headers, half a body, half a form and half a chunk."""
    post = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xXx\r\n"
    halves = [b"GE", b"GET /health HTTP/1.1\r\nHost: loc", post + b"Content-Length: 90000\r\n\r\n--xXx\r\nContent-Dis", post + b"Transfer-Encoding: chunked\r\n\r\nff\r\n--xXx\r\n"]
    with contextlib.ExitStack() as stack:
        yield [c for half in halves for c in stack.enter_context(crowd(s, 10, half))]


def test_silent_clients_hold_up_nobody(server):
    with silent(server) as clients:
        assert server.ask("GET", "/health")[0] == 200
        for c in clients:
            c.setblocking(False)
            with pytest.raises(BlockingIOError):  # it is still waited for
                c.recv(1)


def test_silent_clients_are_closed(impatient):
    s = impatient
    files = process(s)[0]
    with silent(s) as clients:
        for c in clients:
            with contextlib.suppress(ConnectionError):
                while c.recv(4096):  # TimeoutError: it was not closed
                    pass
    settles(s, files)


PART = b'--xXx\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
SHORT = {"image/jpeg": b"\xff\xd8", "multipart/form-data; boundary=xXx": PART, "application/json": b'{"image":{"base64":"'}


def short(kind, path=b"/v1/tag", size=300_000):
    """A request of which `size` bytes of 3 MB come."""
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\nContent-Type: %s\r\n\r\n" % (path, kind.encode())
    return head + SHORT[kind] + b"A" * size


def body_bytes(s):
    return next(float(x.split()[1]) for x in s.ask("GET", "/metrics")[2].decode().splitlines() if x.startswith("anytag_body_bytes "))


@pytest.mark.parametrize("end", ["close", "half", "reset"])
@pytest.mark.parametrize("kind", SHORT)
def test_bodies_that_end_early(server, kind, end):
    """Hung up before Content-Length is reached: connection and bytes are given back, and nobody waits for the rest."""
    files = process(server)[0]
    with crowd(server, 12, short(kind)) as clients, crowd(server, 4, short(kind, b"/v1/jobs")) as jobs:
        clients += jobs
        until(lambda: body_bytes(server) >= 16 * 300_000)
        for c in clients:
            if end == "reset":
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if end == "half":
                c.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    assert c.recv(4096) == b""  # TimeoutError: it was not closed
            c.close()
        until(lambda: body_bytes(server) == 0)
    settles(server, files)


@pytest.mark.parametrize("kind", SHORT)
def test_bodies_that_stop(impatient, kind):
    """The rest never comes, and the client does not hang up: the server does."""
    files = process(impatient)[0]
    with crowd(impatient, 12, short(kind, size=30_000)) as clients:
        for c in clients:
            with contextlib.suppress(ConnectionError):
                assert c.recv(4096) == b""
        until(lambda: body_bytes(impatient) == 0)
        settles(impatient, files)


def test_a_client_that_never_reads(impatient):
    """Answers of a hundred requests in a row, of some hundred kB each, stay unwritten: they are not made in advance."""
    s = impatient
    files, memory = process(s)
    with crowd(s, 8, GET % b"/v1/tags" * 100, 4096) as clients:
        assert all(c.recv(12) == b"HTTP/1.1 200" for c in clients)  # and no more
        assert s.ask("GET", "/health")[0] == 200
        grows_less(s, memory, 60)
        settles(s, files)  # closed while they are still there
        for c in clients:
            with pytest.raises(OSError):  # it is cut, not complete
                c.sendall(b"x" * 10_000_000)


def test_more_clients_than_connections(server):
    s = server
    s.ask("GET", "/health")
    files = process(s)[0]
    with crowd(s, 300) as clients:
        until(lambda: process(s)[0] >= files + 200)
        assert process(s)[0] <= files + 260
        for c in clients[:100]:
            c.close()
        assert s.ask("GET", "/health")[0] == 200
    settles(s, files)


def test_readers_of_a_job_that_leave(make_picture):
    with serving("--cache", "0", "--batch", "1") as s:
        s.ask("GET", "/health")
        files = process(s)[0]
        parts = [("image", f"{i}.jpg", make_picture(seed=i)) for i in range(40)]
        status, _, job = s.ask("POST", "/v1/jobs", *form(parts, "xXx"))
        if status == 404:
            pytest.skip("this server has no jobs")
        events = GET % job["links"]["events"].encode()
        with crowd(s, 40, events) as reading, crowd(s, 5, events, 4096):  # five never read
            for i, c in enumerate(reading):
                assert c.recv(20 if i % 2 else 4096).startswith(b"HTTP/1.1 200 ")
                if i < 30:
                    c.close()  # some with bytes unread, which resets the connection
            settles(s, files + 15)
            told = b""
            while b"event: done" not in told:
                piece = reading[-2].recv(65536)
                assert piece, told[-300:]
                told += piece
            assert told.count(b"event: result") >= 39
        settles(s, files)
        assert s.ask("DELETE", job["links"]["self"])[0] == 200


def test_a_reader_of_a_job_that_waits_is_seen_to_leave(make_picture):
    """Nothing is sent to it while another job is at work, so only its socket can tell."""
    def job(n, **more):
        return s.ask("POST", "/v1/jobs", *form([("image", f"{i}.jpg", make_picture(seed=i)) for i in range(n)] + [(k, None, v) for k, v in more.items()]))[2]["links"]
    with serving("--cache", "0", "--batch", "1", "--parallel", "1") as s:
        s.ask("GET", "/health")
        files = process(s)[0]
        with slowed(s):
            long, waits = job(40, tasks="tag,caption"), job(1)
            with crowd(s, 10, GET % waits["events"].encode()) as clients:
                assert all(c.recv(12) == b"HTTP/1.1 200" for c in clients)
            settles(s, files)
            assert s.ask("GET", waits["self"])[2]["done"] == 0
            assert {s.ask("DELETE", links["self"])[0] for links in (waits, long)} == {200}


def test_nothing_stays_of_two_thousand_requests(jpeg):
    with serving("--max-body", "1M") as s:
        key = {"Authorization": "Bearer of-no-use"}
        asks = [("POST", "/v1/tag", jpeg, JPEG), ("POST", "/v1/tag?only=nothing", jpeg, JPEG), ("GET", "/v1/tags?limit=3", None, key), ("GET", "/none", None, {}), ("POST", "/v1/tag", *form([("image", "a", jpeg[:99]), ("top", None, "x")])),
                ("POST", "/v1/tag", b"{" * 999, {"Content-Type": "application/json"}), ("POST", "/v1/tag", b"--xXx\r\n", {"Content-Type": "multipart/form-data; boundary=xXx"}), ("GET", "/metrics", None, {})]

        def many(n):
            wrong = 0
            for _ in range(n // 200):
                c = s.connect()
                for i in range(200):
                    c.request(*asks[i % len(asks)])
                    answer = c.getresponse()
                    answer.read()
                    wrong += answer.status >= 500
                c.close()
            return wrong
        assert many(600) == 0  # the pools of the allocator fill
        files, memory = process(s)
        assert many(2000) == 0
        settles(s, files)
        grows_less(s, memory, 6)
        assert "internal" not in s.log()
