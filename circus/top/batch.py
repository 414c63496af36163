"""The modes without a screen: a table, JSON or CSV on standard output, once or every second.

Called by the door for ``--once``, ``--json``, ``--csv``, and when standard output is no terminal. It knows the model
and text, and no screen.
"""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from circus.exc import ArgumentError, TransportError
from circus.model.dashboard import COLUMNS, Dashboard, View, parse_filter, visible_rows
from circus.model.dashboard.columns import DEFAULT_COLUMNS, cell_text
from circus.top.record import Recorder, Replay
from circus.top.targets import Target, find_targets, name_found

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from circus.model.dashboard import Node, Row

#: Seconds a first complete look may take before what there is must do.
_COMPLETE = 6.0
_INTERVAL = 1.0


def run_batch(options: argparse.Namespace) -> int:
    """Print what the options ask for. :returns: the exit status: 1 when no daemon could be reached."""
    printer = _Printer(options)
    try:
        if options.replay:
            return _print_recording(options, printer)
        return asyncio.run(_print_live(options, printer))
    except (ArgumentError, TransportError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # the reader of a pipe went away: nothing to say, and nobody to say it to
            return 0
        print(f"circus-top: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _print_recording(options: argparse.Namespace, printer: _Printer) -> int:
    board = Dashboard(options.process_timeout)
    replay = Replay(options.replay, board.take, board.endpoints.clear)
    step = replay.end - replay.begin if options.once or not (options.json or options.csv) else _INTERVAL
    while True:
        replay.seek(replay.at + step)
        board.tick(replay.at)
        printer.print(board, replay.at)
        if replay.is_over:
            return 0


async def _print_live(options: argparse.Namespace, printer: _Printer) -> int:
    from circus.top.feed import Feed
    from circus.top.link import make_context

    targets = await _find_all(options)
    board = Dashboard(options.process_timeout)
    recorder = Recorder(options.record) if options.record else None
    progress = _Progress()

    def take(name: str, kind: str, data: Any, now: float) -> None:
        if recorder is not None:
            recorder.take(name, kind, data, now)
        board.take(name, kind, data, now)
        progress.take(name, kind)

    for target in targets:
        board.add(target.name)
    context = make_context()
    feeds = [asyncio.create_task(Feed(context, target, take, with_past=False).run()) for target in targets]
    try:
        await progress.wait([target.name for target in targets])
        return await _print_rounds(board, printer, repeat=not options.once and (options.json or options.csv))
    finally:
        for feed in feeds:
            feed.cancel()
        await asyncio.gather(*feeds, return_exceptions=True)
        context.destroy(linger=0)
        if recorder is not None:
            recorder.close()


async def _find_all(options: argparse.Namespace) -> list[Target]:
    """The daemons that are named and, with --discover, those that answer within a second.

    :raises ArgumentError: there is none.
    """
    targets = find_targets(options.control, options.endpoint, options.ssh, discovers=bool(options.discover))
    if not options.discover:
        return targets
    from circus.system.multicast import ask_around
    from circus.top.discovery import place_of

    found: dict[str, str] = {}
    await ask_around(options.discover, lambda control: found.setdefault(place_of(control), control))
    known = {place_of(target.control) for target in targets if target.control}
    for place, control in found.items():
        if place not in known:
            targets.append(Target(name_found(control, [target.name for target in targets]), control))
    if not targets:
        raise ArgumentError(f"no daemon answered at {options.discover}")
    return targets


async def _print_rounds(board: Dashboard, printer: _Printer, *, repeat: bool) -> int:
    while True:
        now = time.time()
        board.tick(now)
        lost = [endpoint for endpoint in board.endpoints.values() if endpoint.state != "live"]
        for endpoint in lost:
            print(f"circus-top: {endpoint.name}: {endpoint.note or 'no answer'}", file=sys.stderr)
        if len(lost) < len(board.endpoints):
            printer.print(board, now)
        if not repeat:
            return 1 if len(lost) == len(board.endpoints) else 0
        await asyncio.sleep(_INTERVAL)


class _Progress:
    """Whether enough was heard for a truthful table: CPU needs two samples, a second apart."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._lost: set[str] = set()
        self._polls: dict[str, int] = {}

    def take(self, name: str, kind: str) -> None:
        if kind == "lost":
            self._lost.add(name)
        if kind == "stat":
            self._since.setdefault(name, time.monotonic())
        if kind == "stats":
            self._polls[name] = self._polls.get(name, 0) + 1

    def _is_complete(self, name: str) -> bool:
        since = self._since.get(name)
        enough = since is not None and time.monotonic() - since > 1.2
        return enough or name in self._lost or self._polls.get(name, 0) > 1

    async def wait(self, names: Iterable[str]) -> None:
        end = time.monotonic() + _COMPLETE
        names = list(names)
        while time.monotonic() < end and not all(map(self._is_complete, names)):  # noqa: ASYNC110 - also time
            await asyncio.sleep(0.05)


class _Printer:
    """Prints the model in the form the options ask for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._form = "json" if options.json else "csv" if options.csv else "table"
        self._view = View(filter=parse_filter(options.filter or ""))
        if options.sort:
            self._view.sort_by(options.sort.lstrip("-"))
            self._view.reverse ^= options.sort.startswith("-")
        self._csv: Any = None

    def print(self, board: Dashboard, now: float) -> None:
        """One round."""
        self._view.show_endpoints = len(board.endpoints) > 1
        if self._form == "json":
            print(json.dumps({"time": now, **board.as_dict()}), flush=True)
        elif self._form == "csv":
            self._print_csv(board, now)
        else:
            for line in table_lines(visible_rows(board, self._view), _width()):
                print(line)
            _print_notes(board)
        sys.stdout.flush()

    def _print_csv(self, board: Dashboard, now: float) -> None:
        keys = [column.key for column in COLUMNS.values() if not column.measure]
        if self._csv is None:
            self._csv = csv.writer(sys.stdout)
            self._csv.writerow(["time", "endpoint", "kind", "watcher", *keys])
        for endpoint in board.endpoints.values():
            for node in endpoint.root.walk():
                if self._view.filter is None or self._view.filter.matches(node.values):
                    self._csv.writerow(_csv_row(endpoint.name, node, keys, now))


def _csv_row(endpoint: str, node: Node, keys: Sequence[str], now: float) -> list[Any]:
    watcher = node.above("watcher")
    values = ["" if (value := node.values.get(key)) is None else value for key in keys]
    values = [round(value, 3) if isinstance(value, float) else value for value in values]
    return [round(now, 3), endpoint, node.kind, watcher.name if watcher else "", *values]


def _print_notes(board: Dashboard) -> None:
    for endpoint in board.endpoints.values():
        if endpoint.note and endpoint.state == "live":
            print(f"circus-top: {endpoint.name}: {endpoint.note}", file=sys.stderr)


def _width() -> int:
    """Cells of the terminal; 0 (no limit) when it is none."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0


def table_lines(rows: Sequence[Row], width: int = 0) -> list[str]:
    """The tree as text, each column as wide as it needs to be.

    :param width: cells of a line at most; 0 for no limit.
    """
    columns = [COLUMNS[key] for key in DEFAULT_COLUMNS if not COLUMNS[key].measure]
    cells = [[column.title for column in columns]]
    for row in rows:
        texts = [cell_text(row.node.values, column) for column in columns]
        cells.append(["  " * row.depth + texts[0], *texts[1:]])
    kept = [at for at in range(len(columns)) if at == 0 or any(line[at] for line in cells[1:])]
    widths = {at: max(len(line[at]) for line in cells) for at in kept}
    lines = []
    for line in cells:
        parts = [line[at].ljust(widths[at]) if columns[at].is_text else line[at].rjust(widths[at]) for at in kept]
        text = "  ".join(parts).rstrip()
        lines.append(text[:width] if width else text)
    return lines
