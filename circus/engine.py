"""What the watchers of one daemon share: the loop, the reaper, the order of spawns, views of process trees.

Built by :class:`circus.arbiter.Arbiter`, or by a watcher that is used alone. It knows no watcher by name.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from circus.base.logs import logger
from circus.system.procinfo import sampler
from circus.system.proctable import ProcRef, snapshot_trees
from circus.system.reaper import Reaper
from circus.system.reserve import with_reserve

#: Seconds of spawning in one go; the rest waits for the next turn so that commands and deaths get theirs.
SPAWN_SLICE = 0.010
#: Seconds that an ended orphan waits for others to be collected with it, and those that may be somebody's child.
ORPHANS_WAIT, ORPHANS_LEFT = 0.1, 1.0
#: Seconds for which a view of the process trees taken for many watchers at once is good for each of them.
TREES_FRESH = 0.25


class SpawnQueue:
    """Spawns at once while that is cheap, in slices when there are many.

    :param loop: asyncio's method names.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._queue: deque[Callable[[], None]] = deque()
        self._began = -1.0
        self._running = False

    def push(self, spawn: Callable[[], None]) -> None:
        """Call ``spawn`` now, or at a later turn when this one has had its share."""
        if not self._running and not self._queue:
            now = time.monotonic()
            if self._began < 0:
                self._began = now
                self._loop.call_soon(self._new_turn)
            if now - self._began < SPAWN_SLICE:
                spawn()
                return
        self._queue.append(spawn)

    def _new_turn(self) -> None:
        self._began = -1.0
        if not self._queue:
            return
        self._running = True
        end = time.monotonic() + SPAWN_SLICE
        try:
            while self._queue and time.monotonic() < end:
                self._queue.popleft()()
        finally:
            self._running = False
            if self._queue:
                self._began = 0.0
                self._loop.call_soon(self._new_turn)


class Trees:
    """Descendants of workers, looked up in one pass for as many as are asked about together."""

    def __init__(self) -> None:
        self._taken_at = -1.0
        self._known: dict[int, tuple[ProcRef, ...]] = {}

    def prime(self, pids: Iterable[int]) -> None:
        """Look up all of ``pids`` now; :meth:`take` answers from this view for a moment.

        When that fails nothing is known, and each :meth:`take` looks for itself.
        """
        try:
            self._known = with_reserve(snapshot_trees, list(pids))
        except OSError as error:
            logger.error("the process table cannot be read: %s", error)
            self._known = {}
            return
        self._taken_at = time.monotonic()

    def view(self, pids: list[int]) -> Mapping[int, tuple[ProcRef, ...]]:
        """The trees of ``pids`` and perhaps of others, as they were a moment ago or are now; empty when that fails.

        Good for as long as the caller is busy with it: stopping a thousand takes longer than a view stays fresh.
        """
        if not self._is_fresh() or any(pid not in self._known for pid in pids):
            self.prime(pids)
        return self._known

    def take(self, pid: int) -> tuple[ProcRef, ...]:
        """The living descendants (and session members) of a worker, as they were a moment ago or are now."""
        tree = self._known.get(pid) if self._is_fresh() else None
        return self.look(pid) if tree is None else tree

    def look(self, pid: int) -> tuple[ProcRef, ...]:
        """As :meth:`take`, but look now."""
        return with_reserve(snapshot_trees, [pid]).get(pid, ())

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._taken_at <= TREES_FRESH


class Engine:
    """The shared parts, and whether the daemon runs alone in its process.

    :param loop: an object with asyncio's method names (see :mod:`circus.system.bootloop`).
    :param sealed: no descriptor of this process but ours is inheritable (circusd), which allows the fastest spawn.
    :param adopt_orphans: collect children that are not ours (circusd as PID 1).
    """

    def __init__(self, loop: Any, *, sealed: bool = False, adopt_orphans: bool = False) -> None:
        self.loop = loop
        #: The thread that the loop runs in; wishes from others (hooks) are brought there.
        self.thread = threading.get_ident()
        self.sealed = sealed
        self.reaper = Reaper(loop, adopt_orphans=adopt_orphans)
        self._sigchld: Any = None
        self._adopts = adopt_orphans
        self._looking = False
        self.spawns = SpawnQueue(loop)
        self.trees = Trees()
        #: One for all: what a process used since the last question is known once.
        self.sampler = sampler

    def watch(self, pid: int, callback: Callable[[int, int | None], None]) -> None:
        """Have ``callback(pid, returncode)`` called once when the child ends."""
        self.reaper.watch(pid, callback)
        if self._sigchld is None and (self._adopts or self.reaper.needs_sigchld):
            self._take_sigchld()

    def collect_orphans(self) -> None:
        """This process is ours alone (circusd): what has become its child by the death of a parent is collected.

        PID 1 learns of their ends by SIGCHLD, a subreaper by the audit.
        """
        if self._adopts:
            self._take_sigchld()
            self._looking = True  # some may have ended before
            self.loop.call_later(ORPHANS_WAIT, self._collect)
        else:
            self.reaper.adopt_orphans = None

    def _take_sigchld(self) -> None:
        """Where a child has no pidfd (an old kernel, no descriptor left) or orphans come to us, SIGCHLD tells."""
        if self._sigchld is not None or threading.current_thread() is not threading.main_thread():
            return  # the audit will do
        before = signal.getsignal(signal.SIGCHLD)

        def handler(signum: int, frame: Any) -> None:
            if not self._looking:
                self._looking = True
                self.loop.call_soon_threadsafe(self._look)
            if callable(before):  # the embedding program's own
                before(signum, frame)

        self._sigchld = handler, before
        signal.signal(signal.SIGCHLD, handler)

    def _look(self) -> None:
        """A child has ended, perhaps one that only we notice."""
        if self.reaper.needs_sigchld or not self._adopts:
            self._collect()
        else:  # orphans have time: many are collected together, and whoever waits for a child of its own is faster
            self.loop.call_later(ORPHANS_WAIT, self._collect)

    def _collect(self) -> None:
        self._looking = False
        self.reaper.collect()
        if self._adopts and self.reaper.orphans_left and not self._looking:
            self._looking = True
            self.loop.call_later(ORPHANS_LEFT, self._collect)

    def close(self) -> None:
        """Let go of all descriptors, and of SIGCHLD."""
        taken, self._sigchld = self._sigchld, None
        ours = taken is not None and signal.getsignal(signal.SIGCHLD) is taken[0]
        if ours and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL if taken[1] is None else taken[1])
        self.reaper.close()
        self.sampler.close()
