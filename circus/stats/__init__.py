"""``circusd-stats``, the aggregator of statistics: its command line, ahead of the program itself.

Not written yet in this version; the command line is accepted so that scripts and watchers can already name
it.
"""

from __future__ import annotations

import argparse
import sys

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_STATS, DEFAULT_ENDPOINT_SUB


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 4."""
    parser = argparse.ArgumentParser(prog="circusd-stats", description="Runs the stats aggregator for Circus")
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT_DEALER, help="the control endpoint of circusd")
    parser.add_argument("--pubsub", default=DEFAULT_ENDPOINT_SUB, help="the endpoint circusd publishes events on")
    parser.add_argument("--statspoint", default=DEFAULT_ENDPOINT_STATS, help="the endpoint to publish statistics on")
    parser.add_argument("--log-level", dest="loglevel", default="info", help="log level")
    parser.add_argument("--log-output", dest="logoutput", default="-", help="log file, or - for stderr")
    parser.add_argument("--ssh", help="reach circusd through this ssh server, [user@]host[:port]")
    parser.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    return parser


def main() -> None:
    """Read the command line and say that the program is still to come; always ends in SystemExit."""
    build_parser().parse_args()
    sys.exit(f"circusd-stats is not there yet in Circus {__version__}.")


if __name__ == "__main__":
    main()
