"""How long until the workers run, from the moment circusd is started; what a big start costs the daemon."""

from __future__ import annotations

import time

from benchmarks.figures.base import Size, Workload
from benchmarks.processes import cpu_seconds
from benchmarks.report import Figure, Goal, median
from benchmarks.systems import Job, Place, System


class Start(Workload):
    """Start with one worker (several times), then with a thousand (once)."""

    name = "start"
    figures = (
        Figure("start_one", "start, 1 worker", "ms", Goal("<=", 1.3)),
        Figure("start_each", "start, per process (1000)", "ms", Goal("<=", 1.6)),
        Figure("start_cpu", "start 1000, daemon cpu", "ms", Goal("<=", 2)),
    )

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """Milliseconds; ``start_each`` is what each process beyond the first adds."""
        one = median(started(system, place, 1)[0] for _ in range(size.starts))
        many, cpu = started(system, place, size.many)
        return {
            "start_one": one * 1e3,
            "start_each": (many - one) / (size.many - 1) * 1e3,
            "start_cpu": cpu * 1e3,
        }


def started(system: System, place: Place, count: int) -> tuple[float, float]:
    """Seconds from starting the daemon to the first write of its last worker; its CPU a little later."""
    with system.daemon(place, Job(place.worker(), count)) as daemon:
        last_at = daemon.workers(count)[-1][0]
        if count > 1:
            time.sleep(0.5)  # what the daemon does about the last of them belongs to the cost
        return last_at - daemon.started_at, cpu_seconds(daemon.pid)
