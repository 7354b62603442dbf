"""The programs of run.py: what starts each, and one of them as a process that stays loaded."""
import array
import json
import math
import os
import pathlib
import select
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench" / "peers"
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 300  # seconds for a start or a pass

# name, precision, the kind of bench/peers/serve.py ("": anytag), its file, the package it needs, the batches it is
# measured at (0: all)
ROWS = (
    ("anytag", "f32", "", "ram.gguf", None, 0),
    ("PyTorch", "f32", "torch", "ram.pth", "torch", 0),
    ("ONNX Runtime", "f32", "ort", "ram.onnx", "onnxruntime", 0),
    ("OpenVINO", "f32", "ov", "ram.xml", "openvino", 0),
    ("anytag", "bf16", "", "ram.gguf", None, 0),
    ("PyTorch", "bf16", "torch-bf16", "ram.pth", "torch", 0),
    ("OpenVINO", "bf16", "ov-bf16", "ram.xml", "openvino", 0),
    ("anytag", "int8", "", "ram-int8.gguf", None, 0),
    ("ONNX Runtime", "int8", "ort", "ram-int8.onnx", "onnxruntime", 0),
    ("OpenVINO", "int8", "ov-auto", "ram-int8.xml", "openvino", 0),
    ("OpenVINO streams", "int8", "ov-auto-tput", "ram-int8.xml", "openvino", 8),
)
# Largest relative L2 of the logits with which a program is still the same model. int8's is loose: weights by
# formula have none of a trained model's redundancy.
TOLERANCE = {"f32": 1e-4, "bf16": 5e-2, "int8": 3e-1}


def sigmoid(x):
    return 1 / (1 + math.exp(-max(-80.0, min(80.0, x))))


def error(got, want):
    """Relative L2 of the logits, and how many of the tags above 0.65 differ."""
    if len(got) != len(want):
        return float("inf"), len(want)
    apart = math.sqrt(sum((g - w) ** 2 for g, w in zip(got, want)) / sum(w * w for w in want))
    return apart, sum((sigmoid(g) > 0.65) != (sigmoid(w) > 0.65) for g, w in zip(got, want))


def floats(path):
    with open(path, "rb") as f:
        return array.array("f", f.read())


class Failed(Exception):
    pass


class Program:
    """A child that says "ready" and answers a line with a line."""

    def __init__(self, row, args):
        self.name, self.precision = row[0], row[1]
        self.times, self.models, self.cpu, self.rss = [], [], [], 0
        self.log = open(FOLDER / f"{row[2] or 'anytag'}-{row[1]}.log", "w+", encoding="utf-8")
        start = time.monotonic()
        self.p = subprocess.Popen([str(x) for x in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=self.log, text=True)
        try:
            self.expect("ready")
        except Failed:
            self.p.kill()
            raise
        self.load = time.monotonic() - start

    def line(self):
        if not select.select([self.p.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"{self.name} {self.precision} said nothing for {PATIENCE} s")
        got = self.p.stdout.readline()
        if not got:
            self.log.seek(0)
            last = self.log.read().strip().splitlines()[-1:] or ["no message"]
            raise Failed(f"{self.name} {self.precision} ended: {last[0][:300]}")
        return got.strip()

    def expect(self, word):
        got = self.line()
        if got != word:
            raise Failed(f"{self.name} {self.precision} said {got[:80]!r}, not {word!r}")

    def seconds(self):
        """Of processor, so far."""
        fields = pathlib.Path(f"/proc/{self.p.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def ask(self, fields):
        cpu = self.seconds()
        self.p.stdin.write("\t".join(fields) + "\n")
        self.p.stdin.flush()
        got = json.loads(self.line())
        return got, self.seconds() - cpu

    def check(self, image, batch, want):
        """The first pass, against PyTorch's logits; the last picture of the batch is compared."""
        out = FOLDER / "got.part"
        self.ask([f"> {out}"] + [image] * batch)
        got = floats(out)
        out.unlink()
        self.error, self.differ = error(got[-len(want):], want)
        if not self.error <= TOLERANCE[self.precision]:
            raise Failed(f"{self.name} {self.precision} is another model: relative L2 of its logits "
                         f"{self.error:.2g}, at most {TOLERANCE[self.precision]:g} is expected")

    def measure(self, images):
        got, cpu = self.ask(images)
        self.times.append(got["read"] + got["model"])
        self.models.append(got["model"])
        self.cpu.append(cpu)

    def close(self):
        try:
            status = pathlib.Path(f"/proc/{self.p.pid}/status").read_text("ascii")
            self.rss = next(int(x.split()[1]) / 1024 for x in status.splitlines() if x.startswith("VmHWM"))
        except (OSError, StopIteration):
            pass  # it has ended
        self.p.stdin.close()
        self.p.wait()
        self.log.close()


def installed(python, package):
    return subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0


def artefact(a, file):
    """Whether it is there, or could be made."""
    if (FOLDER / file).exists():
        return True
    script = ROOT / "bench" / "peers" / "export.py"
    made = subprocess.run([a.python, script, file], stdout=sys.stderr, check=False, env=dict(os.environ, ANYTAG_BIN=str(a.bin)))
    return made.returncode == 0


def start(a, row, batch, model="ram"):
    """The row's program, loaded. Failed says why not."""
    name, precision, kind, file, package, _ = row
    label = f"{name} {precision}"
    if package and not installed(a.python, package):
        raise Failed(f"{label} is left out: {package} is not installed (bench/peers/setup.sh)")
    if not pathlib.Path(file).is_absolute() and not artefact(a, file):
        raise Failed(f"{label} is left out: {file} could not be made (bench/peers/export.py {file})")
    if kind:
        args = [a.python, ROOT / "bench" / "peers" / "serve.py", kind, FOLDER / file, "--threads", a.threads,
                "--batch", batch, "--model", model]
    else:
        args = [a.bench, FOLDER / file, a.threads, batch] + (["bf16"] if precision == "bf16" else [])
    return Program(row, args)
