"""Runs the program away from the user's own models, configuration and environment."""
import os
import subprocess

BIN = os.environ.get("ANYTAG_BIN", "build/cli/anytag")


def clean(env=None):
    """The environment without ANYTAG_*, and with no models and no configuration but the test's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANYTAG_", "XDG_")) or k == "ANYTAG_CPU"}
    kept.update(LC_ALL="C.UTF-8", HOME="/nonexistent", XDG_DATA_DIRS="/nonexistent")
    return kept | {k: str(v) for k, v in (env or {}).items()}


def run(*args, cwd=None, data=None, env=None, code=0):
    done = subprocess.run([os.path.abspath(BIN), *map(str, args)], cwd=cwd, input=data, capture_output=True, timeout=120, env=clean(env),
                          stdin=None if data is not None else subprocess.DEVNULL)
    assert code is None or done.returncode == code, (done.returncode, done.stdout[:300], done.stderr[:600])
    return done


def lines(done):
    return done.stdout.decode().splitlines()
