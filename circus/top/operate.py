"""What the main screen asks of daemons: actions with their confirmation and outcome, output, causes, the past.

A mixin of the main screen, apart from it because this half talks and that half draws.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from circus.exc import ArgumentError, CallError, CircusError
from circus.model.dashboard.columns import ASKED, COLUMNS
from circus.model.dashboard.node import WATCHER, WORKER
from circus.top.acting import READ_ONLY, Acting
from circus.top.actions import is_harmless, plan_command
from circus.top.keys import KEYS
from circus.top.widgets.chart import SPANS

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from circus.ctl.vocabulary import Vocabulary
    from circus.model.dashboard import Node
    from circus.top.actions import Plan
    from circus.top.commandline import Typed
    from circus.top.widgets.palette import Palette

#: Seconds the cursor must rest before the daemon is asked about the row.
_REST = 0.2
_WHY_PAUSE = 2.0
#: Workers whose children are asked for at a time.
_WATCHED_WORKERS = 8


class Operating(Acting):
    """The talking half of the main screen; the other half gives it what is declared here, and in the acting part."""

    if TYPE_CHECKING:
        view: Any
        memory: dict[str, Any]
        chart: Any
        output: Any
        why: Any
        is_about: Callable[..., Any]
        touch: Callable[[str], None]
        set_filter: Callable[..., None]
        set_columns: Callable[[list[str] | None], None]
        action_sort: Callable[[str], None]
        go_to_time: Callable[[float], None]
        remember: Callable[[], None]
        drop_backlog: Callable[[], None]

    _palette: Palette
    output_title = ""
    output_why = ""
    _follow_timer: Timer | None = None
    _followed: Any = None
    _why_at = 0.0
    _why_of: Any = None
    _vocabulary: Vocabulary | None = None

    # -- the palette ---------------------------------------------------------------------------------------

    def action_palette(self) -> None:
        self.open_palette("")

    def open_palette(self, begin: str) -> None:
        """Show the palette with the begin of a line in it."""
        from circus.ctl.vocabulary import Vocabulary  # kept off the way to the first screen
        from circus.top.widgets.palette import Palette

        self._vocabulary = self._vocabulary or Vocabulary()
        endpoint = self.endpoint_of(self.table.current)
        self._palette = Palette(self._vocabulary, endpoint, self._run_line, begin)
        self.app.push_screen(self._palette)
        node = self.table.current
        watcher = node.above(WATCHER) if node is not None else None
        if watcher is not None and endpoint is not None:
            self.run_worker(partial(self._tell_options, self._palette, endpoint.name, watcher.name))

    async def _tell_options(self, palette: Palette, name: str, watcher: str) -> None:
        """The present values of options, to complete lines with."""
        feed = self.session.feeds.get(name)
        reply = await feed.ask_optional("options", {"name": watcher}) if feed is not None else None
        if reply is not None and isinstance(reply.get("options"), dict):
            palette.know_options(watcher, reply["options"])

    def _run_line(self, line: str) -> None:
        from circus.top.commandline import understand  # kept off the way to the first screen

        assert self._vocabulary is not None
        palette = self._palette
        try:
            typed = understand(line, self._vocabulary)
            if typed.own:
                self._run_own(typed)
                palette.dismiss(None)
                return
        except (CircusError, ValueError, ImportError) as error:
            palette.tell("bad", str(error))
            return
        if typed.text:
            palette.tell("plain", typed.text)
            return
        endpoint = self.endpoint_of(self.table.current)
        if endpoint is None:
            palette.tell("bad", "there is no daemon")
            return
        if self.session.read_only and not all(map(is_harmless, typed.messages)):
            palette.tell("bad", READ_ONLY)
            return
        for message in typed.messages:
            if message["command"] == "reloadconfig" and not is_harmless(message):
                palette.dismiss(None)  # what will change is shown first
                self.run_worker(partial(self.plan_config, endpoint.name))
                continue
            planned = plan_command(endpoint.name, message, line)
            self._agree(planned, partial(self._start_typed, typed, planned))

    def _run_own(self, typed: Typed) -> None:
        """A command of the screen. :raises ArgumentError: it makes no sense."""
        from circus.top.commandline import parse_moment  # kept off the way to the first screen

        words = typed.words
        if typed.own == "filter":
            self.set_filter(" ".join(words))
        elif typed.own == "time" and len(words) == 1:
            self.go_to_time(parse_moment(words[0], self.session.now()))
        elif typed.own == "theme" and len(words) == 1 and words[0] in self.app.available_themes:
            self.app.theme = self.memory["theme"] = words[0]
            self.remember()
        elif typed.own == "sort" and len(words) == 1 and words[0] in COLUMNS:
            self.action_sort(words[0])
        elif typed.own == "columns" and words and all(word in COLUMNS for word in words):
            self.set_columns(list(dict.fromkeys(["name", *words])))
        else:
            raise ArgumentError(f"{typed.own}: {' '.join(words) or 'nothing'} makes no sense")

    def _start_typed(self, typed: Typed, planned: Plan) -> None:
        self.run_worker(partial(self._run_typed, typed, planned))

    async def _run_typed(self, typed: Typed, planned: Plan) -> None:
        request = planned.requests[0]
        feed = self.session.feeds.get(request.endpoint)
        self._palette.tell("plain", "…")
        try:
            if feed is None:
                raise CallError("there is no daemon in a recording")
            reply = await feed.command(request.message, planned.patience)
        except CallError as error:
            self._palette.tell("bad", str(error))
            return
        try:
            text = typed.command.console_msg(reply)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            text = f"a reply that cannot be read: {error}"  # third-party commands may tell what they like
        self._palette.tell("bad" if reply.get("status") == "error" else "plain", text or "ok")

    # -- output, causes, the past --------------------------------------------------------------------------

    def follow_selection(self) -> None:
        """When the cursor rests: output, causes and past of the row it is on."""
        if self._follow_timer is not None:
            self._follow_timer.stop()
        self._follow_timer = self.set_timer(_REST, self._follow_now)

    def _follow_now(self) -> None:
        self._follow_timer = None
        self.ask_past()
        if self.pane_name == "why":
            self._why_at = 0.0
            self.ask_why()
        nodes = self.selected() if self.pane_name == "output" else []
        endpoint = self.endpoint_of(nodes[0] if nodes else self.table.current)
        if endpoint is None:
            return
        told = [self.is_about(node) for node in nodes if node.path[0] == endpoint.name]
        wanted = _without_parts(list(dict.fromkeys(each for each in told if each is not None)))
        if (endpoint.name, wanted) == self._followed:
            return
        self._followed = (endpoint.name, wanted)
        self.drop_backlog()
        self.output_title = ", ".join(node.name for node in nodes[:4]) + (" …" if len(nodes) > 4 else "")
        self.run_worker(partial(self._follow, endpoint.name, wanted, bool(nodes)), exclusive=True, group="follow")

    async def _follow(self, name: str, wanted: list[tuple[str, int | None, int | None]], is_shown: bool) -> None:
        self.output_why = "" if wanted or not is_shown else "no output is captured of this row"
        for each, feed in self.session.feeds.items():
            if each != name:
                await feed.unfollow()
        feed = self.session.feeds.get(name)
        if feed is not None:
            why = await feed.follow(wanted)
            self.output_why = why or self.output_why
        self.touch("output")

    def ask_why(self) -> None:
        """Have the why pane brought up to date, now and then."""
        node = self.table.current
        watcher = node.above(WATCHER) if node is not None else None
        endpoint = self.endpoint_of(node)
        if watcher is None or endpoint is None:
            self.why.show_events("", [], "Choose a watcher or a worker.")
            return
        assert node is not None
        worker = node.above(WORKER)
        wid = worker.values.get("wid") if worker is not None else None
        if node.path == self._why_of and time.monotonic() - self._why_at < _WHY_PAUSE:
            return
        self._why_of, self._why_at = node.path, time.monotonic()
        self.run_worker(partial(self._tell_why, watcher, wid, endpoint.name), exclusive=True, group="why")

    async def _tell_why(self, watcher: Node, wid: Any, name: str) -> None:
        feed = self.session.feeds.get(name)
        reply = await feed.ask_optional("why", {"name": watcher.name}) if feed is not None else None
        if reply is not None:
            title = watcher.name if wid is None else f"{watcher.name}.{wid}"
            self.why.show_story(title, reply, self.session.now(), wid)
            return
        endpoint = self.session.board.endpoints[name]
        told = [event for event in endpoint.events if event.watcher == watcher.key]
        self.why.show_events(watcher.name, told, "The daemon does not tell causes; this is what was heard of.")

    def ask_past(self) -> None:
        """What circusd-stats measured before, for the chart of this row."""
        node = self.table.current
        watcher = node.above(WATCHER) if node is not None else None
        feed = self.session.feeds.get(node.path[0]) if node is not None else None
        if self.pane_name != "chart" or watcher is None or feed is None:
            return
        seconds = SPANS[self.chart.span][0]
        self.run_worker(partial(self._tell_past, feed, watcher.name, seconds), exclusive=True, group="past")

    async def _tell_past(self, feed: Any, watcher: str, seconds: int) -> None:
        now = self.session.now()
        await feed.ask_history(watcher, now - min(seconds, 600))
        if seconds > 600:
            await feed.ask_history(watcher, now - seconds, "minute")
        self.touch("table")

    # -- what is told while somebody looks -----------------------------------------------------------------

    def watch_children(self) -> None:
        """The stream counts children; told they are where somebody looks."""
        current = self.table.current
        wanted: dict[str, list[tuple[str, int]]] = {name: [] for name in self.session.feeds}
        for row in self.table.rows:
            node = row.node
            if node.kind != WORKER or node.parent is None or node.parent.kind != WATCHER or not node.values.get("kids"):
                continue
            if (row.fold == "open" or node is current) and len(wanted.get(node.path[0], [])) < _WATCHED_WORKERS:
                wanted.setdefault(node.path[0], []).append((node.parent.name, node.key))
        for name, feed in self.session.feeds.items():
            feed.watch_children(wanted[name])

    def watch_memory(self) -> None:
        """What costs circusd-stats something to know is told while its columns are shown; those in sight first."""
        wanted: dict[str, dict[int, None]] = {name: {} for name in self.session.feeds}
        if ASKED & {*self.table.columns, self.view.sort}:
            nodes = [*self.table.nodes_in_sight(), *(row.node for row in self.table.rows)]
            for node in nodes:
                pids = wanted.get(node.path[0], {})
                for each in (node, *node.children.values()):
                    if each.kind == WORKER:
                        pids[each.key] = None
        for name, feed in self.session.feeds.items():
            feed.weigh(list(wanted[name]))

    # -- dialogs and files ---------------------------------------------------------------------------------

    def action_columns(self) -> None:
        from circus.top.widgets.dialogs import ColumnChooser  # kept off the way to the first screen

        self.app.push_screen(ColumnChooser(self.table.columns), self.set_columns)

    def action_help(self) -> None:
        from circus.top.widgets.dialogs import Help  # kept off the way to the first screen

        self.app.push_screen(Help(KEYS, sorted(self.app.available_themes)))

    def action_copy(self) -> None:
        if self.pane_name == "output":
            text = self.output.text(visible=True)
            self.app.copy_to_clipboard(text)
            self.foot.tell("good", f"{text.count(chr(10))} lines copied (if the terminal allows it)")

    def action_save(self) -> None:
        if self.pane_name != "output":
            return
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in self.output_title) or "output"
        path = f"circus-top-{name[:40]}-{time.strftime('%Y%m%d-%H%M%S')}.log"
        try:
            with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(self.output.text())
        except OSError as error:
            self.foot.tell("bad", f"not saved: {error}")
            return
        self.foot.tell("good", f"saved to {os.path.abspath(path)}")


def _without_parts(wanted: list[tuple[str, int | None, int | None]]) -> list[tuple[str, int | None, int | None]]:
    """Leave out workers whose watcher is wanted as a whole, and watchers where all are."""
    whole = {watcher for watcher, _, pid in wanted if pid is None}
    if "" in whole:
        return [("", None, None)]
    return [each for each in wanted if each[2] is None or each[0] not in whole]
