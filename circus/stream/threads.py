"""Who reads pipes and who calls sinks: the threads of the pump, their lanes, and how these change hands.

One thread serves the main lane. A sink that does not come back within STUCK_AFTER loses that thread: its outlet
gets a lane of its own, served by the very thread that is stuck in it, and a fresh thread takes the main lane over.
When the sink has behaved for REJOIN_AFTER, its pipes come back and the thread ends. All threads are daemons: exit
waits for none.

Writers that together are faster than one thread can read and write get a second one for what they write to: the
relay, a lane of its own whose thread only writes, while the main lane reads on and waits for it when it is far
behind. There is one at a time, never for an outlet that drops or for a sink that is foreign Python code, and none
on a machine with one processor. A relay that is stuck is a stuck outlet like any other: it gets its pipes. One
that has little to do ends.

Part of :mod:`circus.stream.pump`, which tells the rules and says what is done in a round.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from circus.base.logs import logger
from circus.stream.lane import Job, Lane, Seat
from circus.stream.pipe import READ_SIZE, Pipe
from circus.stream.watchdog import HUNG_AFTER, STUCK_AFTER, Watchdog

if TYPE_CHECKING:
    from circus.stream.channel import Outlet

__all__ = ["Threads"]

#: A relay that was not given RELAY_WORTH bytes at once for RELAY_LINGER seconds ends.
RELAY_WORTH, RELAY_LINGER = READ_SIZE // 4, 0.5
#: No relay is tried for so long after there were no threads or descriptors for one, seconds.
RELAY_AGAIN = 60.0
#: A stuck sink is taken for healthy again after so many seconds without another slow call.
REJOIN_AFTER = 5.0
#: The thread stays for so long when there is no pipe left, seconds: workers are often replaced.
LINGER = 0.25


class Threads:
    """The threads of a pump, and the lanes that they serve."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main = Lane()
        self._seat: Seat | None = None
        self._relay: Seat | None = None
        self._relay_after = 0.0 if _processors() > 1 else math.inf
        self._watchdog = Watchdog(self._seats, self._take_lane_from, self._report_hung)
        self._pipes: set[Pipe] = set()

    if TYPE_CHECKING:  # the verb of the pump

        def _round(self, seat: Seat) -> bool: ...

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

    def _lane_that_reads(self, outlet: Outlet) -> Lane:
        return self._main if outlet.drops or outlet.relayed else outlet.lane

    def _is_stuck(self, lane: Lane) -> bool:
        seat = lane.seat
        return seat is None or seat.stuck_for(time.monotonic()) > STUCK_AFTER

    def _post(self, where: Callable[[], Lane], job: Job) -> None:
        """Have ``job`` done by the thread of the lane ``where()``, even if that lane ends just now."""
        while not where().post(job):
            with self._lock:
                self._start()


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
