"""Many pictures: files a second, pictures a pass, sessions side by side. Prints markdown; peers: small.py.

    bench/tag/throughput.py --model small8.gguf --photos DIR [--threads 2] [--rounds 5] [--bin build/cli/anytag]

Each row is the best of the rounds, taken in turn, so that other programs weigh on all rows alike. "CPU" is
processor seconds of user and system: threads / CPU a picture is what a machine without other programs gives.
"""
import argparse
import json
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tag(a, files, *more):
    """(pictures a second, CPU ms a picture, peak MiB) of anytag tag."""
    start = time.perf_counter()
    p = subprocess.Popen([a.bin, "tag", "-q", "-m", a.model, "-j", str(a.threads), "-f", "jsonl", "-o", os.devnull, *more, *files])
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        raise SystemExit(f"anytag tag ended with {p.returncode}")
    return len(files) / (time.perf_counter() - start), (used.ru_utime + used.ru_stime) * 1e3 / len(files), used.ru_maxrss / 1024


def start(a, files, n, pin):
    """A process of n sessions of one thread on the cores of `pin`."""
    return subprocess.Popen([a.bin, "bench", "-m", a.model, "-j", str(n), "--parallel", str(n), "--repeat", "2", "-f", "json",
                             *files], stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, pin))


def told(*processes):
    """(pictures a second of all, CPU ms a picture) once they are done."""
    done = [json.loads(p.communicate()[0]) for p in processes]
    return sum(d["images_per_s"] for d in done), sum(d["cpu_ms"] for d in done) / len(done)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.environ.get("ANYTAG_BIN", str(ROOT / "build" / "cli" / "anytag")))
    p.add_argument("--model", required=True)
    p.add_argument("--photos", type=pathlib.Path, required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--most", type=int, default=500, help="pictures of a run")
    a = p.parse_args()
    files = sorted(str(f) for f in a.photos.iterdir() if f.suffix.lower() in (".jpg", ".jpeg"))[:a.most]
    plans = {"auto": [], "batch 1": ["-b", "1"], "batch 8": ["-b", "8"], "--sort none": ["--sort", "none"]}
    best = {k: [0.0, 1e9, 0.0] for k in plans}
    side = {"one session, a core": [], "two sessions of a process": [], "two processes, a core each": []}
    first, second, *_ = [*sorted(os.sched_getaffinity(0)), 0]
    for _ in range(a.rounds):
        for k, more in plans.items():
            rate, cpu, peak = tag(a, files, *more)
            best[k] = [max(best[k][0], rate), min(best[k][1], cpu), max(best[k][2], peak)]
        results = [told(start(a, files[:64], 1, {first})), told(start(a, files[:64], 2, {first, second})),
                   told(start(a, files[:64], 1, {first}), start(a, files[:64], 1, {second}))]
        for k, result in zip(side, results):
            side[k].append(result)
    print(f"| {len(files)} files, {a.threads} threads | pictures/s | CPU ms a picture | threads / CPU, pictures/s | peak MiB |")
    print("| --- | --- | --- | --- | --- |")
    for k, (rate, cpu, peak) in best.items():
        print(f"| {k} | {rate:.1f} | {cpu:.2f} | {a.threads * 1e3 / cpu:.0f} | {peak:.0f} |")
    print("\n| side by side | pictures/s, best | of one | CPU ms a picture, least |\n| --- | --- | --- | --- |")
    for k, results in side.items():  # two processes share nothing: what the hardware gives
        rates = {name: max(r[0] for r in all_of) for name, all_of in side.items()}
        print(f"| {k} | {rates[k]:.1f} | {rates[k] / rates['one session, a core']:.2f} | {min(r[1] for r in results):.2f} |")


if __name__ == "__main__":
    main()
