"""One run of circus-top behind the screen: the model, what feeds it (daemons or a recording), and its clock.

Used by the application; it knows no widget. Every input passes :meth:`Session.take`, where it may be recorded.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from circus.model.dashboard import Dashboard
from circus.top.record import Recorder, Replay
from circus.top.targets import Target, find_targets, name_found

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from circus.top.feed import Feed

#: Kinds of input after which only one pane looks different.
_OUTPUT = frozenset({"output", "tail", "follow"})


class Session:
    """The run.

    :param options: the command line.
    :param changed: called after each input: ``output`` or ``table``.
    :raises ArgumentError: the file to replay is no recording.
    :raises OSError: a file cannot be read or written.
    """

    def __init__(self, options: argparse.Namespace, changed: Callable[[str], None]) -> None:
        self.board = Dashboard(options.process_timeout)
        self.read_only = bool(options.read_only or options.replay)
        self._changed = changed
        self._options = options
        self.feeds: dict[str, Feed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._context: Any = None
        self.replay = Replay(options.replay, self.take, self.board.endpoints.clear) if options.replay else None
        self._recorder = Recorder(options.record) if options.record else None

    def now(self) -> float:
        """The instant that is shown: now, or that of the recording."""
        return self.replay.at if self.replay is not None else time.time()

    def take(self, name: str, kind: str, data: Any, now: float) -> None:
        """An input for the model."""
        if self._recorder is not None:
            self._recorder.take(name, kind, data, now)
        self.board.take(name, kind, data, now)
        self._changed("output" if kind in _OUTPUT else "table")

    def start(self) -> None:
        """Begin to listen, on the running event loop."""
        if self.replay is not None:
            self.replay.seek(self.replay.begin + 1.0)
            return
        from circus.top.link import make_context

        options = self._options
        self._context = make_context()
        discovers = bool(options.discover)
        for target in find_targets(options.control, options.endpoint, options.ssh, discovers=discovers):
            self._add(target)
        if discovers:
            from circus.top.discovery import look_around

            self._tell_search(f"looking for daemons at {options.discover}")
            search = look_around(options.discover, self._take_found, self._tell_search)
            self._tasks.append(asyncio.create_task(search, name="discovery"))

    def _add(self, target: Target) -> None:
        from circus.top.feed import Feed

        self.board.add(target.name)
        feed = self.feeds[target.name] = Feed(self._context, target, self.take)
        self._tasks.append(asyncio.create_task(feed.run(), name=f"feed {target.name}"))

    def _take_found(self, control: str) -> None:
        """A daemon answered; it may be one that is known already."""
        from circus.top.discovery import place_of

        known = {place_of(feed.target.control) for feed in self.feeds.values() if feed.target.control}
        if place_of(control) not in known:
            self._add(Target(name_found(control, self.feeds), control))
            self._changed("table")

    def _tell_search(self, text: str) -> None:
        nobody = f"no daemon has answered at {self._options.discover} so far"
        note = text or ("" if self.feeds else nobody)
        if note != self.board.note:
            self.board.note = note
            self._changed("table")

    async def stop(self) -> None:
        """End everything. May be called more than once."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._context is not None and not self._context.closed:
            self._context.destroy(linger=0)
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def describe_replay(self) -> str:
        """Where a replay is, for the top line."""
        replay = self.replay
        if replay is None:
            return "recording" if self._recorder is not None else ""
        state = "over" if replay.is_over else "paused" if replay.is_paused else f"{replay.speed:g}x"
        share = (replay.at - replay.begin) / (replay.end - replay.begin) if replay.end > replay.begin else 1.0
        return f"replay {share:.0%} {state}"
