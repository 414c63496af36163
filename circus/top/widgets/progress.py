"""The lines that appear while workers are replaced: a bar for all together and one for each that is in work.

Knows what :mod:`circus.model.dashboard.exchange` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus.model.dashboard.exchange import STEPS
from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from circus.model.dashboard.exchange import Change
    from circus.top.widgets.lines import Drawn, Line

_WIDE, _NARROW = 24, 8


class ProgressBar(LineWidget):
    """The widget; it takes no room while there is nothing to show."""

    def __init__(self) -> None:
        super().__init__(id="progress")
        self._changes: list[Change] = []
        self._title = ""

    def show(self, title: str, changes: list[Change]) -> None:
        """Show how far they are; nothing at all when there are none."""
        self._title, self._changes = title, changes
        room = max(1, self.app.size.height // 4)
        height = min(1 + len(changes), room, 9) if changes else 0
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
            self.display = height > 0
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint, changes = self.paint, self._changes
        if not changes:
            return []
        done = sum(change.is_done for change in changes)
        steps = sum(change.steps for change in changes)
        full, rest = _bar(steps, STEPS * len(changes), _WIDE)
        line: Line = [(f" {clean(self._title)} ", paint.strong), (full, paint.good), (rest, paint.faint)]
        line.append((f" {done} of {len(changes)} replaced", paint.good if done == len(changes) else paint.text))
        lines: list[Drawn] = [(line, paint.bar)]
        # Those in work first, then those that wait, then those that are done.
        ordered = sorted(changes, key=lambda change: (change.is_done, change.steps == 0))
        shown = ordered[: height - 1] if len(ordered) < height else ordered[: height - 2]
        names = max((len(change.name) for change in shown), default=0)
        for change in shown:
            lines.append((self._draw_change(change, min(names, 30)), None))
        if len(shown) < len(ordered) and height > 1:
            lines.append(([(f"   and {len(ordered) - len(shown)} more", paint.dim)], None))
        return lines

    def _draw_change(self, change: Change, names: int) -> Line:
        paint = self.paint
        full, rest = _bar(change.steps, STEPS, _NARROW)
        line: Line = [(f"   {fit(clean(change.name), names)} ", paint.text), (full, paint.good), (rest, paint.faint)]
        line.append((f" pid {change.pid} ", paint.dim))
        line.append((change.state, paint.dim if change.state == "gone" else paint.state(change.state)))
        if change.successor is not None:
            line += [(f", pid {change.successor} ", paint.dim)]
            line.append((change.successor_state, paint.state(change.successor_state)))
        return line


def _bar(done: int, all_of_them: int, width: int) -> tuple[str, str]:
    cells = done * width // max(1, all_of_them)
    return "█" * cells, "░" * (width - cells)
