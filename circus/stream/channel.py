"""Where output goes: the channel of one watcher's stdout or stderr, its route to a sink, and the outlet
routes share.

A :class:`Channel` belongs to a redirector and counts; its :class:`Route` is replaced as a whole when the
stream is changed. Routes whose sinks write to one place have one :class:`Outlet`; the pump calls the sinks of
an outlet from one thread at a time. All are made on the loop's thread and used on the pump's; nothing here
reads pipes or waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger
from circus.stream.sink import DEFAULT_BUFFER, OVERFLOW_POLICIES

if TYPE_CHECKING:
    from circus.stream.lane import Lane, Readable

__all__ = ["Channel", "Outlet", "Route", "SinkCall", "Tap", "outlet_key"]

SinkCall = Callable[[dict[str, Any]], Any]
#: Called with (data, pid, name) for every chunk as it was read.
Tap = Callable[[bytes, int, str], object]
#: How a chunk is written: returns the number of bytes lost, or None.
_Write = Callable[[bytes, int, str], "int | None"]


class Outlet:
    """One place that is written to, called by the thread of one lane at a time.

    :param key: tells outlets apart; see :func:`outlet_key`.
    :param owner: a sink; kept alive, so that its identity stays a valid key.
    :param lane: the lane whose thread calls the sinks; the pump changes it when they get stuck.
    """

    __slots__ = ("__weakref__", "buffer", "drops", "key", "lane", "owner", "pipes", "relayed")

    def __init__(self, key: object, owner: object, lane: Lane) -> None:
        self.key, self.owner, self.lane = key, owner, lane
        #: Pipes that lead here; changed under the pump's lock.
        self.pipes: set[Readable] = set()
        #: Its lane only writes, and the main lane reads for it; changed under the pump's lock.
        self.relayed = False
        policy = getattr(owner, "overflow", "block")
        #: None when workers wait, else which end of the buffer loses bytes: "drop-oldest" or "drop-newest".
        self.drops = policy if policy in OVERFLOW_POLICIES[1:] else None
        buffer = getattr(owner, "buffer", None) if self.drops else None
        self.buffer = buffer if isinstance(buffer, int) and buffer > 0 else DEFAULT_BUFFER


def outlet_key(sink: object) -> object:
    """Equal for sinks that write to one place: the same object, or built-in streams on one file."""
    return getattr(sink, "shared_key", None) or id(sink)


class Route:
    """From a channel to a sink. Immutable but for ``complained``.

    :param outlet: the outlet of the sink.
    :param sink: what is called with the output; None discards it.
    :param piece: bytes given to a custom sink in one call at most, unless a single line is longer.
    """

    __slots__ = ("complained", "dresses_lines", "in_pieces", "outlet", "sink", "whole_lines", "write")

    def __init__(self, outlet: Outlet, sink: SinkCall | None, piece: int) -> None:
        self.outlet, self.sink = outlet, sink
        self.complained = False
        wanted = sink is not None and bool(getattr(sink, "whole_lines", True))
        self.whole_lines = wanted or outlet.drops is not None
        self.dresses_lines = bool(getattr(sink, "dresses_lines", False))
        #: How the sink is called; piece by piece when it is a foreign one, whose speed is Python's, not a disk's.
        self.write: _Write
        direct = _discard if sink is None else _fast_path(sink)
        self.in_pieces = direct is None
        if direct is not None:
            self.write = direct
        elif sink is not None:
            self.write = _call_with_pieces(sink, piece)

    def end(self, block: bytes) -> bytes:
        """The last bytes of a source; a sink that dresses lines gets the end of the line, too."""
        return block + b"\n" if block and self.dresses_lines and not block.endswith(b"\n") else block


class Channel:
    """One output of one watcher.

    :param name: ``stdout`` or ``stderr``.
    :param taps: called with every chunk, as it is read and before the sink; shared with the redirector, which
        may add to the list at any time. They are called on the pump's thread, and must be quick.
    """

    __slots__ = ("blocked", "bytes", "dropped", "errors", "name", "overflowed", "route", "taps")

    #: Set by the pump.
    route: Route

    def __init__(self, name: str, taps: list[Tap]) -> None:
        self.name, self.taps = name, taps
        #: Bytes read, bytes lost by the sink, failed calls, seconds in calls that were stuck: by the sink's
        #: thread.
        self.bytes = self.dropped = self.errors = 0
        self.blocked = 0.0
        #: Bytes lost before a stuck sink, by a dropping policy: by the reading thread.
        self.overflowed = 0

    @property
    def lost(self) -> int:
        """Bytes that were lost so far, by the sink or before it."""
        return self.dropped + self.overflowed

    def put(self, route: Route, data: bytes, pid: int) -> None:
        """Give ``data`` to the sink; whatever the sink raises is counted, and logged the first time."""
        try:
            lost = route.write(data, pid, self.name)
        except (Exception, SystemExit) as error:  # the border to foreign code
            self.errors += 1
            self.dropped += len(data)
            if not route.complained:
                route.complained = True
                logger.error(
                    "the stream %s failed with output of pid %d: %r; more of this is only counted",
                    route.sink,
                    pid,
                    error,
                    exc_info=error,
                )
            return
        if lost:
            self.errors += 1
            self.dropped += lost

    def tap(self, data: bytes, pid: int) -> None:
        """Give ``data`` to the taps."""
        for tap in list(self.taps):
            try:
                tap(data, pid, self.name)
            except Exception:
                logger.exception("a tap of the output failed and was removed")
                self.taps.remove(tap)


def _discard(data: bytes, pid: int, name: str) -> int:
    return 0


def _fast_path(sink: object) -> _Write | None:
    """``sink.write_chunk``, unless a sub-class of a built-in stream replaced ``__call__`` below it."""
    for kind in type(sink).__mro__:
        if "write_chunk" in vars(kind):
            return sink.write_chunk  # type: ignore[attr-defined, no-any-return]
        if "__call__" in vars(kind):
            return None
    return None


def _call_with_pieces(sink: SinkCall, piece: int) -> _Write:
    def write(data: bytes, pid: int, name: str) -> None:
        start, size = 0, len(data)
        while start < size:
            end = start + piece
            if end < size:
                end = data.rfind(b"\n", start, end) + 1 or data.find(b"\n", end) + 1 or size
            sink({"data": data[start:end], "pid": pid, "name": name})
            start = end

    return write
