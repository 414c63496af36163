"""A daemon with 175 workers is asked: over the wire, and by circusctl as a whole process."""

from __future__ import annotations

import subprocess
import time

from benchmarks.figures.base import Size, Workload
from benchmarks.processes import Late
from benchmarks.report import Figure, Goal, median
from benchmarks.systems import Daemon, Job, Place, System

IN_FLIGHT = 32
WINDOWS = 5


class Commands(Workload):
    """Round trips of one client, then the control program."""

    name = "commands"
    figures = (
        Figure("numwatchers_p50", "numwatchers p50", "ms", Goal("<=", 1.3)),
        Figure("numwatchers_rate", "numwatchers, 32 in flight", "/s", Goal(">=", 0.6)),
        Figure("list_p50", "list of 175 workers p50", "ms", Goal("<=", 1.5)),
        Figure("stats_p50", "stats of 175 workers p50", "ms", Goal("<=", 3)),
        Figure("circusctl_status", "circusctl status, whole process", "ms", Goal("<=", 1.2, stretch=0.6)),
    )

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """Milliseconds, and answers per second."""
        with system.daemon(place, Job(place.worker(), size.workers)) as daemon:
            daemon.workers(size.workers)
            daemon.settle()
            control = daemon.control
            self._check(daemon, size.workers)
            asks, seconds = size.asks, size.ask_seconds
            runs = self._control_runs(system, place, daemon, size.control_runs)
            return {
                "numwatchers_p50": median(control.time_asks("numwatchers", asks, seconds)) * 1e3,
                "numwatchers_rate": median(
                    control.rate("numwatchers", IN_FLIGHT, seconds / WINDOWS) for _ in range(WINDOWS)
                ),
                "list_p50": median(control.time_asks("list", asks, seconds, name="w")) * 1e3,
                "stats_p50": median(control.time_asks("stats", asks, seconds)) * 1e3,
                "circusctl_status": median(runs) * 1e3,
            }

    @staticmethod
    def _check(daemon: Daemon, count: int) -> None:
        """A fast wrong answer is worth nothing: every worker has to be in the answers."""
        pids = daemon.control.ask("list", name="w").get("pids")
        infos = daemon.control.ask("stats").get("infos")
        listed = len(pids) if isinstance(pids, list) else 0
        described = len(infos["w"]) if isinstance(infos, dict) else 0
        if (listed, described) != (count, count):
            raise ValueError(f"list tells {listed} and stats {described} of {count} workers")

    @staticmethod
    def _control_runs(system: System, place: Place, daemon: Daemon, count: int) -> list[float]:
        argv = system.control_argv(place, daemon.control_endpoint)
        environment = system.environment(place)
        durations = []
        for run in range(count + 1):
            began_at = time.perf_counter()
            done = subprocess.run(argv, env=environment, capture_output=True, timeout=20)
            if run:  # the first run fills the cache of byte code
                durations.append(time.perf_counter() - began_at)
            if done.returncode or b"active" not in done.stdout:
                raise Late(f"{argv[-1]}: exit code {done.returncode}; stderr: {done.stderr[-200:]!r}")
        return durations
