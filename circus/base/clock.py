"""Time as something that is handed in, so that a test can turn the hands.

The shell passes a :class:`SystemClock` to whatever needs the time; tests pass a :class:`ManualClock`. Code
below the shell never reads :mod:`time` itself.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two hands: one for people and file names, one for waiting."""

    def now(self) -> float:
        """Seconds since the epoch; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back. Deadlines and delays are reckoned with it."""
        ...


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def now(self) -> float:
        """See :meth:`Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See :meth:`Clock.monotonic`."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to move.

    :param now: seconds since the epoch at which it starts.
    :param monotonic: where its second hand starts.
    """

    __slots__ = ("_monotonic", "_now")

    def __init__(self, now: float = 1_000_000_000.0, monotonic: float = 1000.0) -> None:
        self._now, self._monotonic = now, monotonic

    def now(self) -> float:
        """See :meth:`Clock.now`."""
        return self._now

    def monotonic(self) -> float:
        """See :meth:`Clock.monotonic`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both hands. :raises ValueError: when ``seconds`` is negative."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds!r}; use jump() for the wall clock")
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does; waiting is not concerned."""
        self._now += seconds
