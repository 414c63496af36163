"""Notices that a thread of the pump does not come back from a sink.

Made by :class:`circus.stream.threads.Threads`. It runs while there is output to pump and costs nothing otherwise:
its thread sleeps without a timer soon after the pump has become idle, and then ends. It knows seats, but not
what is pumped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from circus.base.logs import logger

if TYPE_CHECKING:
    from circus.stream.lane import Seat

__all__ = ["HUNG_AFTER", "STUCK_AFTER", "Watchdog"]

#: A call of a sink that lasts longer is taken for stuck, and how often that is looked at; seconds.
STUCK_AFTER, LOOK_EVERY = 0.1, 0.025
#: One that lasts longer than this is worth a line in the log, seconds.
HUNG_AFTER = 1.0
#: The thread stays for so long after its last watch, seconds.
LINGER = 5.0


class Watchdog:
    """Looks at the seats given by ``present`` while there is work.

    :param present: the seats to watch at the moment.
    :param on_stuck: called with a seat that has been in one call for STUCK_AFTER, and the ``since`` that was
        seen.
    :param on_hung: called with the seat when it is in that very call after HUNG_AFTER: no hiccup any more.
    """

    def __init__(
        self,
        present: Callable[[], list[Seat]],
        on_stuck: Callable[[Seat, float], object],
        on_hung: Callable[[Seat], object],
    ) -> None:
        self._present, self._on_stuck, self._on_hung = present, on_stuck, on_hung
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._awake = False
        self._running = False
        self._stuck: dict[Seat, float] = {}

    def watch(self) -> None:
        """There is work; called by a thread of the pump, after it has counted it in ``turns``."""
        if self._awake:
            return
        with self._lock:
            self._awake = True
            self._bell.set()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="circus-pump-watch", daemon=True).start()

    def end(self) -> None:
        """There is no seat any more: let the thread go."""
        with self._lock:
            self._bell.set()

    def _run(self) -> None:
        while True:
            self._bell.wait(LINGER)
            with self._lock:
                if not self._awake:  # nothing to do for a while, or told to end
                    self._bell.clear()
                    self._running = False
                    return
                self._bell.clear()
            self._watch_while_busy()
            if not self._present():
                self.end()

    def _watch_while_busy(self) -> None:
        before: list[tuple[Seat, int]] | None = None
        while True:
            time.sleep(LOOK_EVERY)
            if self._stuck:
                self._look_at_stuck()
            inside = [(seat, since) for seat in self._present() if (since := seat.since)]
            for seat, since in inside:
                if time.monotonic() - since > STUCK_AFTER:
                    self._tell(seat, since)
            done = self._work_done()
            if not inside and not self._stuck and done == before:
                # Said first, looked at again after: work that begins now either sees it or is seen here.
                self._awake = False
                if self._work_done() == before:
                    return
                self._awake = True
            before = done

    def _work_done(self) -> list[tuple[Seat, int]]:
        return [(seat, seat.turns) for seat in self._present()]

    def _tell(self, seat: Seat, since: float) -> None:
        try:
            self._on_stuck(seat, since)
        except (OSError, RuntimeError) as error:  # no descriptors, or no threads any more
            logger.error("a stream is stuck, and its place cannot be taken: %s", error)
            time.sleep(1.0)
        else:
            self._stuck[seat] = since

    def _look_at_stuck(self) -> None:
        now = time.monotonic()
        for seat, since in list(self._stuck.items()):
            hung = seat.since == since and now - since > HUNG_AFTER
            if hung:
                self._on_hung(seat)
            if hung or seat.since != since:
                del self._stuck[seat]
