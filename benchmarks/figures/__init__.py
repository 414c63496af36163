"""What is measured: the workloads in the order they run, and their figures in the order of the table."""

from __future__ import annotations

from benchmarks.figures.base import QUICK, Outcome, Size, Workload
from benchmarks.figures.commands import Commands
from benchmarks.figures.deaths import Deaths
from benchmarks.figures.idle import Idle
from benchmarks.figures.logs import Logs
from benchmarks.figures.start import Start
from benchmarks.figures.stats import Stats
from benchmarks.figures.stop import Stop
from benchmarks.report import Figure

WORKLOADS: tuple[Workload, ...] = (Start(), Deaths(), Commands(), Idle(), Stats(), Logs(), Stop())
FIGURES: tuple[Figure, ...] = tuple(figure for workload in WORKLOADS for figure in workload.figures)

__all__ = ["FIGURES", "QUICK", "WORKLOADS", "Outcome", "Size", "Workload", "chosen"]


def chosen(names: list[str]) -> list[Workload]:
    """The workloads that give the named figures (a workload's own name means all of its figures).

    Raises ValueError naming what does not exist.
    """
    known = {figure.key for figure in FIGURES} | {workload.name for workload in WORKLOADS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no such figure: {', '.join(unknown)} (there are {', '.join(sorted(known))})")
    wanted = set(names)
    return [
        workload
        for workload in WORKLOADS
        if not wanted or workload.name in wanted or wanted & {figure.key for figure in workload.figures}
    ]
