"""Stopping a watcher of 175 workers, and ending a daemon that has them."""

from __future__ import annotations

import time

from benchmarks.figures.base import Size, Workload
from benchmarks.report import Figure, Goal, median
from benchmarks.systems import Job, Place, System


class Stop(Workload):
    """``stop`` waits for its answer, ``quit`` for the end of the daemon's process."""

    name = "stop"
    figures = (
        Figure("stop_all", "stop 175", "ms", Goal("<=", 1.6)),
        Figure("quit_all", "quit with 175", "ms", Goal("<=", 1.6)),
    )

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """Milliseconds; each from a daemon of its own."""
        stops = [stopped(system, place, size.workers) for _ in range(size.stops)]
        quits = [quitted(system, place, size.workers) for _ in range(size.stops)]
        return {"stop_all": median(stops) * 1e3, "quit_all": median(quits) * 1e3}


def stopped(system: System, place: Place, count: int) -> float:
    """Seconds from the request to the answer that tells that all are gone."""
    with system.daemon(place, Job(place.worker(), count)) as daemon:
        daemon.workers(count)
        daemon.settle()
        began_at = daemon.ask_when_free("stop", name="w", waiting=True)
        took = time.perf_counter() - began_at
        left = daemon.control.ask("list", name="w").get("pids")
        if left:
            raise ValueError(f"stop was answered with {len(left)} workers left")  # type: ignore[arg-type]
        return took


def quitted(system: System, place: Place, count: int) -> float:
    """Seconds from the request to the end of the daemon."""
    with system.daemon(place, Job(place.worker(), count)) as daemon:
        daemon.workers(count)
        daemon.settle()
        began_at = daemon.ask_when_free("quit")
        daemon.wait_end()
        return time.perf_counter() - began_at
