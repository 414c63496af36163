"""Readiness of descriptors for the pump's threads: ``epoll``, or ``kqueue`` where there is none, and a way to
wake it.

Both can be registered with while another thread waits in them, which is what the pump is built on. Used by
:mod:`circus.stream.pump` only; knows nothing of what the descriptors are.
"""

from __future__ import annotations

import os
import select
from typing import Any

__all__ = ["Poller"]


class Poller:
    """A set of descriptors to read from, for any thread; only one at a time may :meth:`wait`."""

    __slots__ = ("_pulled", "_queue", "_woken", "wake_fd")

    def __init__(self) -> None:
        self._woken = False
        self._open()

    def _open(self) -> None:
        self._queue: Any = select.epoll() if hasattr(select, "epoll") else _Kqueue()
        self.wake_fd, self._pulled = _wake_pair()
        self._queue.register(self.wake_fd, _READ)

    def register(self, fd: int) -> None:
        """Watch ``fd``; a number that is still registered for a file that is gone is taken over."""
        try:
            self._queue.register(fd, _READ)
        except FileExistsError:
            self._queue.modify(fd, _READ)

    def unregister(self, fd: int) -> bool:
        """Watch ``fd`` no longer; False when it could not be found (it was closed behind our back)."""
        try:
            self._queue.unregister(fd)
        except (OSError, ValueError):
            return False
        return True

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """The readable descriptors, after at most ``timeout`` seconds (None: for ever); may contain
        ``wake_fd``."""
        found: list[tuple[int, int]] = self._queue.poll(timeout)
        return found

    def wake(self) -> None:
        """Make :meth:`wait` return."""
        if (
            not self._woken
        ):  # a lost race wakes twice, never not at all: cleared before the inbox is looked at
            self._woken = True
            os.write(self._pulled, b"\1\0\0\0\0\0\0\0")

    def clear(self) -> None:
        """Called after ``wake_fd`` was seen and before the inbox is emptied."""
        os.read(self.wake_fd, 8)
        self._woken = False

    def rebuild(self, fds: list[int]) -> None:
        """Start again with ``fds``: the way out when a dead registration cannot be removed (it would spin for
        ever).

        That happens when a descriptor was closed without being unregistered while another process still has
        it.
        """
        old = self._queue
        self._queue = select.epoll() if hasattr(select, "epoll") else _Kqueue()
        for fd in (self.wake_fd, *fds):
            try:
                self._queue.register(fd, _READ)
            except OSError:
                continue  # closed as well: its owner will hear of it by another way
        old.close()

    def close(self) -> None:
        """Let go of all descriptors; only by the thread that waits here, after it was told to end."""
        self._queue.close()
        os.close(self.wake_fd)
        if self._pulled != self.wake_fd:
            os.close(self._pulled)


_READ = getattr(select, "EPOLLIN", 1)


def _wake_pair() -> tuple[int, int]:
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return fd, fd
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


class _Kqueue:
    """The four methods of ``select.epoll`` that are used here, for systems of the BSD family."""

    def __init__(self) -> None:
        self._queue = select.kqueue()  # type: ignore[attr-defined]

    def _change(self, fd: int, action: int) -> None:
        event = select.kevent(fd, select.KQ_FILTER_READ, action)  # type: ignore[attr-defined]
        self._queue.control([event], 0)

    def register(self, fd: int, mask: int) -> None:
        self._change(fd, select.KQ_EV_ADD)  # type: ignore[attr-defined]

    modify = register

    def unregister(self, fd: int) -> None:
        self._change(fd, select.KQ_EV_DELETE)  # type: ignore[attr-defined]

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        return [(event.ident, 1) for event in self._queue.control([], 256, timeout)]

    def close(self) -> None:
        self._queue.close()
