"""The chart pane: one measure of the selected row over time, with what happened marked on the axis.

Knows the history of a node and the events of its daemon.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from circus.model.dashboard.columns import count_text, percent_text, size_text, time_text
from circus.model.dashboard.node import SOCKET, WATCHER
from circus.model.dashboard.series import fill_gaps
from circus.top.plot import nice_top, plot
from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from circus.model.dashboard import Endpoint, Happening, Node
    from circus.top.widgets.lines import Drawn, Line

#: Spans of time, seconds, and how they are called.
SPANS = ((60, "1m"), (600, "10m"), (3600, "1h"), (86400, "24h"))
MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "cpu": ("CPU %", percent_text),
    "rss": ("RSS", size_text),
    "io": ("i/o per second", size_text),
    "count": ("processes", count_text),
}
_SOCKET_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {"queue": ("queue", count_text),
    "count": ("connections per second", count_text),
}
_AXIS = 7
_GRAVITY = {"bad": 2, "good": 0, "plain": 1}


class ChartPane(LineWidget, can_focus=True):
    """The pane. ``span`` and ``measure`` are what is shown of ``node``; ``mark_at`` is an instant to point at."""

    def __init__(self) -> None:
        super().__init__(id="chart")
        self.span = 1
        self.measure = "cpu"
        self.mark_at: float | None = None
        self._node: Node | None = None
        self._endpoint: Endpoint | None = None
        self._now = 0.0

    def show(self, node: Node | None, endpoint: Endpoint | None, now: float) -> None:
        """Draw the history of a node up to now."""
        self._node, self._endpoint, self._now = node, endpoint, now
        self.redraw()

    def next_measure(self) -> None:
        """Show another measure."""
        names = list(self._measures())
        at = names.index(self.measure) if self.measure in names else -1
        self.measure = names[(at + 1) % len(names)]
        self.redraw()

    def change_span(self, step: int) -> None:
        """Show a longer (1) or shorter (-1) time."""
        self.span = max(0, min(self.span + step, len(SPANS) - 1))
        self.redraw()

    def _measures(self) -> dict[str, tuple[str, Callable[[float], str]]]:
        return _SOCKET_MEASURES if self._node is not None and self._node.kind == SOCKET else MEASURES

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint, node = self.paint, self._node
        if node is None:
            return [([(" chart: nothing is selected", paint.dim)], paint.bar)]
        measures = self._measures()
        measure = self.measure if self.measure in measures else next(iter(measures))
        title, text = measures[measure]
        seconds = SPANS[self.span][0]
        columns = max(1, width - _AXIS - 2)
        values = self._values(measure, seconds, columns)
        known = [value for value in values if value is not None]
        lines: list[Drawn] = [(self._head(node, title, text, known), paint.bar)]
        rows = height - 3
        if rows < 1:
            return lines
        top = nice_top(max([*known, 1.0 if measure != "rss" else 1 << 20]), binary=measure in ("rss", "io"))
        middle = "" if text is count_text and top % 2 else text(top / 2)  # there is no half of a process
        for at, row in enumerate(plot(values, rows, top)):
            label = text(top) if at == 0 else "0" if at == rows - 1 else middle if at == (rows - 1) // 2 else ""
            lines.append(([(fit(label, _AXIS, right=True), paint.dim), ("▕", paint.faint), (row, paint.graph)], None))
        lines.append((self._marks(seconds, columns), None))
        lines.append((self._times(seconds, columns), None))
        return lines

    def _values(self, measure: str, seconds: int, slots: int) -> list[float | None]:
        assert self._node is not None
        begin, end = self._now - seconds, self._now + 0.001
        found = self._node.history.window(measure, begin, end, slots)
        if seconds > 600 and self._node.past is not None:
            older = self._node.past.window(measure, begin, end, slots)
            found = [value if value is not None else old for value, old in zip(found, older, strict=True)]
        distance = 60.0 if seconds > 600 else 1.0
        return fill_gaps(found, 2 + round(2.5 * distance * slots / seconds))

    def _head(self, node: Node, title: str, text: Callable[[float], str], known: list[float]) -> Line:
        paint = self.paint
        line: Line = [(" ", None), (title, paint.key), (f" of {clean(node.name)}  ", paint.strong)]
        for at, (_, name) in enumerate(SPANS):
            line.append((f"[{name}]" if at == self.span else f" {name} ", paint.key if at == self.span else paint.dim))
        if known:
            mean = sum(known) / len(known)
            line.append((f"  now {text(known[-1])}  mean {text(mean)}  max {text(max(known))}", paint.text))
        else:
            line.append(("  nothing known of this time", paint.dim))
        return line

    def _marks(self, seconds: int, columns: int) -> Line:
        """A sign for what happened at each moment, the gravest of several."""
        cells: list[Happening | None] = [None] * columns
        for event in self._events():
            at = int((event.time - self._now + seconds) / seconds * columns)
            if 0 <= at < columns:
                known = cells[at]
                if known is None or _GRAVITY[event.gravity] > _GRAVITY[known.gravity]:
                    cells[at] = event
        paint = self.paint
        line: Line = [(" " * (_AXIS - 6), None), ("events", paint.dim), (" ", None)]
        pointed = None
        if self.mark_at is not None:
            pointed = int((self.mark_at - self._now + seconds) / seconds * columns)
        for at, told in enumerate(cells):
            if at == pointed:
                line.append(("▲", paint.accent))
            elif told is None:
                line.append((" ", None))
            else:
                line.append((_sign(told), paint.gravity(told.gravity)))
        return line

    def _events(self) -> list[Happening]:
        if self._endpoint is None or self._node is None:
            return []
        watcher = self._node.above(WATCHER)
        if watcher is None:
            return list(self._endpoint.events)
        return [event for event in self._endpoint.events if event.watcher == watcher.key]

    def _times(self, seconds: int, columns: int) -> Line:
        parts = [" "] * columns
        form = "%H:%M" if seconds > 600 else "%H:%M:%S"
        count = max(1, min(6, columns // 14))
        for number in range(count + 1):
            at = round(number / count * (columns - 1))
            moment = self._now - seconds + seconds * at / max(1, columns - 1)
            label = f"-{time_text(seconds)}" if number == 0 else time.strftime(form, time.localtime(moment))
            begin = min(max(0, at - len(label) // 2), columns - len(label))
            if begin >= 0:
                parts[begin : begin + len(label)] = label
        return [(" " * (_AXIS + 1), None), ("".join(parts), self.paint.dim)]


def _sign(event: Happening) -> str:
    if event.gravity == "bad":
        return "✖"
    return "+" if event.event == "spawn" else "•"
