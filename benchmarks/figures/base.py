"""What a workload is: one turn with each system, and the values of its figures that come back."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.processes import Late
from benchmarks.report import Figure
from benchmarks.systems import Place, System

# What a turn may fail with and still let the others go on. Anything else is a defect of the harness.
FAILURES = (Late, RuntimeError, OSError, ValueError)

Outcome = dict[str, "dict[str, float] | Exception"]


@dataclass(frozen=True)
class Size:
    """How much of everything; spans in seconds. The defaults keep a run below 12 minutes on two cores."""

    turns: int = 3
    starts: int = 5
    many: int = 1000
    workers: int = 175
    kills: int = 150
    spread: float = 5.0
    asks: int = 1500
    ask_seconds: float = 1.5
    control_runs: int = 10
    idle_seconds: float = 20.0
    stats_seconds: float = 12.0
    log_megabytes: int = 200
    line_megabytes: int = 60
    log_rounds: int = 3
    log_seconds: float = 2.0
    stops: int = 2


QUICK = Size(
    turns=1,
    starts=3,
    asks=600,
    ask_seconds=0.7,
    control_runs=5,
    idle_seconds=10.0,
    stats_seconds=8.0,
    log_megabytes=120,
    line_megabytes=40,
    log_rounds=2,
    log_seconds=1.0,
    stops=1,
)


class Workload:
    """One way to keep the systems busy, and the figures it yields."""

    name = ""
    figures: tuple[Figure, ...] = ()

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """One turn of one system: ``{figure key: value}``."""
        raise NotImplementedError

    def turn(self, systems: Sequence[System], place: Place, size: Size) -> Outcome:
        """One turn of each system, one after the other; what went wrong stands in the place of the values."""
        outcome: Outcome = {}
        for system in systems:
            began_at = time.monotonic()
            try:
                outcome[system.key] = self.measure(system, place, size)
            except FAILURES as error:
                outcome[system.key] = error
            tell(f"  {self.name} {system.title}: {time.monotonic() - began_at:.1f} s")
        return outcome


def tell(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
