"""The read end of a pipe: reading, looking, living on as a copy."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from circus.stream.lane import Lane
from circus.stream.pipe import Pipe

from .conftest import FakeWorker

MakeWorker = Callable[..., FakeWorker]


@pytest.fixture
def channel() -> Any:
    return SimpleNamespace(name="stdout")


def test_reading(make_worker: MakeWorker, channel: Any) -> None:
    worker = make_worker()
    pipe = Pipe(worker.stdout, 7, channel)
    assert pipe.read() is None
    assert pipe.look() == 0
    worker.write(b"abc")
    assert pipe.unread() == 3
    assert pipe.look() & select.POLLIN
    assert pipe.read() == b"abc"
    worker.die()
    assert pipe.look() == select.POLLHUP
    assert pipe.read() == b""


def test_a_closed_file_is_the_end(make_worker: MakeWorker, channel: Any) -> None:
    worker = make_worker()
    pipe = Pipe(worker.stdout, 7, channel)
    worker.stdout.close()
    assert pipe.read() == b""
    assert pipe.unread() == 0
    with pytest.raises(ValueError, match="closed"):
        Pipe(worker.stdout, 7, channel)


def test_a_file_with_another_descriptor_is_another_pipe(make_worker: MakeWorker, channel: Any) -> None:
    worker = make_worker()
    number = [worker.stdout.fileno()]
    pipe = Pipe(SimpleNamespace(fileno=lambda: number[0]), 7, channel)
    worker.write(b"x")
    number[0] += 1000
    assert pipe.read() == b""


def test_living_on_as_a_copy(make_worker: MakeWorker, channel: Any) -> None:
    lane = Lane()
    worker = make_worker()
    pipe = Pipe(worker.stdout, 7, channel)
    pipe.attach(lane)
    before = pipe.fd
    pipe.adopt()
    pipe.adopt()
    assert pipe.owned
    assert pipe.fd != before
    assert list(lane.pipes) == [pipe.fd]
    worker.stdout.close()
    worker.write(b"x")
    assert [fd for fd, _ in lane.poller.wait(1.0)] == [pipe.fd]
    assert pipe.read() == b"x"
    copy = pipe.fd
    pipe.detach()
    pipe.detach()
    assert not lane.pipes
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(copy)
    lane.close()
