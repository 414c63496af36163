"""Workers write, the daemon captures into one file: how fast, and at what cost."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.figures.base import Size, Workload
from benchmarks.processes import Late, cpu_seconds
from benchmarks.report import Figure, Goal, median
from benchmarks.systems import HERE, Daemon, Job, Pipes, Place, System

BLOCK, LINE = 8192, 128
MEGABYTE = 1_000_000
ROUND_SECONDS = 60.0


class Logs(Workload):
    """One writer of 8 kB blocks of text, twenty of them, one writer with a write(2) per line of 128 bytes."""

    name = "logs"
    figures = (
        Figure("logs_one", "logs, 1 writer of 8 kB", "MB/s", Goal(">=", 0.8)),
        Figure("logs_cpu", "logs, daemon cpu per GB", "s", Goal("<=", 1.3)),
        Figure("logs_twenty", "logs, 20 writers of 8 kB", "MB/s", Goal(">=", 0.7)),
        Figure("logs_lines", "logs, a write per line", "MB/s", Goal(">=", 0.65)),
    )

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """MB/s until the last byte is in the file; CPU seconds per GB of the capturing side."""
        one, cpu = captured(system, place, size, writers=1, chunk=BLOCK, megabytes=size.log_megabytes)
        twenty, _ = captured(system, place, size, writers=20, chunk=BLOCK, megabytes=size.log_megabytes)
        lines, _ = captured(system, place, size, writers=1, chunk=LINE, megabytes=size.line_megabytes)
        return {"logs_one": one, "logs_cpu": cpu, "logs_twenty": twenty, "logs_lines": lines}


class Rounds:
    """The FIFOs by which writers say that they are ready, and are told to go."""

    def __init__(self, directory: Path, writers: int, share: int, chunk: int) -> None:
        self.writers = writers
        self.total = writers * share
        self.log = directory / "log"
        ready, go = directory / "ready", directory / "go"
        os.mkfifo(ready)
        os.mkfifo(go)
        self._ready = os.open(ready, os.O_RDWR | os.O_NONBLOCK)
        self._go = os.open(go, os.O_RDWR)
        script = [sys.executable, "-I", "-S", str(HERE / "writer.py"), str(ready), str(go)]
        self.command = " ".join([*script, str(share), str(chunk), str(LINE)])

    def close(self) -> None:
        """Close the FIFOs and free the memory of the file."""
        os.close(self._ready)
        os.close(self._go)
        self.log.unlink(missing_ok=True)

    def await_writers(self, seconds: float, capture: Daemon | Pipes) -> None:
        """Wait until every writer is ready for the next round."""
        deadline = time.monotonic() + seconds
        ready = 0
        while ready < self.writers:
            try:
                ready += len(os.read(self._ready, self.writers - ready))
            except BlockingIOError:
                if time.monotonic() > deadline:
                    complaint = capture.complaint() if isinstance(capture, Daemon) else ""
                    raise Late(f"{ready} of {self.writers} writers ready{complaint}") from None
                time.sleep(0.002)

    def run(self, capture: Daemon | Pipes) -> tuple[float, float]:
        """One round: MB/s until all is in the file, CPU seconds per GB. The file is emptied first."""
        self.await_writers(ROUND_SECONDS, capture)
        os.truncate(self.log, 0)
        cpu = sum(map(cpu_seconds, capture.pids))
        began_at = time.perf_counter()
        os.write(self._go, b"." * self.writers)
        while (size := os.stat(self.log).st_size) < self.total:
            if time.perf_counter() - began_at > ROUND_SECONDS:
                raise Late(f"{size} of {self.total} bytes in the log after {ROUND_SECONDS:g} s")
            time.sleep(0.001)
        took = time.perf_counter() - began_at
        cpu = sum(map(cpu_seconds, capture.pids)) - cpu
        if size != self.total:
            raise ValueError(f"{size} bytes in the log instead of {self.total}")
        return self.total / MEGABYTE / took, cpu / self.total * MEGABYTE * 1000


def captured(
    system: System, place: Place, size: Size, *, writers: int, chunk: int, megabytes: int
) -> tuple[float, float]:
    """Medians of the rounds of one capture; a first round warms caches and pipes and is not counted.

    A slow system has fewer rounds (at least one), a fast one up to ``size.log_rounds``.
    """
    share = megabytes * MEGABYTE // writers // chunk * chunk
    rounds = Rounds(place.fresh(), writers, share, chunk)
    try:
        with system.capture(place, Job(rounds.command, writers, rounds.log)) as capture:
            rounds.run(capture)
            ends_at = time.monotonic() + size.log_seconds
            results = [rounds.run(capture)]
            while len(results) < size.log_rounds and time.monotonic() < ends_at:
                results.append(rounds.run(capture))
    finally:
        rounds.close()
    return median(rate for rate, _ in results), median(cpu for _, cpu in results)
