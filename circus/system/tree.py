"""Waiting for the rest of a process tree.

A worker's own end is the reaper's business; its descendants are not our children, so their end is noticed through
pidfds (or looked for, where there are none). Used by :mod:`circus.watcher` when a stopped worker leaves others behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from circus.system.procinfo import ProcRef, is_same
from circus.system.reserve import with_reserve

#: Seconds between looks at processes that have no pidfd.
LOOK_EVERY = 0.05


class TreeWatch:
    """Calls ``on_gone`` once, on the loop, when none of ``refs`` lives any more.

    :param loop: an object with asyncio's method names.
    :param refs: processes by identity (pid and start time), so that a recycled pid is never mistaken for one.
    """

    def __init__(self, loop: Any, refs: Iterable[ProcRef], on_gone: Callable[[], None]) -> None:
        self._loop = loop
        self._on_gone: Callable[[], None] | None = on_gone
        self.refs = set(refs)
        self._fds: dict[int, ProcRef] = {}
        self._timer: Any = None
        unwatched = False
        for ref in list(self.refs):
            try:
                fd = os.pidfd_open(ref.pid)
            except ProcessLookupError:
                self.refs.discard(ref)
            except (OSError, AttributeError):  # no pidfd here, or no descriptor left: look now and then
                unwatched = True
            else:
                if with_reserve(is_same, ref):
                    self._fds[fd] = ref
                    loop.add_reader(fd, self._ended, fd)
                else:
                    os.close(fd)
                    self.refs.discard(ref)
        if unwatched:
            self._timer = loop.call_later(LOOK_EVERY, self._look)
        self._check()

    def _ended(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        os.close(fd)
        self.refs.discard(self._fds.pop(fd))
        self._check()

    def _look(self) -> None:
        watched = set(self._fds.values())
        self.refs = {ref for ref in self.refs if ref in watched or with_reserve(is_same, ref)}
        self._timer = self._loop.call_later(LOOK_EVERY, self._look) if self.refs - watched else None
        self._check()

    def _check(self) -> None:
        if not self.refs and self._on_gone is not None:
            done, self._on_gone = self._on_gone, None
            self._loop.call_soon(done)

    def close(self) -> None:
        """Stop watching; ``on_gone`` is not called any more."""
        self._on_gone = None
        for fd in self._fds:
            self._loop.remove_reader(fd)
            os.close(fd)
        self._fds.clear()
        if self._timer is not None:
            self._timer.cancel()
