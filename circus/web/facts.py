"""A few options of every watcher, which no stream tells: asked for once, and again when they change.

Used by the live pages. Asked a few at a time, so that a daemon with a thousand watchers has other things to do, too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from circus.web.pictures import watchers_of
from circus.web.problems import Problem
from circus.web.secrecy import masked

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon

KEYS = ("cmd", "args", "numprocesses", "on_demand", "singleton", "use_sockets", "priority")
_AT_ONCE = 40


class Facts:
    """The options of a daemon's watchers, by key (the name as topics have it).

    :param daemon: whose watchers.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.known: dict[str, dict[str, Any]] = {}
        self._task: asyncio.Task[None] | None = None

    def forget(self, key: str | None = None) -> None:
        """They may have changed, those of one watcher or all."""
        if key is None:
            self.known.clear()
        else:
            self.known.pop(key, None)

    def refresh(self) -> None:
        """Ask for those that are not known; called with every tick while somebody looks."""
        if (self._task is not None and not self._task.done()) or not self._daemon.is_online:
            return
        present = {node.key: node.name for node in watchers_of(self._daemon.model)}
        for gone in self.known.keys() - present.keys():
            del self.known[gone]
        wanted = [(key, name) for key, name in present.items() if key not in self.known][:_AT_ONCE]
        if wanted:
            self._task = asyncio.get_running_loop().create_task(self._ask(wanted))

    async def _ask(self, wanted: list[tuple[str, str]]) -> None:
        async def one(key: str, name: str) -> None:
            try:
                reply = await self._daemon.ask("get", {"name": name, "keys": list(KEYS)})
                await self._ask_stop(key, name)
            except Problem:
                return  # asked again with the next tick
            self.known[key] = {k: v for k, v in masked(reply.get("options") or {}).items() if v not in (None, "")}

        await asyncio.gather(*(one(key, name) for key, name in wanted))

    async def _ask_stop(self, key: str, name: str) -> None:
        """Of a watcher that stopped before anybody listened the daemon still knows the cause."""
        node, news = self._daemon.model.root.children.get(key), self._daemon.news
        if node is None or node.values.get("state") != "stopped" or news.last_stop(key):
            return
        why = await self._daemon.ask("why", {"name": name, "lines": 0})
        if why.get("since") is not None:  # it was started once
            news.take_stop(key, str(why.get("cause") or ""))

    async def complete(self) -> None:
        """Wait until all are known, or somebody else would have to ask for too long."""
        for _ in range(25):
            self.refresh()
            if self._task is None or self._task.done():
                return
            await asyncio.wait([self._task], timeout=2.0)

    def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
