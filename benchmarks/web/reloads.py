"""What a reload under load costs those who ask: errors of wrk, and of clients that look at every answer; waits.

Called by run.py, for one stack after the other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures.base import FAILURES, tell
from benchmarks.web.client import crowd
from benchmarks.web.stacks import Stack
from benchmarks.web.wrk import Load, Wrk

LOADS = (
    Load("reload-keep", "kept connections", "/", keep=True),
    Load("reload-close", "a connection per request", "/", keep=False),
)
#: Seconds of load before the first reload and after the last.
QUIET = 0.5


@dataclass
class Outcome:
    """The reloads of one stack under one load."""

    reloads: int = 0
    #: Seconds of one reload, the longest.
    longest_reload: float = 0.0
    #: wrk's requests and its errors by kind, and its worst latency in milliseconds.
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    longest: float = 0.0
    #: Requests and failures of our clients, by kind of client; their worst wait in milliseconds.
    asked: dict[str, int] = field(default_factory=dict)
    failed: dict[str, dict[str, int]] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """Everything that went wrong."""
        return sum(self.errors.values()) + sum(sum(kinds.values()) for kinds in self.failed.values())


class Reloads:
    """The measurement: ``values[load key][stack key]``, and what went wrong."""

    def __init__(self, stacks: Sequence[Stack], count: int, loads: Sequence[Load] = LOADS) -> None:
        self.stacks = [stack for stack in stacks if stack.reloaded]
        self.count = count
        self.loads = tuple(loads)
        self.values: dict[str, dict[str, Outcome]] = {load.key: {} for load in loads}
        self.errors: list[str] = []

    def run(self) -> None:
        """All loads with all stacks."""
        for load in self.loads:
            for stack in self.stacks:
                try:
                    self.values[load.key][stack.key] = outcome = self._measure(stack, load)
                except FAILURES as error:
                    self.errors.append(f"{stack.title}, reload, {load.title}: {type(error).__name__}: {error}")
                    tell(f"  FAILED {self.errors[-1]}")
                else:
                    tell(f"{outcome.reloads} reloads {load.key:12} {stack.key:10} dropped {outcome.dropped}")

    def _measure(self, stack: Stack, load: Load) -> Outcome:
        outcome = Outcome()
        clients = crowd(stack.port)
        with Wrk(stack.port, load) as wrk:
            for kind in clients.values():
                for client in kind:
                    client.start()
            try:
                time.sleep(QUIET)
                for _ in range(self.count):
                    began_at = time.monotonic()
                    stack.reload()
                    outcome.reloads += 1
                    outcome.longest_reload = max(outcome.longest_reload, time.monotonic() - began_at)
                time.sleep(QUIET)
            finally:
                for kind in clients.values():
                    for client in kind:
                        client.stop()
            answered = wrk.stop()
        outcome.requests, outcome.errors, outcome.longest = answered.requests, answered.errors, answered.longest
        for name, kind in clients.items():
            outcome.asked[name] = sum(client.requests for client in kind)
            outcome.failed[name] = dict(sum((client.failures for client in kind), Counter()))
            outcome.waited[name] = max(client.longest for client in kind) * 1000
        return outcome
