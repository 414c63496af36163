"""When to try again: restart budget and back-off, on time stamps alone.

Pure functions and one small record, used by :mod:`circus.model.lifecycle`. Nothing here sleeps or looks at a clock:
the answer is always *at what time*. Rules: decisions 4 (spec lifecycle.md 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable

from circus.base.record import Record


class Backoff(Record):
    """How long to wait before a worker that died young, or could not be started, is tried again.

    :param base: seconds before the first retry (0.1).
    :param factor: growth from one retry to the next (2).
    :param cap: longest wait in seconds (30).
    :param stable: a worker that lived this many seconds is replaced at once and its count is forgotten (1.0).
    :param jitter: largest random fraction added to a wait, so that many workers do not return together (0.1).
    """

    base: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    stable: float = 1.0
    jitter: float = 0.1

    def delay(self, failures: int, rand: Callable[[], float]) -> float:
        """Seconds to wait after ``failures`` consecutive failures (0 for none); ``rand`` gives numbers in [0, 1)."""
        if failures <= 0:
            return 0.0
        # The exponent is bounded before the power is taken: a worker may fail for years.
        wait = min(self.cap, self.base * self.factor ** min(failures - 1, 64))
        return min(self.cap, wait * (1.0 + self.jitter * rand()))


class Pace:
    """Consecutive young deaths of each worker id, and the time before which it must not be started again."""

    __slots__ = ("_failures", "_not_before")

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}

    def died(self, wid: int, lived: float, now: float, backoff: Backoff, rand: Callable[[], float]) -> float:
        """Note that worker ``wid`` died by itself after ``lived`` seconds; return the seconds to wait (0: at once)."""
        if lived >= backoff.stable:
            self.forget(wid)
            return 0.0
        failures = self._failures.get(wid, 0) + 1
        self._failures[wid] = failures
        wait = backoff.delay(failures, rand)
        self._not_before[wid] = now + wait
        return wait

    def not_before(self, wid: int) -> float:
        """The monotonic time before which ``wid`` must not be started (0.0: it may start)."""
        return self._not_before.get(wid, 0.0)

    def failures(self, wid: int) -> int:
        """How many times in a row ``wid`` died young."""
        return self._failures.get(wid, 0)

    def forget(self, wid: int) -> None:
        """Forget what is known of ``wid``: it ran stably, or an operator asked for a fresh start."""
        self._failures.pop(wid, None)
        self._not_before.pop(wid, None)

    def clear(self) -> None:
        """Forget all: a start or stop by an operator wipes the slate."""
        self._failures.clear()
        self._not_before.clear()


def gives_up(failures: int, max_retry: int) -> bool:
    """True when ``failures`` failed starts in a row exhaust ``max_retry`` (-1: never; spec lifecycle.md 3)."""
    return max_retry != -1 and failures >= max(1, max_retry)
