"""Many descriptors, one reader on the loop: who is told, how often, and what is given back."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Iterator
from typing import Any

import pytest

from circus.system import fdset
from circus.system.fdset import FdSet
from harness.descriptors import open_descriptors, settled_descriptors


class Pipes:
    """Pipes whose reading ends are watched; ``ready`` makes one readable."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def make(self, count: int) -> list[int]:
        fresh = [os.pipe() for _ in range(count)]
        self.pairs += fresh
        return [reading for reading, _ in fresh]

    def ready(self, fd: int) -> None:
        os.write(dict(self.pairs)[fd], b"x")

    def close(self) -> None:
        for pair in self.pairs:
            for fd in pair:
                os.close(fd)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(params=["epoll", "readers"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "readers":
        monkeypatch.delattr(select, "epoll", raising=False)
    elif not hasattr(select, "epoll"):
        pytest.skip("no epoll here")


needs_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")


def turns(loop: asyncio.AbstractEventLoop, count: int = 3) -> None:
    for _ in range(count):
        loop.run_until_complete(asyncio.sleep(0))


@pytest.mark.usefixtures("either_way")
class TestBothWays:
    def test_tells_of_what_is_readable_by_its_item(self, loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
        told: list[Any] = []
        group = FdSet(loop, lambda item: (told.append(item), os.read(item, 1)))
        fds = pipes.make(3)
        for fd in fds:
            group.add(fd, fd)
        turns(loop)
        assert told == []
        pipes.ready(fds[2])
        pipes.ready(fds[0])
        turns(loop)
        assert sorted(told) == sorted([fds[0], fds[2]])

    def test_tells_again_until_it_was_read(self, loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
        told: list[str] = []
        group = FdSet(loop, told.append)
        [fd] = pipes.make(1)
        group.add(fd, "pipe")
        pipes.ready(fd)
        turns(loop, 4)
        assert len(told) > 1
        group.discard(fd)
        told.clear()
        turns(loop)
        assert told == []

    def test_an_error_about_one_does_not_lose_another(self, loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
        errors: list[Any] = []
        told: list[int] = []
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

        def fail_once(fd: int) -> None:
            os.read(fd, 1)
            if not errors:
                raise RuntimeError("of the first")
            told.append(fd)

        group = FdSet(loop, fail_once)
        fds = pipes.make(2)
        for fd in fds:
            group.add(fd, fd)
            pipes.ready(fd)
        turns(loop, 4)
        assert [str(error) for error in errors] == ["of the first"]
        assert len(told) == 1

    def test_the_last_one_gives_everything_back(self, loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
        fds = pipes.make(2)
        before = settled_descriptors()
        group = FdSet(loop, lambda _: None)
        for _ in range(2):
            for fd in fds:
                group.add(fd, fd)
            for fd in fds:
                group.discard(fd)
            group.discard(fds[0])  # unknown by now
            assert open_descriptors() == before
            assert not any(loop.remove_reader(fd) for fd in fds)


@needs_epoll
def test_the_loop_knows_one_descriptor(loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
    group = FdSet(loop, lambda _: None)
    fds = pipes.make(5)
    for fd in fds:
        group.add(fd, fd)
    assert not any(loop.remove_reader(fd) for fd in fds)


@needs_epoll
def test_who_was_discarded_by_an_earlier_callback_is_not_told(loop: asyncio.AbstractEventLoop, pipes: Pipes) -> None:
    told: list[int] = []
    fds = pipes.make(2)

    def discard_both(fd: int) -> None:
        told.append(fd)
        for each in fds:
            group.discard(each)

    group = FdSet(loop, discard_both)
    for fd in fds:
        group.add(fd, fd)
        pipes.ready(fd)
    turns(loop)
    assert len(told) == 1


@needs_epoll
def test_more_than_a_batch_is_told_in_several_turns(
    loop: asyncio.AbstractEventLoop, pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fdset, "BATCH", 4)
    told: list[int] = []
    readers: list[Any] = []
    monkeypatch.setattr(loop, "add_reader", lambda fd, callback: readers.append(callback))
    group = FdSet(loop, lambda fd: (told.append(fd), os.read(fd, 1)))
    for fd in pipes.make(10):
        group.add(fd, fd)
        pipes.ready(fd)
    [turn] = readers
    after_each_turn = []
    for _ in range(4):
        turn()
        after_each_turn.append(len(set(told)))
    assert after_each_turn == [4, 8, 10, 10]
    assert len(told) == 10


@needs_epoll
def test_a_refusal_reaches_the_caller(loop: asyncio.AbstractEventLoop, tmp_path: Any) -> None:
    """A regular file cannot be waited for; neither can anything when the machine has no room."""
    group = FdSet(loop, lambda _: None)
    with (tmp_path / "file").open("w") as file, pytest.raises(OSError, match="not permitted"):
        group.add(file.fileno(), "file")
    group.discard(999)
