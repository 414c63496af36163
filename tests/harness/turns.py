"""Tests that share the machine with others, and tests that need it for themselves.

Where pytest-xdist runs tests in several processes, each test takes its turn here: many at a time, or one alone. Two
locks (``flock(2)``) in a directory that the processes share: whoever waits for the room waits at the gate first, so
that a test that wants to be alone is not kept waiting by those that come after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Turns:
    """The turns of one process.

    :param directory: the same for all processes.
    """

    def __init__(self, directory: Path) -> None:
        self._gate = os.open(directory / "gate", os.O_RDWR | os.O_CREAT)
        self._room = os.open(directory / "room", os.O_RDWR | os.O_CREAT)

    @contextlib.contextmanager
    def taken(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn, and have it for the length of the block."""
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the locks back."""
        os.close(self._gate)
        os.close(self._room)
