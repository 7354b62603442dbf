"""Captions: image file to tags and caption, anytag and PyTorch eager in turn. Prints markdown tables.

    bench/caption/run.py --model tag2text.gguf --folder DIR --image FILE [--peers torch,torch-thrifty]
                         [--rounds 5] [--threads 2] [--max-length 20] [--lengths 12,20,28,36,44]

DIR is the folder of bench/peers/tag2text_torch.py. Every program is loaded and warm; an answer has the
seconds to the tags and to tags and caption, the caption's part is their difference. The token ids must be
the same. --lengths asks anytag for captions of exactly so many tokens: what a token costs more, and how
fast the weights go by, beside the speed at which the same threads read memory.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EOS, PROMPT = 102, 4


class Program:
    def __init__(self, args, first_line):
        self.p = subprocess.Popen([str(x) for x in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = self.p.stdout.readline().strip()
        if not self.hello.startswith(first_line):
            sys.exit(f"{args[0]} did not start")

    def ask(self, least, most, path):
        self.p.stdin.write(f"{least} {most} {path}\n")
        self.p.stdin.flush()
        got = json.loads(self.p.stdout.readline())
        got["caption"] = got["all"] - got["tags"]
        got["ids"] = [i for i in got["ids"] if i != EOS]
        return got

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def programs(a):
    out = {"anytag": Program([a.bin, a.model, a.threads], "{")}
    for k in a.peers.split(","):
        if k:
            args = [a.python, ROOT / "bench" / "peers" / "tag2text_torch.py", "--folder", a.folder, "--threads", a.threads]
            out[k] = Program(args + (["--thrifty"] if k.endswith("thrifty") else []), "ready")
    return out


def side_by_side(runs, a):
    seen = {k: [] for k in runs}
    for r in range(a.rounds + 1):  # the first is not counted
        for k, p in runs.items():
            got = p.ask(10, a.max_length, a.image)
            if r:
                seen[k].append(got)
    ours = seen["anytag"][0]["ids"]
    print(f"{len(ours)} tokens, {a.threads} threads, medians of {a.rounds}, seconds (least to most)\n\n"
          "| program | tags | caption | tags and caption | caption / anytag | all / anytag | the same words |\n"
          "| --- | --- | --- | --- | --- | --- | --- |")
    middle = {k: {w: statistics.median(g[w] for g in s) for w in ("tags", "caption", "all")} for k, s in seen.items()}
    for k, s in seen.items():
        cells = [f"{middle[k][w]:.3f} ({min(g[w] for g in s):.3f} to {max(g[w] for g in s):.3f})" for w in ("tags", "caption", "all")]
        ratios = [f"{middle[k][w] / middle['anytag'][w]:.2f}" for w in ("caption", "all")]
        print(f"| {k} | {' | '.join(cells + ratios)} | {'yes' if all(g['ids'] == ours for g in s) else 'NO'} |", flush=True)


def step_bytes(size):
    """Weights that a token reads, in a width of `size` bytes: twelve layers and the head of BERT base."""
    h, ffn, words = 768, 3072, 30524
    return size * (12 * (6 * h * h + 2 * h * ffn) + h * h + words * h)


def lengths(ours, a):
    wanted = [int(n) for n in a.lengths.split(",")]
    seen = {n: [] for n in wanted}
    for r in range(a.rounds + 1):
        for n in wanted:
            got = ours.ask(n, n, a.image)
            if r:
                seen[n].append(got["caption"])
    print("\n| tokens | caption s | ms a token more |\n| --- | --- | --- |")
    last = None
    for n in wanted:
        m = statistics.median(seen[n])
        print(f"| {n} | {m:.3f} | {f'{(m - last[1]) / (n - last[0]) * 1e3:.2f}' if last else ''} |")
        last = n, m
    first = wanted[0], statistics.median(seen[wanted[0]])
    token = (last[1] - first[1]) / (last[0] - first[0])
    memory = json.loads(ours.hello)["memory_gb_s"]
    print(f"\n{token * 1e3:.2f} ms a token, {step_bytes(a.bytes) / 1e6:.0f} MB of weights: {step_bytes(a.bytes) / token / 1e9:.1f} GB/s; "
          f"the threads read memory at {memory:.1f} GB/s")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=ROOT / "build" / "bench" / "caption" / "bench_caption")
    p.add_argument("--python", default=ROOT / "build" / "venv" / "bin" / "python")
    p.add_argument("--peers", default="torch,torch-thrifty")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--max-length", type=int, default=20)
    p.add_argument("--lengths", default="12,20,28,36,44")
    p.add_argument("--bytes", type=int, default=4, help="of a weight: 4 f32, 2 f16 and bf16")
    for name in ("model", "image"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--folder", help="of the peers")
    a = p.parse_args()
    runs = programs(a)
    side_by_side(runs, a)
    for k, program in runs.items():
        if k != "anytag":
            program.close()
    if a.lengths:
        lengths(runs["anytag"], a)
    runs["anytag"].close()


main()
