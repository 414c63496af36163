"""``circus-top``: what daemons and their workers do, live, in a terminal; or printed once, for scripts.

This module is the door: it reads the command line and loads only what that asks for. The model behind it all is
:mod:`circus.model.dashboard`; the wires are in :mod:`circus.top.feed`, the screen in :mod:`circus.top.app`.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_MULTICAST, DEFAULT_ENDPOINT_STATS


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 3."""
    parser = argparse.ArgumentParser(prog="circus-top", description="Runs Circus Top")
    add = parser.add_argument
    add(
        "--control", action="append", default=[], metavar="ENDPOINT",
        help="the control endpoint of a daemon; may be repeated (else CIRCUSCTL_ENDPOINT, else circusd's default)",
    )  # fmt: skip
    add(
        "--endpoint", action="append", default=[], metavar="ENDPOINT",
        help="the endpoint circusd-stats publishes on; may be repeated "
        f"(else the daemon is asked; {DEFAULT_ENDPOINT_STATS} by default)",
    )  # fmt: skip
    add(
        "--discover", nargs="?", const=DEFAULT_ENDPOINT_MULTICAST, metavar="udp://GROUP:PORT",
        help=f"look for daemons of the network, too ({DEFAULT_ENDPOINT_MULTICAST})",
    )  # fmt: skip
    add("--version", action="version", version=__version__, help="show the version and exit")
    add("--ssh", metavar="USER@HOST:PORT", help="reach the endpoints through this ssh server")
    add(
        "--process-timeout", type=float, default=3, metavar="SECONDS",
        help="seconds without data after which a process is no longer shown",
    )  # fmt: skip
    add("--read-only", action="store_true", help="refuse everything that changes something")
    add("--once", action="store_true", help="print one table and exit")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, one document a second, or one with --once")
    form.add_argument("--csv", action="store_true", help="print CSV, one row for each process and second, or --once")
    add("--filter", metavar="EXPRESSION", help="show only what fulfils it, such as 'cpu>50 name~web'")
    add("--sort", metavar="COLUMN", help="sort by this column; with a - in front, the other way round")
    add("--record", metavar="FILE", help="write everything heard to a file (compressed if it ends in .gz)")
    add("--replay", metavar="FILE", help="show a recording instead of a daemon")
    add("--theme", metavar="NAME", help="colours; see ? in the program")
    add("--ascii", action="store_true", help="draw with ASCII only")
    return parser


def __getattr__(name: str) -> Any:
    """``Painter`` and ``_paint``, which older programs take from ``circus.stats.client``."""
    if name in ("Painter", "_paint"):
        from circus.top import classic

        return getattr(classic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run the program; always ends in SystemExit."""
    parser = build_parser()
    options = parser.parse_args()
    check = _problem(options)
    if check:
        parser.error(check)
    if options.once or options.json or options.csv or not _has_terminal():
        from circus.top.batch import run_batch

        sys.exit(run_batch(options))
    from circus.top.app import run_screen

    sys.exit(run_screen(options))


def _problem(options: argparse.Namespace) -> str:
    """What is wrong with the options beyond their form; empty if nothing."""
    from circus.model.dashboard.columns import COLUMNS
    from circus.model.dashboard.filters import FilterError, parse_filter

    if options.process_timeout <= 0:
        return "argument --process-timeout: must be more than 0"
    try:
        parse_filter(options.filter or "")
    except FilterError as error:
        return f"argument --filter: {error}"
    if options.sort and options.sort.lstrip("-") not in COLUMNS:
        return f"argument --sort: no column {options.sort.lstrip('-')!r} (choose from {', '.join(COLUMNS)})"
    if options.replay and (options.control or options.endpoint or options.record or options.discover):
        return "argument --replay: a recording has its own endpoints, and is not recorded again"
    if options.discover:
        return _problem_with_discovery(options)
    return ""


def _problem_with_discovery(options: argparse.Namespace) -> str:
    from circus.top.discovery import check_multicast

    if options.ssh:
        return "argument --discover: it asks this network, not that of the ssh server"
    problem = check_multicast(options.discover)
    return f"argument --discover: {problem}" if problem else ""


def _has_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed
        return False
