"""Runs the program away from the user's own models, configuration and environment."""
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading

BIN = os.environ.get("ANYTAG_BIN", "build/cli/anytag")
PATIENCE = 300  # seconds after which something hangs: a busy machine, under a sanitizer, may need many


def clean(env=None):
    """The environment without ANYTAG_*, and with no models and no configuration but the test's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANYTAG_", "XDG_")) or k == "ANYTAG_CPU"}
    kept.update(LC_ALL="C.UTF-8", HOME="/nonexistent", XDG_DATA_DIRS="/nonexistent")
    return kept | {k: str(v) for k, v in (env or {}).items()}


def run(*args, cwd=None, data=None, env=None, code=0):
    done = subprocess.run([os.path.abspath(BIN), *map(str, args)], cwd=cwd, input=data, capture_output=True, timeout=PATIENCE, env=clean(env),
                          stdin=None if data is not None else subprocess.DEVNULL)
    assert code is None or done.returncode == code, (done.returncode, done.stdout[:300], done.stderr[:600])
    return done


def lines(done):
    return done.stdout.decode().splitlines()


@contextlib.contextmanager
def slowed(process, share=0.04, period=0.05):
    """The process runs for this share of the time only: what a test does meanwhile comes before its end on any machine."""
    over = threading.Event()

    def turns():
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            over.wait(period * (1 - share))
            process.send_signal(signal.SIGCONT)
            over.wait(period * share)

    thread = threading.Thread(target=turns)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def terminal(*args, env=None, columns=60):
    """What the program writes when stdout and stderr are one terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    p = subprocess.Popen([BIN, *map(str, args)], stdin=slave, stdout=slave, stderr=slave, env=clean({"TERM": "xterm", **(env or {})}))
    os.close(slave)
    out = b""
    while True:
        try:
            more = os.read(master, 4096)
        except OSError:
            break
        if not more:
            break
        out += more
    os.close(master)
    assert p.wait() == 0, out
    return out.decode()
