"""The lines at the edges: what daemons these are, what is wrong with them, what keys there are, what came of a command.

Knows the model's endpoints and alerts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from circus.model.dashboard.columns import percent_text, size_text, time_text
from circus.top.widgets.lines import LineWidget, clean

if TYPE_CHECKING:
    from rich.style import Style

    from circus.model.dashboard import Alert, Dashboard
    from circus.top.widgets.lines import Drawn, Line

_ALERTS = 2
_MESSAGE_STAYS = 8.0


class HeadBar(LineWidget):
    """The top line: name, connection, totals, time."""

    def __init__(self) -> None:
        super().__init__(id="head")
        self._line: Line = []

    def show(self, board: Dashboard, now: float, extra: str, *, read_only: bool) -> None:
        """Draw the state of the whole.

        :param extra: more to tell, such as the speed of a replay.
        """
        paint = self.paint
        ends = list(board.endpoints.values())
        roots = [end.root.values for end in ends]
        line: Line = [(" circus-top ", paint.key)]
        if len(ends) == 1:
            line += [(clean(ends[0].name), paint.strong), (" ", None), *_light(self, ends[0].state, ends[0].source)]
        elif not ends:
            line.append(("no daemon yet", paint.warn))
        else:
            live = sum(end.state == "live" for end in ends)
            line.append((f"{live} of {len(ends)} daemons", paint.good if live == len(ends) else paint.bad))
        watchers = sum(node.kind == "watcher" for end in ends for node in end.root.children.values())
        procs, cpu, rss, restarts = (sum(values.get(key) or 0 for values in roots) for key in _TOTALS)
        line += [("  ", None), (f"{watchers}", paint.strong), (" watchers ", paint.dim)]
        line += [(f"{procs}", paint.strong), (" workers  ", paint.dim)]
        line += [("cpu ", paint.dim), (f"{percent_text(cpu)}%", paint.strong), ("  rss ", paint.dim)]
        line += [(size_text(rss), paint.strong), ("  ", None)]
        if restarts:
            line.append((f"{restarts} restart{'s' if restarts > 1 else ''}  ", paint.warn))
        if read_only:
            line.append(("read-only  ", paint.accent))
        if extra:
            line.append((f"{extra}  ", paint.accent))
        self._line, self._now = line, now
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        used = sum(len(text) for text, _ in self._line)
        clock = time.strftime("%H:%M:%S ", time.localtime(getattr(self, "_now", time.time())))
        if used + len(clock) <= width:
            return [([*self._line, (" " * (width - used - len(clock)), None), (clock, self.paint.dim)], self.paint.bar)]
        return [(self._line, self.paint.bar)]


_TOTALS = ("procs", "cpu", "rss", "restarts")


def _light(widget: LineWidget, state: str, source: str) -> Line:
    paint = widget.paint
    if state == "live":
        return [("● ", paint.good), (source or "live", paint.dim)]
    return [("○ ", paint.bad), (state, paint.bad)]


class AlertBar(LineWidget):
    """What is wrong, one line each, the grave first; no line when nothing is."""

    def __init__(self) -> None:
        super().__init__(id="alerts")
        self._lines: list[Drawn] = []

    def show(self, board: Dashboard, alerts: list[Alert], now: float) -> None:
        """Draw connections that are lost, then remarks, then alerts."""
        paint = self.paint
        lines: list[Drawn] = []
        if board.note:
            lines.append(([(f" {clean(board.note)}", paint.dim)], None))
        for end in board.endpoints.values():
            if end.state != "live":
                lines.append((_lost_line(self, end.name, end.state, end.note, end.heard_at, now), paint.alarm))
            elif end.note:
                lines.append(([(f" {clean(end.name)}: {clean(end.note)}", paint.dim)], None))
        shown = [alert for alert in alerts if not alert.text.startswith("no connection")]
        for at, alert in enumerate(shown[:_ALERTS]):
            more = f"  (+{len(shown) - _ALERTS} more)" if at == _ALERTS - 1 and len(shown) > _ALERTS else ""
            sign = "‼" if alert.gravity == "bad" else "!"
            lines.append(([(f" {sign} {clean(alert.text)}", paint.gravity(alert.gravity)), (more, paint.dim)], None))
        self._lines = lines
        height = min(len(lines), 4, max(1, self.app.size.height // 6))
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
            self.display = height > 0
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        return self._lines[:height]


def _lost_line(widget: LineWidget, name: str, state: str, why: str, heard_at: float, now: float) -> Line:
    if state == "connecting":
        return [(f" {clean(name)}: connecting … {clean(why)}", None)]
    old = f" The values are {time_text(now - heard_at)} old." if heard_at else ""
    return [(f" {clean(name)}: connection lost ({clean(why)}), connecting again.{old}", None)]


class FootBar(LineWidget):
    """The bottom line: a message for a while, else the keys that matter here."""

    def __init__(self) -> None:
        super().__init__(id="foot")
        self._hints: list[tuple[str, str]] = []
        self._message: tuple[str, str] = ("", "")
        self._until = 0.0

    def hint(self, hints: list[tuple[str, str]]) -> None:
        """The keys that matter: key and what it does."""
        self._hints = hints
        self.redraw()

    def tell(self, gravity: str, text: str, *, stays: float = _MESSAGE_STAYS) -> None:
        """Show a message for so many seconds."""
        self._message, self._until = (gravity, text), time.monotonic() + stays
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint = self.paint
        if time.monotonic() < self._until:
            gravity, text = self._message
            sign = {"bad": "✖ ", "good": "✔ ", "busy": "… "}.get(gravity, "")
            style: Style = paint.gravity(gravity) if gravity != "busy" else paint.accent
            return [([(f" {sign}{clean(text)}", style)], paint.bar)]
        line: Line = []
        used = 0
        for key, what in self._hints:
            used += len(key) + len(what) + 3
            if used > width:
                break
            line += [(f" {key}", paint.key), (f" {what} ", paint.dim)]
        return [(line, paint.bar)]
