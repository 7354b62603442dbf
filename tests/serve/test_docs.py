"""The examples of docs/serve.md are run, and its table is the server's."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

PAGE = (pathlib.Path(__file__).parents[2] / "docs/serve.md").read_text()


def test_examples(server, jpeg, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for name in ("street.jpg", "a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg)
    examples = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.strip().splitlines()]
    assert len(examples) == 15
    for line in examples:
        line = line.replace("http://127.0.0.1:8080", server.url).replace("curl -s", "curl -sS --fail-with-body")
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if not re.search("metrics|ping|heatmap", line):
            answer = json.loads(done.stdout)
            assert not re.search(r"/v1/(tag|caption)\b(?!s)", line) or answer["schema"] == "anytag.result/1"


def test_the_table_is_the_servers(server):
    told = re.findall(r"^\| `(GET|POST|DELETE) (/\S*)` \|", PAGE, re.M)
    doc = server.ask("GET", "/openapi.json")[2]
    assert sorted(told) == sorted((m.upper(), p) for p, item in doc["paths"].items() for m in item)
    for name in {p["name"] for item in doc["paths"].values() for o in item.values() for p in o["parameters"]} - {"q", "limit", "offset", "entries", "id"}:
        assert f"`{name}`" in PAGE, name


def test_no_example_is_wrong_json():
    assert json.loads(re.search(r"```json\n(.*?)```", PAGE, re.S)[1])["status"] == 422
