"""Pipes that look like workers, and the proof that no thread or descriptor of the pump is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circus.stream.shared import shutdown
from harness.descriptors import open_descriptors, settled_descriptors
from harness.waiting import eventually


class FakeWorker:
    """As much of a process as a redirector needs, with the other ends of its pipes in our hand."""

    def __init__(self, pid: int, *, stderr: bool = False) -> None:
        self.pid = pid
        self.redirected = False
        self.pipe_stdout, self.pipe_stderr = True, stderr
        reading, self.out = os.pipe()
        self.stdout: Any = os.fdopen(reading, "rb", 0)
        self.stderr: Any = None
        self.err = -1
        if stderr:
            reading, self.err = os.pipe()
            self.stderr = os.fdopen(reading, "rb", 0)

    def write(self, data: bytes) -> None:
        os.write(self.out, data)

    def die(self) -> None:
        """Close the worker's ends, as the kernel does at its death."""
        for fd in (self.out, self.err):
            if fd >= 0:
                os.close(fd)
        self.out = self.err = -1

    def close(self) -> None:
        self.die()
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()


@pytest.fixture
def make_worker() -> Iterator[Callable[..., FakeWorker]]:
    made: list[FakeWorker] = []

    def make(pid: int = 7, **kw: Any) -> FakeWorker:
        made.append(FakeWorker(pid, **kw))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


class ManualLoop:
    """The part of a loop that redirectors use; what is due runs when the test says so."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.soon: list[Callable[[], object]] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)
        self.arrived.set()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Any:
        entry = (delay, callback)
        self.timers.append(entry)
        loop = self

        class Handle:
            def cancel(self) -> None:
                if entry in loop.timers:
                    loop.timers.remove(entry)

        return Handle()

    def run(self, deadline: float = 5.0) -> None:
        """Wait for a callback from another thread and run it."""
        assert self.arrived.wait(deadline), "nothing arrived"
        self.arrived.clear()
        while self.soon:
            self.soon.pop(0)()

    def fire_timers(self) -> None:
        for entry in list(self.timers):
            self.timers.remove(entry)
            entry[1]()


@pytest.fixture
def loop() -> ManualLoop:
    return ManualLoop()


@pytest.fixture
def no_partial_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a line is waited for however long the machine lets its writer stand still."""
    monkeypatch.setattr("circus.stream.delivery.PARTIAL_AFTER", 60.0)


def pump_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("circus-pump")]


@pytest.fixture(autouse=True)
def no_pump_left_behind() -> Iterator[None]:
    before = settled_descriptors()
    yield
    shutdown(1.0)
    eventually(lambda: not pump_threads(), 5.0)
    assert open_descriptors() <= before, "descriptors left open"
