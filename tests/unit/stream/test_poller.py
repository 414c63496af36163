"""Waiting for descriptors, being woken, and getting rid of registrations that nobody can remove."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from circus.stream.poller import Poller


@pytest.fixture(params=["eventfd", "pipe"])
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Poller]:
    if request.param == "pipe":
        monkeypatch.delattr(os, "eventfd")
    made = Poller()
    yield made
    made.close()


def ready(poller: Poller) -> list[int]:
    return [fd for fd, _ in poller.wait(0.0)]


def test_waking(poller: Poller) -> None:
    assert ready(poller) == []
    poller.wake()
    poller.wake()
    assert ready(poller) == [poller.wake_fd]
    poller.clear()
    assert ready(poller) == []
    poller.wake()
    assert ready(poller) == [poller.wake_fd]


def test_registering(poller: Poller) -> None:
    reading, writing = os.pipe()
    poller.register(reading)
    poller.register(reading)
    os.write(writing, b"x")
    assert ready(poller) == [reading]
    assert poller.unregister(reading)
    assert not poller.unregister(reading)
    assert ready(poller) == []
    os.close(reading)
    os.close(writing)
    assert not poller.unregister(reading)


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="this is about epoll")
def test_a_registration_that_outlives_its_descriptor(poller: Poller) -> None:
    reading, writing = os.pipe()
    other, end = os.pipe()
    poller.register(reading)
    poller.register(other)
    elsewhere = os.dup(reading)
    os.close(reading)
    os.write(writing, b"x")
    assert ready(poller) == [reading]  # for ever, and it cannot be removed
    assert not poller.unregister(reading)
    poller.rebuild([reading, other])
    os.write(end, b"x")
    poller.wake()
    assert sorted(ready(poller)) == sorted([other, poller.wake_fd])
    for fd in (elsewhere, writing, other, end):
        os.close(fd)
