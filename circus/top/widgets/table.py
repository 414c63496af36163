"""The table: the tree of everything, a line for each row, the columns that were chosen and fit.

Knows the rows (:mod:`circus.model.dashboard.view`) and draws those in sight. The cursor stays on its row wherever
sorting puts it, once somebody moved it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

from circus.model.dashboard.columns import COLUMNS, IMPORTANCE, cell_text
from circus.model.dashboard.node import ENDPOINT, WATCHER, WORKER
from circus.model.dashboard.series import fill_gaps, sparkline
from circus.top.widgets.lines import LineWidget, clean, fit, scrollbar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events

    from circus.model.dashboard import Column, Node, Row, View
    from circus.model.dashboard.node import Path
    from circus.top.widgets.lines import Drawn, Line

_GAP = " "
_SECONDS_PER_CELL = 6


class NodeTable(LineWidget, can_focus=True):
    """The table.

    :param view: how the tree is looked at; shared with whoever makes the rows.
    """

    class Moved(Message):
        """The cursor is on another row."""

    class Asked(Message):
        """Somebody clicked where a key would do as well.

        :param what: ``sort`` (with the column) or ``fold``.
        """

        def __init__(self, what: str, column: str = "") -> None:
            super().__init__()
            self.what, self.column = what, column

    def __init__(self, view: View, columns: Sequence[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.view = view
        self.columns = list(columns)
        self.marked: dict[Path, None] = {}  # a set that keeps the order in which they were marked
        self.rows: list[Row] = []
        #: The instant that sparklines end at.
        self.now = 0.0
        self.stale: set[str] = set()
        self._path: Path | None = None
        self._wid: Any = None
        self._cursor = 0
        self._first = 0
        #: Columns in which there has been something to see; others take no room.
        self._filled: set[str] = set()
        self._layout: list[tuple[Column, int]] = []

    # -- rows and cursor -----------------------------------------------------------------------------------

    def show(self, rows: list[Row], now: float, stale: set[str]) -> None:
        """Draw these rows.

        :param stale: endpoints whose values are old.
        """
        self.rows, self.now, self.stale = rows, now, stale
        if self._path is not None:
            self._cursor = self._find(self._path)
        self._cursor = max(0, min(self._cursor, len(rows) - 1))
        self._keep_in_sight(follow=self._path is not None)
        self.redraw()

    def _find(self, path: Path) -> int:
        """Where a node is; else its successor, else the nearest one above it; else where the cursor was."""
        places = {row.node.path: at for at, row in enumerate(self.rows)}
        if path in places:
            return places[path]
        for at, row in enumerate(self.rows):
            # Who looks at a worker that is replaced wants to go on looking at it, not at the whole watcher.
            if self._wid is not None and row.node.values.get("wid") == self._wid and row.node.path[:-1] == path[:-1]:
                self._path = row.node.path
                return at
        above = (path[:length] for length in range(len(path), 1, -1))
        return next((places[each] for each in above if each in places), self._cursor)

    @property
    def current(self) -> Node | None:
        """The node below the cursor."""
        return self.rows[self._cursor].node if self._cursor < len(self.rows) else None

    @property
    def current_row(self) -> Row | None:
        """The row below the cursor."""
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    def move_to(self, index: int) -> None:
        """Put the cursor on a row; the nearest there is."""
        if not self.rows:
            return
        self._cursor = max(0, min(index, len(self.rows) - 1))
        self._path = self.rows[self._cursor].node.path
        self._wid = self.rows[self._cursor].node.values.get("wid")
        self._keep_in_sight(follow=True)
        self.redraw()
        self.post_message(self.Moved())

    def move_to_path(self, path: Path) -> bool:
        """Put the cursor on a node, if it is in the table."""
        for at, row in enumerate(self.rows):
            if row.node.path == path:
                self.move_to(at)
                return True
        return False

    def move(self, step: int) -> None:
        """Move the cursor by so many rows."""
        self.move_to(self._cursor + step)

    def nodes_in_sight(self) -> list[Node]:
        """What the lines drawn are of."""
        return [row.node for row in self.rows[self._first : self._first + max(1, self.size.height - 1)]]

    def page(self) -> int:
        """How many rows a page has."""
        return max(1, self.size.height - 2)

    def move_to_parent(self) -> None:
        """Put the cursor on the row above in the tree."""
        row = self.current_row
        for at in range(self._cursor - 1, -1, -1):
            if row is not None and self.rows[at].depth < row.depth:
                self.move_to(at)
                return

    def _keep_in_sight(self, *, follow: bool) -> None:
        height = max(1, self.size.height - 1)
        if follow:
            self._first = min(max(self._first, self._cursor - height + 1), self._cursor)
        self._first = max(0, min(self._first, len(self.rows) - height))

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> list[Drawn]:
        self._keep_in_sight(follow=False)
        bar = scrollbar(height - 1, len(self.rows), self._first)
        self._layout = self._fit_columns(width - (2 if bar else 1))
        lines: list[Drawn] = [self._head()]
        for y, at in enumerate(range(self._first, min(self._first + height - 1, len(self.rows)))):
            line, below = self._draw_row(at)
            if bar:
                used = sum(cells + 1 for _, cells in self._layout)
                line.append((" " * (width - 2 - used), None))
                line.append(("┃" if bar[y] else "│", self.paint.dim if bar[y] else self.paint.faint))
            lines.append((line, below))
        return lines

    def _fit_columns(self, width: int) -> list[tuple[Column, int]]:
        """The columns that fit, the important ones first; the name gets what is left, within reason."""
        ranks = {key: rank for rank, key in enumerate(IMPORTANCE)}
        for key in self.columns:
            if key not in self._filled and any(
                cell_text(row.node.values, COLUMNS[key]) for row in self.rows
            ):
                self._filled.add(key)
        names = [row.depth * 2 + 3 + len(row.node.name) for row in self.rows]
        wanted = min(max([14, *names]), max(16, width // 3), 48)
        left = width - wanted - 1
        chosen = {"name"}
        for key in sorted(self.columns, key=lambda key: ranks.get(key, len(ranks))):
            is_empty = key not in self._filled and not COLUMNS[key].measure
            if key != "name" and not is_empty and left >= COLUMNS[key].width + 1:
                chosen.add(key)
                left -= COLUMNS[key].width + 1
        return [
            (COLUMNS[key], wanted if key == "name" else COLUMNS[key].width) for key in self.columns if key in chosen
        ]

    def _head(self) -> Drawn:
        paint = self.paint
        line: Line = [(_GAP, None)]
        for column, width in self._layout:
            is_sorted = column.key == self.view.sort
            title = column.title
            if is_sorted:
                arrow = "▼" if self.view.reverse else "▲"
                title = f"{title}{arrow}" if len(title) < width else f"{title[: width - 1]}{arrow}"
            text = fit(title, width, right=not column.is_text and not column.measure)
            line.append((text + _GAP, paint.key if is_sorted else paint.title))
        return line, paint.bar

    def _draw_row(self, at: int) -> Drawn:
        row = self.rows[at]
        node, paint = row.node, self.paint
        is_stale = node.path[0] in self.stale
        is_cursor = at == self._cursor
        mark = "*" if node.path in self.marked else "▌" if is_cursor else " "
        line: Line = [(mark, paint.key if is_cursor else paint.accent)]
        for column, width in self._layout:
            text, style = self._cell(row, column, width, is_stale=is_stale)
            line.append((text + _GAP, paint.faint if is_stale else style))
        below = (paint.cursor if self.has_focus else paint.cursor_away) if is_cursor else None
        return line, below

    def _cell(self, row: Row, column: Column, width: int, *, is_stale: bool) -> tuple[str, Style]:
        node, paint = row.node, self.paint
        if column.key == "name":
            return fit(self._tree_text(row), width), _name_style(node, self)
        if column.measure:
            graph = self._graph(node, column.measure, width)
            is_flat = not graph.strip(" ▁.")
            return graph, paint.faint if is_flat else paint.graph
        value = node.values.get(column.key)
        if column.key == "state" and is_stale:
            return fit("?", width), paint.faint
        if value is None:
            return fit(cell_text(node.values, column), width, right=True), paint.faint
        if column.key == "state":
            return self._state(node, str(value), width)
        text = fit(clean(cell_text(node.values, column)), width, right=not column.is_text)
        return text, _value_style(node, column.key, value, self)

    def _tree_text(self, row: Row) -> str:
        sign = {"open": "▾ ", "closed": "▸ "}.get(row.fold, "  ")
        return "  " * row.depth + sign + clean(row.node.name)

    def _state(self, node: Node, state: str, width: int) -> tuple[str, Style]:
        if node.kind == WATCHER and node.values.get("retry_in") is not None:
            return fit("backoff", width), self.paint.bad
        return fit(state, width), self.paint.state(state)

    def _graph(self, node: Node, measure: str, width: int) -> str:
        since = self.now - width * _SECONDS_PER_CELL
        values = fill_gaps(node.history.window(measure, since, self.now + 0.001, width), 1)
        known = [value for value in values if value is not None]
        if not known:
            return " " * width
        if measure == "cpu":
            # A flat line of nearly nothing must not look like a full load.
            top, low = max(max(known), 100.0 if max(known) > 50 else 25.0 if max(known) > 5 else 5.0), 0.0
        else:
            # What counts is whether it grows: the scale begins at the lowest value.
            low = min(known)
            top = max(max(known) - low, 0.25 * max(known))
        shifted = [None if value is None else value - low for value in values]
        return sparkline(shifted, top)

    # -- mouse ---------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self._click_head(event.x)
            return
        at = self._first + event.y - 1
        if at < len(self.rows):
            self.move_to(at)
            row = self.rows[at]
            on_sign = row.fold and event.x <= 2 + 2 * row.depth + 1
            if on_sign or event.chain > 1:
                self.post_message(self.Asked("fold" if on_sign or row.fold else "menu"))

    def _click_head(self, x: int) -> None:
        begin = 1
        for column, width in self._layout:
            if begin <= x < begin + width:
                self.post_message(self.Asked("sort", column.key))
                return
            begin += width + 1

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-3)

    def _scroll(self, step: int) -> None:
        height = max(1, self.size.height - 1)
        self._first = max(0, min(self._first + step, len(self.rows) - height))
        self.redraw()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()


def _name_style(node: Node, table: NodeTable) -> Style:
    paint = table.paint
    if node.kind == ENDPOINT:
        return paint.key
    if node.kind == WATCHER:
        return paint.dim if node.values.get("state") == "stopped" else paint.strong
    return paint.text if node.kind == WORKER else paint.dim


def _value_style(node: Node, key: str, value: Any, table: NodeTable) -> Style:
    """What is out of the ordinary stands out; what is nothing steps back."""
    paint = table.paint
    if key == "cpu":
        # One process that needs a whole CPU is worth a look; a sum of many is not by itself.
        hot = node.kind == WORKER and value >= 90
        return paint.bad if hot else paint.warn if node.kind == WORKER and value >= 50 else _quiet(paint, value)
    if key == "procs":
        is_short = node.values.get("procs_of") not in (None, value) and node.values.get("state") == "active"
        return paint.warn if is_short else paint.text
    if key in ("restarts", "dropped"):
        return paint.warn if value else paint.faint
    if key == "exit":
        return paint.bad if value else paint.text
    if key == "queue":
        limit = node.values.get("queue_of")
        return paint.bad if limit and value >= 0.8 * limit else _quiet(paint, value)
    return _quiet(paint, value) if isinstance(value, int | float) else paint.text


def _quiet(paint: Any, value: float) -> Style:
    style: Style = paint.text if value else paint.dim
    return style
