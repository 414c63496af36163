"""The events pane: what happened, with its cause; Enter shows that time in the other panes.

Knows the happenings of one daemon.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.message import Message

from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events

    from circus.model.dashboard import Happening
    from circus.top.widgets.lines import Drawn, Line


class EventPane(LineWidget, can_focus=True):
    """The pane. ``is_whole`` shows the events of all watchers, else those of the selected one."""

    class Chosen(Message):
        """Somebody wants to see that time."""

        def __init__(self, happening: Happening) -> None:
            super().__init__()
            self.happening = happening

    def __init__(self) -> None:
        super().__init__(id="events")
        self.is_whole = False
        self._events: list[Happening] = []
        self._title = ""
        #: The event below the cursor; None while the newest is followed.
        self._chosen: Happening | None = None

    def show(self, happenings: Iterable[Happening], title: str) -> None:
        """Draw these events, oldest first."""
        self._events, self._title = list(happenings), title
        self.redraw()

    def _cursor(self) -> int:
        if self._chosen is not None and self._chosen in self._events:
            return self._events.index(self._chosen)
        return len(self._events) - 1

    def move(self, step: int) -> None:
        """Move the cursor; at the end it follows again."""
        at = max(0, self._cursor() + step)
        self._chosen = self._events[at] if at < len(self._events) - 1 else None
        self.redraw()

    def choose(self) -> None:
        """Show the time of the event below the cursor elsewhere."""
        if self._events:
            self.post_message(self.Chosen(self._events[self._cursor()]))

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint = self.paint
        scope = "all watchers" if self.is_whole else clean(self._title)
        head: Line = [(" events ", paint.key), (scope, paint.strong), (f"  {len(self._events)}", paint.dim)]
        lines: list[Drawn] = [(head, paint.bar)]
        if not self._events:
            return [*lines, ([(" nothing happened as far as is known", paint.dim)], None)]
        cursor, room = self._cursor(), height - 1
        first = max(0, min(cursor - room // 2, len(self._events) - room))
        for at in range(first, min(first + room, len(self._events))):
            below = None
            if at == cursor and (self.has_focus or self._chosen is not None):
                below = paint.cursor if self.has_focus else paint.cursor_away
            mark = " " if below is None else "▌"
            lines.append(([(mark, paint.key), *self._draw_event(self._events[at])], below))
        return lines

    def _draw_event(self, event: Happening) -> Line:
        paint = self.paint
        stamp = time.strftime("%H:%M:%S", time.localtime(event.time))
        line: Line = [(f"{stamp} ", paint.dim), (fit(clean(event.watcher), 16), paint.text), (" ", None)]
        line += [(fit(event.event, 12), paint.gravity(event.gravity)), (" ", None), (clean(event.text), paint.text)]
        if event.cause:
            line.append((f"  — {clean(event.cause)}", paint.dim))
        return line

    def on_click(self, event: events.Click) -> None:
        room = self.size.height - 1
        first = max(0, min(self._cursor() - room // 2, len(self._events) - room))
        at = first + event.y - 1
        if event.y > 0 and at < len(self._events):
            self._chosen = self._events[at]
            self.redraw()
            if event.chain > 1:
                self.choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.move(-3)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()
