"""The harness' side of the wire: a control client that costs little, a reader of events, the workers' pipe.

Called by the figures. Knows frames and keys, not which system answers; its cost is the same for all.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from collections.abc import Callable

import zmq

from benchmarks.processes import Late

PIPE_BYTES = 1 << 20
# Of so many starts only the last is of interest: read in batches, so that reading costs little.
BATCHED = 20
BATCH_SECONDS = 0.001
# How often to see whether the daemon still lives while no worker speaks.
ALIVE_SECONDS = 0.5


class Control:
    """A DEALER on the control endpoint."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.connect(endpoint)

    def close(self) -> None:
        """Close at once; unsent requests are dropped."""
        self.socket.close()

    def ask(self, command: str, seconds: float = 20.0, /, **properties: object) -> dict[str, object]:
        """One round trip; Late without an answer, RuntimeError for an error reply."""
        self.send(command, **properties)
        return self.receive(command, seconds)

    def send(self, command: str, **properties: object) -> None:
        """A request whose answer is fetched with receive()."""
        self.socket.send(request(command, properties))

    def receive(self, command: str, seconds: float) -> dict[str, object]:
        """The next answer."""
        if not self.socket.poll(int(seconds * 1000)):
            raise Late(f"no answer to {command!r} within {seconds:g} s")
        reply: dict[str, object] = json.loads(self.socket.recv())
        if reply.get("status") == "error":
            raise RuntimeError(f"{command}: {reply.get('reason')}")
        return reply

    def time_asks(self, command: str, count: int, seconds: float, **properties: object) -> list[float]:
        """Durations of ``count`` sequential round trips; fewer (at least three) once ``seconds`` are over."""
        message = request(command, properties)
        self.ask(command, 20.0, **properties)  # not counted: the first answer may fill caches
        self.socket.rcvtimeo = 20_000
        durations: list[float] = []
        ends_at = time.perf_counter() + seconds
        while len(durations) < count:
            sent_at = time.perf_counter()
            if len(durations) >= 3 and sent_at > ends_at:
                break
            self.socket.send(message)
            self.socket.recv()
            durations.append(time.perf_counter() - sent_at)
        return durations

    def rate(self, command: str, in_flight: int, seconds: float) -> float:
        """Answers per second with ``in_flight`` requests always under way."""
        message = request(command, {})
        send, receive = self.socket.send, self.socket.recv
        self.socket.rcvtimeo = 20_000
        for _ in range(in_flight):
            send(message)
        answers = 0
        began_at = time.perf_counter()
        ends_at = began_at + seconds
        while True:
            receive()
            answers += 1
            now = time.perf_counter()
            if now >= ends_at:
                break
            send(message)
        for _ in range(in_flight - 1):
            receive()
        return answers / (now - began_at)


class Events:
    """A SUB on the events of every watcher."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        self.socket.subscribe(b"watcher.")
        self.socket.connect(endpoint)

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()

    def reaps(self, until: float) -> list[tuple[float, int]]:
        """``(when, pid)`` of the next message, if a reap; nothing once ``until`` (perf_counter) is over."""
        wait = max(0.0, until - time.perf_counter())
        if not self.socket.poll(int(wait * 1000)):
            time.sleep(max(0.0, min(until - time.perf_counter(), 0.001)))  # poll() counts whole milliseconds
            return []
        topic, payload = self.socket.recv_multipart()
        now = time.perf_counter()
        if not topic.endswith(b".reap"):
            return []
        return [(now, int(json.loads(payload)["process_pid"]))]


class Stream:
    """A SUB on the statistics of every watcher."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        self.socket.subscribe(b"stat.")
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.connect(endpoint)
        #: How many messages came about each process of the watcher ``w``, by pid.
        self.counts: dict[bytes, int] = {}

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()

    def take(self) -> None:
        """Count what has arrived."""
        while self.socket.poll(0):
            topic = self.socket.recv()
            self.socket.recv()
            if topic.startswith(b"stat.w."):
                self.counts[topic] = self.counts.get(topic, 0) + 1


class Notices:
    """The pipe that is the stdout of all workers: each tells its pid, once, as soon as it runs."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.read_fd, False)
        self._poll = select.poll()
        self._poll.register(self.read_fd, select.POLLIN)
        self._rest = b""

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_fd)
        os.close(self.write_fd)

    def starts(self, until: float) -> list[tuple[float, int]]:
        """``(when, pid)`` of the workers that spoke next; empty when ``until`` (perf_counter) passes."""
        wait = max(0.0, until - time.perf_counter())
        if not self._poll.poll(wait * 1000):
            return []
        text = os.read(self.read_fd, PIPE_BYTES)
        now = time.perf_counter()
        *lines, self._rest = (self._rest + text).split(b"\n")
        return [(now, int(line)) for line in lines if line.isdigit()]

    def collect(self, count: int, seconds: float, alive: Callable[[], bool]) -> list[tuple[float, int]]:
        """The next ``count`` starts; Late when they do not come, or at once when ``alive()`` says no."""
        until = time.perf_counter() + seconds
        found: list[tuple[float, int]] = []
        while len(found) < count:
            if time.perf_counter() >= until or not alive():
                raise Late(f"{len(found)} of {count} workers started (deadline {seconds:g} s)")
            found += self.starts(min(until, time.perf_counter() + ALIVE_SECONDS))
            if count > BATCHED:
                time.sleep(BATCH_SECONDS)
        return found


def request(command: str, properties: dict[str, object]) -> bytes:
    """The frame of a request."""
    return json.dumps({"id": "b", "command": command, "properties": properties}).encode()
