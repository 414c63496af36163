"""Idle watchers and the sockets that wake them, on a loop that the test turns by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circus.model.pacing import Backoff
from circus.model.steps import Stage
from circus.ondemand import SocketAlarm


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback, self.cancelled = callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    def __init__(self) -> None:
        self.now = 100.0
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def add_reader(self, fd: int, callback: Callable[..., None], *args: Any) -> None:
        self.readers[fd] = lambda: callback(*args)

    def remove_reader(self, fd: int) -> None:
        del self.readers[fd]

    def call_later(self, delay: float, callback: Callable[..., None], *args: Any) -> Timer:
        self.timers.append(Timer(lambda: callback(*args)))
        return self.timers[-1]

    def fire(self) -> None:
        timers, self.timers = self.timers, []
        for timer in timers:
            if not timer.cancelled:
                timer.callback()


class Idle:
    """As much of a watcher as the alarm needs; remembers what was wanted of it."""

    on_demand = True
    args = env = shell_args = stdin_socket = None
    backoff = Backoff()

    def __init__(self, name: str) -> None:
        self.name = name
        self.cmd = "serve $(circus.sockets.web)"
        self.wishes: list[str] = []
        self.supervision = self

    def is_stopped(self) -> bool:
        return True

    def wish(self, wish: Any, cause: str) -> None:
        self.wishes.append(cause)


@pytest.fixture
def web() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def test_a_connection_starts_the_watcher_once(web: socket.socket) -> None:
    loop, watcher = Loop(), Idle("one")
    alarm = SocketAlarm(loop, {"web": web})
    alarm.arm(watcher)  # type: ignore[arg-type]
    loop.readers[web.fileno()]()
    assert len(watcher.wishes) == 1
    assert loop.readers == {}


def test_one_that_was_replaced_in_the_pause_is_not_armed_again(web: socket.socket) -> None:
    loop, watcher = Loop(), Idle("one")
    alarm = SocketAlarm(loop, {"web": web})
    alarm.arm(watcher)  # type: ignore[arg-type]
    loop.readers[web.fileno()]()
    alarm.stage_changed(watcher, Stage.IDLE)  # type: ignore[arg-type]
    alarm.disarm(watcher)  # type: ignore[arg-type]
    loop.fire()
    assert loop.readers == {}


def test_after_the_pause_it_is_armed_again(web: socket.socket) -> None:
    loop, watcher = Loop(), Idle("one")
    alarm = SocketAlarm(loop, {"web": web})
    alarm.stage_changed(watcher, Stage.IDLE)  # type: ignore[arg-type]
    loop.fire()
    assert list(loop.readers) == [web.fileno()]


def test_what_an_operator_stopped_is_not_armed(web: socket.socket) -> None:
    loop, watcher = Loop(), Idle("one")
    alarm = SocketAlarm(loop, {"web": web})
    alarm.arm(watcher)  # type: ignore[arg-type]
    alarm.hold(watcher, held=True)  # type: ignore[arg-type]
    assert loop.readers == {}
    alarm.arm(watcher)  # type: ignore[arg-type]
    assert loop.readers == {}
    alarm.hold(watcher, held=False)  # type: ignore[arg-type]
    alarm.arm(watcher)  # type: ignore[arg-type]
    assert list(loop.readers) == [web.fileno()]
