"""Pictures by path and by URL: what is opened and fetched, and above all what is not."""
import base64
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest
from serving import JPEG, program, serving

pytestmark = pytest.mark.threads
JSON = {"Content-Type": "application/json"}


def ask(server, **source):
    return server.ask("POST", "/v1/tag", json.dumps({"image": source}), JSON)


@pytest.fixture(scope="module")
def root(tmp_path_factory, jpeg):
    """A media root with everything that a path could trip over, and a server on it."""
    top = tmp_path_factory.mktemp("media")
    (top / "root/deep").mkdir(parents=True)
    (top / "secret.jpg").write_bytes(jpeg)
    (top / "root/a b.jpg").write_bytes(jpeg)
    (top / "root/deep/b.jpg").write_bytes(jpeg)
    (top / "root/large.jpg").write_bytes(jpeg + bytes(200000))
    (top / "root/empty.jpg").touch()
    (top / "root/out.jpg").symlink_to(top / "secret.jpg")
    (top / "root/in.jpg").symlink_to("a b.jpg")
    (top / "root/up").symlink_to("..")
    os.mkfifo(top / "root/pipe.jpg")
    with serving("--media-root", top / "root", "--max-body", "100K") as s:
        s.root = top / "root"
        yield s


@pytest.mark.parametrize("path", ["a b.jpg", "/a b.jpg", "deep/b.jpg", "deep/../a b.jpg", "{root}/deep/b.jpg"])
def test_paths_below_the_root(root, jpeg, path):
    status, _, record = ask(root, path=path.replace("{root}", str(root.root)))
    assert status == 200, record
    assert record["source"]["name"] == path.rpartition("/")[2] and record["source"]["bytes"] == len(jpeg)


@pytest.mark.parametrize("path, status, code", [
    ("../secret.jpg", 403, "path-not-allowed"), ("deep/../../secret.jpg", 403, "path-not-allowed"), ("out.jpg", 403, "path-not-allowed"), ("in.jpg", 403, "path-not-allowed"),
    ("up/secret.jpg", 403, "path-not-allowed"), ("/etc/passwd", 404, "not-found"), ("none.jpg", 404, "not-found"), ("deep", 404, "not-found"), ("pipe.jpg", 404, "not-found"),
    ("a b.jpg/x", 404, "not-found"), ("", 403, "path-not-allowed"), ("x" * 5000, 403, "path-not-allowed"), ("large.jpg", 413, "body-too-large"), ("empty.jpg", 422, "not-an-image")])
def test_no_path_leads_out(root, path, status, code):
    got, _, problem = ask(root, path=path)
    assert (got, problem["code"]) == (status, code), problem
    assert str(root.root) not in problem["detail"]
    assert ("symbolic link" in problem["detail"]) == (path in ("out.jpg", "in.jpg", "up/secret.jpg")) and problem["pointer"] == "/image/path"


def test_a_path_that_fails_is_a_record_among_others(root, jpeg):
    status, _, answer = root.ask("POST", "/v1/tag", json.dumps({"images": [{"path": "../x"}, {"path": "a b.jpg"}, {"base64": base64.b64encode(jpeg).decode()}]}), JSON)
    assert status == 200 and [("error" in r, "tags" in r) for r in answer["results"]] == [(True, False), (False, True), (False, True)]


def test_nothing_is_opened_or_fetched_unless_told(server, jpeg):
    assert ask(server, path="a.jpg")[2]["code"] == "path-not-allowed"
    assert ask(server, url="http://example.org/a.jpg")[2]["code"] == "url-not-allowed"
    status, _, record = ask(server, url="data:image/jpeg;base64," + base64.b64encode(jpeg).decode(), name="x.jpg")
    assert status == 200 and record["source"]["name"] == "x.jpg"


def test_a_media_root_must_be_there():
    assert b"--media-root" in program.run("serve", "--no-config", "--port", "0", "--media-root", "/dev/null", code=2).stderr


class Host(http.server.BaseHTTPRequestHandler):
    picture, hops = b"", {}

    def do_GET(self):
        name = self.path.strip("/")
        to = Host.hops.get(name)
        self.send_response(302 if to else 404 if name == "none" else 200)
        if to:
            self.send_header("Location", to)
        if name == "huge":
            self.send_header("Content-Length", str(65 << 20))
        self.end_headers()
        try:
            if name == "endless":
                while True:
                    self.wfile.write(bytes(65536))
            self.wfile.write(b"" if to or name == "nothing" else b"text" if name == "text" else self.picture)
        except OSError:
            pass

    def log_message(self, *args):
        pass


def host(address):
    h = http.server.ThreadingHTTPServer((address, 0), Host)
    h.daemon_threads = True
    threading.Thread(target=h.serve_forever, daemon=True).start()
    return h.server_port


@pytest.fixture(scope="module")
def fetching():
    port = host("127.0.0.1")
    names = f"127.0.0.1:{port},localhost:{port},[::1]:{port},2130706433:{port},private.example"
    with serving("--allow-urls", names) as s:
        s.at = port
        yield s


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/a.jpg", "http://localhost:{}/a.jpg", "http://LOCALHOST:{}/a.jpg", "http://2130706433:{}/a.jpg"])
def test_private_addresses_are_refused_though_listed(fetching, url):
    status, _, problem = ask(fetching, url=url.format(fetching.at))
    assert (status, problem["code"]) == (403, "url-not-allowed") and "private" in problem["detail"], problem


PRIVATE = ["0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.1.2.3", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "198.19.255.1", "224.0.0.1",
           "240.0.0.1", "255.255.255.255", "[::]", "[::1]", "[fc00::1]", "[fdff::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[::ffff:10.0.0.1]", "[::10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::1]",
           "[2001::1]", "[100::1]"]


def test_every_private_network(fetching):
    with serving("--allow-urls", ",".join(PRIVATE)) as s:
        for address in PRIVATE:
            status, _, problem = ask(s, url=f"http://{address}/a.jpg")
            assert (status, problem["code"]) == (403, "url-not-allowed") and "private" in problem["detail"], (address, problem)


@pytest.mark.parametrize("url", [
    "http://127.0.0.1/a", "http://example.org:{}/a", "http://localhost:{}@example.org/a", "http://user:pass@localhost:{}/a", "ftp://localhost:{}/a", "file:///etc/passwd",
    "gopher://localhost:{}/", "localhost:{}/a", "//localhost:{}/a", "", "http://", "http://localhost:{}\\@example.org/", "dict://localhost:{}/", "x" * 9000],
                         ids=range(14))
def test_others_are_not_even_asked(fetching, url):
    status, _, problem = ask(fetching, url=url.replace("{}", str(fetching.at)))
    assert (status, problem["code"]) in ((403, "url-not-allowed"), (400, "invalid-parameter")), problem
    assert "private" not in problem["detail"]


def test_public_addresses_in_a_network_of_their_own():
    """This file again, where 8.8.4.4 is this machine."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare or ip is not installed")
    set_up = "ip link set lo up && ip addr add 8.8.4.4/32 dev lo && ip addr add 10.1.2.3/32 dev lo"
    if subprocess.run(["unshare", "-rn", "sh", "-c", set_up], capture_output=True).returncode:
        pytest.skip("no network of one's own here")
    done = subprocess.run(["unshare", "-rn", "sh", "-c", set_up + ' && exec "$0" "$@"', sys.executable, __file__], capture_output=True, text=True, timeout=program.PATIENCE,
                          env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)})
    assert done.returncode == 0 and done.stdout.endswith("all is well\n"), done.stdout + done.stderr


def main():
    sys.path.insert(0, str(pathlib.Path(__file__).parent))  # there is one beside the program's tests too
    import conftest
    Host.picture = conftest.picture()
    public, private = host("8.8.4.4"), host("10.1.2.3")
    here = f"http://8.8.4.4:{public}"
    Host.hops = {"one": "/a.jpg", "two": here + "/one", "three": "two", "four": "/three", "round": "/round", "inside": f"http://10.1.2.3:{private}/a.jpg", "other": "http://1.1.1.1/a.jpg",
                 "loopback": f"http://[::ffff:127.0.0.1]:{public}/a.jpg", "scheme": "file:///etc/passwd"}
    with serving("--allow-urls", f"8.8.4.4:{public},10.1.2.3:{private}") as s:
        for name in ("a.jpg", "a.jpg?x=%20", "one", "two", "three"):
            status, _, record = ask(s, url=f"{here}/{name}")
            assert status == 200, (name, record)
            assert record["source"]["name"] == name.partition("?")[0]
        for name, want in {"four": "redirects", "round": "redirects", "inside": "private", "other": "not allowed", "loopback": "not allowed", "scheme": "not allowed", "none": "answers 404", "nothing": "no bytes",
                           "huge": "too large", "endless": "too large", "text": "not an image"}.items():
            status, _, problem = ask(s, url=f"{here}/{name}")
            assert status in (403, 413, 422) and want in problem["detail"], (name, problem)
        status, _, problem = ask(s, url=f"http://10.1.2.3:{private}/a.jpg")
        assert (status, problem["code"]) == (403, "url-not-allowed") and "private" in problem["detail"]
        status, _, problem = ask(s, url=f"{here.replace(str(public), '1')}/a.jpg")
        assert problem["code"] == "url-not-allowed"
        # several at once, and the memory they took is given back
        body = json.dumps({"images": [{"url": f"{here}/a.jpg"}] * 20 + [{"url": f"{here}/none"}]})
        answer = s.ask("POST", "/v1/tag", body, JSON)[2]
        assert ["tags" in r for r in answer["results"]] == [True] * 20 + [False] and s.ask("POST", "/v1/tag", Host.picture, JPEG)[0] == 200
    print("all is well")


if __name__ == "__main__":
    main()
