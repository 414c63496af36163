"""The arithmetic and the table: medians, percentiles, ratios to the floor, goals and their verdicts.

Pure functions on numbers; knows nothing of processes. Called by run.py with what the figures measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FLOOR, OURS, REFERENCE = "floor", "ours", "ref"
#: Stands for what a figure has besides the systems, to compare them with: see Figure.probe.
PROBE = "probe"


@dataclass(frozen=True)
class Goal:
    """What to reach: ``op`` is ``<=`` or ``>=``, the limit a ratio to the floor unless ``absolute``."""

    op: str
    limit: float
    absolute: bool = False
    stretch: float | None = None

    def met(self, value: float | None) -> bool | None:
        """Whether a value reaches the goal; None when there is nothing to judge."""
        return None if value is None else self._reaches(value, self.limit)

    def met_stretch(self, value: float | None) -> bool:
        """Whether a value reaches the stretch goal, if there is one."""
        return value is not None and self.stretch is not None and self._reaches(value, self.stretch)

    def _reaches(self, value: float, limit: float) -> bool:
        return value <= limit if self.op == "<=" else value >= limit

    def __str__(self) -> str:
        unit = "" if self.absolute else "x"
        stretch = "" if self.stretch is None else f" ({self.stretch:g}{unit})"
        return f"{self.op} {self.limit:g}{unit}{stretch}"


@dataclass(frozen=True)
class Figure:
    """One line of the table: a key for ``--only`` and JSON, a title, a unit, a goal.

    ``probe`` says what was measured beside the systems, at the same time, to tell what the machine has to do with it.
    """

    key: str
    title: str
    unit: str
    goal: Goal
    probe: str = ""


@dataclass
class Row:
    """A figure with the medians of its turns, by system, and what follows from them."""

    figure: Figure
    medians: dict[str, float]

    def ratio(self, system: str) -> float | None:
        """The system's median divided by the floor's; None when either is missing or the floor is zero."""
        return ratio(self.medians.get(system), self.medians.get(FLOOR))

    def judged(self) -> float | None:
        """The number of ours the goal speaks of."""
        return self.medians.get(OURS) if self.figure.goal.absolute else self.ratio(OURS)

    def verdict(self) -> str:
        """``ok``, ``ok+`` (stretch reached), ``MISSED``, or empty when ours has no number."""
        value = self.judged()
        met = self.figure.goal.met(value)
        if met is None:
            return ""
        if self.figure.goal.met_stretch(value):
            return "ok+"
        return "ok" if met else "MISSED"


def median(values: Iterable[float]) -> float:
    """The middle value (mean of the two middle ones); ValueError when there is none."""
    numbers = list(values)
    if not numbers:
        raise ValueError("median of no values")
    return statistics.median(numbers)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("percentile of no values")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def ratio(value: float | None, floor: float | None) -> float | None:
    """``value / floor``, or None where it means nothing."""
    if value is None or not floor:
        return None
    return value / floor


def rows_of(figures: Sequence[Figure], turns: dict[str, dict[str, list[float]]]) -> list[Row]:
    """Rows from ``{figure key: {system: [value of each turn]}}``; figures nobody measured are left out."""
    rows = []
    for figure in figures:
        measured = {system: median(values) for system, values in turns.get(figure.key, {}).items() if values}
        if measured:
            rows.append(Row(figure, measured))
    return rows


def number(value: float | None) -> str:
    """Three significant digits, no exponent; empty for None."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, min(digits, 6))}f}"


def render_table(rows: Sequence[Row]) -> str:
    """The rows as text, aligned for a terminal."""
    head = ("figure", "unit", "floor", "0.19.0", "ours", "ours", "goal", "")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        lines.append(
            (
                row.figure.title,
                row.figure.unit,
                number(row.medians.get(FLOOR)),
                _compared(row, REFERENCE),
                number(row.medians.get(OURS)),
                "" if row.figure.goal.absolute else _times(row.ratio(OURS)),
                str(row.figure.goal),
                row.verdict(),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_aligned(line, widths) for line in lines)


def remarks(rows: Sequence[Row]) -> list[str]:
    """A line for each row with a probe: what that took in the same run."""
    return [
        f"{row.figure.title}, for comparison: {number(row.medians[PROBE])} {row.figure.unit} for {row.figure.probe}"
        for row in rows
        if row.figure.probe and PROBE in row.medians
    ]


def summary(rows: Sequence[Row]) -> str:
    """One line: how many goals were reached, and which were missed."""
    verdicts = [row.verdict() for row in rows]
    judged = [verdict for verdict in verdicts if verdict]
    if not judged:
        return "no goal judged (ours has no number)"
    missed = [row.figure.key for row in rows if row.verdict() == "MISSED"]
    text = f"{len(judged) - len(missed)} of {len(judged)} goals reached"
    return f"{text}; missed: {', '.join(missed)}" if missed else text


def _compared(row: Row, system: str) -> str:
    """The cell of a system that is shown by its ratio alone, or by its value where the goal is a value."""
    if row.figure.goal.absolute:
        return number(row.medians.get(system))
    return _times(row.ratio(system))


def _times(value: float | None) -> str:
    return "" if value is None else f"{number(value)}x"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = {0, 1, 6, 7}
    padded = (
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()
