"""The screen of circus-top 0.19 as a function, for programs that draw it into a curses window of their own.

``circus.stats.client`` had it under these names; circus-top itself looks different now (:mod:`circus.top.app`). Spec
stats-web.md 4.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from circus.model.dashboard.samples import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: By subtopic (None for the sum of a watcher) what StatsClient tells; and that by watcher.
    Stats = Mapping[str | None, Mapping[str, Any]]
    Watchers = Mapping[str, Stats]

_HIDDEN = frozenset({"circusd-stats", "circushttpd"})
_MOST = 10
_TITLES = ((3, "PID"), (28, "CPU (%)"), (48, "MEMORY (%)"), (68, "AGE (s)"))


def _paint(
    stdscr: Any,
    watchers: Watchers | None = None,
    old_h: int | None = None,
    old_w: int | None = None,
) -> tuple[int, int]:
    """Draw everything that is known into a window.

    :param stdscr: a curses window.
    :param watchers: by watcher, then by subtopic (None for the sum), the last message each. None: still waiting.
    :param old_h: the height that was returned the last time.
    :param old_w: the width that was returned the last time.
    :returns: height and width of the window.
    """
    height, width = stdscr.getmaxyx()
    if old_h is not None and (height, width) != (old_h, old_w):
        stdscr.clear()
    stdscr.erase()
    for y, line in enumerate(_lines(watchers, width)[:height]):
        stdscr.addstr(y, 0, line[: max(0, width - 1)])
    stdscr.refresh()
    return height, width


def _lines(watchers: Watchers | None, width: int) -> list[str]:
    rule = "-" * max(0, width - 1)
    if watchers is None:
        return ["Circus Top", "*** Waiting for data ***"]
    lines = ["Circus Top", rule]
    for name in sorted(watchers):
        if name == "sockets":
            lines += _socket_lines(watchers[name])
        elif name not in _HIDDEN:
            lines += [name, *_process_lines(watchers[name]), ""]
    return [*lines, rule]


def _process_lines(stats: Stats) -> list[str]:
    lines = [_columns(_TITLES)]
    parts = [stat for subtopic, stat in stats.items() if subtopic is not None]
    for stat in sorted(parts, key=lambda stat: number(stat.get("cpu")) or 0.0, reverse=True)[:_MOST]:
        pid = f"{stat.get('pid')} ({stat['name']})" if stat.get("name") else str(stat.get("pid"))
        lines.append(_columns(((2, pid), *_numbers(stat, ("", "", "")))))
    lines.append(_columns(_numbers(stats.get(None) or {}, (" (avg)", " (sum)", " (older)"))))
    return lines


def _numbers(stat: Mapping[str, Any], notes: tuple[str, str, str]) -> tuple[tuple[int, str], ...]:
    texts = [_two(stat.get(key)) + note for key, note in zip(("cpu", "mem", "age"), notes, strict=True)]
    return tuple(zip((29, 49, 69), texts, strict=True))


def _two(value: Any) -> str:
    known = number(value)
    return "N/A" if known is None else f"{known:.2f}"


def _socket_lines(stats: Stats) -> list[str]:
    lines = ["sockets", _columns(((3, "ADDRESS"), (28, "HITS")))]
    parts = [stat for subtopic, stat in stats.items() if subtopic is not None]
    for stat in sorted(parts, key=lambda stat: stat.get("reads", 0), reverse=True):
        lines.append(_columns(((2, str(stat.get("address"))), (29, f"{stat.get('reads', 0):3d}"))))
    lines.append(_columns(((29, f"{(stats.get(None) or {}).get('reads', 0):3d} (sum)"),)))
    return [*lines, ""]


def _columns(cells: tuple[tuple[int, str], ...]) -> str:
    line = ""
    for place, text in cells:
        line = line.ljust(place) + text
    return line


class Painter(threading.Thread):
    """Draws once a second until it is stopped.

    :param screen: a curses window.
    :param watchers: what :func:`_paint` draws; may be changed meanwhile by whole values.
    :param h: height of the window.
    :param w: width of the window.
    """

    def __init__(self, screen: Any, watchers: Any, h: int | None = None, w: int | None = None) -> None:
        super().__init__(daemon=True, name="circus-top painter")
        self.screen, self.watchers, self.h, self.w = screen, watchers, h, w
        self._ended = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._ended.is_set():
            snapshot = {name: dict(stats) for name, stats in list(self.watchers.items())} or None
            self.h, self.w = _paint(self.screen, snapshot, self.h, self.w)
            self._ended.wait(1.0)
