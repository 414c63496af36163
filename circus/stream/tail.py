"""The last output of each worker of a watcher, and who hears it live.

A :class:`Tail` belongs to a watcher whose output is captured. It taps the redirector: :meth:`Tail.tap` is called on the
pump's thread with every chunk; all else is for the loop's thread. :mod:`circus.stream.live` publishes what is new, the
command ``tail`` and ``why`` read what there is. Knows of a watcher only its names and which of its processes live.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import time as now
from typing import Any, NamedTuple

from circus.stream.live import Live, told_until
from circus.stream.ring import DEFAULT_CAPACITY, Line, View
from circus.stream.source import Source, Speaker

__all__ = ["Story", "Tail", "Told", "merge_newest"]

STREAMS = ("stdout", "stderr")
#: Dead workers of a watcher whose output is kept.
DEAD_KEPT = 4
#: Bytes of text in one answer.
ANSWER_LIMIT = 1 << 22


class Told(NamedTuple):
    """What can be told of one source now.

    :param view: a picture of its ring.
    :param until: position behind the last line that is told; what follows comes live.
    """

    source: Source
    view: View
    until: int


class Story(NamedTuple):
    """A line and where it came from."""

    source: Source
    line: Line


class Tail:
    """The memory of one watcher's output.

    :param watcher: whose it is.
    :param loop: asyncio's names; need not run yet.
    :param capacity: bytes kept per worker and stream.
    """

    def __init__(self, watcher: Speaker, loop: Any, capacity: int = DEFAULT_CAPACITY) -> None:
        self._watcher, self._capacity = watcher, capacity
        self._sources: dict[tuple[int, str], Source] = {}
        #: Pids of the dead in the order of their ends.
        self._dead: list[int] = []
        self.live = Live(watcher, loop, self._sources)

    def tap(self, data: bytes, pid: int, stream: str) -> None:
        """Remember a chunk; called by the pump's thread, for every read of a pipe."""
        source = self._sources.get((pid, stream))
        if source is None:
            return  # of a worker that is forgotten
        ring, session = source.ring, self.live.session
        if ring.session != session:
            ring.follow(session)
        ring.put(data, now())
        if session:
            self.live.tapped()

    # -- on the loop's thread ----------------------------------------------------------------------------------

    def open(self, bus: Any) -> None:
        """Publish live what comes from now on, whenever somebody listens to ``bus`` for it."""
        self.live.open(bus)

    def close(self) -> None:
        """Publish the rest and nothing more. What is kept can still be read."""
        self.live.close()
        self._sweep()

    def begin(self, process: Any) -> None:
        """A worker was started; its pipes are not read yet."""
        self._forget(process.pid)  # a number that was used before
        for stream, piped in (("stdout", process.pipe_stdout), ("stderr", process.pipe_stderr)):
            if piped:
                self._sources[process.pid, stream] = Source(process, stream, self._capacity)

    def end(self, process: Any) -> None:
        """A worker has ended, and all it wrote was read: publish the rest, keep it for those who ask."""
        silent = True
        for stream in STREAMS:
            source = self._sources.get((process.pid, stream))
            if source is None or source.process is not process or source.ended:
                continue
            source.ended = True
            if source.ring.end:
                silent = False
                self.live.finish(source)
            else:
                del self._sources[process.pid, stream]
        if not silent:
            self._dead.append(process.pid)
            if len(self._dead) > DEAD_KEPT:
                self._forget(self._dead[0])

    def tell(self, pid: int | None = None, stream: str | None = None) -> list[Told]:
        """What there is of the chosen sources, oldest worker first, and where live output goes on.

        :param pid: of a worker, one of the last that died included; None for all.
        :param stream: ``stdout`` or ``stderr``; None for both.
        """
        self._sweep()
        self.live.publish_now()
        told = []
        for source in list(self._sources.values()):
            if pid in (None, source.pid) and stream in (None, source.stream):
                view = source.ring.view()
                told.append(Told(source, view, self._told_until(source, view)))
        return told

    def last_lines(self, pid: int, count: int) -> list[str]:
        """The last lines of one worker, both streams together, oldest first. For any thread (hooks)."""
        views = [(source, source.ring.view()) for source in list(self._sources.values()) if source.pid == pid]
        return [story.line.text for story in merge_newest([Told(*each, each[1].end) for each in views], count)]

    def _told_until(self, source: Source, view: View) -> int:
        if self.live.session:
            return self.live.position_of(source, view).cursor
        return told_until(view, view.end, now(), source.ended)

    def _sweep(self) -> None:
        """Find those whose end nobody told of."""
        for source in list(self._sources.values()):
            if not source.ended and self._watcher.processes.get(source.pid) is not source.process:
                self.end(source.process)

    def _forget(self, pid: int) -> None:
        for stream in STREAMS:
            self._sources.pop((pid, stream), None)
        if pid in self._dead:
            self._dead.remove(pid)


def merge_newest(told: Sequence[Told], count: int, since: float | None = None) -> list[Story]:
    """The newest lines of several sources in the order of their time, oldest first.

    :param count: lines at most; fewer when they are very long (ANSWER_LIMIT).
    :param since: only lines that were finished at that time (epoch) or later.
    """
    from heapq import merge  # kept off the start path

    stories = merge(
        *map(_stories, reversed(told)),  # of equal times the first comes first, once all is turned round
        key=lambda story: story.line.time,
        reverse=True,
    )
    found: list[Story] = []
    room = ANSWER_LIMIT
    for story in stories:
        room -= len(story.line.data)
        if len(found) >= count or (room < 0 and found) or (since is not None and story.line.time < since):
            break
        found.append(story)
    found.reverse()
    return found


def _stories(told: Told) -> Iterator[Story]:
    return (Story(told.source, line) for line in told.view.newest(told.until))
