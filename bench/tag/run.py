"""Image file to tags, anytag and the peers of bench/peers in turn, each loaded once as a server would be.
Markdown on stdout, progress on stderr.

    bench/tag/run.py                                      RAM Swin-L 384: f32, bf16, int8; batches 1 and 8
    bench/tag/run.py --batch 1 --rounds 5                 the short one, some four minutes
    bench/tag/run.py --only anytag,openvino --precision int8
    bench/tag/run.py --small DIR                          the model in the box over a folder of JPEGs
    bench/tag/run.py --pth RAM.pth --official DIR         conversion beside cp

The programs of a precision and a batch are loaded together, checked against PyTorch's logits, warmed by a second
pass, then timed in turn, A B C A B C. What they run is made once in build/bench/peers by bench/peers/export.py; a
peer that is not installed or not the same model is named and left out.
"""
import argparse
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import programs
import small

ROOT = programs.ROOT
GFLOP = 316  # RAM Swin-L 384, nominal; what depends on weights alone not counted


def machine(a):
    """Facts at the head of every page, and the measured peaks by precision."""
    model = next((x.partition(":")[2].strip() for x in open("/proc/cpuinfo", encoding="utf-8")
                  if x.startswith("model name")), platform.machine())
    print(f"`{shlex.join(['bench/tag/run.py'] + sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}\n")
    print(f"{model}, {os.cpu_count()} processors, {a.threads} threads each; load before "
          f"{os.getloadavg()[0]:.1f}; {versions(a)}.")
    peaks = {}
    if a.peaks.exists():
        peaks = json.loads(subprocess.run([a.peaks, str(a.threads)], capture_output=True, check=True).stdout)
        print("Measured peaks: " + ", ".join(f"{k} {v:,.0f} {'GOP/s' if k == 'int8' else 'GFLOP/s'}"
                                             for k, v in peaks.items()) + ".")
    return peaks


def versions(a):
    code = ("from importlib.metadata import version, PackageNotFoundError\n"
            "for n in ('torch', 'onnxruntime', 'openvino', 'nncf'):\n"
            "    try: print(n, version(n), sep=' ', end=', ')\n"
            "    except PackageNotFoundError: pass")
    said = subprocess.run([a.python, "-c", code], capture_output=True, text=True, check=False).stdout
    return said.rstrip(", ") or "no peers installed"


def group(a, rows, batch, want):
    """The rows of a precision at a batch, timed in turn; those that ran."""
    running = []
    for row in rows:
        try:
            p = programs.start(a, row, batch)
            running.append(p)
            p.check(a.image, batch, want)
            p.ask([a.image] * batch)
            print(f"{p.name} {p.precision} batch {batch}: ready", file=sys.stderr)
        except (programs.Failed, OSError) as e:
            print(e, file=sys.stderr)
            a.notes.append(str(e))
            if running and running[-1].name == row[0]:
                running.pop().close()
    for _ in range(a.rounds):
        for p in running:
            p.measure([a.image] * batch)
    for p in running:
        p.close()
    return [p for p in running if p.times]


def table(runs, batch, peak):
    print("| program | images/s | median s | least s | pixels to tags, least s | against anytag, median | least | CPU s, least | "
          "CPU / anytag | share of peak | load s | peak MiB | error | tags that differ |")
    print("| --- " * 14 + "|")
    ours = next((p for p in runs if p.name == "anytag"), None)
    for p in sorted(runs, key=lambda p: statistics.median(p.times)):
        m, least = statistics.median(p.times), min(p.times)
        ratio = (f"{m / statistics.median(ours.times):.2f}", f"{least / min(ours.times):.2f}",
                 f"{min(p.cpu) / min(ours.cpu):.2f}") if ours else ("", "", "")
        share = f"{GFLOP * batch / min(p.models) / peak:.0%}" if peak else "not measured"
        print(f"| {p.name} | {batch / m:.2f} | {m:.3f} | {least:.3f} | {min(p.models):.3f} | {ratio[0]} | {ratio[1]} | "
              f"{min(p.cpu):.2f} | {ratio[2]} | {share} | {p.load:.1f} | {p.rss:,.0f} | {p.error:.1e} | {p.differ} |")


def ram(a, peaks):
    if not programs.artefact(a, "ram.want"):
        sys.exit("ram.want, the logits that everybody is checked against, could not be made: bench/peers/export.py ram.want")
    want = programs.floats(programs.FOLDER / "ram.want")
    only = {x.strip().lower() for x in a.only.split(",")} if a.only else None
    for batch in (int(x) for x in a.batch.split(",")):
        for precision in a.precision.split(","):
            rows = [r for r in programs.ROWS if r[1] == precision and r[5] in (0, batch)
                    and (not only or {r[0].lower(), r[0].lower().split()[0]} & only)]
            runs = group(a, rows, batch, want)
            if runs:
                print(f"\n### RAM Swin-L 384, {precision}, batch {batch}\n")
                table(runs, batch, peaks.get(precision))
                sys.stdout.flush()


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


def conversion(a):
    with tempfile.TemporaryDirectory(dir=pathlib.Path(a.pth).parent) as folder:
        out = pathlib.Path(folder)
        copy, _ = child(["cp", a.pth, out / "copy"])
        (out / "copy").unlink()
        args = [a.bin, "convert", a.pth, out / "m.gguf", "--official", a.official]
        seconds, peak = child(args + (["--model-config", a.model_config] if a.model_config else []))
    print(f"\nConversion {seconds:.2f} s, cp {copy:.2f} s, ratio {seconds / copy:.2f}, peak {peak:.0f} MiB")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = ROOT / "build"
    shared = pathlib.Path(os.environ.get("ANYTAG_SHARED", ROOT.parent / "shared"))
    p.add_argument("--bin", default=os.environ.get("ANYTAG_BIN", build / "cli" / "anytag"))
    p.add_argument("--bench", type=pathlib.Path, default=build / "bench" / "tag" / "bench_tag")
    p.add_argument("--peaks", type=pathlib.Path, default=build / "bench" / "kernels" / "bench_peak")
    p.add_argument("--python", default=build / "venv" / "bin" / "python", help="of bench/peers/setup.sh")
    p.add_argument("--image", default=shared / "goldens" / "images" / "street.jpg")
    p.add_argument("--precision", default="f32,bf16,int8")
    p.add_argument("--batch", default="1,8")
    p.add_argument("--only", metavar="NAMES", help="of anytag, pytorch, onnx runtime, openvino")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--small", type=pathlib.Path, metavar="DIR")
    p.add_argument("--files", type=int, default=300, help="of --small's folder, at most")
    p.add_argument("--default-model", default=shared / "default-model", help="PyTorch's files of the model in the box")
    for name in ("pth", "official", "model-config"):
        p.add_argument("--" + name)
    a = p.parse_args()
    a.image, a.notes = str(pathlib.Path(a.image).resolve()), []
    programs.FOLDER.mkdir(parents=True, exist_ok=True)
    if a.pth:
        conversion(a)
        return
    peaks = machine(a)
    if a.small:
        small.run(a)
    else:
        ram(a, peaks)
    for note in a.notes:
        print(f"\n{note}")


if __name__ == "__main__":
    main()
