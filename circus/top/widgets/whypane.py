"""The why pane: how the selected watcher came to be as it is, told by the daemon, or by the events as far as known.

Knows replies to ``why`` and happenings.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from circus.model.dashboard.columns import exit_text, size_text, time_text
from circus.top.widgets.lines import LineWidget, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from textual import events

    from circus.model.dashboard import Happening
    from circus.top.widgets.lines import Drawn, Line

#: How many ends are told, and how many last lines of output of each.
_EXITS = 5
_WORDS = 4


class WhyPane(LineWidget, can_focus=True):
    """The pane."""

    def __init__(self) -> None:
        super().__init__(id="why")
        self._title = ""
        self._lines: list[Line] = []
        self._first = 0

    def show_story(self, title: str, reply: Mapping[str, Any], now: float, wid: int | None = None) -> None:
        """Draw the reply to ``why``.

        :param wid: the worker looked at; None for the whole watcher.
        """
        self._set(title, _story_lines(self, reply, now, wid))

    def show_events(self, title: str, happenings: Iterable[Happening], remark: str) -> None:
        """Draw what the events tell, where the daemon does not tell it itself."""
        lines: list[Line] = [[(f" {remark}", self.paint.dim)], []] if remark else []
        for event in list(happenings)[-50:]:
            cause = f" — {event.cause}" if event.cause else ""
            line: Line = [(f"  {_clock(event.time)}  ", self.paint.dim)]
            lines.append([*line, (clean(event.text + cause), self.paint.gravity(event.gravity))])
        self._set(title, lines)

    def _set(self, title: str, lines: list[Line]) -> None:
        if title != self._title:
            self._first = 0
        self._title, self._lines = title, lines
        self.redraw()

    def scroll_by(self, step: int) -> None:
        """Move by so many lines."""
        room = max(1, self.size.height - 1)
        self._first = max(0, min(self._first + step, len(self._lines) - room))
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint = self.paint
        head: Line = [(" why ", paint.key), (clean(self._title), paint.strong)]
        below = len(self._lines) - self._first - (height - 1)
        if below > 0:
            head.append((f"  {below} more lines", paint.dim))
        lines = self._lines[self._first : self._first + height - 1]
        if not self._lines:
            lines = [[(" nothing is known yet", paint.dim)]]
        return [(head, paint.bar), *((line, None) for line in lines)]

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_by(-3)


def _story_lines(pane: WhyPane, reply: Mapping[str, Any], now: float, wid: int | None) -> list[Line]:
    paint = pane.paint
    lines = _state_lines(pane, reply, now) + _stream_lines(pane, reply)
    workers = _dicts(reply, "workers")
    if wid is not None:
        lines += [_worker_line(pane, item, strong=True) for item in workers if item.get("wid") == wid]
    exits = _dicts(reply, "exits")
    mine = [item for item in exits if wid is None or item.get("wid") == wid]
    for title, some in (("last ends", mine), ("of other workers", [item for item in exits if item not in mine])):
        if some:
            lines += [[], [(f" {title}", paint.title)]]
            for item in reversed(some[-_EXITS:]):
                lines += _exit_lines(pane, item)
    story = _dicts(reply, "story")
    if story:
        lines += [[], [(" story", paint.title)]]
    for item in reversed(story):
        lines.append([(f"  {_clock(item.get('time'))}  ", paint.dim), (clean(str(item.get("text"))), paint.text)])
    if workers and wid is None:
        lines += [[], [(" workers", paint.title)], *(_worker_line(pane, item) for item in workers)]
    return lines


def _state_lines(pane: WhyPane, reply: Mapping[str, Any], now: float) -> list[Line]:
    """What the watcher is, what is wanted of it, on whose word, and what comes next."""
    paint = pane.paint
    status, since = str(reply.get("status")), reply.get("since")
    first: Line = [(" is ", None), (status, paint.state(status)), (f", wanted {reply.get('wanted')}", None)]
    if isinstance(since, int | float):
        first.append((f", since {_clock(since)} ({time_text(now - since)})", None))
    lines = [first]
    for key, label in (("cause", "because"), ("reason", "so far"), ("next", "next")):
        if reply.get(key):
            lines.append([(f" {label}: ", paint.dim), (clean(str(reply[key])), paint.strong)])
    if isinstance(reply.get("next_try"), int | float):
        wait = time_text(max(0.0, reply["next_try"] - now))
        lines.append([(f" held back, next try in {wait}", paint.bad)])
    return lines


def _stream_lines(pane: WhyPane, reply: Mapping[str, Any]) -> list[Line]:
    """Output that was dropped, and streams that take nothing now. What a stream is comes last: it may be cut off."""
    paint = pane.paint
    streams = reply.get("streams")
    lines: list[Line] = []
    for name, stream in streams.items() if isinstance(streams, dict) else ():
        dropped, stuck = (stream.get("dropped"), stream.get("stuck")) if isinstance(stream, dict) else (None, None)
        facts = []
        if isinstance(stuck, int | float):
            facts.append(f"stuck for {time_text(stuck)}" if stuck >= 1 else "stuck since just now")
        if isinstance(dropped, int | float) and dropped > 0:
            facts.append(f"{size_text(dropped)} dropped since it was opened")
        if facts:
            line: Line = [(f" {clean(name)}: ", paint.dim), (", ".join(facts), paint.bad)]
            lines.append([*line, (f", to {clean(str(stream.get('to')))}", paint.dim)])
    return lines


def _dicts(reply: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [item for item in reply.get(key) or () if isinstance(item, dict)]


def _exit_lines(pane: WhyPane, item: Mapping[str, Any]) -> list[Line]:
    paint = pane.paint
    code = item.get("exit_code")
    how = item.get("exit") or (exit_text(code) if isinstance(code, int) else "ended")
    lived = item.get("uptime")
    after = f" after {time_text(lived)}" if isinstance(lived, int | float) else ""
    style = paint.text if item.get("expected") else paint.bad
    line: Line = [(f"  {_clock(item.get('time'))}  ", paint.dim)]
    line.append((f"worker {item.get('wid')} (pid {item.get('pid')}) {how}{after}", style))
    if item.get("cause") and item["cause"] != how:
        line.append((f" — {clean(str(item['cause']))}", paint.dim))
    said = (item.get("lines") or ())[-_WORDS:]
    quoted: list[Line] = [[("            │ ", paint.faint), (clean(str(text)), paint.text)] for text in said]
    return [line, *quoted]


def _worker_line(pane: WhyPane, item: Mapping[str, Any], *, strong: bool = False) -> Line:
    paint = pane.paint
    age = item.get("age")
    old = f" for {time_text(age)}" if isinstance(age, int | float) else ""
    lead = " worker" if strong else "  worker"
    line: Line = [(f"{lead} {item.get('wid'):>3}  pid {item.get('pid')}  {item.get('state')}{old}", paint.text)]
    if item.get("why"):
        line.append((f" — {clean(str(item['why']))}", paint.strong if strong else paint.dim))
    return line


def _clock(moment: Any) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment)) if isinstance(moment, int | float) else "        "
