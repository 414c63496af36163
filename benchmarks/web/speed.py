"""Requests per second, latencies and CPU per request: every load, with every stack in turn.

Called by run.py with stacks that run. All run all the time: one that nobody asks costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures.base import FAILURES, tell
from benchmarks.web.stacks import Stack
from benchmarks.web.wrk import Load, Wrk

LOADS = (
    Load("keep-tiny", "kept connections, 13 bytes", "/", keep=True),
    Load("keep-10k", "kept connections, 10 kB", "/10k", keep=True),
    Load("close-tiny", "a connection per request, 13 bytes", "/", keep=False),
    Load("close-10k", "a connection per request, 10 kB", "/10k", keep=False),
)
WARM_SECONDS = 1.0


@dataclass
class Turns:
    """The values of one stack under one load, one of each turn."""

    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    #: CPU microseconds per request: of the workers, and of the supervisor.
    cpu: list[float] = field(default_factory=list)
    supervisor: list[float] = field(default_factory=list)
    #: The share of the busiest worker in what all workers used.
    busiest: list[float] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """The values of a column."""
        values: list[float] = getattr(self, name)
        return values


class Speed:
    """The measurement: ``values[load key][stack key]``, and what went wrong.

    :param stacks: running.
    :param seconds: of one turn.
    :param loads: of those here.
    """

    def __init__(self, stacks: Sequence[Stack], seconds: float, loads: Sequence[Load] = LOADS) -> None:
        self.stacks = list(stacks)
        self.seconds = seconds
        self.loads = tuple(loads)
        self.values = {load.key: {stack.key: Turns() for stack in stacks} for load in loads}
        self.errors: list[str] = []

    def run(self, turns: int) -> None:
        """All loads with all stacks, ``turns`` times; who is first changes from turn to turn."""
        for load in self.loads if turns else ():
            for stack in self.stacks:
                self._attempt(stack, load, 0, min(WARM_SECONDS, self.seconds))
        for turn in range(1, turns + 1):
            for load in self.loads:
                first = (turn - 1) % len(self.stacks)
                for stack in [*self.stacks[first:], *self.stacks[:first]]:
                    self._attempt(stack, load, turn, self.seconds)

    def _attempt(self, stack: Stack, load: Load, turn: int, seconds: float) -> None:
        try:
            self._measure(stack, load, turn, seconds)
        except FAILURES as error:
            self.errors.append(f"{stack.title}, {load.title}, turn {turn}: {type(error).__name__}: {error}")
            tell(f"  FAILED {self.errors[-1]}")

    def _measure(self, stack: Stack, load: Load, turn: int, seconds: float) -> None:
        """One turn of one stack; turn 0 is for warmth and not kept."""
        workers_before = stack.worker_clocks()
        cpu_before = stack.supervisor_clock()
        with Wrk(stack.port, load) as wrk:
            time.sleep(seconds)
            answered = wrk.stop()
        workers = stack.worker_clocks()
        if set(workers) != set(workers_before):
            raise RuntimeError(f"workers died{stack.complaint()}")
        if answered.errors or not answered.requests:
            raise RuntimeError(f"{answered.requests} answers, errors {answered.errors}")
        if not turn:
            return
        used = [workers[pid] - workers_before[pid] for pid in workers]
        found = self.values[load.key][stack.key]
        found.rate.append(answered.rate)
        found.p50.append(answered.p50)
        found.p99.append(answered.p99)
        found.cpu.append(sum(used) / answered.requests * 1e6)
        found.supervisor.append((stack.supervisor_clock() - cpu_before) / answered.requests * 1e6)
        found.busiest.append(max(used) / (sum(used) or 1))
        tell(f"turn {turn} {load.key:10} {stack.key:10} {answered.rate:8.0f}/s  p99 {answered.p99:.1f} ms")
