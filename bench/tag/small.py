"""The model in the box over a folder of JPEGs, files to tags, anytag and the peers in turn. For run.py --small."""
import os
import statistics
import subprocess
import sys
import time

import programs

ROWS = (
    ("PyTorch", "f32", "torch", None, "torch", 0),
    ("ONNX Runtime", "f32", "ort", "small.onnx", "onnxruntime", 0),
    ("OpenVINO", "f32", "ov", "small.xml", "openvino", 0),
    ("ONNX Runtime", "int8", "ort", "small-int8.onnx", "onnxruntime", 0),
    ("OpenVINO", "int8", "ov-auto", "small-int8.xml", "openvino", 0),
)


class Anytag:
    """The program itself over all files, less itself over one: start and load cancel out."""
    error = differ = None

    def __init__(self, a, name, precision, model):
        self.name, self.precision, self.model, self.a = name, precision, model, a
        self.times, self.cpu, self.rss, self.load = [], [], 0, 0

    def once(self, files):
        args = [self.a.bin, "tag", "-m", self.model, "--threads", self.a.threads, "-f", "jsonl", "-q", "--no-config"]
        start = time.perf_counter()
        p = subprocess.Popen([str(x) for x in args + files], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            raise programs.Failed(f"anytag tag ended with {p.returncode}")
        return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def measure(self, files):
        one, one_cpu, _ = self.once(files[:1])
        every, cpu, rss = self.once(files)
        scale = len(files) / (len(files) - 1)
        self.times.append((every - one) * scale)
        self.cpu.append((cpu - one_cpu) * scale)
        self.load, self.rss = one, max(self.rss, rss)

    def close(self):
        pass


def run(a):
    files = sorted(str(p.resolve()) for p in a.small.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))[:a.files]
    if len(files) < 2:
        sys.exit(f"{a.small}: two JPEGs or more are needed")
    runs = [Anytag(a, "anytag", "f16", programs.ROOT / "models" / "anytag-small-f16.gguf")]
    if programs.artefact(a, "small-int8.gguf"):
        runs.append(Anytag(a, "anytag", "int8", programs.FOLDER / "small-int8.gguf"))
    want = programs.floats(programs.FOLDER / "small.want") if programs.artefact(a, "small.want") else None
    for row in ROWS:
        try:
            row = row[:3] + (row[3] or a.default_model,) + row[4:]
            p = programs.start(a, row, 1, "small")
            runs.append(p)
            if want:
                p.check(a.image, 1, want)
            p.ask(files[:20])
        except programs.Failed as e:
            a.notes.append(str(e))
            if runs[-1].name == row[0] and runs[-1].precision == row[1]:
                runs.pop().close()
    for _ in range(a.rounds):
        for p in runs:
            p.measure(files)
    print(f"\n### The model in the box, {len(files)} JPEGs, files to tags\n")
    print("| program | images/s | best | against anytag f16, median | least | CPU ms an image, least | peak MiB | error |")
    print("| --- " * 8 + "|")
    ours = runs[0]
    for p in sorted(runs, key=lambda p: statistics.median(p.times)):
        p.close()
        m, least = statistics.median(p.times), min(p.times)
        print(f"| {p.name} {p.precision} | {len(files) / m:.0f} | {len(files) / least:.0f} | "
              f"{m / statistics.median(ours.times):.2f} | {least / min(ours.times):.2f} | "
              f"{min(p.cpu) / len(files) * 1e3:.1f} | {p.rss:,.0f} | {'' if p.error is None else format(p.error, '.1e')} |")
