"""What a service manager is told, on a real datagram socket: each phase once, in order, and never by a worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circus.system import notify
from circus.system.notify import Notifier


class Manager:
    """The other end: what arrived, a dict of the assignments of each datagram."""

    def __init__(self, address: str | bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines = self.socket.recv(4096).decode().split("\n")
                found.append(dict(line.split("=", 1) for line in lines))
        return found


class Clock:
    """A loop whose time is told by the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Any] = []

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        timer = Timer(self.now + delay, callback, args)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.when <= end]:
            timer = min(due, key=lambda each: each.when)
            self.timers.remove(timer)
            self.now = timer.when
            if not timer.cancelled:
                timer.callback(*timer.args)
        self.now = end


class Timer:
    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when, self.callback, self.args, self.cancelled = when, callback, args, False

    def cancel(self) -> None:
        self.cancelled = True


class Reload:
    """A future, as far as it matters."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    def end(self) -> None:
        for callback in self.callbacks:
            callback(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def notifier(tmp_path: Path, manager: Manager) -> Iterator[Notifier]:
    made = Notifier(str(tmp_path / "notify"))
    yield made
    made.close()


def text() -> str:
    return "Watchers: 1, processes: 2"


@pytest.fixture
def running(notifier: Notifier, manager: Manager, clock: Clock) -> Notifier:
    notifier.attend(clock, text)
    notifier.started()
    manager.heard()
    return notifier


class TestTaking:
    def test_the_variables_are_gone(self, tmp_path: Path) -> None:
        environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()),
                   "HOME": "/"}
        made = Notifier.take(environ)
        assert made is not None
        made.close()
        assert environ == {"HOME": "/"}
        assert made.watchdog == 3.0

    @pytest.mark.parametrize(
        ("variables", "seconds"),
        [({"WATCHDOG_USEC": "500000"}, 0.5), ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, 0.0),
         ({"WATCHDOG_USEC": "soon"}, 0.0), ({"WATCHDOG_USEC": "-5"}, 0.0), ({}, 0.0)],
    )
    def test_the_watchdog_is_for_us_or_for_nobody(self, variables: dict[str, str], seconds: float) -> None:
        made = Notifier.take({"NOTIFY_SOCKET": "/n", **variables})
        assert made is not None
        made.close()
        assert made.watchdog == seconds

    @pytest.mark.parametrize("address", ["relative", "vsock:2:1234", "/", "@"])
    def test_an_address_of_an_unknown_kind_is_told_of(self, address: str, caplog: pytest.LogCaptureFixture) -> None:
        environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"}
        assert Notifier.take(environ) is None
        assert environ == {}
        assert f"NOTIFY_SOCKET={address} is neither" in caplog.text


def test_the_socket_is_closed_in_programs_that_are_started(notifier: Notifier) -> None:
    assert not os.get_inheritable(notifier._socket.fileno())


@pytest.mark.skipif(not hasattr(socket, "SO_PASSCRED"), reason="abstract names are Linux'")
def test_an_abstract_name(clock: Clock) -> None:
    name = f"circus-{secrets.token_hex(8)}"
    manager, notifier = Manager(f"\0{name}".encode()), Notifier(f"@{name}")
    notifier.attend(clock, text)
    notifier.started()
    assert manager.heard()[0]["READY"] == "1"
    manager.socket.close()
    notifier.close()


def test_ready_comes_once_with_the_pid(notifier: Notifier, manager: Manager, clock: Clock) -> None:
    notifier.attend(clock, text)
    assert manager.heard() == []
    notifier.started()
    notifier.started()
    assert manager.heard() == [{"READY": "1", "MAINPID": str(os.getpid()), "STATUS": text()}]


def test_a_start_that_takes_long_asks_for_time(notifier: Notifier, manager: Manager, clock: Clock) -> None:
    notifier.attend(clock, text)
    clock.advance(2 * notify.BEAT)
    beats = manager.heard()
    assert len(beats) == 3
    assert all(beat == {"EXTEND_TIMEOUT_USEC": "30000000"} for beat in beats)
    notifier.started()
    manager.heard()
    clock.advance(5 * notify.BEAT)
    assert manager.heard() == []


def test_the_watchdog_hears_twice_in_its_time(tmp_path: Path, manager: Manager, clock: Clock) -> None:
    notifier = Notifier(str(tmp_path / "notify"), watchdog=2.0)
    notifier.attend(clock, text)
    notifier.started()
    clock.advance(0)
    manager.heard()
    clock.advance(4.0)
    assert manager.heard() == [{"WATCHDOG": "1"}] * 4
    notifier.close()
    clock.advance(4.0)
    assert manager.heard() == []


def test_the_status_line_follows(notifier: Notifier, manager: Manager, clock: Clock) -> None:
    said = ["one"]
    notifier.attend(clock, lambda: said[0])
    notifier.started()
    clock.advance(1)
    manager.heard()
    said[0] = "two\nthree"
    clock.advance(3 * notify.BEAT)
    assert manager.heard() == [{"STATUS": "two three"}]


def test_a_reload_begins_and_ends(running: Notifier, manager: Manager) -> None:
    before = time.monotonic_ns() // 1000
    reload = Reload()
    running.reloading(reload)
    (told,) = manager.heard()
    assert (told["RELOADING"], told["STATUS"]) == ("1", "Reloading")
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    reload.end()
    assert manager.heard() == [{"READY": "1", "STATUS": text()}]


def test_reloads_that_overlap_are_one(running: Notifier, manager: Manager) -> None:
    first, second = Reload(), Reload()
    running.reloading(first)
    running.reloading(second)
    first.end()
    assert ["RELOADING" in told for told in manager.heard()] == [True]
    second.end()
    assert manager.heard()[0]["READY"] == "1"


def test_a_restart_in_place_is_a_reload(running: Notifier, manager: Manager, clock: Clock) -> None:
    reload = Reload()
    running.reloading(reload)  # a reloadconfig that can only be had by a restart
    running.ending(again=True, patience=30)
    reload.end()
    assert ["RELOADING" in told for told in manager.heard()] == [True]
    again = Clock()
    running.attend(again, text)
    running.started()
    assert manager.heard() == [{"READY": "1", "MAINPID": str(os.getpid()), "STATUS": text()}]
    clock.advance(100)
    assert manager.heard() == []
    again.advance(1)
    running.reloading(Reload())
    assert manager.heard()[0]["RELOADING"] == "1"


def test_the_end_is_told_once_with_the_time_it_may_take(running: Notifier, manager: Manager) -> None:
    reload = Reload()
    running.reloading(reload)
    manager.heard()
    running.ending(again=False, patience=30)
    running.ending(again=False, patience=30)
    reload.end()
    running.started()
    assert manager.heard() == [{"STOPPING": "1", "STATUS": "Stopping", "EXTEND_TIMEOUT_USEC": "45000000"}]


def test_an_end_that_overtakes_a_restart(running: Notifier, manager: Manager) -> None:
    running.ending(again=True)
    running.ending(again=False)
    assert [sorted(told)[-1] for told in manager.heard()] == ["STATUS", "STOPPING"]


def test_a_full_queue_is_waited_for(running: Notifier, manager: Manager, clock: Clock) -> None:
    clogged = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            running._socket.sendto(b"X=1", running.address)
            clogged += 1
    running.ending(again=False)
    assert len(manager.heard()) == clogged
    clock.advance(notify.RETRY)
    assert manager.heard()[0]["STOPPING"] == "1"


def test_a_manager_that_is_gone_is_complained_of_once(
    running: Notifier, manager: Manager, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    os.unlink(running.address)
    running.reloading(Reload())
    running.ending(again=False)
    assert caplog.text.count("cannot be told anything") == 1
