"""Many descriptors of which the loop sees one.

For a loop of asyncio a descriptor costs ten times what it costs the kernel: to be taken in, to be told of, to be let
go. An epoll descriptor is readable as long as one of those inside it is, so the loop has to know that one only, however
many workers there are. Used by :mod:`circus.system.reaper` for its pidfds; it does not know what they mean.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
#: So many are told of in one turn of the loop; the others stay readable, and commands have their turn in between.
BATCH = 64


class FdSet(Generic[T]):
    """Descriptors, each with the object to call back with.

    Told is what is readable *now*, again at every turn until it was read or discarded; a member whose number was
    given out again a moment ago may be told of once without cause.

    :param loop: object with asyncio's ``add_reader`` and ``remove_reader``.
    :param on_readable: called on the loop with the object that the descriptor was added with.
    """

    def __init__(self, loop: Any, on_readable: Callable[[T], object]) -> None:
        self._loop, self._on_readable = loop, on_readable
        self._members: dict[int, T] = {}
        self._epoll: Any = None

    def add(self, fd: int, item: T) -> None:
        """Tell of ``fd`` from now on.

        :raises OSError: when the kernel or this process has no room for it.
        """
        if not hasattr(select, "epoll"):  # another system, or gevent has patched it away
            self._loop.add_reader(fd, self._on_readable, item)
        else:
            if self._epoll is None:
                self._epoll = select.epoll()
                self._loop.add_reader(self._epoll.fileno(), self._look)
            self._epoll.register(fd, select.EPOLLIN)
        self._members[fd] = item

    def discard(self, fd: int) -> None:
        """Tell of ``fd`` no more; to be called before it is closed. Unknown numbers are fine."""
        if self._members.pop(fd, None) is None:
            return
        if self._epoll is None:
            self._loop.remove_reader(fd)
            return
        # Closing it would not be enough: a child between vfork and exec holds a copy for a moment.
        with contextlib.suppress(OSError):  # it was closed already: the kernel has forgotten it
            self._epoll.unregister(fd)
        if not self._members:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        for fd, _ in self._epoll.poll(0, BATCH):
            item = self._members.get(fd)
            if item is not None:  # else what came before has discarded it
                self._on_readable(item)
