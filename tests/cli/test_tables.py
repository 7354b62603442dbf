"""Help, manual page and completions tell the same: they come from one table."""
import os
import re
import shutil
import subprocess

import pytest
from program import BIN, clean, lines, run

SHELLS = ("bash", "zsh", "fish")


def commands():
    text = run().stdout.decode()
    return [x.split()[0] for x in text.splitlines() if re.match(r"  [a-z]+ {2,}", x)]


def options(command):
    """{long name: letter or None}, as --help has them."""
    found = {}
    for line in lines(run(command, "--help")):
        m = re.match(r"  (?:-(.), |    )--([a-z0-9-]+)", line)
        if m:
            found[m[2]] = m[1]
    return found


def test_the_tables_are_read():
    assert {"tag", "convert", "info", "inspect", "bench", "help"} <= set(commands())
    assert options("tag")["threshold"] == "t" and options("tag")["resume"] is None


def test_the_manual_has_everything():
    page = run("help", "man").stdout.decode().replace("\\-", "-")
    for command in commands():
        section = page.split(f".SS anytag {command}\n", 1)[1]
        for name in options(command):
            assert f"--{name}" in section, (command, name)
    for line in lines(run("help", "exit-codes")):
        assert f".B {line.split()[0]}\n" in page
    for line in lines(run("help", "formats"))[:9]:
        assert f".B {line.split()[0]}\n" in page


def test_the_manual_is_good_roff():
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8"], input=run("help", "man").stdout, capture_output=True)
    assert done.returncode == 0 and done.stderr == b"" and b"EXIT STATUS" in re.sub(rb"\x1b\[\d*m|.\x08", b"", done.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_have_everything(shell):
    script = run("completions", shell).stdout.decode()
    for command in commands():
        assert command in script
        for name in options(command):
            assert (f"-l {name} " if shell == "fish" else f"--{name}") in script, (command, name)
    assert "csv-wide" in script and "en zh en,zh" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.encode(), check=True)


def bash(line):
    script = f"source <({os.path.abspath(BIN)} completions bash)\nCOMP_WORDS=({line})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}}-1))\n_anytag\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    return subprocess.run(["bash", "-c", script], capture_output=True, env=clean(), check=True).stdout.decode().split()


def test_bash_completes():
    assert bash("anytag in") == ["info", "inspect"]
    assert bash("anytag tag --thr") == ["--threshold", "--thresholds", "--threads"]
    assert bash("anytag tag -f js") == ["json", "jsonl"] == bash("anytag tag --format js")
    assert bash("anytag info -f ''") == ["text", "json"]
    assert bash("anytag help exit") == ["exit-codes"]
    assert bash("anytag completions ''") == ["bash", "zsh", "fish"]
    assert bash("anytag tag -m models/any") == ["models/anytag-small-f16.gguf", "models/anytag-small-int8.gguf"] == bash("anytag tag models/any")
    assert bash("anytag convert --type ''") == ["f32", "f16", "bf16", "int8", "q8_0", "q4_0"]


def test_fish_completes():
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = run("completions", "fish").stdout
    done = subprocess.run(["fish", "-c", script.decode() + "\ncomplete -C 'anytag tag -f js'\n"], capture_output=True, env=clean({"HOME": "/tmp"}))
    assert [x.split(b"\t")[0] for x in done.stdout.splitlines()] == [b"json", b"jsonl"], done.stderr


def test_no_such_shell():
    assert b"one of bash, zsh, fish" in run("completions", "csh", code=2).stderr
