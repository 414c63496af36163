"""How long the loop was held up: the time between two looks at what is ready.

A selector that measures the pauses between its calls. It costs two readings of the clock per turn of the loop and
nothing while the loop sleeps. Used by the arbiter for its own loop; the figure is in the reply to ``dstats``.
"""

from __future__ import annotations

import selectors
import time
from typing import Any


class StallSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """The platform's best selector, which remembers the longest time that callbacks kept it from being asked."""

    def __init__(self) -> None:
        super().__init__()
        #: Longest stall so far, in seconds, and the wall-clock time of its end.
        self.longest = 0.0
        self.longest_at = 0.0
        self._left_at = time.monotonic()

    def select(self, timeout: float | None = None) -> Any:
        """See :meth:`selectors.BaseSelector.select`."""
        held_up = time.monotonic() - self._left_at
        if held_up > self.longest:
            self.longest, self.longest_at = held_up, time.time()
        ready = super().select(timeout)
        self._left_at = time.monotonic()
        return ready

    def restart(self) -> None:
        """Forget what was measured so far."""
        self.longest = self.longest_at = 0.0
        self._left_at = time.monotonic()
