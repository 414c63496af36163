"""The loop of circusd-stats: what is called when, and that nothing is forgotten."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from circus.system.plainloop import PlainLoop


@pytest.fixture
def loop() -> Iterator[PlainLoop]:
    made = PlainLoop()
    made.call_later(10.0, pytest.fail, "the test takes too long")
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_callbacks_come_in_turn(loop: PlainLoop) -> None:
    seen: list[Any] = []

    def first() -> None:
        seen.append("first")
        loop.call_soon(seen.append, "of the next turn")

    loop.call_soon(first)
    loop.call_soon(seen.append, "second")
    loop.call_later(0, loop.call_soon, loop.call_soon, loop.stop)
    loop.run_forever()
    assert seen == ["first", "second", "of the next turn"]


def test_timers_come_by_time_and_then_by_age(loop: PlainLoop) -> None:
    seen: list[int] = []
    now = loop.time()
    for number, delay in enumerate((0.02, 0.01, 0.02, 0.0)):
        loop.call_at(now + delay, seen.append, number)
    loop.call_at(now + 0.03, loop.stop)
    loop.run_forever()
    assert seen == [3, 1, 0, 2]
    assert loop.time() >= now + 0.03


def test_what_was_cancelled_is_not_called(loop: PlainLoop) -> None:
    handles = [loop.call_soon(pytest.fail), loop.call_later(0.005, pytest.fail), loop.call_later(0, lambda: None)]
    loop.call_later(0.01, loop.stop)
    for handle in handles:
        handle.cancel()
        handle.cancel()
        assert handle.cancelled()
    loop.run_forever()


def test_one_that_fails_does_not_harm_the_others(loop: PlainLoop, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    loop.call_soon(int, "x")
    loop.call_soon(seen.append, 1)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [1]
    assert "error in a callback of the loop" in caplog.text
    loop.call_soon(exec, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()


def test_readers_and_writers_of_one_descriptor(
    loop: PlainLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    seen: list[str] = []

    def write() -> None:
        seen.append("room")
        assert loop.remove_writer(ours.fileno())
        theirs.send(b"x")

    def read() -> None:
        seen.append(ours.recv(9).decode())
        assert loop.remove_reader(ours.fileno())
        loop.stop()

    loop.add_reader(ours.fileno(), pytest.fail, "replaced")
    loop.add_reader(ours.fileno(), read)
    loop.add_writer(ours.fileno(), write)
    loop.run_forever()
    assert seen == ["room", "x"]
    assert not loop.remove_reader(ours.fileno())
    assert not loop.remove_writer(ours.fileno())


def test_a_reader_that_was_removed_in_the_same_turn_is_not_called(
    loop: PlainLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    seen: list[int] = []

    def called(fd: int) -> None:
        seen.append(fd)
        for each in (ours, theirs):
            loop.remove_reader(each.fileno())

    for each in pair:
        each.send(b"x")
        loop.add_reader(each.fileno(), called, each.fileno())
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    assert len(seen) == 1


def test_other_threads_wake_it(loop: PlainLoop) -> None:
    thread = threading.Timer(0.02, loop.call_soon_threadsafe, [loop.stop])
    thread.start()
    began = time.monotonic()
    loop.run_forever()
    assert time.monotonic() - began < 5
    thread.join()


def test_very_many_wakes_are_no_harm(loop: PlainLoop) -> None:
    calls: list[int] = []
    for number in range(70_000):  # more than a pipe takes
        loop.call_soon_threadsafe(calls.append, number)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert len(calls) == 70_000


@pytest.mark.parametrize("delay", [0.0, 0.03])
def test_signals_wake_it_whenever_they_come(loop: PlainLoop, delay: float) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(loop.stop))
    timer = threading.Timer(delay, os.kill, [os.getpid(), signal.SIGUSR1])
    try:
        timer.start()
        began = time.monotonic()
        loop.run_forever()
        assert time.monotonic() - began < 5
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert signal.set_wakeup_fd(-1) == -1  # as it was


def test_it_runs_outside_the_main_thread_too(loop: PlainLoop) -> None:
    loop.call_later(0.01, loop.stop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_closing_gives_everything_back() -> None:
    gc.collect()  # what earlier tests left to it is closed now
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    loop = PlainLoop()
    loop.call_later(0.1, pytest.fail)
    loop.close()
    loop.close()
    assert loop.is_closed()
    loop.call_soon_threadsafe(pytest.fail)  # a signal that comes late
    if before:
        assert set(os.listdir("/proc/self/fd")) == before
