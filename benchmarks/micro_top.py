#!/usr/bin/env python3
"""What circus-top costs: time to the first full screen, CPU while it watches, delay of a key.

    python benchmarks/micro_top.py [--seconds N] [--workers N]...

A stand-in for a daemon publishes, once a second, what circusd-stats publishes for so many workers, and answers the
requests of circus-top. The real program runs in a pseudo-terminal of 160x45 cells, in a process of its own. Its CPU is
that of the process' clock over N seconds after the first screen, with the watchers folded (the tree it begins with) and
with every worker in the table. A key is timed from its writing to the last byte that is drawn for it (before 30 ms
without output). Goals: first screen below 1 s, below 3 % of one core with 175 workers, no lag with 1000 rows. Other
load disturbs all figures but "its CPU", the CPU time until the first screen.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from typing import Any

import zmq

COLUMNS, LINES = 160, 45
_KEYS = (b"j", b"j", b"k", b"C", b"M", b"G", b"g", b"t", b"t", b"\x1b[6~", b"\x1b[5~", b"/", b"\x1b")


class Daemon(threading.Thread):
    """As much of a daemon and its circusd-stats as circus-top talks to, with made-up workers."""

    def __init__(self, directory: str, workers: int) -> None:
        super().__init__(daemon=True)
        self.control, self.stats, self.pubsub = (f"ipc://{directory}/{name}" for name in ("ctl", "sta", "pub"))
        self._watchers = max(1, workers // 25)
        self._each = workers // self._watchers
        self._count = workers
        self._context: zmq.Context[Any] = zmq.Context()
        self._sockets = {
            "router": self._bind(zmq.ROUTER, self.control),
            "stats": self._bind(zmq.PUB, self.stats),
            "pubsub": self._bind(zmq.PUB, self.pubsub),
            "query": self._bind(zmq.ROUTER, f"{self.stats}.query"),
        }
        self._ended = threading.Event()
        self._tick = 0

    def _bind(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        sock: zmq.Socket[bytes] = self._context.socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.SNDHWM, 0)
        sock.bind(endpoint)
        return sock

    def run(self) -> None:
        next_at = time.monotonic()
        while not self._ended.is_set():
            if time.monotonic() >= next_at:
                next_at += 1.0
                self._publish()
            for name in ("router", "query"):
                if self._sockets[name].poll(5):
                    self._answer(self._sockets[name])
        self._context.destroy(linger=0)

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _names(self) -> list[str]:
        return [f"service-{number:02}" for number in range(self._watchers)]

    def _info(self, watcher: int, number: int, now: float) -> dict[str, Any]:
        pid = 10_000 + watcher * 1000 + number
        rss = (10 << 20) + 4096 * ((pid * 7919 + self._tick * 13) % 5000)
        return {
            "mem_info1": "10.00M", "mem_info2": "200.00M", "cpu": ((pid + self._tick * 37) % 300) / 10, "mem": 0.1,
            "ctime": "0:10.00", "pid": pid, "username": "www", "nice": 0, "create_time": now - 5000.0, "age": 5000.0,
            "cmdline": "python", "children": [], "rss": rss, "vms": 200 << 20, "threads": 4, "fds": 20,
            "read_bytes": self._tick * 4096, "write_bytes": self._tick * 8192 + pid, "ctx_switches": self._tick * 10,
            "children_cpu": 0.0, "children_rss": 0, "children_count": 0, "subtopic": pid, "name": None,
            "wid": number + 1, "watcher": f"service-{watcher:02}", "state": "running", "restarts": 0,
            "uptime": 5000.0 + self._tick, "dropped": 0, "time": now,
        }  # fmt: skip

    def _messages(self) -> dict[str, Any]:
        now = time.time()
        told: dict[str, Any] = {}
        for at, name in enumerate(self._names()):
            infos = [self._info(at, number, now) for number in range(self._each)]
            for info in infos:
                told[f"stat.{name}.{info['pid']}"] = info
            told[f"stat.{name}"] = {
                "pid": [info["pid"] for info in infos], "cpu": 1.0, "mem": 1.0, "age": 5000.0, "watcher": name,
                "rss": 1, "cpu_sum": 1.0, "count": len(infos), "restarts": 0, "status": "active", "time": now,
                "numprocesses": self._each,
            }  # fmt: skip
        return told

    def _publish(self) -> None:
        self._tick += 1
        for topic, payload in self._messages().items():
            self._sockets["stats"].send_multipart([topic.encode(), json.dumps(payload).encode()])

    def _answer(self, sock: zmq.Socket[bytes]) -> None:
        *route, body = sock.recv_multipart()
        request = json.loads(body)
        reply = {"id": request.get("id"), "status": "ok", "time": time.time(), **self._reply(request)}
        sock.send_multipart([*route, json.dumps(reply).encode()])

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        command = request["command"]
        if command == "globaloptions":
            return {"options": {"stats_endpoint": self.stats, "pubsub_endpoint": self.pubsub}}
        if command == "status":
            return {"statuses": {"circusd-stats": "active", **dict.fromkeys(self._names(), "active")}}
        if command == "snapshot":
            return {"stats": self._messages()}
        if command == "stats":
            told = self._messages()
            return {"infos": {name: {str(info["pid"]): info for topic, info in told.items()
                    if topic.startswith(f"stat.{name}.")} for name in self._names()}}  # fmt: skip
        if command == "dstats":
            return {"info": self._info(99, 0, time.time())}
        if command == "get":
            return {"options": {"numprocesses": self._each}}
        if command == "events":
            return {"events": [], "last": 0, "first": 0, "daemon": "benchmark"}
        if command == "history":
            return {"series": {}, "interval": 1.0}
        return {"sockets": []} if command == "listsockets" else {}


class Screen:
    """circus-top in a pseudo-terminal."""

    def __init__(self, daemon: Daemon, state: str) -> None:
        self.began = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", XDG_STATE_HOME=state)
            os.execv(sys.executable, [sys.executable, "-m", "circus.top", "--control", daemon.control])
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.shown = b""

    def read(self, seconds: float) -> int:
        """Take in what is drawn within that time; how many bytes."""
        end, count = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                data = os.read(self._fd, 1 << 16)
                count += len(data)
                self.shown = (self.shown + data)[-(1 << 18) :]
        return count

    def wait_for(self, text: bytes, seconds: float = 20.0) -> float:
        """Seconds from the start until that text is drawn."""
        while text not in self.shown:
            self.read(0.005)
            if time.perf_counter() - self.began > seconds:
                raise SystemExit(f"circus-top does not show {text!r}")
        return time.perf_counter() - self.began

    def press(self, key: bytes) -> float:
        """Seconds until all that the key changes is drawn."""
        self.read(0.6)
        began = time.perf_counter()
        os.write(self._fd, key)
        last = began
        while time.perf_counter() - last < 0.03 or last == began:
            if select.select([self._fd], [], [], 0.005)[0]:
                os.read(self._fd, 1 << 16)
                last = time.perf_counter()
            elif time.perf_counter() - began > 1.0:
                break
        return last - began

    def cpu(self) -> float:
        """CPU seconds so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident megabytes."""
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # nobody would read what it says to a kinder signal
        os.waitpid(self.pid, 0)
        os.close(self._fd)


def measure(workers: int, seconds: float) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory(prefix="top-") as directory:
        daemon = Daemon(directory, workers)
        daemon.start()
        try:
            starts, efforts = [], []
            for _ in range(5):
                screen = Screen(daemon, directory)
                starts.append(screen.wait_for(b"service-00"))
                efforts.append(screen.cpu())
                screen.end()
            screen = Screen(daemon, directory)
            screen.wait_for(b"service-00")
            screen.read(3.0)
            before, began = screen.cpu(), time.perf_counter()
            drawn = screen.read(seconds)
            share = (screen.cpu() - before) / (time.perf_counter() - began)
            os.write(screen._fd, b"*")  # everything unfolded
            delays = sorted(screen.press(key) for key in _KEYS)
            before, began = screen.cpu(), time.perf_counter()
            screen.read(seconds)
            unfolded = (screen.cpu() - before) / (time.perf_counter() - began)
            memory = screen.memory()
            screen.end()
        finally:
            daemon.end()
    return (
        f"{workers:7} {statistics.median(starts):11.2f} s {statistics.median(efforts):6.2f} s"
        f" {share:10.1%} {unfolded:10.1%} {drawn / seconds / 1024:9.1f}"
        f" {delays[len(delays) // 2] * 1000:9.0f} ms {delays[-1] * 1000:7.0f} ms {memory:8.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, action="append")
    options = parser.parse_args()
    print("workers  first screen  its CPU   CPU tree  unfolded   KiB/s   key median  longest    MB")
    for workers in options.workers or (175, 1000):
        print(measure(workers, options.seconds), flush=True)


if __name__ == "__main__":
    main()
