"""What is done to daemons from the main screen: choosing, agreeing, sending, and telling how it goes and went.

A mixin of the main screen. What an action means and how much asking it takes is in :mod:`circus.top.actions`.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from circus.exc import ArgumentError, CallError
from circus.model.dashboard.exchange import Exchange
from circus.model.dashboard.node import WATCHER
from circus.top.actions import FREE, SHOW, aftermath, applicable, is_told, outcome, plan
from circus.top.keys import KEYS, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from circus.model.dashboard import Endpoint, Node
    from circus.top.actions import Plan, Request

#: Seconds from a reply to the events of what it was about, and for which the bars stay when all is over.
_SETTLED, _BARS_STAY = 0.3, 2.0
#: Tenths of a second for which late events are waited for.
_OVERDUE = 30
READ_ONLY = "read-only: nothing is changed from here"
#: Commands whose way is shown worker by worker.
_EXCHANGES = frozenset({"reload", "restart"})


class Acting:
    """The acting part of the main screen; the rest gives it what is declared here."""

    if TYPE_CHECKING:
        app: Any
        session: Any
        table: Any
        foot: Any
        bars: Any
        happened: Any
        panes: dict[str, Any]
        pane_name: str
        selected: Callable[[], list[Node]]
        endpoint_of: Callable[..., Endpoint | None]
        set_timer: Callable[..., Timer]
        set_interval: Callable[..., Timer]
        action_pane: Callable[[str], None]
        open_palette: Callable[[str], None]
        run_worker: Callable[..., Any]
        _focused_pane: Any

    _bars_timer: Timer | None = None

    def action_act(self, name: str, signum: str = "") -> None:
        nodes = self.selected()
        if self.session.read_only:
            self.foot.tell("bad", READ_ONLY)
            return
        if name == "signal" and not signum:
            self._choose_signal(nodes)
            return
        try:
            planned = plan(name, nodes, signum)
        except ArgumentError as error:
            self.foot.tell("bad", str(error))
            return
        self._agree(planned, lambda: self.run_worker(partial(self._carry_out, planned)))

    def _choose_signal(self, nodes: list[Node]) -> None:
        from circus.top.widgets.dialogs import Choice, Item  # kept off the way to the first screen

        items = [Item(name, "1234567890ab"[at], name, "") for at, name in enumerate(SIGNALS)]
        title = f"Signal to {nodes[0].name if len(nodes) == 1 else f'{len(nodes)} rows'}" if nodes else "Signal"

        def chosen(name: str | None) -> None:
            if name:
                self.action_act("signal", name)

        self.app.push_screen(Choice(title, items), chosen)

    def action_menu(self) -> None:
        from circus.top.widgets.dialogs import Choice, Item  # kept off the way to the first screen

        if self._focused_pane is self.happened:
            self.happened.choose()
            return
        nodes = self.selected()
        letters = {key.action: key.shown for key in KEYS}
        items = [
            Item(action.name, letters.get(f"act('{action.name}')", ""), action.title, action.doc)
            for action in applicable(nodes)
        ]
        if len(nodes) == 1 and nodes[0].kind == WATCHER:
            items.append(Item("set", "o", "Options…", "look at its options and change them"))
        items.append(Item("reloadconfig", "L", "Reload the configuration…", "shows first what will change"))
        items += [Item(f"pane {name}", letters[f"pane('{name}')"], f"Show {name}", "") for name in self.panes]
        title = nodes[0].name if len(nodes) == 1 else f"{len(nodes)} marked rows"

        def done(chosen: str | None) -> None:
            what, _, name = (chosen or "").partition(" ")
            if what == "pane":
                if self.pane_name != name:
                    self.action_pane(name)
            elif what == "set":
                self.open_palette(f"set {shlex.quote(nodes[0].name)} ")
            elif what == "reloadconfig":
                self.action_reloadconfig()
            elif what:
                self.action_act(what)

        self.app.push_screen(Choice(title, items), done)

    def _agree(self, planned: Plan, go: Callable[[], Any]) -> None:
        """Ask as much as the risk wants, then go."""
        from circus.top.widgets.dialogs import Confirm  # kept off the way to the first screen

        if planned.risk == FREE:
            go()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                go()
            elif planned.risk != SHOW:
                self.foot.tell("plain", "left as it is")

        self.app.push_screen(Confirm(planned), answered)

    async def _carry_out(self, planned: Plan) -> None:
        """Send the requests, one after the other, and tell what came of each."""
        gravity, told = "good", []
        for request in planned.requests:
            sort, text = await self._send(request, planned.patience)
            gravity = sort if sort == "bad" else gravity
            if sort == "good":
                await self._hear_events(request)
                rest = aftermath(request, self.session.board)
                text += f"; {rest}" if rest else ""
            told.append(text)
            if sort == "bad":
                break
        left = len(planned.requests) - len(told)
        if left:
            told.append(f"{left} not tried")
        self.foot.tell(gravity, "; ".join(told), stays=20.0 if gravity == "bad" else 8.0)

    async def _hear_events(self, request: Request) -> None:
        """Wait for the events that tell what became of it, a little longer where they are late."""
        await asyncio.sleep(_SETTLED)
        for _ in range(_OVERDUE):
            if is_told(request, self.session.board):
                break
            await asyncio.sleep(0.1)

    async def _send(self, request: Request, patience: float) -> tuple[str, str]:
        """Send one request with a running clock in the bottom line, and bars for workers; how it went."""
        feed = self.session.feeds.get(request.endpoint)
        began = time.monotonic()
        is_exchange = request.message["command"] in _EXCHANGES and request.node is not None
        exchange = Exchange([request.node] if is_exchange and request.node is not None else [])

        def count() -> None:
            self.foot.tell("busy", f"{request.label} … {time.monotonic() - began:.0f} s", stays=2.0)
            self._show_bars(request.label, exchange)

        if self._bars_timer is not None:
            self._bars_timer.stop()
        count()
        clock = self.set_interval(0.5, count)
        try:
            if feed is None:
                raise CallError("there is no daemon in a recording")
            reply = await feed.command(request.message, patience)
        except CallError as error:
            waited = time.monotonic() - began
            text = str(error)
            if text == "Timed out.":
                text = f"no reply within {waited:.0f} s; the daemon may still be at it"
            return "bad", f"{request.label}: {text}"
        finally:
            clock.stop()
            self.set_timer(_SETTLED, lambda: self._show_bars(request.label, exchange))
            self._bars_timer = self.set_timer(_BARS_STAY, lambda: self._show_bars("", None))
        return outcome(request, reply, time.monotonic() - began)

    def _show_bars(self, title: str, exchange: Exchange | None) -> None:
        self.bars.show(title, exchange.look(self.session.board) if exchange is not None else [])

    # -- the configuration -----------------------------------------------------------------------------------

    def action_reloadconfig(self) -> None:
        """Show what reading the configuration file again would change; then do it, if somebody agrees."""
        endpoint = self.endpoint_of(self.table.current)
        if endpoint is None:
            self.foot.tell("bad", "there is no daemon")
            return
        self.run_worker(partial(self.plan_config, endpoint.name))

    async def plan_config(self, name: str) -> None:
        """The same for a daemon that is named."""
        from circus.top.reloading import plan_reloadconfig  # kept off the way to the first screen

        feed = self.session.feeds.get(name)
        try:
            if feed is None:
                raise CallError("there is no daemon in a recording")
            told = await feed.ask_plan()
        except CallError as error:
            self.foot.tell("bad", f"reloadconfig: {error}", stays=20.0)
            return
        planned = plan_reloadconfig(name, told, is_allowed=not self.session.read_only)
        self._agree(planned, lambda: self.run_worker(partial(self._carry_out, planned)))
