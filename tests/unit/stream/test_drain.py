"""One callback, whatever comes first."""

from __future__ import annotations

import threading
from typing import Any

from circus.stream.drain import Waiting

from .conftest import ManualLoop


def test_the_last_part_brings_the_callback_to_the_loop(loop: ManualLoop) -> None:
    called: list[int] = []
    waiting = Waiting(loop, lambda: called.append(threading.get_ident()), 2, 1.0)
    waiting.one_done()
    assert not loop.soon
    thread = threading.Thread(target=waiting.one_done)
    thread.start()
    thread.join()
    assert not called
    loop.run()
    assert called == [threading.get_ident()]
    assert not loop.timers


def test_the_limit_comes_first(loop: ManualLoop) -> None:
    called: list[int] = []
    waiting = Waiting(loop, lambda: called.append(1), 1, 1.0)
    loop.fire_timers()
    assert called == [1]
    waiting.one_done()
    loop.run()
    assert called == [1]


def test_without_a_loop_the_last_one_calls() -> None:
    called: list[int] = []
    waiting = Waiting(None, lambda: called.append(1), 1, 1.0)
    waiting.one_done()
    assert called == [1]


def test_a_loop_that_is_closed_does_no_harm(loop: ManualLoop) -> None:
    def closed(callback: Any) -> None:
        raise RuntimeError("Event loop is closed")

    loop.call_soon_threadsafe = closed  # type: ignore[method-assign]
    Waiting(loop, lambda: None, 1, 1.0).one_done()
