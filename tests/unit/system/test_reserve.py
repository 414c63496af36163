"""Descriptors kept for bad times."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator

import pytest

from circus.system import reserve
from circus.system.reserve import empty_reserve, fill_reserve, with_reserve
from harness.descriptors import open_descriptors, settled_descriptors


@pytest.fixture(autouse=True)
def _no_reserve_of_others() -> Iterator[None]:
    empty_reserve()
    yield
    empty_reserve()


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    """With a filled reserve, the next descriptor is one too many."""
    fill_reserve()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_needs_none_is_called_once() -> None:
    calls = []
    assert with_reserve(lambda *words: calls.append(words) or 7, 1, 2) == 7
    assert calls == [(1, 2)]


@pytest.mark.usefixtures("no_descriptor_left")
def test_the_reserve_is_lent_and_taken_back() -> None:
    with pytest.raises(OSError, match="Too many open files"):
        os.listdir("/proc")
    assert str(os.getpid()) in with_reserve(os.listdir, "/proc")
    assert len(reserve._kept) == 3


@pytest.mark.usefixtures("no_descriptor_left")
def test_without_a_reserve_the_error_is_told() -> None:
    empty_reserve()
    os_open = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    try:
        with pytest.raises(OSError, match="Too many open files"):
            with_reserve(os.listdir, "/proc")
    finally:
        for fd in os_open:
            os.close(fd)


def test_other_errors_are_not_tried_again() -> None:
    fill_reserve()
    calls = []

    def fail() -> None:
        calls.append(1)
        raise OSError(errno.ENOENT, "no")

    with pytest.raises(OSError, match="no"):
        with_reserve(fail)
    assert len(calls) == 1


def test_filling_twice_takes_no_more() -> None:
    fill_reserve()
    before = settled_descriptors()
    fill_reserve()
    assert open_descriptors() == before
