"""End to end: image file to tags, anytag and the peers in turn. Prints a markdown table.

    bench/tag/run.py --model ram.gguf --image street.jpg [--peers torch,ort,openvino]
                     [--rounds 5] [--threads 2] [--peak GFLOPS] [--pth RAM.pth --official DIR]
                     [--small small.gguf --photos DIR]

Each peer stays loaded, as a server would. anytag is one process of N copies of
the image less one process of a single copy, so start and load cancel out.
Peak memory is ru_maxrss of the child. Nothing is written but the table.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GFLOP = 316  # RAM Swin-L 384, nominal; what depends on weights alone not counted
COPIES = 4


def child(args):
    """(seconds, peak MiB) of one process."""
    start = time.perf_counter()
    p = subprocess.Popen([str(a) for a in args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{' '.join(map(str, args))} ended with {p.returncode}: {err.decode(errors='replace')[:500]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


class Anytag:
    def __init__(self, a):
        self.base = [a.bin, "tag", "-m", a.model, "--official-pixels", "--threads", a.threads, "-f", "json"]
        self.image, self.peak = a.image, 0
        self.folder = tempfile.TemporaryDirectory()
        self.files = []
        for i in range(COPIES + 1):  # separate files: no cache of results may help
            self.files.append(pathlib.Path(self.folder.name) / f"{i}{pathlib.Path(a.image).suffix}")
            shutil.copy(a.image, self.files[-1])

    def once(self):
        one, _ = child(self.base + self.files[:1])
        many, peak = child(self.base + self.files)
        self.peak = max(self.peak, peak)
        return (many - one) / COPIES


class Peer:
    def __init__(self, kind, a):
        serve = ROOT / "bench" / "peers" / "serve.py"
        args = [a.python, serve, kind, "--threads", a.threads, "--onnx", a.onnx]
        self.p = subprocess.Popen([str(x) for x in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.image, self.peak = str(pathlib.Path(a.image).resolve()), 0
        if self.p.stdout.readline().strip() != "ready":
            sys.exit(f"peer {kind} did not start")
        self.once()  # warm up

    def once(self):
        self.p.stdin.write(self.image + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())["seconds"]

    def close(self):
        self.p.stdin.close()
        _, _, usage = os.wait4(self.p.pid, 0)
        self.p.returncode, self.peak = 0, usage.ru_maxrss / 1024


def conversion(a):
    with tempfile.TemporaryDirectory(dir=pathlib.Path(a.pth).parent) as folder:
        out = pathlib.Path(folder)
        copy, _ = child(["cp", a.pth, out / "copy"])
        (out / "copy").unlink()
        args = [a.bin, "convert", a.pth, out / "m.gguf", "--official", a.official]
        seconds, peak = child(args + (["--model-config", a.model_config] if a.model_config else []))
    print(f"\nConversion {seconds:.2f} s, cp {copy:.2f} s, ratio {seconds / copy:.2f}, peak {peak:.0f} MiB")


def small(a):
    files = sorted(p for p in pathlib.Path(a.photos).iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    base = [a.bin, "tag", "-m", a.small, "--threads", a.threads, "-f", "json"]
    one, _ = child(base + files[:1])
    every, peak = child(base + files)
    print(f"\nSmall model: {(len(files) - 1) / (every - one):.1f} images/s over {len(files)} files, peak {peak:.0f} MiB")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.environ.get("ANYTAG_BIN", ROOT / "build" / "cli" / "anytag"))
    p.add_argument("--python", default=ROOT / "build" / "venv" / "bin" / "python")
    p.add_argument("--onnx", default=ROOT / "build" / "full" / "ram_swin_l_384.onnx")
    p.add_argument("--peers", default="torch,ort,openvino")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--peak", type=float, help="measured fp32 peak in GFLOP/s at these threads")
    for name in ("model", "image", "pth", "official", "model-config", "small", "photos"):
        p.add_argument("--" + name)
    a = p.parse_args()
    if a.model and a.image:
        runs = {"anytag": Anytag(a)}
        runs.update((k, Peer(k, a)) for k in a.peers.split(",") if k)
        times = {k: [] for k in runs}
        for _ in range(a.rounds):
            for k, r in runs.items():
                times[k].append(r.once())
        ours = statistics.median(times["anytag"])
        print("| program | median s | min s | max s | against anytag | GFLOP/s | share of peak | peak MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for k, r in runs.items():
            if k != "anytag":
                r.close()
            t, m = times[k], statistics.median(times[k])
            share = f"{GFLOP / m / a.peak:.0%}" if a.peak else "not measured"
            print(f"| {k} | {m:.3f} | {min(t):.3f} | {max(t):.3f} | {m / ours:.2f} | {GFLOP / m:.0f} | {share} "
                  f"| {r.peak:.0f} |")
    if a.pth:
        conversion(a)
    if a.small and a.photos:
        small(a)


if __name__ == "__main__":
    main()
