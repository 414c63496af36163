"""Looking further back than the daemon remembers: older output from log files, a part of the main screen.

A mixin beside :class:`circus.top.operate.Operating`. What is read, and from which files, is in
:mod:`circus.top.backlog`.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from circus.exc import CircusError
from circus.model.dashboard.endpoint import topic_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from circus.model.dashboard import Endpoint
    from circus.top.backlog import Backlog, Source

#: Lines brought at once.
_AT_ONCE = 1000
#: Seconds in which what is in the file by now has come here, too.
_IN_FLIGHT = 0.3


class Recalling:
    """The remembering part of the main screen; the rest gives it what is declared here."""

    if TYPE_CHECKING:
        app: Any
        session: Any
        foot: Any
        output: Any
        pane_name: str
        run_worker: Callable[..., Any]
        touch: Callable[[str], None]
        _followed: Any

    _backlog: Backlog | None = None
    _backlog_of: Any = None
    _is_recalling = False

    def action_older(self) -> None:
        """Bring the lines before the first one of the output pane."""
        if self.pane_name != "output":
            self.foot.tell("plain", "older lines are shown in the output: 2")
            return
        if not self._is_recalling:
            self._is_recalling = True
            self.run_worker(self._bring_older, group="older")

    async def _bring_older(self) -> None:
        try:
            await self._bring()
        finally:
            self._is_recalling = False

    async def _bring(self) -> None:
        name, wanted = self._followed or ("", [])
        endpoint = self.session.board.endpoints.get(name)
        if endpoint is None or len(wanted) != 1 or not wanted[0][0]:
            self.foot.tell("plain", "older lines come from the log files of one watcher or worker: choose one")
            return
        wish = (name, wanted[0], endpoint.output.edition, self.output.filter_text)
        if wish != self._backlog_of or self._backlog is None:
            self.drop_backlog()
            source = await self._choose_source(endpoint, wanted[0][0])
            if source is None:
                return
            self._backlog = await self._open_backlog(endpoint, wanted[0], source)
            self._backlog_of = wish
        if self._backlog is not None:
            await self._read_older(endpoint, self._backlog)

    async def _choose_source(self, endpoint: Endpoint, watcher: str) -> Source | None:
        """Which file; None when there is none or nobody chose."""
        from circus.top.backlog import is_same_host, sources_of  # kept off the way to the first screen

        feed = self.session.feeds.get(endpoint.name)
        try:
            if feed is None:
                raise CircusError("there is no daemon in a recording")
            info = (await feed.ask_now("dstats")).get("info") or {}
            target = feed.target
            if not is_same_host(target.control, target.ssh, info):
                raise CircusError("the log files are on the daemon's host: run circus-top there to look into them")
            options = (await feed.ask_now("options", name=watcher)).get("options") or {}
            found = sources_of(options, _directory_of(info))
        except (CircusError, OSError) as error:
            self.foot.tell("bad", f"no older lines of {watcher}: {error}")
            return None
        return found[0] if len(found) == 1 else await self._ask_which(found)

    async def _ask_which(self, found: list[Source]) -> Source | None:
        """Two files have no common order: their lines have no time that is known."""
        from circus.top.widgets.dialogs import Choice, Item  # kept off the way to the first screen

        items = [Item(source.path, str(at), source.streams[0], source.path) for at, source in enumerate(found, 1)]
        path = await self.app.push_screen_wait(Choice("Older lines of", items))
        return next((source for source in found if source.path == path), None)

    async def _open_backlog(self, endpoint: Endpoint, wanted: tuple[Any, ...], source: Source) -> Backlog | None:
        from circus.top.backlog import Backlog  # kept off the way to the first screen

        watcher, wid, pid = wanted
        key = topic_name(watcher)
        pids = {told.pid: told.wid for told in endpoint.events if told.watcher == key and told.pid is not None}
        node = endpoint.root.children.get(key)
        for worker in node.children.values() if node is not None else ():
            pids[worker.key] = worker.values.get("wid")
        try:
            backlog = await asyncio.to_thread(Backlog, source, watcher, wid if pid is not None else None, pids)
        except OSError as error:
            self.foot.tell("bad", f"no older lines of {watcher}: {error.strerror or error}")
            return None
        await asyncio.sleep(_IN_FLIGHT)
        backlog.leave_out(endpoint.output.lines)
        for text in backlog.files.refused[:1]:
            self.foot.tell("bad", f"not all can be read: {text}")
        return backlog

    async def _read_older(self, endpoint: Endpoint, backlog: Backlog) -> None:
        book, pane = endpoint.output, self.output
        room = book.room_before
        if not room:
            text = f"{len(book.older)} older lines are here; with & only those that match come, from further back"
            self.foot.tell("plain", text)
            return
        if backlog.is_over:
            self.foot.tell("plain", "there is nothing older in the files")
            return
        searched = pane.search.search if pane.search is not None else None
        count = room if searched is not None else min(_AT_ONCE, room)
        edition, before = book.edition, backlog.looked_at
        self.foot.tell("busy", f"reading {backlog.files.path}", stays=10.0)
        lines = await asyncio.to_thread(backlog.read, count, pane.wants_text, searched)
        if book.edition != edition or backlog is not self._backlog:
            return  # something else is looked at meanwhile
        book.put_before(lines)
        is_found = pane.show_older(bool(searched))
        told = sum(1 for line in lines if line.stream)
        looked = backlog.looked_at - before
        text = f"{told} older lines" + (f" of {looked} looked at" if pane.filter is not None else "")
        text += f", back into {backlog.files.at}" if lines and not backlog.is_over else ""
        text += "; that was all" if backlog.is_over else ""
        if searched is not None and not is_found:
            text += f"; {pane.search.pattern!r} is not among them" + ("" if backlog.is_over else ", b looks further")
        self.foot.tell("plain", text)
        self.touch("output")

    def drop_backlog(self) -> None:
        """Close the files, and forget what came from them."""
        backlog, self._backlog, self._backlog_of = self._backlog, None, None
        if backlog is not None:
            backlog.close()
            for endpoint in self.session.board.endpoints.values():
                endpoint.output.forget_before()


def _directory_of(info: Any) -> str:
    """The working directory of a process: where the relative names in its configuration begin.

    :raises OSError: the system refuses to tell.
    """
    return os.readlink(f"/proc/{info['pid']}/cwd")
