"""Which outputs of a watcher are read, and where they go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from circus.stream.passthrough import PassThrough
from circus.watcher import Watcher


def make(daemon: bool | None = None, **options: Any) -> Watcher:
    watcher = Watcher("web", "serve", **options)
    if daemon is not None:
        watcher.initialize(None, {}, SimpleNamespace(capture=daemon))
    return watcher


@pytest.mark.parametrize(
    ("daemon", "own", "captured"),
    [
        (None, None, False),
        (None, True, True),
        (False, None, False),
        (True, None, True),
        (True, False, False),
        (False, "yes", True),
    ],
)
def test_a_watcher_decides_and_the_daemon_is_the_default(daemon: bool | None, own: Any, captured: bool) -> None:
    options = {} if own is None else {"capture": own}
    watcher = make(daemon, **options)
    assert watcher.captured is captured
    assert isinstance(watcher.sink("stdout"), PassThrough if captured else type(None))
    assert watcher.sink("stdout") is watcher.sink("stdout")


def test_a_stream_goes_before_and_a_closed_output_is_not_read() -> None:
    received: list[Any] = []
    watcher = make(True, stdout_stream={"stream": received.append}, close_child_stderr=True)
    assert watcher.sink("stdout") == received.append
    assert watcher.sink("stderr") is None
    assert watcher.stderr_stream is None, "not configured, and not reported so"


def test_nothing_is_known_of_output_that_was_never_read() -> None:
    assert make().last_output(1) == []
