"""What a daemon costs that has nothing to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks.figures.base import FAILURES, Outcome, Size, Workload, tell
from benchmarks.processes import cpu_seconds, kill_tree, rss_megabytes
from benchmarks.report import PROBE, Figure, Goal
from benchmarks.systems import Job, Place, System

SETTLE_SECONDS = 2.0
# circusd wakes up every `check_delay`, 5 s, as this does; what that costs is the machine's doing for the most part: on
# some virtual machines a process that has slept for seconds needs milliseconds to get going.
WAKING = """
import asyncio
loop = asyncio.new_event_loop()
def wake():
    loop.call_later(5.0, wake)
wake()
loop.run_forever()
"""


class Idle(Workload):
    """The daemons idle side by side: they do not disturb each other, and a turn takes one window."""

    name = "idle"
    figures = (
        Figure(
            "idle_cpu",
            "idle 175: cpu",
            "s/min",
            Goal("<=", 0.01, absolute=True),
            probe="an empty asyncio loop that wakes up every 5 s",
        ),
        Figure("idle_rss", "idle 175: rss", "MB", Goal("<=", 1.6)),
    )

    def turn(self, systems: Sequence[System], place: Place, size: Size) -> Outcome:
        """CPU seconds per minute over the window, memory at its end."""
        outcome: Outcome = {}
        pids: dict[str, int] = {}
        with ExitStack() as stack:
            for system in systems:
                try:
                    daemon = stack.enter_context(system.daemon(place, Job(place.worker(), size.workers)))
                    daemon.workers(size.workers)
                    daemon.settle()
                    pids[system.key] = daemon.pid
                except FAILURES as error:
                    outcome[system.key] = error
            pids[PROBE] = stack.enter_context(waking())
            time.sleep(SETTLE_SECONDS)
            began_at = time.monotonic()
            before = {key: cpu_seconds(pid) for key, pid in pids.items()}
            time.sleep(size.idle_seconds)
            minutes = (time.monotonic() - began_at) / 60
            for key, pid in pids.items():
                try:
                    spent = cpu_seconds(pid) - before[key]
                    outcome[key] = {"idle_cpu": spent / minutes, "idle_rss": rss_megabytes(pid)}
                except FAILURES as error:
                    outcome[key] = error
        tell(f"  {self.name}, all systems at the same time: {size.idle_seconds:g} s")
        return outcome


@contextmanager
def waking() -> Iterator[int]:
    """The pid of an interpreter that does nothing but wake up."""
    process = subprocess.Popen([sys.executable, "-c", WAKING], stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        kill_tree(process)
