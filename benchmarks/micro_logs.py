#!/usr/bin/env python3
"""How fast the output pump writes what workers say to a file, against ``cat > file`` in the same run.

    python benchmarks/micro_logs.py [--rounds N] [--case CASE]...

For each case the writers (interpreters that run nothing but a loop of writes) write to pipes. One time ``cat``
copies each pipe to a file, the other time a Redirector with a FileStream does, in turns. Reported are medians:
MB/s and CPU seconds per GB of the copying side, and their ratios to cat; below that the latency from the write
of a line to its arrival at a stream. Other load disturbs the figures, and with 20 writers the ratios as well:
twenty cats get a larger share of a busy machine than one thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from typing import Any, NamedTuple

from circus.stream import FileStream, Redirector


class Case(NamedTuple):
    """So many writers, each writing ``total`` bytes in writes of ``size`` bytes."""

    name: str
    writers: int
    size: int
    total: int


CASES = [
    Case("1 writer, 8 kB writes", 1, 8192, 400 << 20),
    Case("20 writers, 8 kB writes", 20, 8192, 20 << 20),
    Case("1 writer, a write per line", 1, 100, 40 << 20),
    Case("20 writers, a write per line", 20, 100, 2 << 20),
]

# dd and the like have costs of their own; this writes one prepared block in a loop and nothing else.
WRITER = """
import os, sys
size, total = int(sys.argv[1]), int(sys.argv[2])
line = b"x" * 99 + b"\\n"
block = line * (size // 100) + b"y" * (size % 100)
write = os.write
os.read(0, 1)  # starts when all are ready
for _ in range(total // size):
    write(1, block)
"""


def start_writers(case: Case) -> tuple[list[int], list[int], int]:
    """Pids, read ends of their outputs, and the descriptor whose closing starts them."""
    gate_read, gate = os.pipe()
    pids, ends = [], []
    for _ in range(case.writers):
        reading, writing = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, gate_read, 0), (os.POSIX_SPAWN_DUP2, writing, 1)]
        argv = [sys.executable, "-S", "-E", "-c", WRITER, str(case.size), str(case.total)]
        pids.append(os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions))
        os.close(writing)
        ends.append(reading)
    os.close(gate_read)
    time.sleep(0.3)  # interpreters start
    return pids, ends, gate


def run_cat(case: Case, folder: str) -> tuple[float, float]:
    """Seconds, and CPU seconds of all the cats."""
    pids, ends, gate = start_writers(case)
    cat = shutil.which("cat") or "cat"
    cats = []
    for number, end in enumerate(ends):
        out = os.open(os.path.join(folder, f"cat{number}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        actions = [(os.POSIX_SPAWN_DUP2, end, 0), (os.POSIX_SPAWN_DUP2, out, 1)]
        cats.append(os.posix_spawn(cat, ["cat"], os.environ, file_actions=actions))
        os.close(end)
        os.close(out)
    began = time.perf_counter()
    os.close(gate)
    cpu = 0.0
    for pid in cats:
        used = os.wait4(pid, 0)[2]
        cpu += used.ru_utime + used.ru_stime
    seconds = time.perf_counter() - began
    for pid in pids:
        os.waitpid(pid, 0)
    return seconds, cpu


class Worker:
    """As much of a process as a redirector needs."""

    pipe_stdout, pipe_stderr, stderr = True, False, None

    def __init__(self, pid: int, end: int) -> None:
        self.pid, self.stdout = pid, os.fdopen(end, "rb", 0)


def run_pump(case: Case, folder: str) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process."""
    pids, ends, gate = start_writers(case)
    workers = [Worker(pid, end) for pid, end in zip(pids, ends, strict=True)]
    redirectors, streams = [], []
    for number, worker in enumerate(workers):
        stream = FileStream(os.path.join(folder, f"pump{number}"))
        redirector = Redirector(stream, None)
        redirector.start()
        redirector.add_redirections(worker)
        streams.append(stream)
        redirectors.append(redirector)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    os.close(gate)
    for pid in pids:
        os.waitpid(pid, 0)
    for redirector, worker in zip(redirectors, workers, strict=True):
        drained = threading.Event()
        redirector.drain(worker, drained.set)
        drained.wait(10)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    for redirector, stream, worker in zip(redirectors, streams, workers, strict=True):
        redirector.stop()
        stream.close()
        worker.stdout.close()
        expected = case.total // case.size * case.size
        if os.path.getsize(stream._filename) != expected:
            raise SystemExit(f"{stream._filename} has {os.path.getsize(stream._filename)} bytes instead of {expected}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(case: Case, rounds: int) -> str:
    """One line of the report."""
    figures: dict[str, list[tuple[float, float]]] = {"cat": [], "pump": []}
    for number in range(rounds):
        order: list[Any] = [("cat", run_cat), ("pump", run_pump)]
        for name, run in order if number % 2 == 0 else order[::-1]:
            folder = tempfile.mkdtemp(prefix="micro-logs-")
            try:
                figures[name].append(run(case, folder))
            finally:
                shutil.rmtree(folder)
    size = case.writers * case.total / 1e9
    speed = {name: statistics.median(size * 1000 / seconds for seconds, _ in taken) for name, taken in figures.items()}
    cpu = {name: statistics.median(used / size for _, used in taken) for name, taken in figures.items()}
    return (
        f"{case.name:30} {speed['cat']:7.0f} {speed['pump']:7.0f} MB/s {speed['pump'] / speed['cat']:6.2f}x"
        f"   {cpu['cat']:6.2f} {cpu['pump']:6.2f} s/GB {cpu['pump'] / cpu['cat']:6.2f}x"
    )


def measure_latency(gap: float, count: int = 200) -> str:
    """The time from a write of a line to its arrival at the stream, one line every ``gap`` seconds."""
    taken: list[float] = []
    sent = [0.0]
    arrived = threading.Event()

    def sink(data: dict[str, Any]) -> None:
        taken.append(time.perf_counter() - sent[0])
        arrived.set()

    reading, writing = os.pipe()
    worker = Worker(1, reading)
    redirector = Redirector(sink, None)
    redirector.start()
    redirector.add_redirections(worker)
    for _ in range(count):
        arrived.clear()
        sent[0] = time.perf_counter()
        os.write(writing, b"a line\n")
        arrived.wait(1)
        time.sleep(gap)
    redirector.stop()
    os.close(writing)
    worker.stdout.close()
    taken.sort()
    return (
        f"latency, a line every {gap * 1000:g} ms: p50 {taken[len(taken) // 2] * 1e3:.2f} ms, p99 "
        f"{taken[int(len(taken) * 0.99)] * 1e3:.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", action="append", help="only cases whose name contains this")
    options = parser.parse_args()
    print(f"{'':30} {'cat':>7} {'pump':>7}      {'ratio':>7}   {'cat':>6} {'pump':>6}      {'ratio':>7}")
    for case in CASES:
        if not options.case or any(word in case.name for word in options.case):
            print(measure(case, options.rounds), flush=True)
    for gap in (0.05, 0.002, 0.0):
        print(measure_latency(gap))


if __name__ == "__main__":
    main()
