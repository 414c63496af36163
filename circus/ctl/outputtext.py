"""How lines of workers look: prefix, colour, marks, times; or JSON.

Called by ``circusctl tail`` with lines; it opens nothing and knows nothing of replies or batches. What a worker writes
is passed on as it is, but for a terminal: there it may set colours and nothing else.
"""

from __future__ import annotations

import re
import time
import zlib

from circus.ctl import quickjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NamedTuple

    class Source(NamedTuple):
        """Where lines come from."""

        watcher: str
        wid: int | None
        pid: int
        stream: str
else:
    from collections import namedtuple

    Source = namedtuple("Source", "watcher wid pid stream")

RESET = "\x1b[0m"
RED, YELLOW, DIM = "\x1b[31m", "\x1b[33m", "\x1b[2m"
#: Colours of prefixes: those that can be read on black and on white, none of which means trouble.
_PALETTE = tuple(f"\x1b[{code}m" for code in (36, 32, 35, 34, 96, 92, 95, 94))
#: Names longer than this get their room when they come.
_WIDEST = 20
#: What must not reach a terminal: control characters, except tabs and what only sets colours.
_CONTROL = re.compile(r"\x1b\[[0-9;:]*m|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class OutputText:
    """Makes text of lines.

    :param colour: with colours, for a terminal.
    :param timestamps: begin with the time of the line.
    :param as_json: one object per line instead.
    :param terminal: keep what would move the cursor from it, and align the prefixes.
    """

    def __init__(
        self, *, colour: bool = False, timestamps: bool = False, as_json: bool = False, terminal: bool = False
    ) -> None:
        self._colour, self._timestamps, self._as_json, self._terminal = colour, timestamps, as_json, terminal
        self._width = 0
        self._prefixes: dict[tuple[Source, int], str] = {}

    def expect(self, watchers: Iterable[str]) -> None:
        """Make room for the prefixes of these watchers, so that lines stay aligned when another one begins to write."""
        if self._terminal:
            self._width = max([self._width, *(min(len(name), _WIDEST) + 2 for name in watchers)])

    def render(self, source: Source, at: float, lines: Sequence[str]) -> str:
        """Some lines that were read at the same time, each ended.

        :param at: epoch seconds.
        """
        if not lines:
            return ""
        if self._as_json:
            head = quickjson.dumps({**source._asdict(), "time": at})[:-1]
            return "".join([f'{head}, "text": {quickjson.dumps(line)}}}\n' for line in lines])
        prefix = self._prefix(source)
        if self._timestamps:
            prefix = f"{self._paint(DIM, clock(at))} {prefix}"
        separator = f"\n{prefix}"
        if not self._terminal:
            return f"{prefix}{separator.join(lines)}\n"
        text = "\n".join(lines)
        if _CONTROL.search(text):
            lines = [_tamed(line, self._colour) for line in lines]
        return f"{prefix}{separator.join(lines)}\n"

    def _prefix(self, source: Source) -> str:
        found = self._prefixes.get((source, self._width))
        if found is None:
            label = label_of(source)
            if self._terminal:
                self._width = max(self._width, len(label))
            mark = "!" if source.stream == "stderr" else "|"
            padding = " " * (self._width - len(label))
            colour = RED if source.stream == "stderr" else colour_of(label)
            found = f"{self._paint(colour_of(label), label)}{padding} {self._paint(colour, mark)} "
            if len(self._prefixes) > 4096:
                self._prefixes.clear()
            self._prefixes[source, self._width] = found
        return found

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._colour else text


def label_of(source: Source) -> str:
    """``web.1``: watcher and worker."""
    return source.watcher if source.wid is None else f"{source.watcher}.{source.wid}"


def colour_of(label: str) -> str:
    """The colour of a worker: the same one each time, so that eyes get used to it."""
    return _PALETTE[zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(_PALETTE)]


def clock(at: float) -> str:
    """A time to the millisecond, local."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}.{int(at * 1000) % 1000:03d}"


def _tamed(line: str, colour: bool) -> str:
    """A line that cannot do more to a terminal than colour its own text."""
    coloured = False

    def tame(found: re.Match[str]) -> str:
        nonlocal coloured
        text = found[0]
        if len(text) > 1:
            coloured = True
            return text if colour else ""
        code = ord(text)
        return f"^{chr(code ^ 64)}" if code < 128 else f"\\x{code:02x}"

    tamed = _CONTROL.sub(tame, line.removesuffix("\r"))
    return f"{tamed}{RESET}" if coloured and colour else tamed
