"""What asks or tells something in front of the screen: agreeing, choosing from a list, ticking columns, help.

Each is a screen that gives back an answer, or None when somebody thought better of it.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from circus.model.dashboard.columns import COLUMNS, DEFAULT_COLUMNS
from circus.top.actions import SHOW, TYPE
from circus.top.keys import SORTS
from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from circus.top.actions import Plan
    from circus.top.keys import Key
    from circus.top.widgets.lines import Drawn, Line

_Answer = TypeVar("_Answer")

_CSS = """
{name} {{ align: center middle; background: $background 55%; }}
{name} > Vertical {{ width: 72; max-width: 96%; height: auto; max-height: 94%; background: $panel; padding: 1 2; }}
{name} LineWidget {{ background: $panel; height: auto; }}
{name} Input {{ background: $background; }}
"""


class _Text(LineWidget):
    """Lines made beforehand."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._lines: list[Drawn] = []

    def put(self, lines: list[Drawn]) -> None:
        """Show these lines, all of them."""
        self._lines = lines
        self.styles.height = max(1, len(lines))
        self.redraw()

    def draw(self, width: int, height: int) -> list[Drawn]:
        return self._lines


class Confirm(ModalScreen[bool]):
    """Asks before something is done; for the highest risk a word must be typed."""

    CSS = _CSS.format(name="Confirm")
    BINDINGS = [
        Binding("y", "answer(True)", show=False),
        Binding("n,escape,q", "answer(False)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._details: list[Drawn] = []
        self._first = 0

    def compose(self) -> ComposeResult:
        with Vertical():
            yield _Text(id="question")
            if self._plan.details:
                yield _Text(id="details")
            if self._plan.risk == TYPE:
                yield Input(placeholder=self._plan.word, id="word")
            yield _Text(id="answers")

    def on_mount(self) -> None:
        paint = self.app.paint  # type: ignore[attr-defined]
        width = max(20, min(68, self.app.size.width - 8))
        lines: list[Drawn] = []
        for number, part in enumerate(self._plan.question.split("\n")):
            for text in textwrap.wrap(clean(part), width) or [""]:
                lines.append(([(text, paint.strong if number == 0 else paint.text)], None))
        self.query_one("#question", _Text).put([*lines, ([], None)])
        for gravity, detail in self._plan.details:
            for text in textwrap.wrap(clean(detail), width, subsequent_indent="      ", drop_whitespace=False) or [""]:
                self._details.append(([(text, paint.gravity(gravity))], None))
        self.action_scroll(0)
        if self._plan.risk == TYPE:
            answers: Line = [(f"Type {self._plan.word!r} and Enter to do it, ", paint.warn), ("Esc", paint.key)]
            answers.append((" to leave it.", paint.text))
            self.query_one(Input).focus()
        elif self._plan.risk == SHOW:
            answers = [("Esc", paint.key), (" closes", paint.text)]
        else:
            answers = [("y", paint.key), (" yes    ", paint.text), ("n", paint.key), (" no", paint.text)]
        self.query_one("#answers", _Text).put([([], None), (answers, None)])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() == self._plan.word)

    def action_scroll(self, step: int) -> None:
        if not self._details:
            return
        paint = self.app.paint  # type: ignore[attr-defined]
        room = max(3, int(self.app.size.height * 0.94) - 10)
        self._first = max(0, min(self._first + step, len(self._details) - room))
        shown = self._details[self._first : self._first + room]
        left = len(self._details) - len(shown)
        more: list[Drawn] = [([(f"{left} more lines: ↓ ↑", paint.dim)], None)] if left else []
        self.query_one("#details", _Text).put([*shown, *more])

    def action_answer(self, answer: bool) -> None:
        if not answer or self._plan.risk not in (TYPE, SHOW):
            self.dismiss(answer)


class _Sheet(ModalScreen[_Answer]):
    """One text in a box."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield _Text()

    def action_leave(self) -> None:
        self.dismiss(None)


class _List(_Sheet[_Answer]):
    """Lines with a cursor on one of them.

    :param length: how many there are.
    :param at: where the cursor begins.
    """

    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("escape,q", "leave", show=False),
    ]

    def __init__(self, length: int, at: int = 0) -> None:
        super().__init__()
        self._length, self._at = length, at

    def on_mount(self) -> None:
        self._put()

    def _put(self) -> None:
        raise NotImplementedError

    def action_move(self, step: int) -> None:
        self._at = (self._at + step) % self._length
        self._put()


class Item(NamedTuple):
    """One line of a list: what it gives back, the key that chooses it, how it is called, what it means."""

    value: str
    key: str
    title: str
    doc: str


class Choice(_List[str | None]):
    """Choosing one of some things, by its key or with the arrows."""

    CSS = _CSS.format(name="Choice") + "Choice > Vertical { width: 90; }"
    BINDINGS = [Binding("enter", "choose", show=False)]

    def __init__(self, title: str, items: Sequence[Item]) -> None:
        super().__init__(len(items))
        self._title_text, self._items = title, list(items)

    def _put(self) -> None:
        paint = self.app.paint  # type: ignore[attr-defined]
        lines: list[Drawn] = [([(clean(self._title_text), paint.strong)], None), ([], None)]
        width = max((len(item.title) for item in self._items), default=0)
        for at, item in enumerate(self._items):
            mark = "▌" if at == self._at else " "
            line: Line = [(f"{mark}{fit(item.key, 3)}", paint.key), (fit(item.title, width), paint.text)]
            line.append((f"  {item.doc}", paint.dim))
            lines.append((line, paint.cursor if at == self._at else None))
        self.query_one(_Text).put(lines)

    def action_choose(self) -> None:
        self.dismiss(self._items[self._at].value)

    def on_key(self, event: events.Key) -> None:
        for item in self._items:
            if event.character is not None and event.character == item.key:
                event.stop()
                self.dismiss(item.value)
                return

    def on_click(self, event: events.Click) -> None:
        widget = self.query_one(_Text)
        at = event.screen_y - widget.region.y - 2
        if widget.region.contains(event.screen_x, event.screen_y) and 0 <= at < len(self._items):
            self.dismiss(self._items[at].value)


class ColumnChooser(_List[list[str] | None]):
    """Which columns are shown, and in which order."""

    CSS = _CSS.format(name="ColumnChooser")
    BINDINGS = [
        Binding("space", "tick", show=False),
        Binding("left,less_than_sign", "shift(-1)", show=False),
        Binding("right,greater_than_sign", "shift(1)", show=False),
        Binding("d", "defaults", show=False),
        Binding("enter", "done", show=False),
    ]

    def __init__(self, columns: Sequence[str]) -> None:
        self._chosen = set(columns)
        self._order = [*columns, *(key for key in COLUMNS if key not in columns)]
        super().__init__(len(self._order), at=1)

    def _put(self) -> None:
        paint = self.app.paint  # type: ignore[attr-defined]
        room = max(3, int(self.app.size.height * 0.94) - 7)
        first = max(0, min(self._at - room // 2, len(self._order) - room))
        lines: list[Drawn] = [([("Columns", paint.strong)], None), ([], None)]
        for at, key in list(enumerate(self._order))[first : first + room]:
            column = COLUMNS[key]
            mark = "[x]" if key in self._chosen else "[ ]"
            style = paint.text if key in self._chosen else paint.dim
            edge = "▌" if at == self._at else " "
            line: Line = [(f"{edge}{mark} ", paint.key), (fit(column.title, 10), style), (column.doc, paint.dim)]
            lines.append((line, paint.cursor if at == self._at else None))
        keys = "Space shows or hides, ← → move it, d defaults, Enter done, Esc leaves it"
        self.query_one(_Text).put([*lines, ([], None), ([(keys, paint.dim)], None)])

    def action_tick(self) -> None:
        key = self._order[self._at]
        if key != "name":
            self._chosen ^= {key}
        self._put()

    def action_shift(self, step: int) -> None:
        to = self._at + step
        if self._at > 0 and 0 < to < len(self._order):
            self._order[self._at], self._order[to] = self._order[to], self._order[self._at]
            self._at = to
        self._put()

    def action_defaults(self) -> None:
        self._chosen = set(DEFAULT_COLUMNS)
        self._order = [*DEFAULT_COLUMNS, *(key for key in COLUMNS if key not in DEFAULT_COLUMNS)]
        self._put()

    def action_done(self) -> None:
        self.dismiss([key for key in self._order if key in self._chosen])


class Help(_Sheet[None]):
    """The keys of the screen, what filters look like, what colours there are."""

    CSS = _CSS.format(name="Help") + "Help > Vertical { width: 90; }"
    BINDINGS = [
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("escape,q,question_mark,enter,f1", "leave", show=False),
    ]

    def __init__(self, keys: Sequence[Key], themes: Sequence[str]) -> None:
        super().__init__()
        self._keys, self._themes, self._first = keys, themes, 0

    def on_mount(self) -> None:
        self.action_scroll(0)

    def on_resize(self, event: events.Resize) -> None:
        self.action_scroll(0)

    def _lines(self) -> list[Drawn]:
        paint = self.app.paint  # type: ignore[attr-defined]
        width = max(20, min(86, int(self.app.size.width * 0.96) - 4) - 1)
        lines: list[Drawn] = []
        for group in dict.fromkeys(key.group for key in self._keys):
            lines += [([], None), ([(group, paint.title)], None)]
            for key in self._keys:
                if key.group == group:
                    lines.append(([(f"  {fit(key.shown, 8)} ", paint.key), (key.doc, paint.text)], None))
            if group == "Look":
                sorts = "  ".join(f"{letter} {COLUMNS[name].title.lower()}" for letter, name in SORTS.items())
                for text in textwrap.wrap(f"sort by (again: the other way round): {sorts}", width - 11):
                    lines.append(([(" " * 11, None), (text, paint.text)], None))
        about = (
            "Filters: COLUMN OPERATOR VALUE, with = != < <= > >= ~ (pattern) !~; words without operator are looked for "
            "in names, commands and pids. and, or, not and ( ) work; sizes end in K M G, times in s m h d.",
            f"Columns: {', '.join(key for key, column in COLUMNS.items() if not column.measure)}.",
            f"Themes: {', '.join(self._themes)}.",
        )
        for text in about:
            lines += [([], None), *(([(part, paint.text)], None) for part in textwrap.wrap(text, width))]
        return lines[1:]

    def action_scroll(self, step: int) -> None:
        paint = self.app.paint  # type: ignore[attr-defined]
        lines = self._lines()
        room = max(3, int(self.app.size.height * 0.94) - 4)
        self._first = max(0, min(self._first + step, len(lines) - room))
        head: Drawn = ([("Keys", paint.strong), ("   ↓ for more, Esc to close", paint.dim)], None)
        self.query_one(_Text).put([head, ([], None), *lines[self._first : self._first + room - 2]])

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_scroll(-3)
