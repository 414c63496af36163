"""One command, one table: the floor, ours and Circus 0.19.0 in turns, as ratios to the floor of the same run.

    python benchmarks/run.py [--quick] [--only FIGURE,...] [--reference VENV]

Progress goes to stderr, the table to stdout. See README.rst for what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import processes, report, systems
from benchmarks.figures import QUICK, Outcome, Size, Workload, chosen
from benchmarks.figures.base import FAILURES, tell
from benchmarks.report import FLOOR, OURS, PROBE, REFERENCE, Figure
from benchmarks.systems import Job, Place, System

DESCRIPTORS = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. 0 even if a goal was missed (but ``--strict``), 1 if a figure was not measured."""
    options = parse(arguments)
    size = QUICK if options.quick else Size()
    if options.turns:
        size = replace(size, turns=options.turns)
    try:
        workloads = chosen(options.only)
        contestants = build(options)
    except (ValueError, FileNotFoundError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    processes.adopt_orphans()
    raise_descriptor_limit()
    path, in_memory = choose_directory(size)
    processes.leave_nothing_when_ended(path)
    place = Place(path)
    began_at = time.monotonic()
    try:
        head = describe(contestants, path, in_memory)
        tell(head)
        run = Run(contestants, place, size)
        run.warm_up()
        run.all_turns(workloads)
    finally:
        processes.end_all_below()
        place.close()
    rows = report.rows_of(asked_for(workloads, options.only), run.values)
    print(head)
    print(f"{size.turns} turn(s), medians, {time.monotonic() - began_at:.0f} s; x: ratio to the floor\n")
    print(report.render_table(rows))
    for remark in ["", *report.remarks(rows), report.summary(rows)]:
        print(remark)
    for failure in run.errors:
        print(f"NOT MEASURED: {failure}")
    if options.json:
        Path(options.json).write_text(json.dumps(as_json(rows, run, head), indent=1) + "\n", encoding="utf-8")
    missed = any(row.verdict() == "MISSED" for row in rows)
    return 1 if run.errors or (options.strict and missed) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="run.py", description="Measure Circus against a floor, as ratios.")
    add = parser.add_argument
    everybody = [FLOOR, OURS, REFERENCE]
    add("--quick", action="store_true", help="one small turn, for a first look (below 3 minutes)")
    add("--only", type=names, default=[], metavar="FIGURE,...", help="figures or workloads to run")
    add("--turns", type=int, metavar="N", help="turns of each system (3; 1 with --quick)")
    add("--json", metavar="FILE", help="write every value of every turn")
    add("--systems", type=names, default=everybody, metavar="NAME,...", help="some of floor, ours, ref")
    add("--ours", metavar="PYTHON", help="measure the Circus installed in this interpreter as ours")
    add("--reference", type=Path, metavar="VENV", help="virtual environment with Circus 0.19.0")
    add("--install-reference", action="store_true", help="make that environment, in the user's cache")
    add("--strict", action="store_true", help="exit code 1 when a goal is missed")
    return parser.parse_args(arguments)


def names(text: str) -> list[str]:
    """A comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def build(options: argparse.Namespace) -> list[System]:
    """The systems that take turns; the reference only when there is one."""
    unknown = set(options.systems) - {FLOOR, OURS, REFERENCE}
    if unknown:
        raise ValueError(f"no such system: {', '.join(sorted(unknown))} (there are floor, ours, ref)")
    found: list[System] = []
    if FLOOR in options.systems:
        found.append(systems.Floor())
    if OURS in options.systems:
        found.append(systems.ours(options.ours))
    if REFERENCE in options.systems and (options.reference or options.install_reference):
        found.append(systems.reference(options.reference or systems.install_reference()))
    return found


def asked_for(workloads: Sequence[Workload], only: Sequence[str]) -> list[Figure]:
    """The figures that ``--only`` names, or whose workload it names; all when it names none."""
    return [
        figure
        for workload in workloads
        for figure in workload.figures
        if not only or figure.key in only or workload.name in only
    ]


def choose_directory(size: Size) -> tuple[Path, bool]:
    """A new directory, and whether it is in memory.

    It is when there is room for the logs, so that no disk is measured; else it is where temporary files go.
    """
    room = 2_000_000 * size.log_megabytes
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > room
    return Path(tempfile.mkdtemp(prefix="cb-", dir=memory if in_memory else None)), in_memory


def raise_descriptor_limit() -> None:
    """A thousand workers need a pidfd each; the daemons inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def describe(contestants: Sequence[System], path: Path, in_memory: bool) -> str:
    """The head of the table: what was measured, where."""
    load = os.getloadavg()[0]
    where = "memory" if in_memory else "NOT in memory: logs measure the disk"
    lines = [
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load {load:.1f}, "
        f"CPython {platform.python_version()}",
        *(system.describe() for system in contestants),
        f"files and endpoints in {path.parent} ({where})",
    ]
    return "\n".join(lines)


def try_out(system: System, place: Place) -> None:
    """A whole life with one worker: start, questions, quit."""
    with system.daemon(place, Job(place.worker(), 1)) as daemon:
        daemon.workers(1)
        daemon.settle()
        daemon.control.ask("stats")
        daemon.ask_when_free("quit")
        daemon.wait_end()


class Run:
    """The turns, their values and what went wrong."""

    def __init__(self, contestants: Sequence[System], place: Place, size: Size) -> None:
        self.contestants = list(contestants)
        self.place = place
        self.size = size
        self.values: dict[str, dict[str, list[float]]] = {}
        self.errors: list[str] = []

    def warm_up(self) -> None:
        """Use each system once, for its byte code; one that cannot do that much does not take part."""
        for system in list(self.contestants):
            try:
                try_out(system, self.place)
            except FAILURES as error:
                self.contestants.remove(system)
                self.errors.append(f"{system.title}, nothing: {error}")
                tell(f"{system.title} does not run: {error}")

    def all_turns(self, workloads: Sequence[Workload]) -> None:
        """Every workload with every system, A B C, A B C."""
        for turn in range(1, self.size.turns + 1):
            for workload in workloads:
                tell(f"turn {turn}/{self.size.turns}: {workload.name}")
                self.record(workload, turn, workload.turn(self.contestants, self.place, self.size))

    def record(self, workload: Workload, turn: int, outcome: Outcome) -> None:
        """Keep the values of a turn."""
        for key, result in outcome.items():
            if isinstance(result, Exception):
                self.errors.append(f"{key}, {workload.name}, turn {turn}: {type(result).__name__}: {result}")
                tell(f"  FAILED {self.errors[-1]}")
                continue
            for figure, value in result.items():
                self.values.setdefault(figure, {}).setdefault(key, []).append(value)


def as_json(rows: Sequence[report.Row], run: Run, head: str) -> dict[str, object]:
    """Everything that was measured."""
    return {
        "head": head.splitlines(),
        "turns": run.size.turns,
        "figures": {
            row.figure.key: {
                "title": row.figure.title,
                "unit": row.figure.unit,
                "goal": str(row.figure.goal),
                "turns": run.values[row.figure.key],
                "medians": row.medians,
                "ratios": {system: row.ratio(system) for system in row.medians if system not in (FLOOR, PROBE)},
                "verdict": row.verdict(),
            }
            for row in rows
        },
        "errors": run.errors,
        "directory": str(run.place.path),
    }


if __name__ == "__main__":
    sys.exit(main())
