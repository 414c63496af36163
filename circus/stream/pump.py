"""Reading what workers write and giving it to sinks, away from the event loop.

One thread for the whole process, started with the first pipe, waits for all pipes and calls the sinks.
Redirectors register pipes with it, from the loop's thread; :func:`circus.stream.shared.shared_pump` gives
it to them. It must not know watchers.

A sink that does not come back within STUCK_AFTER loses the shared thread: its outlet gets a lane of its own,
served by the very thread that is stuck in it, and a fresh thread takes the main lane over. From then on, by
the policy of the sink, its pipes are not read (``block``: the workers wait, nobody else does), or are read by
the main lane into a bounded buffer before it (``drop-oldest``, ``drop-newest``). When the sink has behaved
for REJOIN_AFTER, its pipes come back and the thread ends. All threads are daemons: exit waits for none.

Writers that together are faster than one thread can read and write get a second one for what they write to: the
relay, a lane of its own whose thread only writes, while the main lane reads on and waits for it when it is far
behind. There is one at a time, never for an outlet that drops or for a sink that is foreign Python code, and none
on a machine with one processor. A relay that is stuck is a stuck outlet like any other: it gets its pipes. One
that has little to do ends.

Rules that keep this sound:

1. A sink is called only by the thread whose lane its outlet is bound to; others post chunks to that lane.
2. A descriptor is touched only under its pipe's lock (see :mod:`circus.stream.pipe`).
3. Locks are taken in the order pump, seat, lane, pipe; none is held while a sink is called or waited for.
4. A thread leaves a sink under its seat's lock, so it cannot do so while the watchdog takes its lane away.
"""

from __future__ import annotations

import math
import os
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
from circus.stream.watchdog import HUNG_AFTER, STUCK_AFTER, Watchdog

__all__ = ["Pump"]

#: A relay that was not given RELAY_WORTH bytes at once for RELAY_LINGER seconds ends.
RELAY_WORTH, RELAY_LINGER = READ_SIZE // 4, 0.5
#: No relay is tried for so long after there were no threads or descriptors for one, seconds.
RELAY_AGAIN = 60.0
#: A stuck sink is taken for healthy again after so many seconds without another slow call.
REJOIN_AFTER = 5.0
#: The thread stays for so long when there is no pipe left, seconds: workers are often replaced.
LINGER = 0.25
#: After BUSY_ROUNDS rounds that each began within AT_ONCE seconds of waiting, and with no pipe filling up, it
#: pays to let the pipes fill for PAUSE seconds: one write of many lines instead of many writes of one.
BUSY_ROUNDS, AT_ONCE, PAUSE = 8, 0.0005, 0.0003
#: So many rounds in a row with a descriptor that is not ours are no stale news any more.
GHOST_ROUNDS = 100
#: A drain waits for a stuck sink no longer than that, seconds.
DRAIN_LIMIT = 1.0
#: What :meth:`Pump.settle` waits for, seconds.
SETTLE_LIMIT = 0.05


class Pump:
    """The reading threads and all that they share. Public methods are for any thread but the pump's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main = Lane()
        self._seat: Seat | None = None
        self._relay: Seat | None = None
        self._relay_after = 0.0 if _processors() > 1 else math.inf
        self._watchdog = Watchdog(self._seats, self._take_lane_from, self._report_hung)
        self._delivery = Delivery(self._end)
        self._pipes: set[Pipe] = set()
        self._outlets: WeakValueDictionary[object, Outlet] = WeakValueDictionary()

    # -- for redirectors -------------------------------------------------------------------------------------

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

    # -- threads ---------------------------------------------------------------------------------------------

    def _seats(self) -> list[Seat]:
        return [seat for seat in (self._seat, self._relay) if seat is not None]

    def _start(self) -> None:
        """Make sure that somebody serves the main lane. Under the lock."""
        if self._seat is None:
            if self._main.closed:
                self._main.open()
            self._seat_somebody()
        else:
            self._seat.ending = False

    def _seat_somebody(self) -> None:
        seat = self._seat = Seat(self._main)
        self._start_thread(seat)

    def _start_thread(self, seat: Seat) -> None:
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

    def _patience(self, seat: Seat) -> float | None:
        """How long to wait for something to read; None for ever, which is what an idle daemon does."""
        lane = seat.lane
        if lane.inbox or seat.ending:
            return 0.0
        timeout = None if self._pipes else LINGER
        if seat.outlet is not None:
            timeout = (RELAY_LINGER if seat is self._relay else REJOIN_AFTER) if seat.outlet.pipes else 0.0
        if lane.partial:
            left = max(0.0, next(iter(lane.partial.values())) - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        return timeout

    def _leave_main_lane(self, seat: Seat) -> bool:
        with self._lock, self._main.lock:
            if self._pipes or self._main.inbox or seat is not self._seat:
                return False
            self._seat = None
            self._main.close()
        self._watchdog.end()
        return True

    def _take_lane_from(self, seat: Seat, since: float) -> None:
        """``seat`` was found stuck: leave it to its outlet alone, and put a fresh thread in its place."""
        if seat.outlet is not None:
            self._end_relay(seat, since)
            return
        with self._lock:
            with seat.lock:
                if seat is not self._seat or seat.since != since or seat.route is None:
                    return
                outlet, own = seat.route.outlet, Lane()
                own.seat, seat.outlet, seat.slow_at = seat, outlet, time.monotonic()
                seat.lane = outlet.lane = own
                if not outlet.drops:
                    for pipe in outlet.pipes:
                        self._move(pipe, own)
            self._seat_somebody()
            self._main.poller.wake()  # what was posted to the thread that got stuck

    def _relieve(self, seat: Seat, outlet: Outlet) -> None:
        """Let a relay write what is read for ``outlet``; on the main lane's thread, which is in no sink."""
        now = time.monotonic()
        if now < self._relay_after:
            return
        with self._lock:
            if self._relay is not None or outlet.drops or outlet.lane is not seat.lane:
                return
            try:
                relay = self._relay = Seat(Lane())
                relay.outlet, relay.busy_at = outlet, now
                self._start_thread(relay)
            except (OSError, RuntimeError) as error:  # no descriptors, or no threads any more
                if self._relay is not None:
                    self._relay.lane.close()
                self._relay, self._relay_after = None, now + RELAY_AGAIN
                logger.warning("no second thread for the output of many workers (%s); one does it all", error)
                return
            outlet.lane, outlet.relayed = relay.lane, True

    def _end_relay(self, seat: Seat, since: float) -> None:
        """The relay was found stuck: its outlet becomes a stuck one, whose pipes it reads itself."""
        lane, outlet = seat.lane, seat.outlet
        with self._lock, seat.lock:
            if seat is not self._relay or seat.since != since:
                return
            self._relay, seat.slow_at = None, time.monotonic()
        lane.hurry()

        def give_up_pipes(_: Seat) -> None:  # by the thread that read them: no chunk of theirs is on its way
            with self._lock:
                if outlet.lane is lane and outlet.relayed:
                    outlet.relayed = False
                    for pipe in outlet.pipes:
                        self._move(pipe, lane)

        self._post(lambda: self._main, give_up_pipes)

    def _report_hung(self, seat: Seat) -> None:
        drops, sink = seat.outlet.drops, seat.route.sink
        what = f"output is dropped ({drops})" if drops else "its workers wait"
        logger.warning("the stream %s takes no output for more than %g s; %s", sink, HUNG_AFTER, what)

    def _leave_own_lane(self, seat: Seat) -> bool:
        """Back to the main lane, when the sink has behaved for a while or has nothing to write any more, or when
        a relay has little to do.
        """
        lane, outlet, now = seat.lane, seat.outlet, time.monotonic()
        needed = lane.partial or now - seat.slow_at < REJOIN_AFTER or now - seat.busy_at < RELAY_LINGER
        if outlet.pipes and needed:
            return False
        with self._lock, lane.lock:
            if lane.inbox:
                return False
            outlet.lane, outlet.relayed = self._main, False
            if self._relay is seat:
                self._relay = None
            for pipe in outlet.pipes:
                self._move(pipe, self._main)
            lane.close()
        return True

    def _move(self, pipe: Pipe, lane: Lane) -> None:
        """Let ``lane`` read ``pipe``, if anybody does. Under the lock."""
        with pipe.lock:
            before = pipe.lane
            if before is None or before is lane:
                return
            pipe.attach(lane)
            if pipe in before.partial:
                lane.partial[pipe] = before.partial.pop(pipe)

    def _forget(self, pipe: Pipe, outlet: Outlet) -> None:
        """``pipe`` is not read any more; a thread that has nothing left to do is told so. Under the lock."""
        self._pipes.discard(pipe)
        outlet.pipes.discard(pipe)
        if not outlet.pipes and outlet.lane is not self._main:
            outlet.lane.poller.wake()
        if not self._pipes and self._seat is not None:
            self._main.poller.wake()

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

    def _lane_that_reads(self, outlet: Outlet) -> Lane:
        return self._main if outlet.drops or outlet.relayed else outlet.lane

    def _is_stuck(self, lane: Lane) -> bool:
        seat = lane.seat
        return seat is None or seat.stuck_for(time.monotonic()) > STUCK_AFTER

    def _is_hung(self, pipe: Pipe) -> bool:
        """Whether its sink is stuck for so long already that waiting for it once more is no use."""
        seat = pipe.channel.route.outlet.lane.seat
        return seat is not None and seat.stuck_for(time.monotonic()) > DRAIN_LIMIT

    # -- jobs ------------------------------------------------------------------------------------------------

    def _post(self, where: Callable[[], Lane], job: Job) -> None:
        """Have ``job`` done by the thread of the lane ``where()``, even if that lane ends just now."""
        while not where().post(job):
            with self._lock:
                self._start()

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


def _announce(event: threading.Event, reading: Lane, writing: Lane) -> Job:
    """A job for ``reading`` that sets ``event`` once all that was handed to ``writing`` before is written."""

    def told(_: Seat) -> None:
        event.set()

    def pass_on(seat: Seat) -> None:
        if not writing.post(told):  # that lane has ended meanwhile, so it had nothing left to write
            told(seat)

    return told if reading is writing else pass_on


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
