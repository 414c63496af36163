"""What the stream of statistics costs, and whether it tells of everybody every second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures.base import FAILURES, Outcome, Size, Workload, tell
from benchmarks.processes import cpu_seconds, descendants, rss_megabytes, wait_until
from benchmarks.report import Figure, Goal
from benchmarks.systems import Daemon, Job, Place, System, stats_endpoint
from benchmarks.wire import Stream

SETTLE_SECONDS = 3.0
PAUSE = 0.05


class Measured:
    """A daemon that publishes, and who listens to it."""

    def __init__(self, daemon: Daemon, stream: Stream, count: int) -> None:
        self.daemon, self.stream = daemon, stream
        wait_until(self.heard(count), 30.0, f"statistics of {count} workers", pause=PAUSE)
        workers = {int(topic.rpartition(b".")[2]) for topic in stream.counts}
        #: The daemon, then its program that measures (the floor has none): whatever is no worker.
        self.pids = [daemon.pid, *(descendants(daemon.pid) - workers)]
        self.before = 0.0

    def heard(self, count: int) -> object:
        """Whether something was told of that many workers."""

        def check() -> bool:
            self.stream.take()
            return len(self.stream.counts) >= count

        return check

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        return sum(cpu_seconds(pid) for pid in self.pids)

    def begin(self) -> None:
        """From here on it counts."""
        self.stream.take()
        self.stream.counts = dict.fromkeys(self.stream.counts, 0)
        self.before = self.cpu()

    def missed(self, seconds: float) -> int:
        """How many messages fewer than one per worker and whole second came."""
        return sum(max(0, int(seconds) - 1 - count) for count in self.stream.counts.values())


class Stats(Workload):
    """The systems publish side by side, first with 175 workers and then with 1000."""

    name = "stats"
    figures = (
        Figure("stats_cpu_175", "stats stream of 175: cpu", "s/min", Goal("<=", 3)),
        Figure("stats_cpu_1000", "stats stream of 1000: cpu", "s/min", Goal("<=", 3)),
        Figure("stats_rss", "stats stream of 175: rss", "MB", Goal("<=", 2.5)),
        Figure("stats_rss_all", "the same, with the daemon", "MB", Goal("<=", 2.5)),
        Figure("stats_missed", "stats stream: workers not told of", "", Goal("<=", 0, absolute=True)),
    )

    def turn(self, systems: Sequence[System], place: Place, size: Size) -> Outcome:
        """CPU seconds per minute over the windows, memory at the end of the first one."""
        few = self._side_by_side(systems, place, size.workers, size.stats_seconds)
        many = self._side_by_side(systems, place, size.many, size.stats_seconds)
        outcome: Outcome = {}
        for system in systems:
            first, second = few[system.key], many[system.key]
            if isinstance(first, Exception) or isinstance(second, Exception):
                outcome[system.key] = first if isinstance(first, Exception) else second
            else:
                outcome[system.key] = {
                    "stats_cpu_175": first["cpu"], "stats_cpu_1000": second["cpu"],
                    "stats_rss": first["rss"], "stats_rss_all": first["rss_all"],
                    "stats_missed": first["missed"] + second["missed"],
                }
        return outcome

    def _side_by_side(self, systems: Sequence[System], place: Place, count: int, seconds: float) -> Outcome:
        outcome: Outcome = {}
        running: dict[str, Measured] = {}
        with ExitStack() as stack:
            for system in systems:
                try:
                    daemon = stack.enter_context(system.daemon(place, Job(place.worker(), count, stats=True)))
                    daemon.workers(count)
                    stream = Stream(place.context, stats_endpoint(daemon.control_endpoint))
                    stack.callback(stream.close)
                    running[system.key] = Measured(daemon, stream, count)
                except FAILURES as error:
                    outcome[system.key] = error
            self._let_run(running, SETTLE_SECONDS)
            began_at = time.monotonic()
            for measured in running.values():
                measured.begin()
            self._let_run(running, seconds)
            span = time.monotonic() - began_at
            for key, measured in running.items():
                try:
                    measured.stream.take()
                    outcome[key] = {
                        "cpu": (measured.cpu() - measured.before) / span * 60,
                        "rss": rss_megabytes(measured.pids[-1]),
                        "rss_all": sum(rss_megabytes(pid) for pid in measured.pids),
                        "missed": float(measured.missed(span)),
                    }
                except FAILURES as error:
                    outcome[key] = error
        tell(f"  {self.name}, {count} workers, all systems at the same time: {seconds:g} s")
        return outcome

    @staticmethod
    def _let_run(running: dict[str, Measured], seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for measured in running.values():
                measured.stream.take()
            time.sleep(PAUSE)
