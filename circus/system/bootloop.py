"""The event loop before there is an event loop.

asyncio takes longer to import than a worker takes to start, so circusd starts its first workers before it. Until
then every part of the daemon registers with a :class:`BootLoop`, which has the names of asyncio's loop; ``adopt``
hands all registrations over and steps aside. Used by :mod:`circus.arbiter`; it must not know what is registered.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["BootHandle", "BootLoop"]


class BootHandle:
    """A callback that was asked for; ``cancel`` works before and after the hand-over."""

    __slots__ = ("args", "callback", "cancelled", "real", "when")

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when, self.callback, self.args = when, callback, args
        self.cancelled = False
        self.real: Any = None

    def cancel(self) -> None:
        """Do not call it; harmless when it was called already."""
        self.cancelled = True
        if self.real is not None:
            self.real.cancel()


class BootLoop:
    """The part of asyncio's loop interface that the daemon uses, first recorded, later delegated.

    Callbacks asked for by ``call_soon`` can be run before the hand-over with :meth:`run_ready`; timers and readers
    wait for it. Not safe for threads before the hand-over, except ``call_soon_threadsafe`` (signal handlers, hooks).
    """

    def __init__(self) -> None:
        self.real: Any = None
        self._ready: deque[BootHandle] = deque()
        self._timers: list[BootHandle] = []
        self._readers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}

    @property
    def asyncio_loop(self) -> Any:
        """The real loop, under the name by which a Tornado IOLoop gives it; None before the hand-over."""
        return self.real

    def time(self) -> float:
        """Seconds on the monotonic clock, as asyncio counts them."""
        return time.monotonic()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Any:
        """Call ``callback(*args)`` at the next turn."""
        handle = BootHandle(0.0, callback, args)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Any:
        """As :meth:`call_soon`, from any thread or signal handler (appending to a deque is atomic)."""
        return self.call_soon(callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        """Call ``callback(*args)`` at monotonic time ``when``."""
        handle = BootHandle(when, callback, args)
        self._timers.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        return self.call_at(time.monotonic() + delay, callback, *args)

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` whenever ``fd`` is readable."""
        self._readers[fd] = (callback, args)

    def remove_reader(self, fd: int) -> bool:
        """Forget ``fd``; True when it was registered."""
        return self._readers.pop(fd, None) is not None

    def run_ready(self, budget: float) -> None:
        """Run what ``call_soon`` collected, and what that asks for in turn, for at most ``budget`` seconds."""
        end = time.monotonic() + budget
        while self._ready and time.monotonic() < end:
            handle = self._ready.popleft()
            if not handle.cancelled:
                handle.callback(*handle.args)

    def adopt(self, loop: Any) -> None:
        """Hand everything over to asyncio's ``loop`` and be a window on it from now on."""
        self.real = loop
        # From here on the names lead straight to the real loop: no cost is left behind.
        for name in ("call_soon", "call_soon_threadsafe", "call_at", "call_later", "add_reader", "remove_reader"):
            setattr(self, name, getattr(loop, name))
        ready, self._ready = self._ready, deque()
        for handle in ready:
            if not handle.cancelled:
                handle.real = loop.call_soon(handle.callback, *handle.args)
        for handle in self._timers:
            if not handle.cancelled:
                handle.real = loop.call_at(handle.when, handle.callback, *handle.args)
        for fd, (callback, args) in self._readers.items():
            loop.add_reader(fd, callback, *args)
        self._timers.clear()
        self._readers.clear()
        # A signal handler may have appended between the swap of the queue and that of the names.
        for handle in list(self._ready):
            handle.real = loop.call_soon(handle.callback, *handle.args)
