"""Waiting for the last words of a worker: told once for each pipe, calls back once, after a second at the
latest.

Made by :meth:`circus.stream.pump.Pump.drain`; must not know pipes or sinks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from circus.base.logs import logger

__all__ = ["Waiting"]


class Waiting:
    """Calls ``callback()`` once: when :meth:`one_done` was called ``count`` times, or after ``limit``
    seconds.

    :param loop: where to call it, an object with asyncio's ``call_later`` and ``call_soon_threadsafe``; None
        calls it from the thread that comes last, without a limit.
    :param callback: what to call, on the loop's thread.
    :param count: how many parts there are.
    :param limit: seconds.
    """

    def __init__(self, loop: Any, callback: Callable[[], object], count: int, limit: float) -> None:
        self._loop, self._callback, self._left = loop, callback, count
        self._lock = threading.Lock()
        self._called = False
        self._timer = loop.call_later(limit, self._finish) if loop is not None else None

    def one_done(self) -> None:
        """One part is done; from any thread."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self._loop is None:
            self._callback()
            return
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:
            logger.debug("the loop was closed before the last output of a worker was written")

    def _finish(self) -> None:
        """On the loop's thread."""
        if not self._called:
            self._called = True
            if self._timer is not None:
                self._timer.cancel()
            self._callback()
