"""Signals of the daemon: none is lost, not even between two lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from circus.sighandler import SysHandler
from circus.system.bootloop import BootLoop


class FakeArbiter:
    def __init__(self) -> None:
        self._boot = BootLoop()
        self.calls: list[str] = []

    def stop(self, *_: Any) -> None:
        self.calls.append("stop")

    def hurry(self) -> None:
        self.calls.append("hurry")

    def reload(self, **_: Any) -> None:
        self.calls.append("reload")

    def reopen_logs(self) -> None:
        self.calls.append("reopen")

    def turn(self) -> list[str]:
        self._boot.run_ready(1.0)
        return self.calls


@pytest.fixture
def made() -> Iterator[list[SysHandler]]:
    """Handlers to be stopped at the end; the signals are as before then."""
    before = {signum: signal.getsignal(signum) for signum in SysHandler.SIGNALS}
    handlers: list[SysHandler] = []
    yield handlers
    for handler in reversed(handlers):
        handler._bridging = False
        handler.stop()
    for signum, handler_before in before.items():
        signal.signal(signum, handler_before)


def test_signals_are_dealt_with_on_the_loop(made: list[SysHandler]) -> None:
    arbiter = FakeArbiter()
    made.append(SysHandler(arbiter))
    for signum in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTERM):
        os.kill(os.getpid(), signum)
    assert arbiter.calls == []
    assert arbiter.turn() == ["reload", "reopen", "stop"]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_the_second_request_to_stop_cuts_the_grace_short(made: list[SysHandler], second: int) -> None:
    arbiter = FakeArbiter()
    made.append(SysHandler(arbiter))
    os.kill(os.getpid(), signal.SIGTERM)
    arbiter.turn()
    os.kill(os.getpid(), second)
    assert arbiter.turn() == ["stop", "hurry"]


def test_stopped_it_gives_the_signals_back(made: list[SysHandler]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    handler = SysHandler(FakeArbiter())
    made.append(handler)
    assert signal.getsignal(signal.SIGTERM) == handler.signal
    handler.stop()
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_comes_between_two_lives_is_for_the_next(made: list[SysHandler]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    old, new = FakeArbiter(), FakeArbiter()
    first = SysHandler(old)
    made.append(first)
    os.kill(os.getpid(), signal.SIGHUP)  # it came, but the old loop had no turn any more
    first.bridge()
    first.stop()
    os.kill(os.getpid(), signal.SIGTERM)
    assert old.turn() == []
    second = SysHandler(new)
    made.append(second)
    assert new.turn() == ["reload", "stop"]
    second.stop()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_handler_that_fails_does_not_end_the_daemon(
    made: list[SysHandler], caplog: pytest.LogCaptureFixture
) -> None:
    arbiter = FakeArbiter()
    arbiter.reload = None  # type: ignore[assignment,method-assign]
    made.append(SysHandler(arbiter))
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert arbiter.turn() == ["reopen"]
    assert "SIGHUP could not be handled" in caplog.text
