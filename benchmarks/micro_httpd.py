#!/usr/bin/env python3
"""What circus-httpd costs: the first page, CPU and memory while pages are open, what slow readers do to quick ones.

    python benchmarks/micro_httpd.py [--seconds N]

A stand-in for a daemon (that of micro_top.py) publishes, once a second, what circusd-stats publishes for so many
workers, 25 to a watcher; with 1000 workers it is also run with one to a watcher. The real program serves it; pages are
WebSockets that follow the overview, one of them a watcher, too. CPU and memory are those of the server's process. A
slow reader asks for everything and never reads. Goals: first page below 300 kB and one second, below 2 % of one core
with 175 workers and one page, bounded with 1000 workers and five pages, and an API call that does not notice fifty slow
readers.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import posixpath
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from micro_top import Daemon

HOST = "127.0.0.1"


class Wide(Daemon):
    """One worker to a watcher."""

    def __init__(self, directory: str, workers: int) -> None:
        super().__init__(directory, workers)
        self._watchers, self._each = workers, 1

    def _names(self) -> list[str]:
        return [f"service-{number:04}" for number in range(self._watchers)]


class Server:
    """circus-httpd for a daemon, open to everybody on the loopback."""

    def __init__(self, daemon: Daemon, state: str) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "circus.web", "--auth", "none", "--port", str(self.port), "--endpoint",
             daemon.control, "--state-dir", state, "--multicast", "none", "--log-level", "error"],
        )  # fmt: skip
        while True:
            try:
                if self.get("/readyz")[0] == 200:
                    break
            except OSError:
                pass
            if time.perf_counter() - self.began > 30 or self._process.poll() is not None:
                raise SystemExit("circus-httpd does not come up")
            time.sleep(0.02)
        self.start = time.perf_counter() - self.began

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def first_page(self) -> tuple[int, float]:
        """Bytes and seconds of the page, its files, its session, and the first overview."""
        began = time.perf_counter()
        head = {"Accept-Encoding": "gzip"}
        total = len(self.get("/", **head)[1])
        todo = set(re.findall(r'(?:href|src)="(static/[^"]+)"', self.get("/")[1].decode()))
        todo |= {name.replace("app.js", "pages/overview.js") for name in todo if name.endswith("/app.js")}
        done: set[str] = set()
        while todo - done:  # modules name the modules they need
            name = min(todo - done)
            done.add(name)
            total += len(self.get(f"/{name}", **head)[1])
            if name.endswith(".js"):
                found = re.findall(r'from "(\.[^"]+)"', self.get(f"/{name}")[1].decode())
                todo |= {posixpath.normpath(posixpath.join(posixpath.dirname(name), each)) for each in found}
        total += len(self.get("/api/v1/session")[1])
        page = Page(self.port, ["overview"])
        while page.snapshots < 1:
            time.sleep(0.001)
        took = time.perf_counter() - began
        total += page.bytes
        page.close()
        return total, took

    def cpu(self) -> float:
        """CPU seconds so far."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident megabytes."""
        with open(f"/proc/{self._process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(20)


class Page:
    """A live page: it counts what it gets. A slow one never reads."""

    def __init__(self, port: int, topics: list[str], *, is_slow: bool = False) -> None:
        self.bytes, self.snapshots, self.messages = 0, 0, 0
        self._sock = socket.socket()
        if is_slow:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._sock.connect((HOST, port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._sock.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {HOST}:{port}\r\nOrigin: http://{HOST}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self._send({"subscribe": topics})
        if is_slow:
            self._send({"logs": {"watchers": None, "lines": 500}})
        else:
            threading.Thread(target=self._read, daemon=True).start()

    def _send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        self._sock.sendall(struct.pack("!BBH4x", 0x81, 0xFE, len(data)) + data)  # a mask of zeros changes nothing

    def _read(self) -> None:
        while True:
            try:
                data = self._sock.recv(1 << 20)
            except OSError:
                return
            if not data:
                return
            self.bytes += len(data)
            self.snapshots += data.count(b'"type":"snapshot"')
            self.messages += data.count(b'"type":')

    def close(self) -> None:
        self._sock.close()


def row(name: str, value: str, goal: str = "") -> None:
    print(f"{name:<62} {value:>14}  {goal}", flush=True)


def watch(server: Server, pages: list[list[str]], seconds: float) -> tuple[float, float, float]:
    """CPU in percent, memory in megabytes, and kilobytes a second for each page."""
    opened = [Page(server.port, topics) for topics in pages]
    time.sleep(3)
    cpu, began, got = server.cpu(), time.perf_counter(), [page.bytes for page in opened]
    time.sleep(seconds)
    span = time.perf_counter() - began
    used = 100 * (server.cpu() - cpu) / span
    sent = sum(page.bytes - before for page, before in zip(opened, got, strict=True))
    for page in opened:
        page.close()
    return used, server.memory(), sent / span / 1000 / max(1, len(opened))


def calls(server: Server) -> float:
    """Milliseconds of an API call, the median of fifty."""
    times = []
    for _ in range(50):
        began = time.perf_counter()
        server.get("/api/v1/watchers")
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def measure(kind: type[Daemon], workers: int, seconds: float) -> None:
    """All figures for so many workers."""
    with tempfile.TemporaryDirectory() as directory:
        daemon = kind(directory, workers)
        daemon.start()
        server = Server(daemon, f"{directory}/state")
        eid = json.loads(server.get("/api/v1/endpoints")[1])["endpoints"][0]["id"]
        name = daemon._names()[0]
        what = f"{workers} workers, {len(daemon._names())} watchers"
        try:
            if workers == 175:
                row("start, until the daemon is there", f"{server.start:.2f} s")
                size, took = server.first_page()
                row("first page with its first figures", f"{size / 1000:.0f} kB", "< 300 kB")
                row("", f"{1000 * took:.0f} ms", "< 1000 ms")
            one = [["overview"]]
            used, memory, rate = watch(server, [], seconds)
            row(f"{what}: no page", f"{used:.1f} %")
            used, memory, rate = watch(server, one, seconds)
            row(f"{what}: one page", f"{used:.1f} %", "< 2 %" if workers == 175 else "")
            row("", f"{rate:.1f} kB/s")
            row("", f"{memory:.0f} MB")
            used, memory, rate = watch(server, one * 4 + [["overview", f"watcher:{eid}/{name}", "events"]], seconds)
            row(f"{what}: five pages", f"{used:.1f} %")
            row("", f"{rate:.1f} kB/s")
            row("", f"{memory:.0f} MB")
            alone = calls(server)
            slow = [Page(server.port, ["overview", "events", f"watcher:{eid}/{name}"], is_slow=True) for _ in range(50)]
            time.sleep(seconds)
            row(f"{what}: an API call", f"{alone:.1f} ms")
            row("    beside 50 slow readers", f"{calls(server):.1f} ms")
            row("    memory beside 50 slow readers", f"{server.memory():.0f} MB")
            for page in slow:
                page.close()
        finally:
            server.end()
            daemon.end()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What circus-httpd costs.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (10)")
    seconds = parser.parse_args().seconds
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    measure(Daemon, 175, seconds)
    measure(Daemon, 1000, seconds)
    measure(Wide, 1000, seconds)


if __name__ == "__main__":
    main()
