"""The end of a child, told exactly once: the only module that waits for pids.

Two parts. A :class:`Child` is the record of one uncollected child; there is one per pid, so that whoever
asks first (the reaper, or a synchronous ``Process.wait``) collects the exit status and everybody else reads
it there. The :class:`Reaper` tells a callback on the loop when a child ends: by a pidfd, else ``collect()``
after a SIGCHLD or an audit. Called by ``circus.process``, the watcher and the arbiter; knows neither what a
worker is nor what its end means, and never collects a pid that it was not told about, as these belong to the
program that embeds us.

``loop`` is anything with the method names of an asyncio loop; it need not run yet.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from circus.base.logs import logger
from circus.system.fdset import FdSet
from circus.system.proctable import children_of

#: Called with the pid and its exit status: 0 to 255, minus the signal that ended it, or None when somebody
#: else collected it.
ExitCallback = Callable[[int, "int | None"], None]

#: How long an end that an audit saw may still be on its way through the loop before it counts as missed.
_ON_ITS_WAY = 0.1
#: What has ended and may have been started by a thread of ours, which waits for it, is left alone for that long.
_ORPHAN_GRACE = 5.0
_PR_GET_CHILD_SUBREAPER = 37  # prctl(2)
#: Ended children whose status is kept for a ``watch`` that comes late.
_RECENT_MAX = 256

_CAN_PEEK = hasattr(os, "waitid")
_children: dict[int, Child] = {}
_recent: dict[int, int | None] = {}
# Two threads that wait for one pid: one gets the status, the other is told that there is no such child.
_collecting = Lock()


class Child:
    """A child of this process until, and after, its exit status was collected.

    ``collected`` is True once there is nothing left to wait for; ``returncode`` is then its exit status,
    minus a signal number, or None when somebody else took it.
    """

    __slots__ = ("collected", "on_collected", "pid", "pidfd", "returncode")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = -1
        self.returncode: int | None = None
        self.collected = False
        self.on_collected: Callable[[Child], None] | None = None

    def open_pidfd(self) -> bool:
        """Get a descriptor that becomes readable at the child's end; False where that cannot be had.

        :raises ProcessLookupError: when there is no such process, not even an ended one.
        """
        if self.pidfd < 0:
            try:
                self.pidfd = os.pidfd_open(self.pid)
            except ProcessLookupError:
                raise
            except (AttributeError, OSError):  # no such call, refused by a container, or too many open files
                return False
        return True

    def close_pidfd(self) -> None:
        """Give the descriptor back; harmless when there is none."""
        if self.pidfd >= 0:
            fd, self.pidfd = self.pidfd, -1
            os.close(fd)

    def collect(self, *, wait: bool = False) -> bool:
        """Take the exit status if the child has ended; True when it is collected, now or earlier."""
        if self.collected:
            return True
        with _collecting:
            if self.collected:
                return True
            try:
                pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, None
            if pid == 0:
                return False
            self.returncode = None if status is None else os.waitstatus_to_exitcode(status)
            self.collected = True
            _remember(self)
        if self.on_collected is not None:
            self.on_collected(self)
        return True

    def peek(self) -> bool | None:
        """False while it runs, True when its status waits to be collected, None when it was collected.

        Collects nothing. macOS before Python 3.13 cannot tell and says that it runs until it was collected.
        """
        if self.collected or not _CAN_PEEK:
            return None if self.collected else False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return None

    def wait(self, timeout: float | None = None) -> int | None:
        """Block until it ends and give its status.

        :param timeout: seconds to wait at most; None waits forever.
        :raises TimeoutError: when it still runs then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.0005
        while not self.collect():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"pid {self.pid} still runs after {timeout} seconds")
            if not self._sleep_until_end(left):
                time.sleep(pause if left is None else min(pause, left))
                pause = min(pause * 2, 0.05)
        return self.returncode

    def _sleep_until_end(self, timeout: float | None) -> bool:
        """Sleep on a pidfd; False when there is none to sleep on."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True  # collected elsewhere; collect() says so
        except (AttributeError, OSError):
            return False
        try:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.poll(None if timeout is None else max(1, int(timeout * 1000)))
        finally:
            os.close(fd)
        return True

    def send(self, signum: int) -> None:
        """Send a signal; a number that belongs to another process by now is never hit.

        :raises ProcessLookupError: when it was collected or is gone.
        :raises PermissionError: when it runs as another user and we may not.
        """
        if self.collected:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), self.pid)
        if self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, signum)
        else:
            # Safe too: until its status is collected, which only we do, the number cannot be given to
            # another.
            os.kill(self.pid, signum)


def register_child(pid: int) -> Child:
    """The record of a child just started; whatever was known of an earlier process of that number is
    forgotten.
    """
    _recent.pop(pid, None)
    child = _children[pid] = Child(pid)
    return child


def child_of(pid: int) -> Child:
    """The record of an uncollected child, made now when nobody registered it."""
    return _children.get(pid) or register_child(pid)


def _remember(child: Child) -> None:
    if _children.get(child.pid) is child:
        del _children[child.pid]
        _recent[child.pid] = child.returncode
        if len(_recent) > _RECENT_MAX:
            del _recent[next(iter(_recent))]


def takes_orphans() -> bool:
    """Whether descendants whose parent dies become our children: PID 1, and whoever asked for it by prctl(2)."""
    if os.getpid() == 1:
        return True
    import ctypes  # five milliseconds and a megabyte, for the few who need it

    answer = ctypes.c_int()
    try:
        failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    except (AttributeError, OSError):  # not Linux
        return False
    return not failed and bool(answer.value)


class Reaper:
    """Tells, on a loop, when children end.

    :param loop: object with asyncio's ``add_reader``, ``remove_reader``, ``call_soon_threadsafe`` and
        ``call_later``.
    :param adopt_orphans: also collect processes that became our children when their parent died (``circusd``
        as PID 1 of a container). Off when embedded: those may belong to the embedding program. None: find out
        whether such come to us (``PR_SET_CHILD_SUBREAPER``) when a child ends that nobody knows.
    """

    def __init__(self, loop: Any, *, adopt_orphans: bool | None = False) -> None:
        self.loop = loop
        self.adopt_orphans = adopt_orphans
        self._watched: dict[int, Child] = {}
        self._listening: FdSet[Child] = FdSet(loop, self._readable)
        self._callbacks: dict[int, ExitCallback | None] = {}
        self._blind: set[int] = set()
        self._missed: list[int] = []
        self._orphans_seen: dict[int, float] = {}

    # -- children
    # ------------------------------------------------------------------------------------------------

    def watch(self, pid: int, callback: ExitCallback) -> None:
        """Have ``callback(pid, returncode)`` called once, on the loop, when the child has ended.

        The child may have ended already. The status is collected just before the callback. A second watch of
        the same child replaces the first callback.
        """
        if pid in _recent and pid not in _children:
            self.loop.call_soon_threadsafe(callback, pid, _recent.pop(pid))
            return
        child, known = child_of(pid), self._watched.get(pid)
        if known is not None and known is not child:
            self._deliver(known)  # collected, its number given out again, and its callback still on the way
        self._callbacks[pid] = callback
        if known is child:
            return
        self._watched[pid] = child
        child.on_collected = self._collected_elsewhere
        try:
            if not self._listen(child):
                self._blind.add(pid)
                self.loop.call_soon_threadsafe(self.poll, pid)  # its SIGCHLD may have come before us
        except ProcessLookupError:
            child.collect()

    def release(self, pid: int) -> None:
        """Collect this child silently from now on (``rm --nostop``). Unknown pids are fine."""
        if pid in self._callbacks:
            self._callbacks[pid] = None

    def poll(self, pid: int) -> bool:
        """Look at one child now; when it has ended its callback runs before this returns. True when it has
        ended.

        Pids that are not watched are left alone and count as ended.
        """
        child = self._watched.get(pid)
        if child is None:
            return True
        child.on_collected = None
        if child.collect():
            self._deliver(child)
            return True
        child.on_collected = self._collected_elsewhere
        return False

    def watches(self, pid: int) -> bool:
        """Whether the end of ``pid`` is still to be told."""
        return pid in self._watched

    @property
    def orphans_left(self) -> bool:
        """True while there are ended children that may still be collected by whoever started them."""
        return bool(self._orphans_seen)

    @property
    def needs_sigchld(self) -> bool:
        """True while some child has no pidfd, so that only :meth:`collect` notices its end."""
        return bool(self._blind)

    def collect(self) -> list[int]:
        """After a SIGCHLD: tell the ends of the children that have no pidfd; returns their pids."""
        ended = [pid for pid in list(self._blind) if self._poll_safely(pid)]
        if self.adopt_orphans is not False:
            self._collect_orphans()
        return ended

    def audit(self) -> list[int]:
        """Compare with the kernel, as a safety net: one system call when nothing is wrong.

        What nobody noticed is told; an end that may still be on its way through the loop gets a moment first.

        :returns: the pids whose end was missed since the last audit.
        """
        missed, self._missed = self._missed, []
        if self._blind:
            self._promote()
        if not self._watched and self.adopt_orphans is False:
            return missed
        if not _CAN_PEEK:
            return missed + [pid for pid in list(self._watched) if self._poll_safely(pid)]
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # no children at all: the status of all that we watch went elsewhere
            return missed + [pid for pid in list(self._watched) if self._poll_safely(pid)]
        if info is None:
            return missed
        for pid, child in list(self._watched.items()):
            if child.peek() is False:
                continue
            if pid in self._blind:
                if self._poll_safely(pid):
                    missed.append(pid)
            else:
                self.loop.call_later(_ON_ITS_WAY, self._confirm, child)
        if self.adopt_orphans is not False:
            self._collect_orphans()
        return missed

    def wait_pid_sync(self, pid: int, timeout: float | None = None) -> int | None:
        """Block until the child has ended and give its status; the callback still runs, later, on the loop.

        :param timeout: seconds; None waits forever.
        :raises TimeoutError: when it still runs then.
        """
        if pid in _recent and pid not in _children:
            return _recent[pid]
        return child_of(pid).wait(timeout)

    def send(self, pid: int, signum: int) -> None:
        """Send a signal to a child that was not collected yet.

        :raises ProcessLookupError: when it was, or when nobody registered such a child.
        :raises PermissionError: when we may not.
        """
        child = self._watched.get(pid) or _children.get(pid)
        if child is None:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), pid)
        child.send(signum)

    def close(self) -> None:
        """Tell nothing any more and give all descriptors back; the children themselves are not touched."""
        for child in self._watched.values():
            child.on_collected = None
            self._stop_listening(child)
        for table in (self._watched, self._callbacks, self._blind):
            table.clear()

    # -- inside
    # --------------------------------------------------------------------------------------------------

    def _listen(self, child: Child) -> bool:
        if not child.open_pidfd():
            return False
        try:
            self._listening.add(child.pidfd, child)
        except OSError:
            child.close_pidfd()
            return False
        return True

    def _stop_listening(self, child: Child) -> None:
        if child.pidfd >= 0:
            # It leaves the set first: the number may belong to somebody else right after the close.
            self._listening.discard(child.pidfd)
            child.close_pidfd()

    def _readable(self, child: Child) -> None:
        if self._watched.get(child.pid) is child:
            self.poll(child.pid)

    def _collected_elsewhere(self, child: Child) -> None:
        """``Process.wait`` was faster, perhaps in another thread: what remains to do is the loop's."""
        try:
            self.loop.call_soon_threadsafe(self._deliver, child)
        except RuntimeError as error:  # the loop is closed: there is nobody left to tell
            logger.debug("the exit of pid %d is not told: %s", child.pid, error)

    def _deliver(self, child: Child) -> None:
        pid = child.pid
        if self._watched.get(pid) is not child:
            return
        del self._watched[pid]
        self._blind.discard(pid)
        self._stop_listening(child)
        callback = self._callbacks.pop(pid)
        if callback is not None:
            callback(pid, child.returncode)

    def _poll_safely(self, pid: int) -> bool:
        """As :meth:`poll`, for loops over many: the error of one callback must not hide the end of another
        child.
        """
        try:
            return self.poll(pid)
        except Exception:
            logger.exception("the exit of pid %d could not be handled", pid)
            return True

    def _confirm(self, child: Child) -> None:
        if self._watched.get(child.pid) is child and self._poll_safely(child.pid):
            self._missed.append(child.pid)

    def _promote(self) -> None:
        """Too many open files is a state that passes: try again to get a pidfd for those without one."""
        for pid in list(self._blind):
            try:
                if not self._listen(self._watched[pid]):
                    return
            except ProcessLookupError:
                self._poll_safely(pid)
            self._blind.discard(pid)

    def _collect_orphans(self) -> None:
        now = time.monotonic()
        seen, self._orphans_seen = self._orphans_seen, {}
        for pid in children_of(os.getpid()):
            if pid in _children:
                continue
            try:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    continue
                if self.adopt_orphans is None:
                    self.adopt_orphans = takes_orphans()
                if not self.adopt_orphans:
                    return
                # A child of ours, a hook's for instance, is in our session or leads one; all others are adopted.
                since = seen.get(pid, now)
                if os.getsid(pid) in (pid, os.getsid(0)) and now - since < _ORPHAN_GRACE:
                    self._orphans_seen[pid] = since
                    continue
                os.waitpid(pid, os.WNOHANG)
            except (ChildProcessError, ProcessLookupError):
                continue
            logger.debug("collected orphan %d", pid)
