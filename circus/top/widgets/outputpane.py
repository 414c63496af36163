"""The output pane: what the selected workers say, live; searched, filtered, paused, saved.

Knows the book of lines (:mod:`circus.model.dashboard.output`). Drawn from the bottom up, so that a line may take
several rows and the cost is that of what is in sight.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from rich.ansi import AnsiDecoder
from rich.style import Style

from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from textual import events

    from circus.model.dashboard import OutputBook, OutputLine
    from circus.top.widgets.lines import Drawn, Line

_ESCAPE = "\x1b"
_ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL|PANIC|Traceback|Exception|[Ee]rror:)")
_WARNING = re.compile(r"\bWARN(ING)?\b")
_DEBUG = re.compile(r"\b(DEBUG|TRACE)\b")
_MATCH_LIMIT = 2000  # characters of a line that are searched: a hostile pattern and line must not hold the screen up


class OutputPane(LineWidget, can_focus=True):
    """The pane."""

    def __init__(self) -> None:
        super().__init__(id="output")
        self.is_wrapped = True
        self.is_pretty = False
        self.title = ""
        self.why = ""
        self.search: re.Pattern[str] | None = None
        self.filter: re.Pattern[str] | None = None
        self.is_hiding = False
        self._book: OutputBook | None = None
        self._lines: list[OutputLine] = []
        self._edition = -1
        self._seen = 0
        #: How many of the lines are from before what the book has by itself; and the edition of those.
        self._older_count = 0
        self._older_edition = -1
        #: Index of the lowest line shown; None while following.
        self._bottom: int | None = None
        self._decoder = AnsiDecoder()

    # -- what is shown -------------------------------------------------------------------------------------

    def show(self, book: OutputBook | None, title: str, why: str = "") -> None:
        """Draw the lines of a book.

        :param why: why there may be nothing to see.
        """
        self.title, self.why = title, why
        if book is not self._book or (book is not None and book.edition != self._edition):
            self._book, self._edition = book, book.edition if book is not None else -1
            self._lines, self._seen, self._bottom, self._older_edition = [], 0, None, -1
        self._take_new()
        self.redraw()

    def _take_new(self) -> None:
        book = self._book
        if book is None:
            return
        if book.older_edition != self._older_edition:
            self._take_older(book)
        if book.count == self._seen:
            return
        fresh = book.count - self._seen
        lines = list(book.lines)[-fresh:] if fresh < len(book.lines) else list(book.lines)
        self._seen = book.count
        self._lines += [line for line in lines if self._is_wanted(line)]
        surplus = len(self._lines) - (book.lines.maxlen or 0) - (book.older.maxlen or 0 if book.older else 0)
        if surplus > 0:
            del self._lines[:surplus]
            if self._bottom is not None:
                self._bottom = max(0, self._bottom - surplus)

    def _take_older(self, book: OutputBook) -> None:
        """Begin anew, with more or fewer lines in front; what is in sight stays there."""
        self._older_edition = book.older_edition
        before = len(self._lines)
        self._lines = [line for line in (*book.older, *book.lines) if self._is_wanted(line)]
        self._older_count = len(self._lines) - before
        self._seen = book.count
        if self._bottom is not None:
            self._bottom = max(0, min(self._bottom + self._older_count, len(self._lines) - 1))

    def show_older(self, is_searching: bool) -> bool:
        """Older lines came: show the youngest of them above what was on top, or the one that is looked for.

        :returns: whether that one is there.
        """
        self._take_new()
        more = self._older_count
        if more <= 0:
            return False
        if is_searching and self.search is not None:
            for at in range(more - 1, -1, -1):
                if self._lines[at].stream and self.search.search(self._lines[at].text[:_MATCH_LIMIT]):
                    self._bottom = min(at + self.size.height // 2, len(self._lines) - 1)
                    self.redraw()
                    return True
        self._bottom = min(more + 1, len(self._lines) - 1)
        self.redraw()
        return False

    @property
    def filter_text(self) -> str:
        """What is shown or hidden, as it is typed; empty for everything."""
        return "" if self.filter is None else ("!" if self.is_hiding else "") + self.filter.pattern

    def wants_text(self, text: str) -> bool:
        """Whether a line with that text is shown."""
        return self.filter is None or (self.filter.search(text[:_MATCH_LIMIT]) is not None) is not self.is_hiding

    def _is_wanted(self, line: OutputLine) -> bool:
        return not line.stream or self.wants_text(line.text)

    def set_filter(self, pattern: str, *, hide: bool = False) -> str:
        """Show only lines that match (or hide them). :returns: what is wrong with the pattern, if anything."""
        compiled, problem = _compile(pattern)
        if not problem:
            self.filter, self.is_hiding = compiled, hide
            self._lines, self._seen, self._bottom, self._older_edition = [], 0, None, -1
            self._take_new()
            self.redraw()
        return problem

    def set_search(self, pattern: str) -> str:
        """Look for something, from the bottom up. :returns: what is wrong with the pattern, if anything."""
        compiled, problem = _compile(pattern)
        if not problem:
            self.search = compiled
            self._bottom = None
            self.find(-1, including=True)
            self.redraw()
        return problem

    def find(self, step: int, *, including: bool = False) -> bool:
        """Go to the next line (1) or the one before (-1) that holds what is looked for."""
        if self.search is None or not self._lines:
            return False
        at = len(self._lines) - 1 if self._bottom is None else self._bottom
        at += 0 if including else step
        while 0 <= at < len(self._lines):
            if self.search.search(self._lines[at].text[:_MATCH_LIMIT]):
                self._bottom = at
                self.redraw()
                return True
            at += step
        return False

    @property
    def is_following(self) -> bool:
        """Whether new lines appear by themselves."""
        return self._bottom is None

    def toggle_pause(self) -> None:
        """Hold still, or follow again."""
        self._bottom = len(self._lines) - 1 if self._bottom is None else None
        self.redraw()

    def scroll_by(self, step: int) -> None:
        """Move by so many lines; at the end it follows again."""
        last = len(self._lines) - 1
        at = (last if self._bottom is None else self._bottom) + step
        self._bottom = None if at >= last else max(0, at)
        self.redraw()

    def scroll_home(self, *args: object, **options: object) -> None:
        """To the oldest line there is."""
        self._bottom = min(len(self._lines) - 1, max(0, self.size.height - 2)) if self._lines else None
        self.redraw()

    def scroll_end(self, *args: object, **options: object) -> None:
        """To the newest line, and follow."""
        self._bottom = None
        self.redraw()

    def go_to(self, moment: float) -> None:
        """Show what was said at an instant."""
        for at, line in enumerate(self._lines):
            if line.time >= moment:
                self._bottom = min(at + self.size.height // 2, len(self._lines) - 1)
                break
        self.redraw()

    def text(self, *, visible: bool = False) -> str:
        """All lines as plain text; or those in sight."""
        last = len(self._lines) if self._bottom is None else self._bottom + 1
        lines = self._lines[max(0, last - self.size.height + 1) : last] if visible else self._lines
        return "".join(f"{_stamp(line)} {_who(line)} {_plain(line.text)}\n" for line in lines)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> list[Drawn]:
        head = (self._head(), self.paint.bar)
        if not self._lines:
            told = self.why or ("nothing matches" if self.filter is not None else "nothing was said yet")
            return [head, ([(f" {told}", self.paint.dim)], None)]
        rows: list[Line] = []
        at = len(self._lines) - 1 if self._bottom is None else self._bottom
        name_width = min(20, max(len(_who(line)) for line in self._lines[max(0, at - height) : at + 1]))
        while at >= 0 and len(rows) < height - 1:
            rows = self._draw_line(self._lines[at], width, name_width) + rows
            at -= 1
        return [head, *((row, None) for row in rows[-(height - 1) :])]

    def _head(self) -> Line:
        paint = self.paint
        line: Line = [(" output ", paint.key), (clean(self.title), paint.strong), ("  ", None)]
        line.append(("following", paint.good) if self._bottom is None else ("paused", paint.warn))
        if self.filter is not None:
            line.append((f"  {'hiding' if self.is_hiding else 'only'} {self.filter.pattern!r}", paint.accent))
        if self.search is not None:
            line.append((f"  searching {self.search.pattern!r}", paint.accent))
        if self._book is not None and self._book.lost:
            line.append((f"  {self._book.lost} lines lost", paint.warn))
        if self.why and self._lines:
            line.append((f"  {self.why}", paint.warn))
        return line

    def _draw_line(self, line: OutputLine, width: int, name_width: int) -> list[Line]:
        paint = self.paint
        if not line.stream:
            return [[(f" ··· {line.text} ···", paint.warn)]]
        name = paint.crowd[(line.wid if line.wid is not None else line.pid) % len(paint.crowd)]
        edge = ("┃ ", paint.bad) if line.stream == "stderr" else ("│ ", paint.faint)
        prefix: Line = [(f" {_stamp(line)} ", paint.dim), (fit(_who(line), name_width), name), (" ", None), edge]
        room = max(10, width - 12 - name_width - 1)
        rows: list[Line] = []
        for number, part in enumerate(self._parts(line.text, room)):
            rows.append([*(prefix if number == 0 else [(" " * (width - room - 2), None), edge]), *part])
        return rows

    def _parts(self, text: str, room: int) -> list[Line]:
        """The text of a line in rows of that many cells: one unless it is wrapped or JSON made pretty."""
        if self.is_pretty and text.lstrip()[:1] in ("{", "["):
            try:
                texts = json.dumps(json.loads(text), indent=2, ensure_ascii=False).split("\n")
            except ValueError:
                texts = [text]
        else:
            texts = [text]
        rows: list[Line] = []
        for each in texts:
            styled = self._styled(each)
            rows += _wrapped(styled, room) if self.is_wrapped else [styled]
        return rows

    def _styled(self, text: str) -> Line:
        if _ESCAPE in text:
            return self._decoded(text)
        text = clean(text)
        style = self._level(text)
        if self.search is None:
            return [(text, style)]
        parts: Line = []
        at = 0
        for found in self.search.finditer(text[:_MATCH_LIMIT]):
            if found.end() > found.start():
                parts += [(text[at : found.start()], style), (found[0], self.paint.found)]
                at = found.end()
        return [*parts, (text[at:], style)]

    def _decoded(self, text: str) -> Line:
        """The text with the colours it brought along."""
        decoded = self._decoder.decode_line(text)
        parts: Line = []
        at = 0
        for span in decoded.spans:
            style = span.style if isinstance(span.style, Style) else None
            parts.append((clean(decoded.plain[at : span.start]), None))
            parts.append((clean(decoded.plain[span.start : span.end]), style))
            at = span.end
        return [*parts, (clean(decoded.plain[at:]), None)]

    def _level(self, text: str) -> Style:
        head = text[:200]
        if _ERROR.search(head):
            return self.paint.bad
        if _WARNING.search(head):
            return self.paint.warn
        return self.paint.dim if _DEBUG.search(head) else self.paint.text

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_by(-3)


def _wrapped(line: Line, room: int) -> list[Line]:
    """The line cut into rows. Wide characters may make a row shorter than it could be."""
    rows: list[Line] = [[]]
    left = room
    for text, style in line:
        while text:
            part = text[:left]
            while len(part) > 1 and not part.isascii() and _cells(part) > left:
                part = part[: max(1, len(part) - (_cells(part) - left + 1) // 2)]
            rows[-1].append((part, style))
            text = text[len(part) :]
            left -= _cells(part)
            if left <= 0 and text:
                rows.append([])
                left = room
    return rows


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def _compile(pattern: str) -> tuple[re.Pattern[str] | None, str]:
    if not pattern:
        return None, ""
    try:
        return re.compile(pattern, 0 if any(c.isupper() for c in pattern) else re.IGNORECASE), ""
    except re.error as error:
        return None, f"{pattern!r} is no regular expression: {error}"


def _stamp(line: OutputLine) -> str:
    if not line.time:  # a file does not tell
        return " " * 8
    return time.strftime("%H:%M:%S", time.localtime(line.time))


def _who(line: OutputLine) -> str:
    if line.wid is None:
        return f"{line.watcher} {line.pid or ''}".rstrip()
    return f"{line.watcher}.{line.wid}"


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
