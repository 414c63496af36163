"""Live output: what workers write, published in batches while somebody follows it.

Made by :class:`circus.stream.tail.Tail`, one per watcher. The pump's thread does no more than ring once per batch
(:meth:`Live.tapped`); the batch is read from the rings on the loop's thread, which skips what is too much and counts
the lines it skipped. So nothing waits for a reader and nothing grows; what a slow subscriber misses, zmq drops for it.

One message is JSON on the topic ``output.<res_name>.<wid>``; its keys are told in the manual (guide, streams).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from circus.model.messages import encode
from circus.stream.lines import complete_length
from circus.stream.ring import LINE_LIMIT, View, continuation_length
from circus.stream.source import Position, Source, Speaker

__all__ = ["Live", "told_until"]

#: Seconds between two batches of one watcher, and bytes of text in one.
BATCH_EVERY, BATCH_LIMIT = 0.05, 1 << 18
#: Bytes of text in a message, unless a line is longer. zmq keeps a thousand messages for a subscriber that does not
#: read: this says how much memory that is.
MESSAGE_SIZE = 1 << 14
#: An unfinished line is told after so many seconds of silence.
PARTIAL_AFTER = 0.2
#: After a batch none of any watcher follows for so many times the time it took: live output of all watchers together
#: keeps the loop busy for a fifth of its time at most.
REST = 4
#: What all topics of live output begin with.
PREFIX = b"output."


def told_until(view: View, edge: int, now: float, final: bool) -> int:
    """Up to where the output before ``edge`` counts as told: an unfinished line that may go on is not.

    :param now: epoch.
    :param final: nothing more will come.
    """
    start = view.line_start(edge)
    if start < edge and (final or not 0 <= now - view.time_at(edge - 1) < PARTIAL_AFTER):
        return edge
    return start


class Turns:
    """Gives the watchers of one daemon turns to publish, so that all together take at most a part of the loop's time.

    :param loop: asyncio's names.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._free_at = 0.0

    def take(self, publish: Callable[[], None]) -> None:
        """Call ``publish()`` now, or when it is its turn."""
        if self._waiting or self._loop.time() < self._free_at:
            self._waiting.append(publish)
            if len(self._waiting) == 1:
                self._loop.call_at(self._free_at, self._next)
        else:
            self._run(publish)

    def _next(self) -> None:
        try:
            self._run(self._waiting.popleft())
        finally:
            if self._waiting:
                self._loop.call_at(self._free_at, self._next)

    def _run(self, publish: Callable[[], None]) -> None:
        began = self._loop.time()
        publish()
        ended = self._loop.time()
        self._free_at = ended + (ended - began) * REST


_turns: WeakKeyDictionary[Any, Turns] = WeakKeyDictionary()


class Live:
    """Publishes one watcher's output.

    :param watcher: its names go into topic and payload.
    :param loop: asyncio's names; need not run yet.
    :param sources: what is there, by pid and stream; shared with the tail.
    """

    def __init__(self, watcher: Speaker, loop: Any, sources: Mapping[tuple[int, str], Source]) -> None:
        self._watcher, self._loop, self._sources = watcher, loop, sources
        #: Number of this following; 0 while nobody listens. Read by the pump's thread.
        self.session = 0
        self._sessions = 0
        #: A batch was asked for; set by the pump's thread, reset before the rings are read.
        self._asked = False
        self._sending = False
        self._next_at = 0.0
        self._timer: Any = None
        self._bus: Any = None
        self._turns: Turns | None = None
        self._unwatch: Callable[[], None] | None = None

    def tapped(self) -> None:
        """There is something new. Called by the pump's thread while somebody follows."""
        if not self._asked:
            self._asked = True
            try:
                self._loop.call_soon_threadsafe(self._publish)
            except RuntimeError:
                pass  # the loop is closed, and so will the pipes be

    # -- on the loop's thread ----------------------------------------------------------------------------------

    def open(self, bus: Any) -> None:
        """Publish on ``bus`` whenever somebody there listens for it (a plain PUB socket cannot tell: then never)."""
        if self._unwatch is None and hasattr(bus, "watch_topics"):
            self._bus = bus
            self._turns = _turns.setdefault(bus, Turns(self._loop))
            self._unwatch = bus.watch_topics(self._topics_changed)
            self._topics_changed()  # somebody may listen already

    def close(self) -> None:
        """Publish the rest, and nothing more."""
        if self._unwatch is not None:
            if self.session:
                self._send_batch(final=True)
            self._unwatch()
            self._unwatch = None
        self.session = 0
        self._cancel_timer()

    def publish_now(self) -> None:
        """Look who listens, and publish what there is without waiting for its turn."""
        if self._unwatch is not None:
            self._bus.hear()
            self._topics_changed()
        if self.session:
            self._send_batch()

    def finish(self, source: Source) -> None:
        """Publish the rest of a source whose worker has ended."""
        if self.session:
            view = source.ring.view()
            if view.end > self.position_of(source, view).cursor:
                self._send(source, view, BATCH_LIMIT, flush=True, final=True)

    def position_of(self, source: Source, view: View) -> Position:
        """How far ``source`` was published; when nothing was yet, where that will begin.

        :param view: a picture of its ring, taken just now.
        """
        position = source.position
        if position.session != self.session:
            # Asked after the view was taken: what came between the two is behind its end, whoever counts it.
            edge = min(_counted_from(source, self.session, view), view.end)
            now = view.time_at(edge) if edge < view.end else time.time()
            cursor = told_until(view, edge, now, source.ended)
            position.begin(self.session, cursor, edge, self._loop.time() + PARTIAL_AFTER)
        return position

    def _topics_changed(self) -> None:
        if self._sending:  # the bus looks who listens each time it sends
            self._loop.call_soon(self._topics_changed)
            return
        wanted = self._unwatch is not None and self._bus.asked_for(
            f"output.{self._watcher.res_name}.".encode(), PREFIX
        )
        if wanted and not self.session:
            self._sessions += 1
            self.session = self._sessions
            for source in list(self._sources.values()):
                self.position_of(source, source.ring.view())
            self._await_silence()
        elif not wanted:
            self.session = 0
            self._cancel_timer()

    def _publish(self) -> None:
        now = self._loop.time()
        if now < self._next_at:
            self._loop.call_at(self._next_at, self._publish)
        elif self._turns is not None:
            self._turns.take(self._send_asked)

    def _send_asked(self) -> None:
        if self.session:
            self._send_batch()
        else:
            self._asked = False

    def _send_batch(self, *, final: bool = False) -> None:
        """Publish what is new, fairly shared when it is too much."""
        self._asked = False  # first: what comes while we look asks again
        now = self._loop.time()
        self._next_at = now + BATCH_EVERY
        fresh = []
        for source in list(self._sources.values()):
            position = source.position
            if source.ring.end == position.seen and position.session == self.session and not final:
                continue
            view = source.ring.view()
            position = self.position_of(source, view)
            position.seen, position.quiet_at = view.end, now + PARTIAL_AFTER
            if view.end > position.cursor:
                fresh.append((view.end - position.cursor, source, view))
        fresh.sort(key=lambda each: each[0])
        room = BATCH_LIMIT
        for index, (size, source, view) in enumerate(fresh):
            share = min(size, room // (len(fresh) - index))
            room -= share
            self._send(source, view, share, flush=final, final=final)
        if not final:
            self._await_silence()

    def _await_silence(self) -> None:
        """Arrange for the beginnings of lines that do not go on."""
        if self._timer is None and any(
            source.position.cursor < source.position.seen for source in list(self._sources.values())
        ):
            self._timer = self._loop.call_later(PARTIAL_AFTER, self._flush_quiet)

    def _flush_quiet(self) -> None:
        """Publish the beginnings of lines that have not gone on for a while."""
        self._timer = None
        now = self._loop.time()
        soonest = 0.0
        for source in list(self._sources.values()):
            position, end = source.position, source.ring.end
            if position.session != self.session or position.cursor >= end:
                continue
            if position.seen == end and position.quiet_at <= now:
                # What is left is half a character: it waits for its other half, or for the end of the worker.
                self._send(source, source.ring.view(), BATCH_LIMIT, flush=True, final=source.ended)
                continue
            due = max(position.quiet_at, now + BATCH_EVERY)
            soonest = min(soonest, due) if soonest else due
        if soonest and self.session:
            self._timer = self._loop.call_at(soonest, self._flush_quiet)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- one source --------------------------------------------------------------------------------------------

    def _send(self, source: Source, view: View, room: int, *, flush: bool, final: bool) -> None:
        """Publish at most the newest ``room`` bytes of one source.

        :param flush: an unfinished line, too. :param final: an unfinished character, too.
        """
        position = source.position
        counted_from = _counted_from(source, self.session, view)
        _skip(position, view, room, counted_from)
        self._sending = True
        try:
            for piece, whole in _pieces(view.read(position.cursor, view.end), flush=flush, final=final):
                self._send_piece(source, view, piece, whole)
        finally:
            self._sending = False
        position.passed = view.lines_before(position.cursor, counted_from)

    def _send_piece(self, source: Source, view: View, piece: bytes, whole: bool) -> None:
        """Publish some whole lines, or a part of a line."""
        position, watcher = source.position, self._watcher
        lines = (piece[:-1] if whole else piece).decode("utf-8", "replace").split("\n")
        position.seq += position.lost
        end_of_first = piece.find(b"\n") if whole else len(piece) - 1
        message = {
            "watcher": watcher.name,
            "res_name": watcher.res_name,
            "wid": source.wid,
            "pid": source.pid,
            "stream": source.stream,
            "time": view.time_at(position.cursor + end_of_first),
            "offset": position.cursor,
            "seq": position.seq,
            "lines": lines,
            "lost": position.lost,
        }
        position.lost = 0
        position.seq += len(lines)
        position.cursor += len(piece)
        self._bus.send_multipart([f"output.{watcher.res_name}.{source.wid}".encode(), encode(message)])


def _counted_from(source: Source, session: int, view: View) -> int:
    """The position from which on the ring has counted ends of lines; behind the view when it has not begun."""
    begun, since = source.ring.followed
    return since if begun == session else view.end


def _skip(position: Position, view: View, room: int, counted_from: int) -> None:
    """Move the cursor on when there is more than ``room``, or the ring has lost what was to come, and count that."""
    start = max(position.cursor, view.end - room, view.start)
    if start == position.cursor:
        return
    unfinished = view.line_start(view.end)
    if position.cursor <= unfinished <= start and view.end - unfinished <= LINE_LIMIT:
        start = unfinished
    passed = view.lines_before(start, counted_from)
    if start != unfinished and not view.begins_line(start):
        rest = view.read(start, view.end)
        cut = rest.find(b"\n") + 1
        start += cut or continuation_length(rest)
        passed += cut > 0
    position.lost += passed - position.passed
    position.passed, position.cursor = passed, start


def _pieces(block: bytes, *, flush: bool, final: bool) -> Iterator[tuple[bytes, bool]]:
    """What to put into one message each, and whether it is whole lines; the rest that is to wait is left out."""
    start, end = 0, block.rfind(b"\n") + 1
    while start < end:
        cut = end
        if end - start > MESSAGE_SIZE:
            cut = block.rfind(b"\n", start, start + MESSAGE_SIZE) + 1 or block.find(b"\n", start) + 1
        while cut - start > LINE_LIMIT + 1:
            part = _beginning(block, start)
            yield part, False
            start += len(part)
        yield block[start:cut], True
        start = cut
    while len(block) - start > LINE_LIMIT:
        part = _beginning(block, start)
        yield part, False
        start += len(part)
    rest = block[start:]
    if flush and not final:
        rest = rest[: complete_length(rest)]
    if rest and (flush or final):
        yield rest, False


def _beginning(block: bytes, start: int) -> bytes:
    """The first LINE_LIMIT bytes from ``start``, without half a character."""
    part = block[start : start + LINE_LIMIT]
    return part[: complete_length(part)]
