"""Following what workers say: a part of the wires to one daemon.

A mixin of :class:`circus.top.feed.Feed`. How live batches and the lines before them fit together is the contract of
the output topics; the model (:mod:`circus.model.dashboard.output`) puts them together.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from circus.exc import CallError
from circus.model.dashboard.endpoint import topic_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from circus.top.link import Link
    from circus.top.subscription import Subscription
    from circus.top.targets import Target

_TAIL_LINES = 1000
#: How long a subscription takes to arrive, before the lines so far are asked for.
_SUBSCRIBED = 0.15


class Following:
    """The listening part of a feed; the rest gives it what is declared here."""

    if TYPE_CHECKING:
        target: Target
        take: Callable[[str, Any], None]
        _link: Link | None
        _events: Subscription | None
        _ask: Callable[..., Awaitable[dict[str, Any]]]

    def __init__(self) -> None:
        self._followed: list[tuple[str, int | None, int | None]] = []

    async def follow(self, selection: Iterable[tuple[str, int | None, int | None]]) -> str:
        """Have the output of some watchers or workers told from now on, and their last lines.

        :param selection: watcher (empty: all), wid and pid; None where all are meant.
        :returns: why there is nothing to see; empty if there is.
        """
        wanted = list(selection)
        self.take("follow", {"selection": wanted})
        if self._events is None or self._link is None:
            return "not connected"
        topics = {_output_topic(watcher, wid) for watcher, wid, _ in wanted}
        self._events.subscribe({"watcher.", *topics})
        self._followed = wanted
        if wanted:
            await asyncio.sleep(_SUBSCRIBED if self.target.ssh is None else 4 * _SUBSCRIBED)
        lines: dict[str, Any] = {"lines": [], "ends": {}, "captured": {}}
        why = ""
        for watcher, _, pid in wanted:
            properties: dict[str, Any] = {"lines": _TAIL_LINES}
            if watcher:
                properties["name"] = watcher
            if pid is not None:
                properties["pid"] = pid
            told = await self._ask_tail(properties)
            if isinstance(told, str):
                why = told
                continue
            lines["lines"] += told["lines"]
            for key in ("ends", "captured"):
                lines[key].update(told.get(key) or {})
        lines["lines"].sort(key=lambda line: line["time"])
        self.take("tail", lines)
        return why

    def is_followed(self, batch: Any) -> bool:
        """Prefixes of topics let in too much: ``output.web.1`` is one of ``output.web.12``."""
        name, pid = batch.get("watcher"), batch.get("pid")
        return any(watcher in ("", name) and wanted in (None, pid) for watcher, _, wanted in self._followed)

    async def unfollow(self) -> None:
        """No output any more."""
        if self._events is not None:
            self._events.subscribe({"watcher."})

    async def _ask_tail(self, properties: dict[str, Any]) -> dict[str, Any] | str:
        """The reply, or why there is none."""
        try:
            reply = await self._ask("tail", **properties)
        except CallError as error:
            return str(error)
        if "lines" in reply:
            return reply
        if reply.get("errno") == 2:
            return "this daemon keeps no output (it knows no command 'tail')"
        return str(reply.get("reason", "no output"))


def _output_topic(watcher: str, wid: int | None) -> str:
    if not watcher:
        return "output."
    return f"output.{topic_name(watcher)}." + ("" if wid is None else str(wid))
