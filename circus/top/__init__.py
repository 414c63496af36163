"""``circus-top``, the terminal view of a running daemon: its command line, ahead of the program itself.

Not written yet in this version; the command line is accepted so that scripts can already name it.
"""

from __future__ import annotations

import argparse
import sys

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_STATS


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 3."""
    parser = argparse.ArgumentParser(prog="circus-top", description="Runs Circus Top")
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT_STATS, help="the endpoint circusd-stats publishes on")
    parser.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    parser.add_argument("--ssh", help="reach the endpoint through this ssh server, [user@]host[:port]")
    parser.add_argument(
        "--process-timeout",
        type=float,
        default=3,
        help="seconds without data after which a process is no longer shown",
    )
    return parser


def main() -> None:
    """Read the command line and say that the program is still to come; always ends in SystemExit."""
    build_parser().parse_args()
    sys.exit(f"circus-top is not there yet in Circus {__version__}.")


if __name__ == "__main__":
    main()
