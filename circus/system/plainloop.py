"""An event loop with the few methods of asyncio's that Circus calls, in a hundredth of its memory.

The program circusd-stats runs on it: it watches descriptors and timers, and no coroutine. It knows nothing of what is
registered. What runs on it must ask the loop for nothing but what is here, and runs on an asyncio loop just as well.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from bisect import insort_left
from collections import deque
from collections.abc import Callable
from typing import Any

from circus.base.logs import logger

__all__ = ["PlainHandle", "PlainLoop"]

#: How many bytes that woke the loop are taken at once.
_WAKES = 4096


class PlainHandle:
    """A callback that was asked for."""

    __slots__ = ("_args", "_callback", "_when")

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._when, self._args = when, args
        self._callback: Callable[..., object] | None = callback

    def cancel(self) -> None:
        """Do not call it; harmless when it was called already."""
        self._callback, self._args = None, ()

    def cancelled(self) -> bool:
        """Whether it will not be called."""
        return self._callback is None

    def when(self) -> float:
        """The monotonic time it is due at; 0 for one that is not timed."""
        return self._when

    def run(self) -> None:
        """Call it, unless it was cancelled. What it raises is logged, as with asyncio: the others must go on."""
        if self._callback is not None:
            try:
                self._callback(*self._args)
            except Exception:
                logger.exception("error in a callback of the loop")


class PlainLoop:
    """Runs callbacks: soon, at a time, or when a descriptor is ready.

    Only :meth:`call_soon_threadsafe` may be called by other threads and by signal handlers.

    :raises OSError: no descriptors are left.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._ready: deque[PlainHandle] = deque()
        #: By time, the next one last.
        self._timers: list[PlainHandle] = []
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self.add_reader(self._wake_read, self._woken)

    # -- asking ---------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds on the monotonic clock, as asyncio counts them."""
        return time.monotonic()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> PlainHandle:
        """Call ``callback(*args)`` at the next turn."""
        handle = PlainHandle(0.0, callback, args)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> PlainHandle:
        """As :meth:`call_soon`, from any thread or signal handler (appending to a deque is atomic)."""
        handle = self.call_soon(callback, *args)
        self._wake()
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> PlainHandle:
        """Call ``callback(*args)`` at monotonic time ``when``."""
        handle = PlainHandle(when, callback, args)
        # Few wait at a time: no need for a heap. Of two at the same time the first one is to stay the last in the list.
        insort_left(self._timers, handle, key=_latest_first)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> PlainHandle:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        return self.call_at(time.monotonic() + delay, callback, *args)

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` whenever ``fd`` is readable, instead of whatever was asked for before."""
        self._watch(fd, selectors.EVENT_READ, PlainHandle(0.0, callback, args))

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` whenever ``fd`` can be written to, instead of whatever was asked for before."""
        self._watch(fd, selectors.EVENT_WRITE, PlainHandle(0.0, callback, args))

    def remove_reader(self, fd: int) -> bool:
        """Wait for data of ``fd`` no more; True when it was waited for."""
        return self._watch(fd, selectors.EVENT_READ, None)

    def remove_writer(self, fd: int) -> bool:
        """Wait for room of ``fd`` no more; True when it was waited for."""
        return self._watch(fd, selectors.EVENT_WRITE, None)

    def _watch(self, fd: int, event: int, handle: PlainHandle | None) -> bool:
        """Put ``handle`` in the place of the one that waits for ``event``; True when there was one."""
        known = self._selector.get_map().get(fd)
        waiting: dict[int, PlainHandle] = {} if known is None else dict(known.data)
        before = waiting.pop(event, None)
        if before is not None:
            before.cancel()  # the call may be in the queue of this turn
        if handle is not None:
            waiting[event] = handle
        events = sum(waiting)
        if known is None:
            if events:
                self._selector.register(fd, events, waiting)
        elif events:
            self._selector.modify(fd, events, waiting)
        else:
            self._selector.unregister(fd)
        return before is not None

    # -- running --------------------------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run callbacks until :meth:`stop`. In the main thread, signals wake it, whenever they come."""
        is_main = threading.current_thread() is threading.main_thread()
        # Without this a signal that comes just before the wait would be handled after it.
        before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False) if is_main else -1
        self._stopping = False
        try:
            while not self._stopping:
                self._turn()
        finally:
            if is_main:
                signal.set_wakeup_fd(before)

    def stop(self) -> None:
        """End :meth:`run_forever` after what is to run at this turn."""
        self._stopping = True

    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._wake_read < 0

    def close(self) -> None:
        """Forget everything; what was watched stays open. May be called more than once."""
        if self.is_closed():
            return
        self._ready.clear()
        self._timers.clear()
        self._selector.close()
        ends, self._wake_read, self._wake_write = (self._wake_read, self._wake_write), -1, -1
        for fd in ends:
            os.close(fd)

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        while self._timers and self._timers[-1].cancelled():
            self._timers.pop()
        for key, events in self._selector.select(self._patience()):
            self._ready.extend(handle for event, handle in key.data.items() if event & events)
        now = time.monotonic()
        while self._timers and self._timers[-1].when() <= now:
            self._ready.append(self._timers.pop())
        for _ in range(len(self._ready)):  # what these ask for is for the next turn
            self._ready.popleft().run()

    def _patience(self) -> float | None:
        """Seconds until there is something to do anyway; None for ever."""
        if self._ready or self._stopping:
            return 0
        return max(0.0, self._timers[-1].when() - time.monotonic()) if self._timers else None

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # so many wait already
        except OSError:
            logger.debug("a callback came after the end of the loop")

    def _woken(self) -> None:
        try:
            os.read(self._wake_read, _WAKES)
        except BlockingIOError:
            pass


def _latest_first(handle: PlainHandle) -> float:
    return -handle.when()
