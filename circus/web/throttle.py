"""How often somebody may try to log in: some times freely, then each failure makes the next try wait longer.

Counted by address and by name, so that neither one machine nor many together can guess. Pure: the time is given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

#: Failures without a wait. A name has more of them: others could lock somebody out.
FREE = {"address": 5, "name": 25}
#: The first wait, the longest, and when it is all forgotten, in seconds.
FIRST, LONGEST, FORGOTTEN = 1.0, 60.0, 900.0
_MOST = 10_000


class Throttle:
    """Counts failures by key, ``address ...`` or ``name ...``."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, keys: Iterable[str], now: float) -> float:
        """Seconds until the next try is listened to; 0 for now."""
        return max((self._wait(key, now) for key in keys), default=0.0)

    def _wait(self, key: str, now: float) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        free = FREE[key.partition(" ")[0]]
        if count < free or now - last > FORGOTTEN:
            return 0.0
        return float(max(0.0, last + min(LONGEST, FIRST * 2 ** min(count - free, 10)) - now))

    def failed(self, keys: Iterable[str], now: float) -> None:
        """A try failed."""
        for key in keys:
            count, last = self._failures.pop(key, (0, now))
            self._failures[key] = (1 if now - last > FORGOTTEN else count + 1, now)
        while len(self._failures) > _MOST:  # whoever fills this up has been waiting long enough
            self._failures.popitem(last=False)

    def succeeded(self, keys: Iterable[str]) -> None:
        """A try succeeded."""
        for key in keys:
            self._failures.pop(key, None)
