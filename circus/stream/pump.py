"""Reading what workers write and giving it to sinks, away from the event loop.

One thread for the whole process, started with the first pipe, waits for all pipes and calls the sinks. Redirectors
register pipes with it, from the loop's thread; :func:`shared_pump` gives it to them. It must not know watchers.

A sink that does not come back within STUCK_AFTER loses the shared thread: its outlet gets a lane of its own, served
by the very thread that is stuck in it, and a fresh thread takes the main lane over. From then on, by the policy of
the sink, its pipes are not read (``block``: the workers wait, nobody else does), or are read by the main lane into a
bounded buffer before it (``drop-oldest``, ``drop-newest``). When the sink has behaved for REJOIN_AFTER, its pipes come
back and the thread ends. All threads are daemons: none is ever waited for at exit.

Rules that keep this sound:

1. A sink is called only by the thread whose lane its outlet is bound to; others post chunks to that lane.
2. A descriptor is touched only under its pipe's lock (see :mod:`circus.stream.pipe`).
3. Locks are taken in the order pump, lane, pipe; none is held while a sink is called or a thread is waited for.
4. A thread leaves a sink under its seat's lock, so it cannot do so while the watchdog takes its lane away.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

from circus.base.logs import logger
from circus.stream.channel import Channel, Outlet, SinkCall, outlet_key
from circus.stream.drain import Waiting
from circus.stream.lane import Chunk, Job, Lane, Seat
from circus.stream.pipe import LARGE_CAPACITY, READ_SIZE, Pipe
from circus.stream.watchdog import STUCK_AFTER, Watchdog

__all__ = ["Pump", "shared_pump", "shutdown"]

#: A stuck sink is taken for healthy again after so many seconds without another slow call.
REJOIN_AFTER = 5.0
#: The thread stays for so long when there is no pipe left, seconds.
LINGER = 5.0
#: The end of a line is waited for so long before its beginning is written as it is, seconds. No limit for the rest of
#: a read of BLOCK bytes and more, which is what a writer with a full buffer leaves, nor for sinks that dress lines.
PARTIAL_AFTER = 0.2
BLOCK = 4096
#: After BUSY_ROUNDS rounds in a row with less than SMALL bytes each and no wait between them, it pays to let the pipes
#: fill for PAUSE seconds: one write of many lines instead of many writes.
BUSY_ROUNDS, SMALL, PAUSE, AT_ONCE = 8, 1 << 16, 0.001, 0.0005
#: A drain waits for a stuck sink no longer than that, seconds.
DRAIN_LIMIT = 1.0
#: What :meth:`Pump.settle` waits for, seconds.
SETTLE_LIMIT = 0.05


class Pump:
    """The reading threads and all that they share. Public methods are for any thread but the pump's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main: Lane | None = None
        self._seat: Seat | None = None
        self._watchdog: Watchdog | None = None
        self._pipes: set[Pipe] = set()
        self._outlets: WeakValueDictionary[object, Outlet] = WeakValueDictionary()

    # -- for redirectors -------------------------------------------------------------------------------------------

    def bind(self, channel: Channel, sink: SinkCall | None) -> None:
        """Make ``channel`` write to ``sink``; its pipes go to the lane of the new outlet."""
        with self._lock:
            main = self._main or self._start()
            key = outlet_key(sink)
            outlet = self._outlets.get(key)
            if outlet is None:
                outlet = self._outlets[key] = Outlet(key, sink, main)
            before = getattr(channel, "outlet", None)
            channel.outlet = outlet
            channel.use(sink)
            if before is None or before is outlet:
                return
            for pipe in [pipe for pipe in before.pipes if pipe.channel is channel]:
                before.pipes.discard(pipe)
                outlet.pipes.add(pipe)
                with pipe.lock:
                    if pipe.lane is not None:
                        pipe.attach(self._reading_lane(outlet))

    def add(self, pipe: Pipe) -> None:
        """Start to read ``pipe``."""
        with self._lock:
            if self._seat is None:
                self._start()
            outlet = pipe.channel.outlet
            self._pipes.add(pipe)
            outlet.pipes.add(pipe)
            with pipe.lock:
                pipe.attach(self._reading_lane(outlet))

    def remove(self, pipe: Pipe) -> None:
        """Read ``pipe`` no more; when this returns its descriptor is not used any more and may be closed.

        A beginning of a line that was held back goes to the sink, after what was read before.
        """
        outlet = pipe.channel.outlet
        with self._lock:
            with pipe.lock:
                pipe.detach()
                left_over = pipe.busy or pipe.lines.held
            self._pipes.discard(pipe)
            outlet.pipes.discard(pipe)
        if left_over:
            self._post(outlet.lane, lambda seat: self._flush(seat, pipe))

    def settle(self, outlets: Iterable[Outlet]) -> None:
        """Wait until what was already read has reached the sinks, but never for a stuck one; 50 ms at most."""
        end = time.monotonic() + SETTLE_LIMIT
        for outlet in set(outlets):
            lane = outlet.lane
            if lane.seat is None or lane.seat.stuck_for(time.monotonic()) > STUCK_AFTER:
                continue
            reached = threading.Event()
            if lane.post(lambda seat, reached=reached: reached.set()):
                reached.wait(max(0.0, end - time.monotonic()))

    def drain(self, pipes: list[Pipe], loop: Any, callback: Callable[[], object]) -> None:
        """Call ``callback()`` once all that was written to ``pipes`` so far, by a process now dead, is with its sink.

        At once, when a look at the pipes proves that there is nothing; else on ``loop``, after DRAIN_LIMIT at the
        latest. After this returns the files of the worker are not used any more: a pipe that is not at its end (a
        grandchild holds it, or its sink is stuck) is read on through a copy of the descriptor.
        """
        slow = [pipe for pipe in pipes if not self._is_finished(pipe)]
        if not slow:
            callback()
            return
        waiting = Waiting(loop, callback, len(slow), DRAIN_LIMIT)
        for pipe in slow:
            self._post_drain(pipe, waiting.one_done)

    def shutdown(self, timeout: float = 1.0) -> None:
        """Write what can be written within ``timeout`` seconds, and let go of all pipes; stuck sinks are not waited for.

        Safe at interpreter exit and more than once. The pump can be used again afterwards.
        """
        with self._lock:
            pipes = list(self._pipes)
        now = time.monotonic()
        ready = [pipe for pipe in pipes if not self._is_stuck(pipe.channel.outlet, now)]
        if ready:
            written = threading.Event()
            waiting = Waiting(None, written.set, len(ready), timeout)
            for pipe in ready:
                self._post_drain(pipe, waiting.one_done)
            written.wait(timeout)
        for pipe in pipes:
            self.remove(pipe)
        with self._lock:
            if self._seat is not None:
                self._seat.ending = True
                self._seat.lane.poller.wake()

    def blocked_now(self, channel: Channel) -> float:
        """Seconds that ``channel`` has been waiting in a call of its sink that is stuck at this moment."""
        seat = channel.outlet.lane.seat
        if seat is None or seat.channel is not channel:
            return 0.0
        stuck = seat.stuck_for(time.monotonic())
        return stuck if stuck > STUCK_AFTER else 0.0

    # -- threads ---------------------------------------------------------------------------------------------------

    def _start(self) -> Lane:
        """Make sure that somebody serves the main lane. Under the lock."""
        if self._main is None:
            self._main = Lane()
            self._watchdog = Watchdog(self._take_lane_from)
        if self._seat is None:
            self._seat_somebody(self._main)
        return self._main

    def _seat_somebody(self, lane: Lane) -> None:
        seat = self._seat = Seat(lane)
        threading.Thread(target=self._serve, args=(seat,), name="circus-pump", daemon=True).start()

    def _serve(self, seat: Seat) -> None:
        while True:
            try:
                if not self._round(seat):
                    return
            except Exception:
                # A bug must not end the flow of all output; nor may it spin.
                logger.exception("the output pump stumbled; it goes on")
                time.sleep(0.1)

    def _round(self, seat: Seat) -> bool:
        """Wait, read each ready pipe once, do what was asked; False when the thread should end."""
        lane = seat.lane
        ready = lane.poller.wait(self._patience(seat))
        seat.turns += 1
        if ready and seat.outlet is None and self._watchdog is not None:
            self._watchdog.watch(seat)
        taken = 0
        for fd, _ in ready:
            if fd == lane.poller.wake_fd:
                lane.poller.clear()
            else:
                pipe = lane.pipes.get(fd)
                if pipe is None:
                    self._forget_dead(lane, fd)
                else:
                    taken += max(self._turn(seat, pipe), 0)
            while lane.inbox and seat.lane is lane:
                self._do_next(seat)
            if seat.lane is not lane:
                return True  # the rest of what is ready belongs to somebody else now
        if lane.partial:
            self._flush_overdue(seat)
        if not ready or seat.ending:
            return not (self._leave_own_lane(seat) if seat.outlet is not None else self._leave_main_lane(seat))
        self._pause(seat, taken)
        return True

    def _patience(self, seat: Seat) -> float | None:
        lane = seat.lane
        if lane.inbox:
            return 0.0
        timeout: float | None = None
        if seat.outlet is not None:
            timeout = REJOIN_AFTER if seat.outlet.pipes else 0.0
        elif not self._pipes:
            timeout = LINGER
        if lane.partial:
            left = max(0.0, next(iter(lane.partial.values())) - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        return timeout

    def _pause(self, seat: Seat, taken: int) -> None:
        """Sleep for a moment when small pieces come one after the other."""
        now = time.monotonic()
        quick = now - seat.round_at < AT_ONCE
        seat.round_at = now
        if taken >= SMALL or not quick:
            seat.pause = 0
            return
        seat.pause += 1
        if seat.pause > BUSY_ROUNDS:
            time.sleep(PAUSE)
            seat.round_at = time.monotonic()
