"""Starts anytag serve on a free port and speaks HTTP to it, by http.client or by raw sockets."""
import contextlib
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
import program  # noqa: E402

JPEG = {"Content-Type": "image/jpeg"}


class Server:
    def __init__(self, process, url, log):
        self.process, self.url, self.log_file = process, url, log
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.prefix = parts.hostname, parts.port, parts.path

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=program.PATIENCE)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body); JSON is read."""
        c = self.connect()
        try:
            c.request(method, path, body, headers or {})
            return read(c.getresponse())
        finally:
            c.close()

    def raw(self, data, close=False):
        """What the server says to these bytes until it closes."""
        with socket.create_connection((self.host, self.port), timeout=program.PATIENCE) as s:
            said = b""
            with contextlib.suppress(OSError):
                s.sendall(data)
                if close:
                    s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):  # a server that says nothing and does not close: TimeoutError
                while piece := s.recv(65536):
                    said += piece
            return said

    def log(self):
        return pathlib.Path(self.log_file).read_text()

    def stop(self, code=0):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(program.PATIENCE) == code, self.log()


def read(answer):
    text = answer.read()
    kind = answer.getheader("Content-Type", "")
    return answer.status, answer.headers, json.loads(text) if "json" in kind and "ndjson" not in kind and text else text


@contextlib.contextmanager
def serving(*args, env=None, code=0):
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen([program.os.path.abspath(program.BIN), "serve", "--no-config", "--port", "0", *map(str, args)],
                                   stdout=subprocess.PIPE, stderr=log, text=True, env=program.clean(env))
        try:
            url = process.stdout.readline().strip()
            assert url, pathlib.Path(log.name).read_text()
            yield (server := Server(process, url, log.name))
            if process.poll() is None:
                server.stop(code)
            assert process.returncode == code, server.log()
        finally:
            if process.poll() is None:
                process.kill()
            process.stdout.close()
            process.wait()


def slowed(server, share=0.04):
    return program.slowed(server.process, share)


def until(what, *args):
    """Waits until what(*args) is true, and gives it."""
    end = time.monotonic() + program.PATIENCE
    while not (got := what(*args)):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return got


def form(parts, boundary="xXx"):
    """A multipart body of (name, file name or None, bytes or text)."""
    out = b""
    for name, file, data in parts:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += f'; filename="{file}"\r\nContent-Type: application/octet-stream'.encode() if file else b""
        out += b"\r\n\r\n" + (data if isinstance(data, bytes) else data.encode()) + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def without_times(record):
    return {k: v for k, v in record.items() if k != "timing_ms"}
