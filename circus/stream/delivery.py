"""From a pipe to a sink: one read, what of it is ready to be written, and the call.

Used by the threads of :class:`circus.stream.pump.Pump`, which decides who reads what. Every method runs on
the thread of the seat it is given and waits for nothing but the sink, or for the thread that writes to it.
Must not know how threads come and go.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from circus.base.logs import logger
from circus.stream.channel import Route
from circus.stream.lane import Chunk, Lane, Seat
from circus.stream.pipe import Pipe
from circus.stream.watchdog import HUNG_AFTER, STUCK_AFTER

__all__ = ["Delivery"]

#: The end of a line is waited for so long before its beginning is written as it is, seconds. No limit for the
#: rest of a read of BLOCK bytes and more, which is what a writer with a full buffer leaves, nor for sinks
#: that dress lines.
PARTIAL_AFTER = 0.2
BLOCK = 4096
#: Bytes on their way to a thread that only writes, beyond which the reading thread waits for it.
RELAY_BUFFER = 1 << 20


class Delivery:
    """Reads pipes and calls sinks.

    :param ended: called with a pipe that has come to its end, after its last bytes were handed over.
    """

    def __init__(self, ended: Callable[[Pipe], object]) -> None:
        self._ended = ended

    def turn(self, seat: Seat, pipe: Pipe) -> int:
        """Read ``pipe`` once and pass it on: the number of bytes, 0 when empty, -1 when it is not ours."""
        channel, lane = pipe.channel, seat.lane
        with pipe.lock:
            if pipe.lane is not lane:
                return -1
            data = pipe.read()
            if data is None:
                return 0
            route = channel.route
            block = pipe.assemble(data, route)
            pipe.busy = True
            if not data:
                pipe.detach()
        if lane.partial or pipe.lines.held:
            self._note_partial(lane, pipe, route, data)
        try:
            self._pass_on(seat, pipe, route, data, block)
        finally:
            pipe.busy = False
        if not data:
            self._ended(pipe)
            return -1
        if len(data) >= pipe.brim:
            seat.brimming = True
            if not route.in_pieces:
                seat.crowd.note(route.outlet)
        return len(data)

    def _pass_on(self, seat: Seat, pipe: Pipe, route: Route, data: bytes, block: bytes) -> None:
        channel = pipe.channel
        channel.bytes += len(data)
        if channel.taps and data:
            channel.tap(data, pipe.pid)
        if block:
            self.hand(seat, Chunk(channel, route, block, pipe.pid))

    def _note_partial(self, lane: Lane, pipe: Pipe, route: Route, data: bytes) -> None:
        """Remember when to pass on the beginning of a line, if its end does not come by then."""
        lane.partial.pop(pipe, None)
        if pipe.lines.held and 0 < len(data) < BLOCK and not route.dresses_lines:
            lane.partial[pipe] = time.monotonic() + PARTIAL_AFTER

    def flush(self, seat: Seat, pipe: Pipe) -> None:
        """Pass on the beginning of a line that was held back."""
        with pipe.lock:
            if pipe.lane not in (None, seat.lane) or not pipe.lines.held:
                return
            rest = pipe.lines.flush_characters() if pipe.lane is not None else pipe.lines.flush()
            pipe.busy = True
        seat.lane.partial.pop(pipe, None)
        try:
            route = pipe.channel.route
            if pipe.lane is None:
                rest = route.end(rest)
            if rest:
                self.hand(seat, Chunk(pipe.channel, route, rest, pipe.pid))
        finally:
            pipe.busy = False

    def flush_overdue(self, seat: Seat) -> None:
        lane, now = seat.lane, time.monotonic()
        while lane.partial and seat.lane is lane:
            pipe = next(iter(lane.partial))
            if lane.partial[pipe] > now:
                return
            del lane.partial[pipe]
            self.flush(seat, pipe)

    def hand(self, seat: Seat, chunk: Chunk) -> None:
        """Give ``chunk`` to its sink, or to the lane whose thread may call it."""
        outlet = chunk.route.outlet
        while True:
            lane = outlet.lane
            if lane is seat.lane:
                self._call(seat, chunk)
                return
            if lane.post_bounded(chunk, outlet.buffer, outlet.drops) if outlet.drops else lane.post(chunk):
                if outlet.relayed:
                    lane.await_room(RELAY_BUFFER)
                return
            # That lane ended meanwhile; the outlet is bound to another one by now.

    def _call(self, seat: Seat, chunk: Chunk) -> None:
        channel = seat.channel = chunk.channel
        route = seat.route = chunk.route
        seat.since = since = time.monotonic()
        channel.put(route, chunk.data, chunk.pid)
        with seat.lock:
            seat.since = 0.0
        if seat.outlet is not None:
            now = time.monotonic()
            if now - since > STUCK_AFTER:
                channel.blocked += now - since
                seat.slow_at = now
            if now - since > HUNG_AFTER:
                logger.warning("the stream %s takes output again, after %.1f s", route.sink, now - since)
