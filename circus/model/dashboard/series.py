"""Measures over time: what was measured of a row in the last minutes, and the small pictures made of it.

Used by every node of the tree (:mod:`circus.model.dashboard.node`), by charts and sparklines. It knows numbers and
instants, not what they are of.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What is kept of each row over time, in this order.
MEASURES = ("cpu", "rss", "io", "count", "queue")
#: How many samples are kept of each row: ten minutes of one a second, and some.
KEPT = 660
#: How many older ones may be put in front: a day of minutes, and some.
_MOST = 1500

_BLOCKS = " ▁▂▃▄▅▆▇█"
_NAN = math.nan


class History:
    """The samples of one row, oldest first. Unknown values are NaN."""

    __slots__ = ("_columns", "times")

    def __init__(self) -> None:
        self.times: array[float] = array("d")
        self._columns: dict[str, array[float]] = {}

    def __len__(self) -> int:
        return len(self.times)

    def append(self, time: float, values: Mapping[str, float | None]) -> None:
        """Take a sample. One that is not younger than the last is ignored: replies may overtake each other.

        :param time: epoch seconds.
        :param values: by measure; what is missing or None is unknown.
        """
        times = self.times
        if times and time <= times[-1]:
            return
        columns = self._columns
        if len(values) != len(columns) or values.keys() != columns.keys():
            for name in values.keys() - columns.keys():
                columns[name] = array("f", [_NAN]) * len(times)
        times.append(time)
        for name, column in columns.items():
            value = values.get(name)
            column.append(_NAN if value is None else value)
        if len(times) > 2 * KEPT:
            del times[:-KEPT]
            for column in self._columns.values():
                del column[:-KEPT]

    def prepend(self, times: Sequence[float], columns: Mapping[str, Sequence[float | None]]) -> None:
        """Put older samples in front: what somebody else kept from the time before. What overlaps is left out.

        :param times: epoch seconds, ascending.
        :param columns: by measure, each as long as ``times``.
        """
        count = bisect_left(times, self.times[0]) if self.times else len(times)
        count = min(count, *(len(column) for column in columns.values())) if columns else 0
        start = max(0, count - _MOST + len(self.times))
        if start >= count:
            return
        for name in {*columns, *self._columns}:
            given = columns.get(name) or [None] * count
            front = array("f", [_NAN if value is None else float(value) for value in given[start:count]])
            self._columns[name] = front + self._columns.get(name, array("f", [_NAN]) * len(self.times))
        self.times = array("d", times[start:count]) + self.times

    def last(self, measure: str) -> float | None:
        """The newest value, None if it is unknown."""
        column = self._columns.get(measure)
        return None if not column or math.isnan(column[-1]) else column[-1]

    def window(self, measure: str, since: float, until: float, slots: int) -> list[float | None]:
        """The highest value in each of ``slots`` equal parts of a span of time; None where nothing was measured."""
        found: list[float | None] = [None] * slots
        column = self._columns.get(measure)
        if not column or until <= since or slots < 1:
            return found
        times = self.times
        scale = slots / (until - since)
        for at in range(bisect_left(times, since), len(times)):
            if times[at] >= until:
                break
            value = column[at]
            if value != value:
                continue
            slot = min(int((times[at] - since) * scale), slots - 1)
            known = found[slot]
            if known is None or value > known:
                found[slot] = value
        return found

    def first(self, measure: str, since: float) -> float | None:
        """The oldest known value that is not older than ``since``."""
        column = self._columns.get(measure)
        if not column:
            return None
        start = bisect_left(self.times, since)
        return next((value for value in column[start:] if value == value), None)

    def slope(self, measure: str, since: float) -> float | None:
        """By how much the measure grows a second, by least squares over the samples since then; None: too few."""
        column = self._columns.get(measure)
        if not column:
            return None
        start = bisect_left(self.times, since)
        points = [(t, v) for t, v in zip(self.times[start:], column[start:], strict=False) if v == v]
        if len(points) < 10:
            return None
        mean_t = sum(t for t, _ in points) / len(points)
        mean_v = sum(v for _, v in points) / len(points)
        spread = sum((t - mean_t) ** 2 for t, _ in points)
        return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread if spread else None


def fill_gaps(values: Iterable[float | None], longest: int = 3) -> list[float | None]:
    """Carry a value over gaps of at most ``longest`` slots: samples and slots never fall together exactly."""
    filled: list[float | None] = []
    last: float | None = None
    age = 0
    for value in values:
        if value is not None:
            last, age = value, 0
        elif last is not None:
            age += 1
            if age > longest:
                last = None
        filled.append(last)
    return filled


def sparkline(values: Sequence[float | None], top: float | None = None) -> str:
    """A row of blocks, one for each value; a blank where nothing is known, the lowest block for anything small.

    :param top: the value of a full block; the highest of all values by default.
    """
    highest = max((value for value in values if value is not None), default=0.0) if top is None else top
    full = len(_BLOCKS) - 1

    def block(value: float) -> str:
        return _BLOCKS[min(1 + (round(value / highest * (full - 1)) if highest > 0 else 0), full)]

    return "".join(" " if value is None else block(value) for value in values)
