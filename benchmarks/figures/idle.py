"""What a daemon costs that has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures.base import FAILURES, Outcome, Size, Workload, tell
from benchmarks.processes import cpu_seconds, rss_megabytes
from benchmarks.report import Figure, Goal
from benchmarks.systems import Daemon, Job, Place, System

SETTLE_SECONDS = 2.0


class Idle(Workload):
    """The daemons idle side by side: they do not disturb each other, and a turn takes one window."""

    name = "idle"
    figures = (
        Figure("idle_cpu", "idle 175: cpu", "s/min", Goal("<=", 0.01, absolute=True)),
        Figure("idle_rss", "idle 175: rss", "MB", Goal("<=", 1.6)),
    )

    def turn(self, systems: Sequence[System], place: Place, size: Size) -> Outcome:
        """CPU seconds per minute over the window, memory at its end."""
        outcome: Outcome = {}
        daemons: dict[str, Daemon] = {}
        with ExitStack() as stack:
            for system in systems:
                try:
                    daemon = stack.enter_context(system.daemon(place, Job(place.worker(), size.workers)))
                    daemon.workers(size.workers)
                    daemon.settle()
                    daemons[system.key] = daemon
                except FAILURES as error:
                    outcome[system.key] = error
            time.sleep(SETTLE_SECONDS)
            began_at = time.monotonic()
            before = {key: cpu_seconds(daemon.pid) for key, daemon in daemons.items()}
            time.sleep(size.idle_seconds)
            minutes = (time.monotonic() - began_at) / 60
            for key, daemon in daemons.items():
                try:
                    spent = cpu_seconds(daemon.pid) - before[key]
                    outcome[key] = {"idle_cpu": spent / minutes, "idle_rss": rss_megabytes(daemon.pid)}
                except FAILURES as error:
                    outcome[key] = error
        tell(f"  {self.name}, all systems at the same time: {size.idle_seconds:g} s")
        return outcome
