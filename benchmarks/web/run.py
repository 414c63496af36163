"""One command: Circus with gevent workers against Gunicorn with gevent workers, in turns, and what reloads cost.

    python benchmarks/web/run.py [--seconds N] [--turns N] [--json FILE]

Progress goes to stderr, the tables to stdout. See ../README.rst for what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks import processes, systems
from benchmarks.figures.base import FAILURES, tell
from benchmarks.systems import Place
from benchmarks.web import reloads, speed, stacks, table, wrk
from benchmarks.web.stacks import Setting, Stack
from benchmarks.web.wrk import Load


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. 0 even if a goal was missed (but ``--strict``), 1 if something was not measured."""
    options = parse(arguments)
    try:
        kinds = stacks.chosen(options.stacks)
        fast_loads, reload_loads = chosen(options.only)
        wrk.program()
        if options.python:
            stacks.versions(options.python)
    except (ValueError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    processes.adopt_orphans()
    path = Path(tempfile.mkdtemp(prefix="cbw-"))
    processes.leave_nothing_when_ended(path)
    place = Place(path)
    began_at = time.monotonic()
    load_before = os.getloadavg()[0]
    try:
        python = options.python or stacks.install(place)
        setting = Setting(place, python, systems.ours(None), options.workers)
        head = describe(setting, load_before)
        tell(head)
        fast, steady = measure(kinds, setting, options, fast_loads, reload_loads)
    except (*FAILURES, subprocess.SubprocessError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    finally:
        processes.end_all_below()
        place.close()
    titles = {kind.key: kind.title for kind in kinds}
    span = f"{time.monotonic() - began_at:.0f} s, load at the end {os.getloadavg()[0]:.1f}"
    print(head)
    print(f"{options.turns} turn(s) of {options.seconds:g} s, medians; {span}; x: ratio to Gunicorn gevent\n")
    for text in (table.of_speed(fast.values, titles), table.of_reloads(steady.values, titles)):
        if text:
            print(f"{text}\n")
    verdicts = table.verdicts(fast.values, steady.values)
    for verdict in verdicts.values():
        print(verdict)
    errors = [*fast.errors, *steady.errors]
    for failure in errors:
        print(f"NOT MEASURED: {failure}")
    if options.json:
        found = as_json(fast, steady, head, verdicts, place)
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    missed = any(verdict.startswith("MISSED") for verdict in verdicts.values())
    return 1 if errors or (options.strict and missed) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="run.py", description="Measure Circus against Gunicorn, as ratios.")
    add = parser.add_argument
    add("--seconds", type=positive, default=5.0, metavar="N", help="of one turn (5)")
    add("--turns", type=count, default=3, metavar="N", help="of each stack under each load (3)")
    add("--reloads", type=count, default=5, metavar="N", help="of each stack under each load (5); 0 for none")
    add("--workers", type=count, default=2, metavar="N", help="processes that serve (2)")
    add("--json", metavar="FILE", help="write every value of every turn")
    add("--python", metavar="PYTHON", help="an interpreter with gevent, gunicorn and chaussette (else they are "
        "installed into a new environment, which is removed)")  # fmt: skip
    everybody = ",".join(stack.key for stack in stacks.STACKS)
    add("--stacks", type=names, default=[], metavar="NAME,...", help=f"some of {everybody}")
    add("--only", type=names, default=[], metavar="LOAD,...", help="some of the loads, by key")
    add("--strict", action="store_true", help="exit code 1 when a goal is missed")
    return parser.parse_args(arguments)


def chosen(only: Sequence[str]) -> tuple[list[Load], list[Load]]:
    """The loads of these keys, all for none: of speed and of reloads. ValueError for an unknown one."""
    everything = {load.key for load in (*speed.LOADS, *reloads.LOADS)}
    unknown = set(only) - everything
    if unknown:
        raise ValueError(f"no such load: {', '.join(sorted(unknown))} (there are {', '.join(sorted(everything))})")
    return (
        [load for load in speed.LOADS if not only or load.key in only],
        [load for load in reloads.LOADS if not only or load.key in only],
    )


def names(text: str) -> list[str]:
    """A comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def positive(text: str) -> float:
    """Seconds that are enough for wrk to begin."""
    seconds = float(text)
    if seconds < 0.3:
        raise argparse.ArgumentTypeError("at least 0.3 seconds")
    return seconds


def count(text: str) -> int:
    """A number that is not negative."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("a number that is not negative")
    return number


def describe(setting: Setting, load: float) -> str:
    """The head of the tables: what was measured, where."""
    return "\n".join(
        (
            f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load {load:.1f}; "
            f"{setting.workers} workers; wrk -t1 -c32",
            setting.circus.describe(),
            f"servers: {stacks.versions(setting.python)} ({setting.python})",
        )
    )


def measure(
    kinds: Sequence[type[Stack]],
    setting: Setting,
    options: argparse.Namespace,
    fast_loads: Sequence[Load],
    reload_loads: Sequence[Load],
) -> tuple[speed.Speed, reloads.Reloads]:
    """Start all stacks, measure, end them."""
    with ExitStack() as last:
        running = [last.enter_context(kind(setting)) for kind in kinds]
        fast = speed.Speed(running, options.seconds, fast_loads)
        fast.run(options.turns)
        steady = reloads.Reloads(running, options.reloads, reload_loads)
        if options.reloads:
            steady.run()
        return fast, steady


def as_json(
    fast: speed.Speed, steady: reloads.Reloads, head: str, verdicts: dict[str, str], place: Place
) -> dict[str, object]:
    """Everything that was measured."""
    return {
        "head": head.splitlines(),
        "speed": {load: {key: asdict(turns) for key, turns in found.items()} for load, found in fast.values.items()},
        "reloads": {load: {key: asdict(item) for key, item in found.items()} for load, found in steady.values.items()},
        "verdicts": verdicts,
        "errors": [*fast.errors, *steady.errors],
        "directory": str(place.path),
    }


if __name__ == "__main__":
    sys.exit(main())
