"""The main screen: the table, a pane below it, and what the keys do.

Reads the model when something changed, a few times a second at most, and hands the widgets what they draw. What is done
to daemons is in :mod:`circus.top.operate`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input

from circus.model.dashboard import COLUMNS, View, parse_filter, visible_rows
from circus.model.dashboard.node import CHILD, ENDPOINT, WATCHER, WORKER
from circus.top.asking import Asking
from circus.top.keys import KEYS, SORTS
from circus.top.memory import remember as write_memory
from circus.top.operate import Operating
from circus.top.recall import Recalling
from circus.top.widgets.bars import AlertBar, FootBar, HeadBar
from circus.top.widgets.chart import SPANS, ChartPane
from circus.top.widgets.eventpane import EventPane
from circus.top.widgets.outputpane import OutputPane
from circus.top.widgets.progress import ProgressBar
from circus.top.widgets.table import NodeTable
from circus.top.widgets.whypane import WhyPane

if TYPE_CHECKING:
    import argparse

    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer

    from circus.model.dashboard import Alert, Endpoint, Node
    from circus.top.session import Session

PANES = ("chart", "output", "events", "why")
#: Seconds between two repaints of the table, of the output; and after the first news of a swarm.
_TABLE_PAUSE, _OUTPUT_PAUSE, _SWARM = 0.45, 0.1, 0.08
_ALERT_PAUSE = 2.0
#: With more workers than this, watchers begin folded.
_UNFOLDED = 60
_HINTS = {
    "table": [("?", "help"), ("/", "filter"), (":", "command"), ("1", "chart"), ("2", "output"), ("3", "events"),
              ("4", "why"), ("Enter", "act"), ("C M R", "sort"), ("t", "flat"), ("c", "columns"), ("q", "quit")],
    "chart": [("v", "what"), ("[ ]", "time"), ("z", "zoom"), ("Tab", "table"), ("Esc", "close")],
    "output": [("p", "pause"), ("/", "search"), ("n N", "next"), ("&", "only"), ("b", "older"), ("w", "wrap"),
               ("J", "json"), ("y", "copy"), ("^S", "save"), ("z", "zoom"), ("Tab", "table"), ("Esc", "close")],
    "events": [("Enter", "show that time"), ("o", "all watchers"), ("z", "zoom"), ("Tab", "table"), ("Esc", "close")],
    "why": [("↑ ↓", "scroll"), ("z", "zoom"), ("Tab", "table"), ("Esc", "close")],
}  # fmt: skip


def binding_id(action: str) -> str:
    """A name for the binding of an action, under which other keys can be given to it."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in action)


class MainScreen(Operating, Recalling, Asking, Screen[None]):
    """The screen."""

    CSS = """
    MainScreen { layout: vertical; }
    #head, #foot { height: 1; }
    #alerts, #progress { height: 0; }
    #table { height: 1fr; min-height: 3; }
    #pane { height: 42%; display: none; }
    #pane > * { height: 1fr; display: none; }
    #prompt { display: none; }
    """
    BINDINGS = [
        *(Binding(key.keys, key.action, show=False, id=binding_id(key.action)) for key in KEYS if key.keys != "N"),
        *(Binding(letter, f"sort('{column}')", show=False) for letter, column in SORTS.items()),
        Binding("o", "whole", show=False),
    ]

    def __init__(self, session: Session, memory: dict[str, Any], options: argparse.Namespace) -> None:
        super().__init__()
        self.session, self.memory, self.options = session, memory, options
        self.view = View(sort=memory["sort"], reverse=memory["reverse"], flat=memory["flat"])
        self.view.filter = parse_filter(options.filter or "")
        if options.sort:
            self.view.sort = options.sort.lstrip("-")
            self.view.reverse = (not COLUMNS[self.view.sort].is_text) ^ options.sort.startswith("-")
        self.head, self.alerts, self.foot = HeadBar(), AlertBar(), FootBar()
        self.bars = ProgressBar()
        self.table = NodeTable(self.view, memory["columns"], id="table")
        self.chart, self.output = ChartPane(), OutputPane()
        self.happened, self.why = EventPane(), WhyPane()
        self.panes = {"chart": self.chart, "output": self.output, "events": self.happened, "why": self.why}
        self.pane_name = ""
        self._is_zoomed = False
        self._dirty: set[str] = set()
        self._timer: Timer | None = None
        self._painted = {"table": 0.0, "output": 0.0}
        self._alerts: list[Alert] = []
        self._alerts_at = 0.0
        self._folds_decided = False
        self._ticked_at = time.monotonic()

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.alerts
        yield self.table
        with Vertical(id="pane"):
            yield from self.panes.values()
        yield Input(id="prompt", select_on_focus=False)
        yield self.bars
        yield self.foot

    def on_mount(self) -> None:
        self.output.is_wrapped = self.memory["wrap"]
        self.table.focus()
        self.set_interval(0.5, self._tick)
        self._repaint()

    def on_unmount(self) -> None:
        self.drop_backlog()

    # -- following the model -------------------------------------------------------------------------------

    def touch(self, what: str) -> None:
        """The model changed; what looks different is drawn soon."""
        if what == "output" and self.pane_name != "output":
            return
        self._dirty.add(what)
        if self._timer is None and self.is_mounted:
            pause = _TABLE_PAUSE if what == "table" else _OUTPUT_PAUSE
            wait = max(_SWARM, self._painted[what] + pause - time.monotonic())
            self._timer = self.set_timer(wait, self._repaint)

    def _tick(self) -> None:
        now = time.monotonic()
        if self.session.replay is not None:
            self.session.replay.advance(now - self._ticked_at)
        self._ticked_at = now
        if now - self._painted["table"] > 0.9:
            self.touch("table")
        self.foot.redraw()

    def _repaint(self) -> None:
        self._timer = None
        dirty, self._dirty = self._dirty or {"table"}, set()
        for what in dirty:
            self._painted[what] = time.monotonic()
        if "table" in dirty:
            self.refresh_table()
        if self.pane_name and ("output" in dirty or self.pane_name != "output"):
            self._refresh_pane()

    def refresh_table(self) -> None:
        """Draw the rows as they are now."""
        board, now = self.session.board, self.session.now()
        board.tick(now)
        self._decide_folds()
        self.view.show_endpoints = len(board.endpoints) > 1
        stale = {name for name, endpoint in board.endpoints.items() if endpoint.state != "live"}
        self.table.show(visible_rows(board, self.view), now, stale)
        if time.monotonic() - self._alerts_at > _ALERT_PAUSE:
            self._alerts, self._alerts_at = board.alerts(now), time.monotonic()
        self.alerts.show(board, self._alerts, now)
        extra = self.session.describe_replay()
        if self.view.filter is not None:
            extra = f"{extra} filter: {self.view.filter.text}".strip()
        self.head.show(board, now, extra, read_only=bool(self.options.read_only))
        self.watch_children()
        self.watch_memory()

    def _decide_folds(self) -> None:
        """Once everything is known: begin folded where unfolded nobody would see the watchers for the workers."""
        if self._folds_decided:
            return
        roots = [endpoint.root for endpoint in self.session.board.endpoints.values()]
        count = sum(len(node.children) for root in roots for node in root.children.values() if node.kind == WATCHER)
        watchers = sum(len(root.children) for root in roots)
        if count:
            self.view.is_open = count <= _UNFOLDED or watchers <= 3
            self._folds_decided = all(endpoint.state == "live" for endpoint in self.session.board.endpoints.values())

    def forget(self) -> None:
        """Draw everything anew: the colours changed."""
        if self.is_mounted:
            for widget in (self.head, self.alerts, self.table, self.bars, self.foot, *self.panes.values()):
                widget.forget()
            self.refresh_table()
            self._refresh_pane()

    # -- the selection and the panes -----------------------------------------------------------------------

    def endpoint_of(self, node: Node | None) -> Endpoint | None:
        """The daemon a row belongs to; the only one when there is no row."""
        ends: dict[str, Endpoint] = self.session.board.endpoints
        if node is not None:
            return ends.get(node.path[0])
        return next(iter(ends.values()), None)

    def selected(self) -> list[Node]:
        """The marked rows in the order in which they were marked, else the one below the cursor."""
        marked = [node for path in self.table.marked if (node := self.session.board.find(path)) is not None]
        return marked or ([self.table.current] if self.table.current is not None else [])

    def _refresh_pane(self) -> None:
        node, now = self.table.current, self.session.now()
        endpoint = self.endpoint_of(node)
        if self.pane_name == "chart":
            self.chart.show(node, endpoint, now)
        elif self.pane_name == "output":
            self.output.show(endpoint.output if endpoint else None, self.output_title, self.output_why)
        elif self.pane_name == "events" and endpoint is not None:
            watcher = node.above(WATCHER) if node is not None else None
            told = endpoint.events
            if watcher is not None and not self.happened.is_whole:
                told = [event for event in endpoint.events if event.watcher == watcher.key]  # type: ignore[assignment]
            self.happened.show(told, watcher.name if watcher is not None else endpoint.name)
        elif self.pane_name == "why":
            self.ask_why()

    def action_pane(self, name: str) -> None:
        self.pane_name = "" if name == self.pane_name else name
        for each, widget in self.panes.items():
            widget.display = each == self.pane_name
        self.query_one("#pane").display = bool(self.pane_name)
        if not self.pane_name:
            self._zoom(False)
            self.table.focus()
        self.follow_selection()
        self.call_after_refresh(self._refresh_pane)
        self._hint()

    def action_zoom(self) -> None:
        if self.pane_name:
            self._zoom(not self._is_zoomed)
            if self._is_zoomed:
                self.panes[self.pane_name].focus()

    def _zoom(self, on: bool) -> None:
        self._is_zoomed = on
        self.table.display = not on
        self.query_one("#pane").styles.height = "1fr" if on else "42%"
        if not on:
            self.table.focus()

    def action_next_pane(self) -> None:
        if not self.pane_name or self._is_zoomed:
            return
        (self.panes[self.pane_name] if self.table.has_focus else self.table).focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._hint()

    def _hint(self) -> None:
        place = next((name for name, pane in self.panes.items() if pane.has_focus), "table")
        self.foot.hint(_HINTS[place])

    def on_node_table_moved(self, message: NodeTable.Moved) -> None:
        self.follow_selection()
        if self.pane_name != "output":
            self._refresh_pane()
        self.watch_children()

    def on_node_table_asked(self, message: NodeTable.Asked) -> None:
        if message.what == "sort":
            self.action_sort(message.column)
        elif message.what == "fold":
            self.action_fold(0)
        else:
            self.action_menu()

    def on_event_pane_chosen(self, message: EventPane.Chosen) -> None:
        self.go_to_time(message.happening.time)

    def go_to_time(self, moment: float) -> None:
        """Show an instant in chart and output."""
        self.chart.mark_at = moment
        while self.chart.span < len(SPANS) - 1 and self.session.now() - moment > SPANS[self.chart.span][0]:
            self.chart.span += 1
        self.output.go_to(moment)
        self.foot.tell("plain", f"chart (1) and output (2) show {time.strftime('%H:%M:%S', time.localtime(moment))}")

    # -- moving --------------------------------------------------------------------------------------------

    @property
    def _focused_pane(self) -> Any:
        pane = self.panes.get(self.pane_name)
        return pane if pane is not None and pane.has_focus else None

    def action_move(self, step: int) -> None:
        pane = self._focused_pane
        if pane is None or pane is self.chart:
            self.table.move(step)
        elif pane is self.happened:
            pane.move(step)
        else:
            pane.scroll_by(step)

    def action_page(self, step: int) -> None:
        size = self.table.page() if self._focused_pane is None else max(1, self._focused_pane.size.height - 2)
        self.action_move(step * size)

    def action_edge(self, end: int) -> None:
        if self._focused_pane is self.output:
            self.output.scroll_end() if end > 0 else self.output.scroll_home()
        else:
            self.action_move(end * 1_000_000)

    # -- the table -----------------------------------------------------------------------------------------

    def action_fold(self, what: int) -> None:
        row = self.table.current_row
        if row is None:
            return
        if what < 0 and row.fold != "open":
            self.table.move_to_parent()
            return
        if row.fold:
            self.view.open[row.node.path] = row.fold != "open" if what == 0 else what > 0
            self.table.move(0)
            self.refresh_table()

    def action_fold_all(self) -> None:
        self.view.is_open = not self.view.is_open
        self._folds_decided = True
        self.view.open.clear()
        self.refresh_table()

    def action_flat(self) -> None:
        self.view.flat = not self.view.flat
        self.remember()
        self.foot.tell("plain", "all workers in one list; t for the tree" if self.view.flat else "tree")
        self.refresh_table()

    def action_sort(self, column: str) -> None:
        self.view.sort_by(column)
        self.remember()
        self.refresh_table()

    def action_sort_step(self, step: int) -> None:
        keys = self.table.columns
        at = keys.index(self.view.sort) if self.view.sort in keys else 0
        self.action_sort(keys[(at + step) % len(keys)])

    def action_mark(self) -> None:
        if self.table.current is not None:
            path, marked = self.table.current.path, self.table.marked
            if path in marked:
                del marked[path]
            else:
                marked[path] = None
            self.table.move(1)
            self.follow_selection()

    def action_unmark(self) -> None:
        self.table.marked.clear()
        self.table.redraw()
        self.follow_selection()

    def set_columns(self, columns: list[str] | None) -> None:
        """Show these columns from now on."""
        if columns:
            self.table.columns = columns
            self.remember()
            self.table.forget()

    def remember(self) -> None:
        """Keep sorting, columns and the like for the next time."""
        self.memory.update(sort=self.view.sort, reverse=self.view.reverse, flat=self.view.flat)
        self.memory.update(columns=self.table.columns, wrap=self.output.is_wrapped)
        write_memory(self.memory)

    # -- the rest ------------------------------------------------------------------------------------------

    def action_whole(self) -> None:
        if self.pane_name == "events":
            self.happened.is_whole = not self.happened.is_whole
            self._refresh_pane()

    def action_span(self, step: int) -> None:
        replay = self.session.replay
        if replay is not None and self.pane_name != "chart":
            replay.speed = min(64.0, max(0.25, replay.speed * 2.0**step))
            self.refresh_table()
            return
        self.chart.change_span(step)
        self.ask_past()

    def action_measure(self) -> None:
        self.chart.next_measure()

    def action_pause(self) -> None:
        if self.pane_name == "output":
            self.output.toggle_pause()
        elif self.session.replay is not None:
            self.session.replay.is_paused = not self.session.replay.is_paused
            self.refresh_table()

    def action_find(self, step: int) -> None:
        if self.pane_name == "output" and not self.output.find(step):
            self.foot.tell("plain", "not found" if self.output.search else "nothing is looked for: / in the output")

    def action_wrap(self) -> None:
        self.output.is_wrapped = not self.output.is_wrapped
        self.remember()
        self.output.redraw()

    def action_pretty(self) -> None:
        self.output.is_pretty = not self.output.is_pretty
        self.output.redraw()

    def action_theme(self) -> None:
        names = sorted(self.app.available_themes)
        self.app.theme = names[(names.index(self.app.theme) + 1) % len(names)]
        self.foot.tell("plain", f"theme {self.app.theme}")
        self.memory["theme"] = self.app.theme
        self.remember()

    def action_escape(self) -> None:
        if self.leave_prompt():
            return
        if self._is_zoomed:
            self._zoom(False)
        elif self.pane_name:
            self.action_pane(self.pane_name)
        elif self.view.filter is not None:
            self.set_filter("")
        else:
            self.action_unmark()

    async def action_quit(self) -> None:
        await self.app.action_quit()

    def is_about(self, node: Node | None) -> tuple[str, int | None, int | None] | None:
        """Whose output a row stands for: watcher (empty: all), wid, pid; None if it has none."""
        if node is None or node.kind == ENDPOINT:
            return ("", None, None)
        watcher = node.above(WATCHER)
        if watcher is None:
            return None
        worker = node.above(WORKER) if node.kind in (WORKER, CHILD) else None
        if worker is None:
            return (watcher.name, None, None)
        wid = worker.values.get("wid")
        return (watcher.name, wid if isinstance(wid, int) else None, worker.key)
