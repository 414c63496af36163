"""Queues of listening sockets, and the count of who arrives at them."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circus.stats import sockets as module
from circus.stats.sockets import LONGEST_PAUSE, ManagedSocket, SocketWatch, copy_of
from circus.system.sockdiag import OverflowCounter, tcp_queue, tcp_queue_at, unix_queue

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own figures")


class FakeLoop:
    """Readers and timers that the test fires."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        assert fd not in self.readers
        self.readers[fd] = lambda: callback(*args)

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None

    def call_later(self, seconds: float, callback: Any, *args: Any) -> Any:
        entry = (seconds, lambda: callback(*args))
        self.timers.append(entry)
        timers = self.timers

        class Handle:
            def cancel(self) -> None:
                timers.remove(entry)

        return Handle()

    def fire_reader(self) -> None:
        next(iter(self.readers.values()))()

    def fire_timer(self) -> float:
        seconds, callback = self.timers.pop(0)
        callback()
        return seconds


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as made:
        yield made


def managed(listener: socket.socket, fd: int = 7) -> ManagedSocket:
    return ManagedSocket(fd, "{}:{}".format(*listener.getsockname()), listener.dup(), "web", 8)


def visit(listener: socket.socket, count: int, waiting: int | None = None) -> list[socket.socket]:
    """So many connections, once ``waiting`` are in the queue."""
    visitors = [socket.create_connection(listener.getsockname()) for _ in range(count)]
    if sys.platform == "linux":  # the last handshake may still be under way
        end = time.monotonic() + 5
        while (queue := tcp_queue(listener)) and queue.length < (waiting or count) and time.monotonic() < end:
            time.sleep(0.001)
    return visitors


@linux_only
def test_queues_as_the_kernel_tells(listener: socket.socket, tmp_path: Path) -> None:
    host, port = listener.getsockname()
    visitors = visit(listener, 3)
    found = tcp_queue(listener)
    assert found is not None
    assert (found.length, found.limit, found.drops) == (3, 8, 0)
    other = tcp_queue_at(host, port)
    assert other is not None
    assert (other.length, other.limit) == (3, 8)
    assert tcp_queue_at(host, 1) is None
    assert tcp_queue_at("no address", 1) is None
    assert tcp_queue(visitors[0]) is None
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        local.listen(5)
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(tmp_path / "s"))
            told = unix_queue(local)
        assert told is not None
        assert (told.length, told.limit) == (1, 5)
        assert tcp_queue(local) is None
    for visitor in visitors:
        visitor.close()
    assert OverflowCounter().take() == 0


@linux_only
def test_arrivals_are_counted_and_a_waiting_queue_is_no_busy_loop(listener: socket.socket) -> None:
    loop = FakeLoop()
    watch = SocketWatch(loop)
    watch.add(managed(listener))
    assert len(loop.readers) == 1
    visitors = visit(listener, 3)
    loop.fire_reader()
    assert not loop.readers  # level-triggered readiness would call without end
    visitors += visit(listener, 2, waiting=5)
    pauses = [loop.fire_timer() for _ in range(5)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    told, whole = watch.take()
    assert told["reads"] == told["queue"] == len(visitors) == 5
    assert (whole["addresses"], whole["reads"]) == ([told["address"]], told["reads"])
    assert watch.take()[0]["reads"] == 0  # they wait, but they do not arrive again
    for _ in range(told["queue"]):
        listener.accept()[0].close()
    loop.fire_timer()
    assert len(loop.readers) == 1  # empty: the loop may tell of the next one
    for visitor in visitors:
        visitor.close()
    watch.close()
    assert not loop.readers
    assert not loop.timers


@linux_only
def test_one_who_was_let_in_at_once_counts_too(listener: socket.socket) -> None:
    loop = FakeLoop()
    watch = SocketWatch(loop)
    watch.add(managed(listener))
    visitors = visit(listener, 1)
    listener.accept()[0].close()
    loop.fire_reader()
    assert watch.take()[0]["reads"] == 1
    visitors[0].close()
    watch.close()


@linux_only
def test_refusals(listener: socket.socket) -> None:
    watch = SocketWatch(FakeLoop())
    watch.add(managed(listener))
    watch.take()
    visitors = []
    for _ in range(14):
        visitor = socket.socket()
        visitor.setblocking(False)
        visitor.connect_ex(listener.getsockname())
        visitors.append(visitor)
    end = time.monotonic() + 10
    drops = 0
    while not drops and time.monotonic() < end:
        told, _ = watch.take()
        drops += told["drops"]
        time.sleep(0.02)
    assert drops > 0
    for visitor in visitors:
        visitor.close()
    watch.close()


def test_without_the_kernels_figures_readiness_is_what_counts(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("iowait")
    visitors = visit(listener, 2)
    monkeypatch.setattr(module, "tcp_queue", lambda _sock: None)
    loop = FakeLoop()
    watch = SocketWatch(loop)
    watch.add(managed(listener))
    told = watch.take()[0]
    assert (told["reads"], told["queue"], told["backlog"], told["drops"]) == (1, None, 8, None)
    for visitor in visitors:
        visitor.close()
    watch.close()


def test_listed_sockets_come_and_go(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    inherited = os.dup(listener.fileno())
    watch = SocketWatch(FakeLoop())
    entry = {"fd": inherited, "name": "web", "backlog": 8, "host": host, "port": port}
    stranger = {"fd": 9999, "name": "late", "backlog": 5, "host": host, "port": port}
    watch.update([entry, stranger])
    assert watch.sockets[inherited].sock is not None
    assert watch.sockets[9999].sock is None
    told = {each["fd"]: each for each in watch.take()[:-1]}
    if sys.platform == "linux":  # what we hold no copy of can be asked about all the same
        assert told[9999]["queue"] == 0
    watch.update([])
    assert watch.take() == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(inherited)  # else the port would stay taken when circusd has let it go


def test_only_the_right_descriptor_is_copied(listener: socket.socket, tmp_path: Path) -> None:
    host, port = listener.getsockname()
    copy = copy_of(listener.fileno(), f"{host}:{port}")
    assert copy is not None
    copy.close()
    assert copy_of(listener.fileno(), f"{host}:1") is None
    assert copy_of(9999) is None
    with (tmp_path / "file").open("w") as file:
        assert copy_of(file.fileno()) is None
