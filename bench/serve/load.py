#!/usr/bin/python3
"""anytag serve under load, on loopback: 200 clients that ask again at once, then arrivals at 80 % of what it did.
Markdown on stdout, progress on stderr; some two and a half minutes.

    bench/serve/load.py PICTURES                     a folder of JPEGs; the model in the box
    bench/serve/load.py PICTURES -m FILE --seconds 20
    bench/serve/load.py PICTURES -- --parallel 2     what follows is given to the server

Every request is of other bytes (a comment is put into the JPEG) and the cache is off. The offline rate is of `anytag tag`
over the same files, before and after; its start is taken off by a run over one file. The clients take processor time from the
server on the same machine, so beside the rates stand the processor's milliseconds of a picture, which load of others does
not change much.
"""
import argparse
import asyncio
import collections
import itertools
import os
import pathlib
import platform
import random
import shlex
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = (b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        b"\xff\xd8\xff\xfe\x00\x0a%08x")  # SOI and a comment of eight letters


class Pictures:
    """Requests without end, no two of the same bytes."""
    def __init__(self, files):
        self.data = [f.read_bytes()[2:] for f in files]
        self.n = itertools.count()

    def next(self):
        n = next(self.n)
        data = self.data[n % len(self.data)]
        return HEAD % (len(data) + 14, n) + data


class Client(asyncio.Protocol):
    """One connection, kept open: ask() sends a request and is done with its (status, Retry-After)."""
    def __init__(self):
        self.said, self.answer, self.open = b"", None, False

    def connection_made(self, transport):
        self.to, self.open = transport, True

    def ask(self, data):
        self.answer = asyncio.get_running_loop().create_future()
        self.to.write(data)
        return self.answer

    def data_received(self, data):
        self.said += data
        head = self.said.find(b"\r\n\r\n")
        if head < 0:
            return
        fields = dict(line.split(b": ", 1) for line in self.said[:head].split(b"\r\n")[1:])
        if len(self.said) < head + 4 + int(fields[b"Content-Length"]):
            return
        status, self.said = int(self.said[9:12]), b""
        if self.answer and not self.answer.done():
            self.answer.set_result((status, float(fields.get(b"Retry-After", 0))))

    def connection_lost(self, why):
        self.open = False
        if self.answer and not self.answer.done():
            self.answer.set_result(("broken off", 0))


def cpu_and_rss(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return ((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20)


class Run:
    """Statuses, times of 200s, memory twice a second."""
    def __init__(self, name, pid):
        self.name, self.pid = name, pid
        self.statuses, self.times, self.rss = collections.Counter(), [], []

    async def watch(self):
        while True:
            self.rss.append(cpu_and_rss(self.pid)[1])
            await asyncio.sleep(0.5)

    async def go(self, job):
        watch = asyncio.create_task(self.watch())
        cpu, self.began = cpu_and_rss(self.pid)[0], time.perf_counter()
        self.ended = await job
        self.cpu = cpu_and_rss(self.pid)[0] - cpu
        watch.cancel()
        n = len(self.times)
        self.rate = n / (self.ended - self.began)
        self.cpu_ms = self.cpu / max(n, 1) * 1e3
        self.times.sort()
        self.p50, self.p99 = (self.times[min(n - 1, int(n * q))] * 1e3 if n else 0 for q in (0.5, 0.99))
        print(f"{self.name}: {self.rate:.1f} pictures/s, {dict(self.statuses)}", file=sys.stderr)

    def count(self, status, took):
        self.statuses[status] += 1
        if status == 200:
            self.times.append(took)


async def connect(address):
    return (await asyncio.get_running_loop().create_connection(Client, *address))[1]


async def closed(run, address, pictures, clients, seconds):
    """Each client asks again as soon as it is answered, after Retry-After if that was a 429."""
    end = time.perf_counter() + seconds

    async def one():
        c = await connect(address)
        while time.perf_counter() < end:
            start = time.perf_counter()
            status, wait = await c.ask(pictures.next())
            run.count(status, time.perf_counter() - start)
            if not c.open:
                c = await connect(address)
            await asyncio.sleep(wait)
        c.to.close()
    await asyncio.gather(*(one() for _ in range(clients)))
    return time.perf_counter()


async def opened(run, address, pictures, rate, seconds, poisson):
    """Requests come when they come, whether the last was answered or not."""
    idle, going = [], set()
    dice = random.Random(1)

    async def one(due):
        c = idle.pop() if idle else await connect(address)
        status, _ = await c.ask(pictures.next())
        run.count(status, time.perf_counter() - due)
        if c.open:
            idle.append(c)
    due = start = time.perf_counter()
    while due < start + seconds:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        task = asyncio.create_task(one(due))
        going.add(task)
        task.add_done_callback(going.discard)
        due += dice.expovariate(rate) if poisson else 1 / rate
    await asyncio.gather(*going)
    for c in idle:
        c.to.close()
    return time.perf_counter()


def offline(a, files):
    """(pictures/s, CPU ms of a picture) of anytag tag."""
    def once(some):
        start = time.perf_counter()
        p = subprocess.Popen([a.bin, "tag", "--no-config", "-q", "-f", "jsonl", *a.model, *map(str, some)], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            sys.exit(f"anytag tag ended with {p.returncode}")
        return time.perf_counter() - start, used.ru_utime + used.ru_stime
    one, every = once(files[:1]), once(files)
    rate, cpu = (len(files) - 1) / (every[0] - one[0]), (every[1] - one[1]) / (len(files) - 1) * 1e3
    print(f"offline: {rate:.1f} pictures/s, {cpu:.2f} CPU ms", file=sys.stderr)
    return rate, cpu


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pictures", type=pathlib.Path)
    p.add_argument("-m", "--model", type=pathlib.Path)
    p.add_argument("--bin", default=os.environ.get("ANYTAG_BIN", str(ROOT / "build/cli/anytag")))
    p.add_argument("--clients", type=int, default=200)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--open-seconds", type=float, default=20, help="of each of the two runs at 80 %%")
    p.add_argument("--files", type=int, default=400)
    argv = sys.argv[1:]
    cut = argv.index("--") if "--" in argv else len(argv)
    a, options = p.parse_args(argv[:cut]), argv[cut + 1:]
    a.model = ["-m", str(a.model)] if a.model else []
    files = sorted(f for f in a.pictures.iterdir() if f.suffix.lower() in (".jpg", ".jpeg"))[:a.files]
    if len(files) < 2:
        sys.exit(f"{a.pictures}: two JPEGs or more are needed")
    load = os.getloadavg()[0]
    before = offline(a, files)
    server = subprocess.Popen([a.bin, "serve", "--no-config", "--port", "0", "--cache", "0", *a.model, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = server.stdout.readline().strip()
        if not url:
            sys.exit("the server did not start")
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        runs = asyncio.run(measure(a, server.pid, address, Pictures(files)))
        server.terminate()
        if server.wait(30):
            sys.exit(f"the server ended with {server.returncode}")
    finally:
        if server.poll() is None:
            server.kill()
    report(a, load, before, offline(a, files), runs)


async def measure(a, pid, address, pictures):
    runs = [Run("warm", pid), Run(f"{a.clients} clients", pid), Run("80 %, evenly", pid), Run("80 %, Poisson", pid)]
    await runs[0].go(closed(runs[0], address, pictures, 8, 2))
    await runs[1].go(closed(runs[1], address, pictures, a.clients, a.seconds))
    for run, poisson in ((runs[2], False), (runs[3], True)):
        await run.go(opened(run, address, pictures, 0.8 * runs[1].rate, a.open_seconds, poisson))
    return runs[1:]


def report(a, load, before, after, runs):
    model = next((x.partition(":")[2].strip() for x in open("/proc/cpuinfo", encoding="utf-8") if x.startswith("model name")), platform.machine())
    rate, cpu = (statistics.mean(x) for x in zip(before, after))
    print(f"`{shlex.join(['bench/serve/load.py'] + sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}; {model}, {os.cpu_count()} processors; load before {load:.1f}.\n")
    print("| run | pictures/s | of offline | CPU ms a picture | statuses | p50 ms | p99 ms | p99 / p50 | RSS MiB, start, median, most |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print(f"| offline, before and after | {before[0]:.1f}, {after[0]:.1f} | 1 | {before[1]:.2f}, {after[1]:.2f} | | | | | |")
    for r in runs:
        said = ", ".join(f"{n} x {s}" for s, n in sorted(r.statuses.items(), key=str))
        print(f"| {r.name} | {r.rate:.1f} | {r.rate / rate:.2f} | {r.cpu_ms:.2f} ({r.cpu_ms / cpu:.2f}) | {said} | {r.p50:.0f} | {r.p99:.0f} | "
              f"{r.p99 / max(r.p50, 1e-9):.2f} | {r.rss[0]:.0f}, {statistics.median(r.rss):.0f}, {max(r.rss):.0f} |")


if __name__ == "__main__":
    main()
