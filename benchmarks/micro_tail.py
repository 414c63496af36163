#!/usr/bin/env python3
"""What following live output costs circusd, and that it costs the worker nothing.

    python benchmarks/micro_tail.py [--seconds N] [--rate MB]

One worker writes lines of 128 bytes in writes of 8 kB, at 100 MB/s and then as fast as it can; its stream is a file,
/dev/null. Meanwhile nobody follows, one subscriber reads, or one is connected and never reads. Each line of the table:
what the worker got rid of, CPU of circusd, lines that the subscriber got and lines that were counted as lost, the
longest time for which circusd's loop was held up since its start, and circusd's memory. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import zmq

from benchmarks.processes import cpu_seconds, rss_megabytes
from benchmarks.systems import Daemon, Job, Place, ours

LINE = 128
BLOCK = 8192

WRITER = """
import os, sys, time
rate, line = float(sys.argv[1]) * 1e6, int(sys.argv[2])
size = int(sys.argv[3])
block = (b"x" * (line - 1) + b"\\n") * (size // line)
write, clock = os.write, time.monotonic
began, written = clock(), 0
while True:
    for _ in range(16):
        write(1, block)
    written += 16 * size
    ahead = written / rate - (clock() - began) if rate else 0
    if ahead > 0.0005:
        time.sleep(ahead)
    elif ahead < -0.1:
        began, written = clock(), 0  # it was held up: no catching up
"""


class Reader:
    """A subscriber to all live output."""

    def __init__(self, daemon: Daemon, place: Place, *, reads: bool) -> None:
        self.socket: zmq.Socket[bytes] = place.context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RCVHWM, 1000 if reads else 1)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"output.")
        self.socket.connect(daemon.events_endpoint)
        self.reads = reads
        self.lines = self.lost = 0
        self._next: int | None = None

    def wait(self, seconds: float) -> None:
        """Read for so long; or only wait."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.reads:
                time.sleep(left)
            elif self.socket.poll(int(left * 1000) + 1):
                message = json.loads(self.socket.recv_multipart()[1])
                count = len(message["lines"])
                if self._next is not None:
                    self.lost += message["seq"] - self._next
                self._next = message["seq"] + count
                self.lines += count

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def bytes_read(daemon: Daemon) -> int:
    """What circusd has read from the worker so far."""
    streams: Any = daemon.control.ask("stats", name="w")["streams"]
    return int(streams["stdout"]["bytes"])


def measure(daemon: Daemon, place: Place, title: str, kind: str, seconds: float) -> str:
    """One line of the table."""
    reader = None if kind == "nobody" else Reader(daemon, place, reads=kind == "reads")
    try:
        settling = 1.0 if kind != "idle" else 4.0  # until what zmq keeps for it is full
        if reader is not None:
            reader.wait(settling)
            reader.lines = reader.lost = 0
        read, cpu, began = bytes_read(daemon), cpu_seconds(daemon.pid), time.monotonic()
        if reader is None:
            time.sleep(seconds)
        else:
            reader.wait(seconds)
        took = time.monotonic() - began
        cpu = (cpu_seconds(daemon.pid) - cpu) / took
        rate = (bytes_read(daemon) - read) / took
        info: Any = daemon.control.ask("dstats")["info"]
        heard = f"{reader.lines / took:9.0f} {reader.lost / took:9.0f}" if kind == "reads" and reader else " " * 19
        stall = info["loop_stall_max"] * 1000
        return (
            f"{title:42} {rate / 1e6:6.0f} MB/s {cpu * 100:6.1f} % {heard} {stall:8.1f} ms"
            f" {rss_megabytes(daemon.pid):7.1f} MB"
        )
    finally:
        if reader is not None:
            reader.close()
            time.sleep(0.2)  # circusd hears of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each line is measured")
    parser.add_argument("--rate", type=float, default=100.0, help="MB/s of the first three lines")
    options = parser.parse_args()
    print(f"{'':42} {'written':>11} {'CPU':>8} {'lines/s':>9} {'lost/s':>9} {'longest stall':>14} {'RSS':>7}")
    with tempfile.TemporaryDirectory(prefix="micro-tail-") as folder:
        place = Place(Path(folder))
        try:
            for rate, name in ((options.rate, f"{options.rate:g} MB/s"), (0.0, "full speed")):
                argv = [sys.executable, "-S", "-E", str(Path(folder) / "writer.py"), str(rate), str(LINE), str(BLOCK)]
                Path(argv[3]).write_text(WRITER)
                with ours(None).daemon(place, Job(shlex.join(argv), 1, Path("/dev/null"))) as daemon:
                    daemon.settle()
                    time.sleep(1)
                    for title, kind in (
                        ("nobody follows", "nobody"),
                        ("one follows", "reads"),
                        ("one follows and never reads", "idle"),
                        ("nobody follows any more", "nobody"),
                    ):
                        print(measure(daemon, place, f"{name}, {title}", kind, options.seconds), flush=True)
        finally:
            place.close()


if __name__ == "__main__":
    main()
