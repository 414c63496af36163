"""Clients that look at every answer, next to wrk: what was refused, reset, cut or wrong, and how long the worst took.

Three kinds, each a thread or more: ``new`` makes a connection for each request, ``slow`` the same for a request that is
under way for long, ``kept`` keeps its connection with pauses, until the server says that it will close it.
Used by reloads.py.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

from benchmarks.web.app import ANSWERS, SLOW_SECONDS

PATIENCE = 20.0
HOST = "127.0.0.1"


class Wrong(Exception):
    """An answer that is not the one expected."""


class Client(threading.Thread):
    """Asks again and again until ``stop()``.

    :param port: where.
    :param path: for what.
    :param pause: seconds between two requests.
    :param keep: on one connection.
    """

    def __init__(self, port: int, path: str, pause: float, keep: bool = False) -> None:
        super().__init__(daemon=True)
        self.address, self.path, self.pause, self.keep = (HOST, port), path, pause, keep
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.longest = 0.0
        self._told = threading.Event()
        self._socket: socket.socket | None = None
        close = "" if keep else "Connection: close\r\n"
        self._due = SLOW_SECONDS if path == "/slow" else 0.0
        self._request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{close}\r\n".encode()

    def stop(self) -> None:
        """End after the request under way."""
        self._told.set()
        self.join(PATIENCE * 2)

    def run(self) -> None:
        """Ask, count, wait."""
        while not self._told.wait(self.pause):
            began_at = time.perf_counter()
            self.requests += 1
            try:
                self._ask()
            except (OSError, Wrong) as error:
                self.failures[_kind(error)] += 1
                self._close()
            self.longest = max(self.longest, time.perf_counter() - began_at - self._due)
        self._close()

    def _ask(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self.address, timeout=PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._request)
        if self._read() or not self.keep:
            self._close()

    def _read(self) -> bool:
        """Read one answer; whether the server will close the connection."""
        assert self._socket is not None
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(received)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        if " 200 " not in lines[0]:
            raise Wrong(f"status {lines[0]}")
        while len(body) < len(ANSWERS[self.path]):
            body += self._more(body)
        if body != ANSWERS[self.path]:
            raise Wrong("other body")
        return "connection: close" in lines

    def _more(self, so_far: bytes) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise Wrong("cut short" if so_far else "closed without an answer")
        return data

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _kind(error: Exception) -> str:
    """A word or two for the count."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "timeout" if isinstance(error, TimeoutError) else str(error)


def crowd(port: int) -> dict[str, list[Client]]:
    """Some of each kind, not started."""
    return {
        "new": [Client(port, path, 0.002) for path in ("/", "/10k")],
        "slow": [Client(port, "/slow", 0.01) for _ in range(4)],
        "kept": [Client(port, "/", pause, keep=True) for pause in (0.005, 0.02, 0.1, 0.3)],
    }
