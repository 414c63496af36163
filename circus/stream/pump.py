"""Reading what workers write and giving it to sinks, away from the event loop.

One thread for the whole process, started with the first pipe, waits for all pipes and calls the sinks; there are
more only while a sink is stuck, or is given more than one thread can read and write
(:mod:`circus.stream.threads`). Redirectors register pipes with it, from the loop's thread;
:func:`circus.stream.shared.shared_pump` gives it to them. It must not know watchers.

While a sink is stuck its pipes, by its policy, are not read (``block``: the workers wait, nobody else does), or
are read by the main lane into a bounded buffer before it (``drop-oldest``, ``drop-newest``).

Rules that keep this sound:

1. A sink is called only by the thread whose lane its outlet is bound to; others post chunks to that lane.
2. A descriptor is touched only under its pipe's lock (see :mod:`circus.stream.pipe`).
3. Locks are taken in the order pump, seat, lane, pipe; none is held while a sink is called or waited for.
4. A thread leaves a sink under its seat's lock, so it cannot do so while the watchdog takes its lane away.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

from circus.base.logs import logger
from circus.stream.channel import Channel, Outlet, Route, SinkCall, outlet_key
from circus.stream.delivery import Delivery
from circus.stream.drain import Waiting
from circus.stream.lane import Chunk, Job, Lane, Seat
from circus.stream.pipe import LARGE_CAPACITY, READ_SIZE, Pipe
from circus.stream.threads import RELAY_WORTH, Threads
from circus.stream.watchdog import STUCK_AFTER

__all__ = ["Pump"]

#: After BUSY_ROUNDS rounds that each began within AT_ONCE seconds of waiting, and with no pipe filling up, it
#: pays to let the pipes fill for PAUSE seconds: one write of many lines instead of many writes of one.
BUSY_ROUNDS, AT_ONCE, PAUSE = 8, 0.0005, 0.0003
#: So many rounds in a row with a descriptor that is not ours are no stale news any more.
GHOST_ROUNDS = 100
#: A drain waits for a stuck sink no longer than that, seconds.
DRAIN_LIMIT = 1.0
#: What :meth:`Pump.settle` waits for, seconds.
SETTLE_LIMIT = 0.05


class Pump(Threads):
    """The pipes, and what is done with them. Public methods are for any thread but the pump's own."""

    def __init__(self) -> None:
        super().__init__()
        self._delivery = Delivery(self._end)
        self._outlets: WeakValueDictionary[object, Outlet] = WeakValueDictionary()

    # -- for redirectors --------------------------------------------------------------------------------------

    def bind(self, channel: Channel, sink: SinkCall | None, piece: int) -> None:
        """Make ``channel`` write to ``sink``; see :class:`circus.stream.channel.Route`. Its pipes follow."""
        with self._lock:
            key = outlet_key(sink)
            outlet = self._outlets.get(key)
            if outlet is None:
                outlet = self._outlets[key] = Outlet(key, sink, self._main)
            before = getattr(channel, "route", None)
            channel.route = Route(outlet, sink, piece)
            if before is None or before.outlet is outlet:
                return
            moving = {pipe for pipe in self._pipes if pipe.channel is channel}
            before.outlet.pipes -= moving
            outlet.pipes |= moving
            for pipe in moving:
                with pipe.lock:
                    if pipe.lane is not None:
                        pipe.attach(self._lane_that_reads(outlet))

    def add(self, pipe: Pipe) -> None:
        """Start to read ``pipe``."""
        with self._lock:
            self._pipes.add(pipe)
            self._start()
            outlet = pipe.channel.route.outlet
            outlet.pipes.add(pipe)
            with pipe.lock:
                pipe.attach(self._lane_that_reads(outlet))

    def remove(self, pipe: Pipe) -> None:
        """Read ``pipe`` no more; when this returns its descriptor is not used any more and may be closed.

        A beginning of a line that was held back goes to the sink, after what was read before.
        """
        with self._lock:
            outlet = pipe.channel.route.outlet
            with pipe.lock:
                if outlet.lane is not self._main and not outlet.relayed and pipe.lane is not None:
                    pipe.channel.overflowed += pipe.unread()
                pipe.detach()
                held = pipe.busy or pipe.lines.held
            self._forget(pipe, outlet)
        if held:
            self._post(lambda: self._lane_that_reads(outlet), lambda seat: self._delivery.flush(seat, pipe))

    def settle(self, outlets: Iterable[Outlet]) -> None:
        """Wait until what was read for ``outlets`` has reached the sinks, 50 ms at most; never for a stuck one."""
        end = time.monotonic() + SETTLE_LIMIT
        for reading, writing in {(self._lane_that_reads(outlet), outlet.lane) for outlet in outlets}:
            if self._is_stuck(reading) or self._is_stuck(writing):
                continue
            reached = threading.Event()
            if reading.post(_announce(reached, reading, writing)):
                reached.wait(max(0.0, end - time.monotonic()))

    def drain(self, pipes: list[Pipe], loop: Any, callback: Callable[[], object]) -> None:
        """Call ``callback()`` once all that a process, now dead, wrote to ``pipes`` is with its sink.

        At once, when a look at the pipes proves that there is nothing, or when the sink has been stuck for
        longer than DRAIN_LIMIT already; else on ``loop``, after DRAIN_LIMIT at the latest. After this returns
        the files of the worker are not used any more: a pipe that is not at its end (a grandchild holds it,
        or its sink is stuck) is read on through a copy of the descriptor.
        """
        slow = [pipe for pipe in pipes if not self._is_finished(pipe) and not self._is_hung(pipe)]
        if not slow:
            callback()
            return
        waiting = Waiting(loop, callback, len(slow), DRAIN_LIMIT)
        for pipe in slow:
            self._post_drain(pipe, waiting.one_done)

    def shutdown(self, timeout: float = 1.0) -> None:
        """Write what can be written within ``timeout`` seconds, and let go of all pipes.

        Stuck sinks are not waited for. Safe at interpreter exit, and more than once; can be used again.
        """
        with self._lock:
            pipes = list(self._pipes)
        ready = [pipe for pipe in pipes if not self._is_stuck(pipe.channel.route.outlet.lane)]
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
                self._main.poller.wake()

    def blocked_now(self, channel: Channel) -> float:
        """Seconds that ``channel`` has been waiting in a call of its sink that is stuck at this moment."""
        seat = channel.route.outlet.lane.seat
        if seat is None or seat.channel is not channel:
            return 0.0
        stuck = seat.stuck_for(time.monotonic())
        return stuck if stuck > STUCK_AFTER else 0.0

    def stuck_now(self, channel: Channel) -> float:
        """Seconds that the sink of ``channel`` has been stuck at this moment, with output of whatever channel."""
        lane = channel.route.outlet.lane
        seat = lane.seat
        stuck = 0.0 if lane is self._main or seat is None else seat.stuck_for(time.monotonic())
        return stuck if stuck > STUCK_AFTER else 0.0

    # -- rounds -----------------------------------------------------------------------------------------------

    def _round(self, seat: Seat) -> bool:
        """Wait, read each ready pipe once, do what was asked; False when the thread should end."""
        lane = seat.lane
        ready = lane.poller.wait(self._patience(seat))
        at_once = time.monotonic() - seat.round_at < AT_ONCE
        seat.turns += 1
        if seat.outlet is None and ready:
            self._watchdog.watch()
        seat.brimming = False
        for fd, _ in ready:
            if fd == lane.poller.wake_fd:
                lane.poller.clear()
            elif (pipe := lane.pipes.get(fd)) is not None:
                self._delivery.turn(seat, pipe)
            else:
                self._forget_dead(seat, fd)
            while lane.inbox and seat.lane is lane:
                self._do_next(seat)
            if seat.lane is not lane:
                return True  # the rest of what is ready is somebody else's now
        if lane.partial:
            self._delivery.flush_overdue(seat)
        if seat.outlet is not None:
            return not self._leave_own_lane(seat)
        if not ready or seat.ending:
            return not self._leave_main_lane(seat)
        crowded = seat.crowd.round_over()
        if crowded is not None:
            self._relieve(seat, crowded)
        seat.small_rounds = seat.small_rounds + 1 if at_once and not seat.brimming else 0
        if seat.small_rounds > BUSY_ROUNDS:
            time.sleep(PAUSE)
        seat.round_at = time.monotonic()
        return True

    def _do_next(self, seat: Seat) -> None:
        item = seat.lane.next_item()
        if isinstance(item, Chunk):
            if seat is self._relay:
                seat.turns += 1
                self._watchdog.watch()
                if len(item.data) >= RELAY_WORTH:
                    seat.busy_at = time.monotonic()
            self._delivery.hand(seat, item)
        elif item is not None:
            item(seat)

    def _forget(self, pipe: Pipe, outlet: Outlet) -> None:
        """``pipe`` is not read any more; a thread that has nothing left to do is told so. Under the lock."""
        self._pipes.discard(pipe)
        outlet.pipes.discard(pipe)
        if not outlet.pipes and outlet.lane is not self._main:
            outlet.lane.poller.wake()
        if not self._pipes and self._seat is not None:
            self._main.poller.wake()

    def _forget_dead(self, seat: Seat, fd: int) -> None:
        """A descriptor that is not read here was ready: stale news, or it would be ready for ever."""
        if seat.lane.poller.unregister(fd) or seat.ghost_round == seat.turns:
            return
        seat.ghosts = seat.ghosts + 1 if seat.ghost_round == seat.turns - 1 else 1
        seat.ghost_round = seat.turns
        if seat.ghosts < GHOST_ROUNDS:
            return
        with self._lock:
            logger.warning("descriptor %d was closed while it was read, and lives on in another process", fd)
            seat.lane.poller.rebuild(list(seat.lane.pipes))

    def _end(self, pipe: Pipe) -> None:
        """``pipe`` has ended and all of it is handed over; on the thread that read it."""
        outlet = pipe.channel.route.outlet
        if outlet.relayed:
            pipe.busy = True  # what was handed over is not written yet
            if outlet.lane.post(lambda _: self._end_of(pipe)):
                return
        self._end_of(pipe)

    def _end_of(self, pipe: Pipe) -> None:
        """``pipe`` has ended and all of it is written, or was given to a sink that is stuck."""
        pipe.busy = False
        with self._lock:
            self._forget(pipe, pipe.channel.route.outlet)
        if pipe.on_end is not None:
            pipe.on_end(pipe)

    # -- drains -----------------------------------------------------------------------------------------------

    def _post_drain(self, pipe: Pipe, done: Callable[[], object]) -> None:
        outlet = pipe.channel.route.outlet

        def lane() -> Lane:
            return pipe.lane or self._lane_that_reads(outlet)

        self._post(lane, lambda seat: self._drain(seat, pipe, done))

    def _drain(self, seat: Seat, pipe: Pipe, done: Callable[[], object]) -> None:
        """Read ``pipe`` until it is empty or at its end, then say so behind what was handed to its sink."""
        # More was not there when the process died; a grandchild may write for ever.
        left = LARGE_CAPACITY + READ_SIZE
        while left > 0 and (size := self._delivery.turn(seat, pipe)) > 0:
            left -= size
        if pipe.lane not in (None, seat.lane):
            self._post_drain(pipe, done)
            return
        self._delivery.flush(seat, pipe)
        outlet = pipe.channel.route.outlet
        if outlet.lane is seat.lane:
            done()
        else:
            self._post(lambda: outlet.lane, lambda seat: done())

    def _is_finished(self, pipe: Pipe) -> bool:
        """Whether nothing that a dead process wrote to ``pipe`` is on its way; its file may be closed now."""
        with self._lock, pipe.lock:
            outlet = pipe.channel.route.outlet
            elsewhere = self._lane_that_reads(outlet) is not outlet.lane  # some may wait there
            finished = not (pipe.busy or pipe.lines.held or elsewhere)
            if pipe.lane is None:
                return finished
            if finished:
                events = pipe.look()
                if events and not events & select.POLLIN:
                    pipe.detach()
                    self._forget(pipe, outlet)
                    return True
                finished = not events  # without events it is empty, and held open by a grandchild
            try:
                pipe.adopt()
            except OSError as error:
                logger.warning("output of a child of pid %d will be cut off: %s", pipe.pid, error)
            return finished

    def _is_hung(self, pipe: Pipe) -> bool:
        """Whether its sink is stuck for so long already that waiting for it once more is no use."""
        seat = pipe.channel.route.outlet.lane.seat
        return seat is not None and seat.stuck_for(time.monotonic()) > DRAIN_LIMIT


def _announce(event: threading.Event, reading: Lane, writing: Lane) -> Job:
    """A job for ``reading`` that sets ``event`` once all that was handed to ``writing`` before is written."""

    def told(_: Seat) -> None:
        event.set()

    def pass_on(seat: Seat) -> None:
        if not writing.post(told):  # that lane has ended meanwhile, so it had nothing left to write
            told(seat)

    return told if reading is writing else pass_on
